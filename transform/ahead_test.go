package transform

import (
	"errors"
	"testing"
)

// TestQueueThatFails: where the objects cannot be handed out any more, who asks
// for the next one gets an error, also before the job knows of its end.
func TestQueueThatFails(t *testing.T) {
	r := &run{ahead: &ahead{order: make(chan *opening)}}
	close(r.ahead.order)
	if src, err := r.open(t.Context(), &object{}); src != nil || !errors.Is(err, errNotQueued) {
		t.Errorf("got %v, %v", src, err)
	}
}
