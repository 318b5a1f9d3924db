package transform

import (
	"context"
	"errors"
	"sync"

	"github.com/batchmill/batchmill/internal/caught"
)

// lifetime tells the stages when a job ends before it is done. When the caller
// ends the job, asking ends at once, and the requests in flight may come to their
// end for as long as the grace lasts.
type lifetime struct {
	asking     context.Context // ends when no more may be read or asked
	stopAsking context.CancelFunc
	askers     sync.WaitGroup // the cutter, the dispatcher, and each batch
	drained    chan struct{}  // closed when asking has ended and no asker is left
	stopped    bool           // the assembler came to the end of what was answered
}

func newLifetime(ctx context.Context) *lifetime {
	l := &lifetime{drained: make(chan struct{})}
	l.asking, l.stopAsking = context.WithCancel(ctx)
	return l
}

// drain waits, once the caller has ended the job, until no asker is left.
func (l *lifetime) drain(beside context.Context) error {
	select {
	case <-l.asking.Done():
		l.askers.Wait()
		close(l.drained)
	case <-beside.Done():
	}
	return nil
}

// startAsker starts an asker, which askers counts already.
func (l *lifetime) startAsker(g caught.Group, f func() error) {
	caught.Go(g, func() error { return l.unlessStopped(caught.Err(f)) })
}

// unlessStopped ends an asker, and drops its error if the asker was told to stop.
func (l *lifetime) unlessStopped(err error) error {
	defer l.askers.Done()
	if l.asking.Err() != nil && errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}
