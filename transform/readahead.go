package transform

import (
	"cmp"
	"context"
	"errors"
	"iter"

	"golang.org/x/sync/semaphore"

	"github.com/batchmill/batchmill/transform/ordered"
	"github.com/batchmill/batchmill/transform/plan"
)

// readahead opens objects before the cutter comes to them: on a distant store a
// million small objects would else be a million times that the hosts wait. Objects
// are opened in the job's order, as many at a time as a store likes, and hold no
// more bytes than all of the inputs' stores may hold for reading. The cutter owns a readahead.
type readahead struct {
	budget *semaphore.Weighted
	next   func() (*prefetched, error, bool)
	close  func() // gives up what was opened and not asked for
}

// prefetched is an object that was opened, or could not be.
type prefetched struct {
	src      *plan.Pinned
	err      error
	reserved int64 // bytes of the budget
}

// errNotQueued says that the cutter asks for more objects than were to be opened.
var errNotQueued = errors.New("the objects could not be queued")

// newReadahead opens up to n objects at a time, which live as long as ctx, and
// hold most bytes together, each at most a piece.
func newReadahead(ctx context.Context, objects iter.Seq2[*plan.Object, error], n int, most, piece int64) *readahead {
	a := &readahead{budget: semaphore.NewWeighted(most)}
	ctx, cancel := context.WithCancel(ctx)
	share := func(o *plan.Object) int64 { return min(o.Info.Size, piece, most) }
	budgeted := func(yield func(*plan.Object, error) bool) {
		for o, err := range objects {
			if err == nil && a.budget.Acquire(ctx, share(o)) != nil {
				return // ctx tells why
			}
			if !yield(o, err) {
				return
			}
		}
	}
	open := func(ctx context.Context, o *plan.Object) (*prefetched, error) {
		src, err := o.Open(ctx)
		return &prefetched{src: src, err: err, reserved: share(o)}, nil
	}
	drop := func(w *prefetched) {
		if w.src != nil {
			_ = w.src.Close() // the object was only opened
		}
	}
	next, stop := iter.Pull2(ordered.Map(ctx, n, budgeted, open, drop))
	a.next, a.close = next, func() {
		cancel()
		stop()
	}
	return a
}

// open is the cutter's next object. The error is the object's, or a [stoppedError].
func (a *readahead) open(ctx context.Context) (*plan.Pinned, error) {
	w, err, ok := a.next()
	if !ok || err != nil {
		return nil, &stoppedError{cmp.Or(ctx.Err(), err, errNotQueued)}
	}
	a.budget.Release(w.reserved)
	return w.src, w.err
}
