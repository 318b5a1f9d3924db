package transform

import (
	"context"

	"github.com/batchmill/batchmill/formats"
)

// layout is what all output records have in common because of the job's
// answers. It is settled once, by the first of them in input order.
type layout struct {
	known chan struct{} // closed once it is settled; formats.Layout is not written to any more
	formats.Layout
}

// newLayout makes a layout that is still to be settled, or one that never
// needs to be, because the output's format takes answers as they are.
func newLayout(open bool) *layout {
	l := &layout{known: make(chan struct{})}
	if !open {
		close(l.known)
	}
	return l
}

func (l *layout) settle(to formats.Layout) {
	l.Layout = to
	close(l.known)
}

func (l *layout) settled() bool {
	select {
	case <-l.known:
		return true
	default:
		return false
	}
}

// wait returns once the layout is known; when it is, ctx does not matter.
func (l *layout) wait(ctx context.Context) (*formats.Layout, error) {
	if l.settled() {
		return &l.Layout, nil
	}
	select {
	case <-l.known:
		return &l.Layout, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
