package ledger

import (
	"context"
	"errors"
	"time"

	"github.com/batchmill/batchmill/transform/job"
	"github.com/batchmill/batchmill/transform/plan"
	"github.com/batchmill/batchmill/transform/store"
)

// Where no lock keeps a second run out, the log fences the older run: nothing of
// that run becomes durable any more. A request that the older run had sent before may still be
// carried out. The same command makes the same bytes, so no harm is done. A run
// that means to make other bytes waits first for the quiet time, until the older run, which
// looks at the log at every heartbeat, has ended its requests.
const (
	Heartbeat = 10 * time.Second
	Quiet     = 30 * time.Second
)

// takeovers is how often a run tries to take over the log of other runs that are
// still at work: the first try stops the older runs, so more than two tries need
// runs that are started at the same time.
const takeovers = 5

// outrun tells whether err may come from another run that went on while
// this run read what is there: the other run wrote to the log, or published an output whose
// mention in the log this run has not read. What is refused twice is refused.
func outrun(p *plan.Plan, err error, try int) bool {
	_, locks := p.Output.(store.Locker)
	var failure *job.Failure
	refused := errors.As(err, &failure) && failure.Class == job.Usage
	return errors.Is(err, store.ErrGrown) || !locks && refused && try < 3
}

// quietFor is how long to wait, once the log is taken over, for what an older
// run may still do. It is called before the log is taken over.
func (l *Ledger) quietFor(ctx context.Context) (time.Duration, error) {
	s := &l.plan.Spec
	otherBytes := s.Overwrite || s.Restart || l.plan.RetryRejects || l.otherPolicy
	if l.unlock != nil || l.seen.Size == 0 || !otherBytes {
		return 0, nil
	}
	left := Quiet - time.Since(l.seen.ModTime)
	if left <= 0 {
		return 0, nil
	}
	status, err := ReadStatus(ctx, l.plan.Output, false)
	if err != nil && (s.Restart || s.BeforeDamage) { // what cannot be read is about to be forgotten
		return min(left, Quiet), nil
	}
	if err != nil || status.State == JobFinished {
		return 0, err
	}
	return min(left, Quiet), nil
}

// rest waits for d, or until ctx ends.
func rest(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
