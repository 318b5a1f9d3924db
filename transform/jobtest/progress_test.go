package jobtest

import (
	"context"
	"fmt"
	"iter"
	"testing"

	"github.com/batchmill/batchmill/transform"
	"github.com/batchmill/batchmill/transform/plan"
	"github.com/batchmill/batchmill/transform/store"
)

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
	progress := new(transform.Progress)
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
	plan, err := plan.New(t.Context(), w.spec, []plan.Source{{Store: in}}, w.output, progress.Found)
	if err != nil {
		t.Fatal(err)
	}
	closing(t, plan)
	if s := progress.Snapshot(); s.Listed != 5 || s.TotalBytes != 45 || s.Records != 0 {
		t.Errorf("%+v", s)
	}
}
