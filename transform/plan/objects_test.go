package plan

import (
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/batchmill/batchmill/transform/codec"
	"github.com/batchmill/batchmill/transform/job"
	"github.com/batchmill/batchmill/transform/store"
)

// TestObjectsComeBack: what was listed of an object is what the plan makes of it again.
func TestObjectsComeBack(t *testing.T) {
	p := closePlan(t, &Plan{objects: objects{inputs: []Source{{Store: store.NewMemory()}, {Store: store.NewMemory(), Prefix: "in"}}}})
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
		o, err := p.Object(i)
		if err != nil {
			t.Fatal(err)
		}
		if got := o.Info; got.Name != want.Name || got.Size != want.Size || got.ETag != want.ETag || !got.ModTime.Equal(want.ModTime) {
			t.Errorf("object %d is %+v, want %+v", i, got, want)
		}
		if want.ModTime.IsZero() != o.Info.ModTime.IsZero() || o.Source != p.objects.inputs[min(i, 1)].Store || o.Index != i {
			t.Errorf("object %d: %+v", i, o)
		}
	}
	if o, _ := p.Object(1); o.Path != "b.csv.gz" || o.Content() != codec.InputOf("b.csv.gz", "in/b.csv.gz", "", math.MaxInt64) || o.Rejects != "_rejects/b.csv.gz.jsonl" {
		t.Errorf("%+v", o)
	}
	if _, err := p.Object(len(infos)); !tempFailed(err) {
		t.Errorf("an object that is none: %v", err)
	}
}

// TestUnpackDamaged: a record that was changed is an error, never a panic.
func TestUnpackDamaged(t *testing.T) {
	info := packInfo(nil, 0, store.Info{Name: "name", ETag: "etag"})
	for n := range 200 {
		rnd := rand.New(rand.NewPCG(uint64(n), 0))
		p := &Plan{Output: store.NewMemory(), objects: objects{inputs: []Source{{Store: store.NewMemory()}}}}
		record := info
		if n > 0 { // in the first round all is well
			record = damaged(rnd, record)
		}
		if _, err := p.objects.listed.Add(record); err != nil {
			t.Fatal(err)
		}
		_, err := p.Object(0)
		if n == 0 && err != nil || err != nil && !tempFailed(err) {
			t.Errorf("round %d: %v", n, err)
		}
		_ = p.Close()
	}
}

// tempFailed tells whether err is a failure of a temporary file.
func tempFailed(err error) bool {
	var failure *job.Failure
	return errors.As(err, &failure) && failure.Class == job.Storage && failure.Hint != ""
}

func damaged(rnd *rand.Rand, record []byte) []byte {
	record = slices.Clone(record)
	record[rnd.IntN(len(record))] ^= byte(1 << rnd.IntN(8))
	return record[:rnd.IntN(len(record)+1)]
}
