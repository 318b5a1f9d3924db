package transform

import (
	"context"
	"fmt"
	"iter"
	"testing"

	"github.com/batchmill/batchmill/transform/store"
)

// sizedBucket is a distant store with limits of its own.
type sizedBucket struct {
	memory
	concurrency int
	size        int64
}

func (b *sizedBucket) URI(name string) string { return fmt.Sprintf("s3://%p/%s", b, name) }
func (b *sizedBucket) Concurrency() int       { return b.concurrency }
func (b *sizedBucket) Memory() int64          { return b.size }

func newSizedBucket(t *testing.T, concurrency int, size int64, names ...string) *sizedBucket {
	t.Helper()
	b := &sizedBucket{memory{store.NewMemory()}, concurrency, size}
	for _, name := range names {
		if err := b.Put(name, []byte(`{"id":1}`+"\n")); err != nil {
			t.Fatal(err)
		}
	}
	return b
}

// TestMemoryOfSeveralBuckets: what readers may hold counts for each bucket that
// inputs are in, and once, whatever the order of the inputs.
func TestMemoryOfSeveralBuckets(t *testing.T) {
	const mib = 1 << 20
	near := store.NewMemory()
	if err := near.Put("near.jsonl", []byte(`{"id":1}`+"\n")); err != nil {
		t.Fatal(err)
	}
	a := newSizedBucket(t, 4, 16*mib, "x/1.jsonl", "y/2.jsonl")
	b := newSizedBucket(t, 9, 10*mib, "3.jsonl")
	c := newSizedBucket(t, 2, 6*mib, "4.jsonl")
	for _, test := range []struct {
		name    string
		inputs  []Source
		output  store.Store
		window  int64 // of 64 MiB
		ahead   int64 // 0: nothing is opened ahead
		openers int
	}{
		{"all near", []Source{{Store: near}}, store.NewMemory(), 64 * mib, 0, 0},
		{"one bucket", []Source{{Store: a}}, store.NewMemory(), 56 * mib, 8 * mib, 4},
		{"one bucket twice", []Source{{Store: a, Prefix: "x"}, {Store: a, Prefix: "y"}}, store.NewMemory(), 56 * mib, 8 * mib, 4},
		{"three buckets", []Source{{Store: a}, {Store: b}, {Store: c}}, store.NewMemory(), 48 * mib, 16 * mib, 9},
		{"the other way round", []Source{{Store: c}, {Store: b}, {Store: a}}, store.NewMemory(), 48 * mib, 16 * mib, 9},
		{"near ones last", []Source{{Store: b}, {Store: c}, {Store: near}}, store.NewMemory(), 56 * mib, 8 * mib, 9},
		{"to a bucket", []Source{{Store: b}, {Store: c}}, newSizedBucket(t, 1, 16*mib), 48 * mib, 8 * mib, 9},
		{"never less than half", []Source{{Store: newSizedBucket(t, 1, 200*mib, "5.jsonl")}}, store.NewMemory(), 32 * mib, 100 * mib, 1},
	} {
		spec := smallJob(1, 1).spec
		spec.Memory, spec.MaxRecord, spec.MaxResponse = 64*mib, mib, mib
		if err := spec.Validate(); err != nil {
			t.Fatal(err)
		}
		plan, err := NewPlan(t.Context(), spec, test.inputs, test.output, new(Progress))
		if err != nil {
			t.Fatalf("%s: %v", test.name, err)
		}
		closing(t, plan)
		if got := plan.windowMemory(); got != test.window {
			t.Errorf("%s: a window of %d bytes, want %d", test.name, got, test.window)
		}
		ahead := newAhead(plan)
		switch {
		case (ahead == nil) != (test.ahead == 0):
			t.Errorf("%s: opened ahead: %v", test.name, ahead != nil)
		case ahead != nil && (ahead.most != test.ahead || ahead.openers != test.openers):
			t.Errorf("%s: %d bytes ahead by %d openers, want %d by %d", test.name, ahead.most, ahead.openers, test.ahead, test.openers)
		}
	}
}

// toldStore calls told before each entry of a list.
type toldStore struct {
	*store.Memory
	told func(yielded int)
}

func (s *toldStore) List(ctx context.Context, prefix string) iter.Seq2[store.Info, error] {
	return func(yield func(store.Info, error) bool) {
		n := 0
		for info, err := range s.Memory.List(ctx, prefix) {
			s.told(n)
			n++
			if !yield(info, err) {
				return
			}
		}
	}
}

// TestProgressOfAPlan: while objects are listed one can see how many were found,
// and that more may come.
func TestProgressOfAPlan(t *testing.T) {
	w := smallJob(1, 1)
	if err := w.spec.Validate(); err != nil {
		t.Fatal(err)
	}
	progress := new(Progress)
	in := &toldStore{store.NewMemory(), func(yielded int) {
		if s := progress.Snapshot(); s.Listed != int64(yielded) || s.TotalBytes != 0 {
			t.Errorf("behind %d objects: %d, %d bytes", yielded, s.Listed, s.TotalBytes)
		}
	}}
	for i := range 5 {
		if err := in.Put(fmt.Sprintf("%d.jsonl", i), []byte(`{"id":1}`+"\n")); err != nil {
			t.Fatal(err)
		}
	}
	plan, err := NewPlan(t.Context(), w.spec, []Source{{Store: in}}, w.output, progress)
	if err != nil {
		t.Fatal(err)
	}
	closing(t, plan)
	if s := progress.Snapshot(); s.Listed != 5 || s.TotalBytes != 45 || s.Records != 0 {
		t.Errorf("%+v", s)
	}
}
