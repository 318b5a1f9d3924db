package transform

import (
	"cmp"
	"context"
	"errors"

	"golang.org/x/sync/semaphore"
)

// ahead opens objects before the cutter comes to them: on a distant store a
// million small ones would else be a million times that the hosts wait. They
// come in the job's order, as many at a time as a store likes, and hold no
// more bytes than all of the inputs' stores may hold for reading.
type ahead struct {
	openers int
	budget  *semaphore.Weighted
	most    int64         // all of the budget
	tasks   chan *opening // to be opened
	order   chan *opening // for the cutter
}

// opening is an object that is being opened. What it yields may be looked at
// when done is closed, by the one who took it from the order.
type opening struct {
	o    *object
	held int64 // of the budget
	src  *pinned
	err  error
	done chan struct{}
}

// aheadPiece is what an open reader holds that nobody has read from yet, in
// bytes: an object's beginning, or all of a small one.
const aheadPiece = 1 << 20

// newAhead is nil where no input is distant.
func newAhead(p *Plan) *ahead {
	if len(p.distant) == 0 {
		return nil
	}
	n := 0 // objects come in order, so that it is mostly one store that is asked
	for _, d := range p.distant {
		n = max(n, d.Concurrency())
	}
	most := max(p.readAhead(), aheadPiece)
	return &ahead{openers: n, budget: semaphore.NewWeighted(most), most: most,
		tasks: make(chan *opening), order: make(chan *opening, n)}
}

// queue hands out the objects that the cutter will ask for, in its order, until
// ctx ends: the cutter may stop before the last one.
func (a *ahead) queue(ctx context.Context, r *run) error {
	defer close(a.tasks)
	defer close(a.order)
	for i := range r.plan.count() {
		if r.state.fates.has(i, settledMark) {
			continue
		}
		o, err := r.plan.object(i)
		if err != nil {
			return err
		}
		w := &opening{o: o, done: make(chan struct{})}
		w.held = min(w.o.info.Size, aheadPiece, a.most)
		if a.budget.Acquire(ctx, w.held) != nil {
			return nil
		}
		for _, to := range []chan *opening{a.order, a.tasks} {
			select {
			case to <- w:
			case <-ctx.Done():
				return nil
			}
		}
	}
	return nil
}

// serve opens what is queued. A failure is the object's, and told with it. The
// readers live as long as ctx.
func (a *ahead) serve(ctx context.Context) error {
	for w := range a.tasks {
		w.src, w.err = openPinned(ctx, w.o)
		close(w.done)
	}
	return nil
}

// close gives up what was opened and not asked for. Nobody else may be at work any more.
func (a *ahead) close() {
	for {
		select {
		case w, ok := <-a.order:
			if !ok {
				return
			}
			select {
			case <-w.done:
				if w.src != nil {
					_ = w.src.Close() // it was only opened
				}
			default: // nobody came to open it
			}
		default:
			return
		}
	}
}

// errNotQueued says that no more objects are opened ahead. Why, queue tells.
var errNotQueued = errors.New("the objects could not be queued")

// open opens the cutter's next object, or takes the one that was opened ahead.
func (r *run) open(ctx context.Context, o *object) (*pinned, error) {
	if r.ahead == nil {
		return openPinned(ctx, o)
	}
	select {
	case w, ok := <-r.ahead.order:
		if !ok {
			// Only the job's end closes it while somebody asks; the end may
			// be a failure to queue, of which ctx does not know yet.
			return nil, cmp.Or(ctx.Err(), errNotQueued)
		}
		defer r.ahead.budget.Release(w.held)
		select {
		case <-w.done:
			return w.src, w.err
		case <-ctx.Done():
		}
	case <-ctx.Done():
	}
	return nil, ctx.Err()
}
