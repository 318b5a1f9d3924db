package transform

import (
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/batchmill/batchmill/transform/manifest"
	"github.com/batchmill/batchmill/transform/store"
)

// TestObjectsComeBack: what was listed of an object is what the plan makes of it again.
func TestObjectsComeBack(t *testing.T) {
	p := closing(t, &Plan{objects: objects{inputs: []Source{{Store: store.NewMemory()}, {Store: store.NewMemory(), Prefix: "in"}}}})
	infos := []store.Info{
		{Name: "a", Size: 1, ModTime: time.Date(2026, 3, 1, 10, 0, 0, 1, time.UTC)},
		{Name: "in/b.csv.gz", ETag: `"x"`, Size: math.MaxInt64},
		{Name: "in/ü\x00/c", ModTime: time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC)},
		{Name: "in/d", ModTime: time.Date(9999, 1, 1, 0, 0, 0, 999_999_999, time.FixedZone("", 3600))},
	}
	for i, info := range infos {
		if err := p.objects.add(min(i, 1), info); err != nil {
			t.Fatal(err)
		}
	}
	for i, want := range infos {
		o, err := p.object(i)
		if err != nil {
			t.Fatal(err)
		}
		if got := o.info; got.Name != want.Name || got.Size != want.Size || got.ETag != want.ETag || !got.ModTime.Equal(want.ModTime) {
			t.Errorf("object %d is %+v, want %+v", i, got, want)
		}
		if want.ModTime.IsZero() != o.info.ModTime.IsZero() || o.source != p.objects.inputs[min(i, 1)].Store || o.index != i {
			t.Errorf("object %d: %+v", i, o)
		}
	}
	if o, _ := p.object(1); o.rel != "b.csv.gz" || o.compression.String() != "gzip" || o.rejects != "_rejects/b.csv.gz.jsonl" {
		t.Errorf("%+v", o)
	}
	if _, err := p.object(len(infos)); ClassOf(err) != Storage || HintOf(err) == "" {
		t.Errorf("an object that is none: %v", err)
	}
}

// TestUnpackDamaged: a record that was changed is an error, never a panic.
func TestUnpackDamaged(t *testing.T) {
	whole := packFate(nil, &manifest.Object{Status: manifest.Published, Error: "e", Output: &manifest.Output{SHA256: "ab"}, Rejects: &manifest.Rejects{SHA256: "cd"}})
	info := packInfo(nil, 0, store.Info{Name: "name", ETag: "etag"})
	for n := range 200 {
		rnd := rand.New(rand.NewPCG(uint64(n), 0))
		p := &Plan{Output: store.NewMemory(), objects: objects{inputs: []Source{{Store: store.NewMemory()}}}}
		for _, record := range [][]byte{info, slices.Clone(info)} {
			if n > 0 { // in the first round all is well
				record = damaged(rnd, record)
			}
			if _, err := p.objects.listed.Add(record); err != nil {
				t.Fatal(err)
			}
		}
		f := newFates(p)
		record := whole
		if n > 0 {
			record = damaged(rnd, whole)
		}
		if _, err := f.told.Add(record); err != nil {
			t.Fatal(err)
		}
		f.newest[0] = 1
		o, err := p.object(0)
		if err == nil {
			_, err = f.of(o)
		}
		if n == 0 && err != nil || err != nil && ClassOf(err) != Storage {
			t.Errorf("round %d: %v", n, err)
		}
		_ = p.Close()
		_ = f.close()
	}
}

func damaged(rnd *rand.Rand, record []byte) []byte {
	record = slices.Clone(record)
	record[rnd.IntN(len(record))] ^= byte(1 << rnd.IntN(8))
	return record[:rnd.IntN(len(record)+1)]
}

// TestFatesComeBack: the newest word on an object counts.
func TestFatesComeBack(t *testing.T) {
	p := closing(t, &Plan{Output: store.NewMemory(), objects: objects{inputs: []Source{{Store: store.NewMemory()}}}})
	for i := range 3 {
		if err := p.objects.add(0, store.Info{Name: fmt.Sprint("o", i), Size: 5}); err != nil {
			t.Fatal(err)
		}
	}
	p.codec = new(codec)
	f := newFates(p)
	defer f.close()
	o, err := p.object(1)
	if err != nil {
		t.Fatal(err)
	}
	if m, err := f.of(o); m != nil || err != nil {
		t.Errorf("nothing is known, but %+v, %v", m, err)
	}
	for _, want := range []manifest.Object{
		{Status: manifest.Failed, Error: "é\n", Counts: manifest.Counts{In: math.MaxInt64, Answered: 1}, Requests: 7},
		{Status: manifest.Held, OnBad: "fail", Counts: manifest.Counts{In: 2, Rejected: 2}, Rejects: &manifest.Rejects{URI: p.Output.URI(o.rejects), SHA256: "0f"}},
		{Status: manifest.Published, Retries: 3, Output: &manifest.Output{URI: p.Output.URI(o.out), Size: 9, SHA256: "ff"}},
	} {
		want.Input = o.input()
		if err := f.put(1, &want); err != nil {
			t.Fatal(err)
		}
		if got, err := f.of(o); err != nil || !reflect.DeepEqual(got, &want) {
			t.Errorf("%+v (%v), want %+v", got, err, want)
		}
	}
	if n, err := f.records(o); n != 0 || err != nil {
		t.Errorf("%d records, %v", n, err)
	}
}

// TestReopenedFates: what was published of an object that is built again is ours to replace, and nothing else is.
func TestReopenedFates(t *testing.T) {
	p := &Plan{}
	for name, c := range map[string]struct {
		steps []func(*fates)
		ours  bool
	}{
		"published":                 {[]func(*fates){published}, true},
		"held":                      {[]func(*fates){held}, false},
		"held, once published":      {[]func(*fates){published, held}, false},
		"published, then an intent": {[]func(*fates){published, func(f *fates) { f.set(0, intentMark) }}, true},
		"an intent alone":           {[]func(*fates){func(f *fates) { f.set(0, intentMark) }}, false},
	} {
		f := &fates{plan: p, marks: make([]mark, 1)}
		for _, step := range c.steps {
			step(f)
		}
		if f.reopen(0); f.has(0, oursMark) != c.ours || f.has(0, settledMark|intentMark|publishedMark) {
			t.Errorf("%s: marks %b", name, f.marks[0])
		}
	}
}

func published(f *fates) { f.settle(0, manifest.Published) }
func held(f *fates)      { f.settle(0, manifest.Held) }
