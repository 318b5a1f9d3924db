package transform

import (
	"errors"
	"testing"

	"github.com/batchmill/batchmill/transform/plan"
)

// TestReadaheadThatFails: where the objects cannot be handed out any more, the
// job stops with the reason, and also where the cutter asks again.
func TestReadaheadThatFails(t *testing.T) {
	broken := errors.New("broken")
	a := newReadahead(t.Context(), func(yield func(*plan.Object, error) bool) { yield(nil, broken) }, 4, 1<<20, 1<<20)
	defer a.close()
	for _, want := range []error{broken, errNotQueued} {
		src, err := a.open(t.Context())
		var stopped *stoppedError
		if src != nil || !errors.As(err, &stopped) || !errors.Is(stopped.error, want) {
			t.Errorf("got %v, %v, want %v", src, err, want)
		}
	}
}
