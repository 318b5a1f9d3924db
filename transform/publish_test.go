package transform

import (
	"testing"
	"testing/synctest"

	"github.com/batchmill/batchmill/transform/job"
	"github.com/batchmill/batchmill/transform/manifest"
	"github.com/batchmill/batchmill/transform/plan"
	"github.com/batchmill/batchmill/transform/store"
)

// farStore is a distant store.
type farStore struct{ near }

type near struct{ *store.Memory }

func (farStore) Concurrency() int { return 4 }
func (farStore) Memory() int64    { return 1 << 20 }

// TestPublishRoom: objects that wait to be published hold no more than the
// store may, and one that holds more goes alone.
func TestPublishRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		room := newPublishRoom(farStore{near{store.NewMemory()}})
		large := func() *sink { return &sink{out: &summed{size: 1 << 40}} }
		first, second := large(), large()
		if err := room.enter(t.Context(), first); err != nil || first.bytes != room.most {
			t.Fatalf("the first holds %d of %d, %v", first.bytes, room.most, err)
		}
		in := make(chan error, 1)
		go func() { in <- room.enter(t.Context(), second) }()
		synctest.Wait()
		select {
		case <-in:
			t.Fatal("two that fill the room are in it")
		default:
		}
		room.leave(first)
		if err := <-in; err != nil {
			t.Fatal(err)
		}
	})
}

// TestConservedFindsWhatDoesNotAddUp gives the last check before publishing the
// counts of every way to lose a record, or to have one too many.
func TestConservedFindsWhatDoesNotAddUp(t *testing.T) {
	for _, c := range []struct {
		name   string
		onBad  string
		counts manifest.Counts
		whole  bool
	}{
		{"placeholder", "placeholder", manifest.Counts{In: 10, Out: 10, Answered: 8, Rejected: 2}, true},
		{"skip", "skip", manifest.Counts{In: 10, Out: 8, Answered: 8, Rejected: 2}, true},
		{"nothing", "skip", manifest.Counts{}, true},
		{"a record lost", "skip", manifest.Counts{In: 10, Out: 7, Answered: 7, Rejected: 2}, false},
		{"a reject lost", "placeholder", manifest.Counts{In: 10, Out: 10, Answered: 8, Rejected: 1}, false},
		{"a record twice", "skip", manifest.Counts{In: 10, Out: 9, Answered: 9, Rejected: 2}, false},
		{"not written", "skip", manifest.Counts{In: 10, Out: 7, Answered: 8, Rejected: 2}, false},
		{"written twice", "placeholder", manifest.Counts{In: 10, Out: 11, Answered: 8, Rejected: 2}, false},
		{"a placeholder under skip", "skip", manifest.Counts{In: 10, Out: 10, Answered: 8, Rejected: 2}, false},
		{"no placeholder", "placeholder", manifest.Counts{In: 10, Out: 8, Answered: 8, Rejected: 2}, false},
	} {
		s := &sink{run: &run{plan: &plan.Plan{Spec: job.Spec{OnBad: c.onBad}}}, object: &plan.Object{Source: store.NewMemory()}}
		s.counts = c.counts
		if err := s.conserved(); (err == nil) != c.whole || err != nil && ClassOf(err) != job.Internal {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}
