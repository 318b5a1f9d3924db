package workers

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// A Pool is the fleet. It hands out [Lease]s: the right to send one request to
// one host. It starts no goroutines; who calls [Pool.Warm] brings one along.
// Its methods may be called concurrently.
type Pool struct {
	limits Limits
	budget Budget
	clock  atomic.Uint64

	mu       sync.Mutex
	members  []*Member
	left     []*Member         // that sources found once, and that are not there any more
	sources  map[Source]string // and what went wrong with each the last time
	waiters  []*waiter         // by order, then by arrival
	avoiding bool              // one of them waits although the host that it avoids has room
	inFlight int               // leases given out
	one      bool              // hosts get one request at a time, whatever is found of them
	began    time.Time         // when the pool was made
	reserved *Member           // gets no more requests until one has it alone
	trouble  time.Time         // the first bad outcome since the last good one; zero without
	idle     time.Time         // since when no host is ready; zero while one is
	changed  chan struct{}     // closed, and replaced, when a host becomes ready or is dropped
	wake     *time.Timer       // runs serve when time alone may change who can be served
}

// NewPool makes a pool of a fleet's hosts; what its sources find joins it by
// [Pool.Refresh]. No host gets a request before Warm has found it ready.
func NewPool(f Fleet, l Limits) *Pool {
	p := &Pool{limits: l.withDefaults(), changed: make(chan struct{}), idle: time.Now(), began: time.Now(), sources: map[Source]string{}}
	for _, s := range f.Sources {
		p.sources[s] = "no address known yet"
	}
	for _, h := range f.Hosts {
		p.members = append(p.members, newMember(p, h))
	}
	return p
}

// Members are the hosts that are there now, in the order they came.
func (p *Pool) Members() []*Member {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.members)
}

// Wish says which host a request is for.
type Wish struct {
	// Order is the request's place among those that wait: the lowest is first.
	Order int64
	// Avoid is taken only when no other host can be used now or soon.
	Avoid *Member
	// Alone waits until nothing else is in flight at the host, and keeps it so.
	Alone bool
}

// Acquire waits for a host with room and leases it. Among the hosts that are
// ready, not resting and have room it takes the less busy of two random ones.
//
// The error is ctx's, or an *AllDroppedError, or an *UnavailableError once there
// was no good answer for HostWait, or no host ready for ReadyTimeout.
func (p *Pool) Acquire(ctx context.Context, wish Wish) (*Lease, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	w := &waiter{Wish: wish, served: make(chan struct{})}
	p.mu.Lock()
	p.enqueue(w)
	p.serve()
	p.mu.Unlock()
	select {
	case <-w.served:
		return w.lease, w.err
	case <-ctx.Done():
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if w.lease != nil { // served in the same instant: hand it back
		p.giveBack(w.lease)
	} else {
		p.dequeue(w)
	}
	p.serve()
	return nil, ctx.Err()
}

// Await waits until one host is ready, and returns what the ready ones tell of
// themselves, the strictest of each. Errors are those of Acquire.
func (p *Pool) Await(ctx context.Context) (Parameters, error) {
	for {
		p.mu.Lock()
		err, params, ready, changed := p.fatal(), Parameters{}, false, p.changed
		until := p.readyDeadline()
		for _, m := range p.members {
			if m.up() {
				params, ready = strictest(params, m.params), true
			}
		}
		p.mu.Unlock()
		if ready || err != nil {
			return params, err
		}
		if err := waitChange(ctx, changed, time.Until(until)); err != nil {
			return Parameters{}, err
		}
	}
}

// waitChange returns nil when changed is closed or d has passed.
func waitChange(ctx context.Context, changed <-chan struct{}, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-changed:
	case <-t.C:
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

const (
	firstPing = 250 * time.Millisecond
	slowPing  = 2 * time.Second
)

// Warm asks m whether it is ready until it is. It returns nil when m is ready,
// dropped or gone, ctx's error, or an *UnavailableError when no host at all became
// ready within ReadyTimeout; while others are, it goes on asking.
func (p *Pool) Warm(ctx context.Context, m *Member) error {
	for wait := firstPing; ; wait = min(2*wait, slowPing) {
		params, err := m.host.Ready(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		done, err := p.warmed(m, params, err)
		if done || err != nil {
			return err
		}
		if err := sleep(ctx, wait); err != nil {
			return err
		}
	}
}

// pinger is a host that can tell that it is there again. Others are always ready.
type pinger interface{ Pings() bool }

// Watch warms m, and again each time that it could not be reached: a host that
// is back is asked sooner than its rest would end. It returns nil for a host that cannot tell,
// or that is dropped or gone; errors are those of Warm.
func (p *Pool) Watch(ctx context.Context, m *Member) error {
	host, tells := m.host.(pinger)
	for {
		if err := p.Warm(ctx, m); err != nil || !tells || !host.Pings() || !p.inUse(m) {
			return err
		}
		select {
		case <-m.lost:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// inUse tells whether m is neither dropped nor gone.
func (p *Pool) inUse(m *Member) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return m.dropped == "" && slices.Contains(p.members, m)
}

// warmed notes what a host said to Ready.
func (p *Pool) warmed(m *Member, params Parameters, err error) (done bool, fatal error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if m.dropped != "" || !slices.Contains(p.members, m) {
		return true, nil
	}
	if err == nil && m.ready { // it was, and is back
		m.rest = time.Now()
		p.serve()
		return true, nil
	}
	if err == nil {
		m.ready, m.params, m.limiter = true, params, p.limits.limiter(params)
		if p.one {
			m.limiter.hold(true)
		}
		m.reason = ""
		p.idle = time.Time{}
		p.announce()
		p.serve()
		return true, nil
	}
	m.reason = cut(err.Error())
	fatal = p.fatal()
	if _, ok := errors.AsType[*UnavailableError](fatal); ok {
		p.serve()
		return false, fatal
	}
	return false, nil
}

// announce wakes who waits for a host to come or go. Called with mu held.
func (p *Pool) announce() {
	close(p.changed)
	p.changed = make(chan struct{})
}

// SpendRetry takes one retry from the fleet's budget: 20% of requests plus 3 a
// second. An empty budget delays; the only error is that of ctx.
func (p *Pool) SpendRetry(ctx context.Context) error { return p.budget.Spend(ctx) }

// Clock counts the fleet's good answers so far.
func (p *Pool) Clock() uint64 { return p.clock.Load() }
