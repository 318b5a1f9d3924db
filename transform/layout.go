package transform

import "context"

// width is the number of output fields that every answer of the job takes. It
// is settled once, by the job's first answer in input order; 0 where the
// output's format does not fix it.
type width struct {
	known  chan struct{}
	fields int
}

// newWidth makes a width that is still to be settled, or one that never needs to be.
func newWidth(fixed bool) *width {
	w := &width{known: make(chan struct{})}
	if !fixed {
		close(w.known)
	}
	return w
}

func (w *width) settle(fields int) {
	w.fields = fields
	close(w.known)
}

func (w *width) settled() bool {
	select {
	case <-w.known:
		return true
	default:
		return false
	}
}

// wait returns the width once it is known; when it is, ctx does not matter.
func (w *width) wait(ctx context.Context) (int, error) {
	if w.settled() {
		return w.fields, nil
	}
	select {
	case <-w.known:
		return w.fields, nil
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}
