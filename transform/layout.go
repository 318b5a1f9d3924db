package transform

import (
	"context"

	"github.com/batchmill/batchmill/formats"
)

// layout is what all output records have in common because of the job's
// answers. The layout is fixed once, by the first answers in input order.
type layout struct {
	known chan struct{} // closed once the layout is fixed; formats.Layout is not written to any more
	formats.Layout
}

// newLayout makes a layout that is still to be fixed, or where open is false, a fixed
// layout, for an output whose format takes answers as they are.
func newLayout(open bool) *layout {
	l := &layout{known: make(chan struct{})}
	if !open {
		close(l.known)
	}
	return l
}

func (l *layout) fix(to formats.Layout) {
	l.Layout = to
	close(l.known)
}

func (l *layout) fixed() bool {
	select {
	case <-l.known:
		return true
	default:
		return false
	}
}

// wait returns once the layout is known; with a known layout, ctx does not matter.
func (l *layout) wait(ctx context.Context) (*formats.Layout, error) {
	if l.fixed() {
		return &l.Layout, nil
	}
	select {
	case <-l.known:
		return &l.Layout, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
