package ledger

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"github.com/batchmill/batchmill/transform/job"
	"github.com/batchmill/batchmill/transform/manifest"
	"github.com/batchmill/batchmill/transform/plan"
	"github.com/batchmill/batchmill/transform/store"
)

// smallPlan plans a job of n small objects.
func smallPlan(t *testing.T, n int) *plan.Plan {
	t.Helper()
	in := store.NewMemory()
	for i := range n {
		if err := in.Put(fmt.Sprint("o", i, ".jsonl"), []byte("{}\n")); err != nil {
			t.Fatal(err)
		}
	}
	spec := job.Spec{Input: []string{"in"}, Output: "out"}
	if err := spec.Validate(); err != nil {
		t.Fatal(err)
	}
	p, err := plan.New(t.Context(), spec, []plan.Source{{Store: in}}, store.NewMemory(), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return p
}

// TestDamagedOutcomes: a record that was changed is an error, never a panic.
func TestDamagedOutcomes(t *testing.T) {
	p := smallPlan(t, 1)
	o, err := p.Object(0)
	if err != nil {
		t.Fatal(err)
	}
	whole := packOutcome(nil, &manifest.Object{Status: manifest.Published, Error: "e", Output: &manifest.Output{SHA256: "ab"}, Rejects: &manifest.Rejects{SHA256: "cd"},
		Reasons: manifest.Reasons{{Reason: "ragged", Count: 1}}})
	for n := range 200 {
		rnd := rand.New(rand.NewPCG(uint64(n), 0))
		record := slices.Clone(whole)
		if n > 0 { // in the first round all is well
			record[rnd.IntN(len(record))] ^= byte(1 << rnd.IntN(8))
			record = record[:rnd.IntN(len(record)+1)]
		}
		f := newOutcomes(p)
		if _, err := f.told.Add(record); err != nil {
			t.Fatal(err)
		}
		f.newest[0] = 1
		var failure *job.Failure
		if _, err := f.of(o); n == 0 && err != nil || err != nil && !(errors.As(err, &failure) && failure.Class == job.Storage) {
			t.Errorf("round %d: %v", n, err)
		}
		_ = f.close()
	}
}

// TestOutcomesComeBack: the newest word on an object counts.
func TestOutcomesComeBack(t *testing.T) {
	p := smallPlan(t, 3)
	f := newOutcomes(p)
	defer f.close()
	o, err := p.Object(1)
	if err != nil {
		t.Fatal(err)
	}
	if m, err := f.of(o); m != nil || err != nil {
		t.Errorf("nothing is known, but %+v, %v", m, err)
	}
	for _, want := range []manifest.Object{
		{Status: manifest.Failed, Error: "é\n", Counts: manifest.Counts{In: math.MaxInt64, Answered: 1}, Requests: 7},
		{Status: manifest.Held, OnBad: "fail", Counts: manifest.Counts{In: 2, Rejected: 2}, Rejects: &manifest.Rejects{URI: p.Output.URI(o.Rejects), SHA256: "0f"},
			Reasons: manifest.Reasons{{Reason: "ragged", Count: 1, Sample: manifest.Sample{Object: "é", Record: 7}}, {Reason: "host_refused", Count: 1, Sample: manifest.Sample{Status: 400, Host: "h"}}}},
		{Status: manifest.Published, Retries: 3, Output: &manifest.Output{URI: p.Output.URI(o.Output), Size: 9, SHA256: "ff"}},
	} {
		want.Input = o.Input()
		if err := f.put(1, &want); err != nil {
			t.Fatal(err)
		}
		if got, err := f.of(o); err != nil || !reflect.DeepEqual(got, &want) {
			t.Errorf("%+v (%v), want %+v", got, err, want)
		}
	}
}

// TestReopenedOutcomes: what was published of an object that is built again is ours to replace, and nothing else is.
func TestReopenedOutcomes(t *testing.T) {
	p := &plan.Plan{}
	for name, c := range map[string]struct {
		steps []func(*outcomes)
		ours  bool
	}{
		"published":                 {[]func(*outcomes){published}, true},
		"held":                      {[]func(*outcomes){held}, false},
		"held, once published":      {[]func(*outcomes){published, held}, false},
		"published, then an intent": {[]func(*outcomes){published, func(f *outcomes) { f.set(0, intentMark) }}, true},
		"an intent alone":           {[]func(*outcomes){func(f *outcomes) { f.set(0, intentMark) }}, false},
	} {
		f := &outcomes{plan: p, marks: make([]mark, 1)}
		for _, step := range c.steps {
			step(f)
		}
		if f.reopen(0); f.has(0, oursMark) != c.ours || f.has(0, settledMark|intentMark|publishedMark) {
			t.Errorf("%s: marks %b", name, f.marks[0])
		}
	}
}

func published(f *outcomes) { f.settle(0, manifest.Published) }
func held(f *outcomes)      { f.settle(0, manifest.Held) }
