package transform

import (
	"context"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/batchmill/batchmill/transform/store"
)

// Where no lock keeps a second run out, the log fences an older one: nothing of
// it becomes durable any more. A request that it had sent before may still be
// carried out. The same command makes the same bytes, so no harm is done. A run
// that means to make others waits first until the older one, which looks at the
// log at every heartbeat, has ended its requests.
const (
	heartbeat = 10 * time.Second
	quiet     = 30 * time.Second
)

// heartbeat is how often a run that has nothing to log shows that it is at work;
// 0 where a lock does.
func (p *Plan) heartbeat() time.Duration {
	if _, ok := p.Output.(store.Locker); ok {
		return 0
	}
	return heartbeat
}

// quietFor is how long to wait, once the log is taken over, for what an older
// run may still do. It is asked before.
func (st *state) quietFor(ctx context.Context) (time.Duration, error) {
	s := &st.plan.Spec
	makesOthers := s.Overwrite || s.Restart || st.plan.retryRejects || st.otherPolicy
	if st.unlock != nil || st.seen == 0 || !makesOthers {
		return 0, nil
	}
	left := quiet - time.Since(st.grown)
	if left <= 0 {
		return 0, nil
	}
	status, err := ReadStatus(ctx, st.plan.Output)
	if err != nil && s.Restart { // what cannot be read is about to be forgotten
		return min(left, quiet), nil
	}
	if err != nil || status.State == JobFinished {
		return 0, err
	}
	return min(left, quiet), nil
}

// rest waits for so long.
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

// publishRoom bounds what objects hold that wait to be published on a distant
// store, in bytes: many wait at a time, so that many small ones go quickly, and
// large ones must not take a part of memory each. Nil bounds nothing.
type publishRoom struct {
	free *semaphore.Weighted
	most int64
}

// What an object that is not sent yet may hold, in bytes, at most and at least.
const (
	mostHeld  = 16 << 20
	leastHeld = 64 << 10
)

func newPublishRoom(s store.Store) *publishRoom {
	d, ok := s.(store.Distant)
	if !ok {
		return nil
	}
	most := max(d.Memory()/2, leastHeld)
	return &publishRoom{semaphore.NewWeighted(most), most}
}

// enter waits until there is room for what the sink holds.
func (p *publishRoom) enter(ctx context.Context, s *sink) error {
	if p == nil {
		return nil
	}
	for _, o := range []*summed{s.out, s.rejects} {
		if o != nil {
			s.held += min(max(2*o.size, leastHeld), mostHeld) // buffers double as they grow
		}
	}
	s.held = min(s.held, p.most)
	return p.free.Acquire(ctx, s.held)
}

// leave gives the room back.
func (p *publishRoom) leave(s *sink) {
	if p != nil {
		p.free.Release(s.held)
	}
}
