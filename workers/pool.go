package workers

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// A Pool is a fleet at work. The pool gives out a [Lease] for each request: a
// place at one host. A pool starts no goroutines; [Pool.Watch] runs in one of the
// caller's for each member. The methods may be called concurrently.
type Pool struct {
	limits      Limits
	retries     retryBudget
	goodAnswers atomic.Uint64
	incidents   incidents

	mu             sync.Mutex
	members        []*Member
	departed       []*Member         // hosts that a source named earlier and does not name any more
	sources        map[Source]string // with the last failure of each source
	waiters        []*waiter         // sorted by Order, equal ones by arrival
	avoiderWaits   bool              // a waiter waits although the host that it avoids has room
	inFlight       int               // leases that have not ended
	singleRequests bool              // each host gets one request at a time, whatever its limiter found
	began          time.Time         // when NewPool made the pool
	reservedMember *Member           // gets no more requests until an Exclusive waiter has the host
	troubledSince  time.Time         // the first bad outcome since the last good answer; zero without a bad outcome
	noneReadySince time.Time         // since when no host is ready; zero while a host is
	changed        chan struct{}     // closed, and replaced, when a host becomes ready or is dropped
	timer          *time.Timer       // runs serve when time alone may let a waiter be served
}

// NewPool makes a pool of the hosts of f. Hosts that a source of f finds join the
// pool by [Pool.Refresh]. No host gets a request before [Pool.Watch] has found
// the host ready.
func NewPool(f Fleet, l Limits) *Pool {
	p := &Pool{limits: l.withDefaults(), incidents: make(incidents, mostIncidents), changed: make(chan struct{}), noneReadySince: time.Now(), began: time.Now(), sources: map[Source]string{}}
	for _, s := range f.Sources {
		p.sources[s] = "no address known yet"
	}
	for _, h := range f.Hosts {
		p.members = append(p.members, newMember(p, h))
	}
	return p
}

// Members are the hosts of the fleet now, in the order they joined. The slice is
// the caller's.
func (p *Pool) Members() []*Member {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.members)
}

// Examine lets the hosts that keep connections look at those for responses that nobody
// asked for; see [Trust].
func (p *Pool) Examine(ctx context.Context) {
	for _, m := range p.Members() {
		if h, ok := m.host.(interface{ Examine(context.Context) }); ok {
			h.Examine(ctx)
		}
	}
}

// Wish says which host a request is for.
type Wish struct {
	// Order is the request's rank among the requests that wait: the lowest is served first.
	Order int64
	// Avoid is a host that is leased only when no other host can be used now or
	// within 2 seconds.
	Avoid *Member
	// Proven asks for a host that has answered more lately than the others, if one that is
	// neither ejected nor at a longer rest has answered at all: Acquire waits for its room.
	Proven bool
	// Exclusive waits until nothing else is in flight at the host, and keeps
	// other requests away from the host until the lease ends.
	Exclusive bool
}

// Acquire waits for a host with room and leases it. Among the hosts that are
// ready, not resting and have room, Acquire takes the less loaded of two random ones.
//
// The error is that of ctx, an *AllDroppedError, or an *UnavailableError once
// there was no good answer for HostWait, or no host ready for ReadyTimeout.
func (p *Pool) Acquire(ctx context.Context, wish Wish) (*Lease, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	w := &waiter{Wish: wish, done: make(chan struct{})}
	p.mu.Lock()
	p.enqueue(w)
	p.serve()
	p.mu.Unlock()
	select {
	case <-w.done:
		return w.lease, w.err
	case <-ctx.Done():
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if w.lease != nil { // served in the same instant: the lease is not wanted any more
		p.endLease(w.lease)
	} else {
		p.dequeue(w)
	}
	p.serve()
	return nil, ctx.Err()
}

// Await waits until a host is ready, and returns the parameters of the ready
// hosts, of each parameter the strictest value. Errors are those of Acquire.
func (p *Pool) Await(ctx context.Context) (Parameters, error) {
	for {
		p.mu.Lock()
		err, params, ready, changed := p.fatal(), Parameters{}, false, p.changed
		until := p.readyDeadline()
		for _, m := range p.members {
			if m.usable() {
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

const (
	firstPing   = 250 * time.Millisecond
	longestPing = 2 * time.Second
)

// warm asks m whether m is ready, until m is. Nil means that m is ready, dropped
// or departed. The error is that of ctx, or an *UnavailableError when no host of
// the fleet became ready within ReadyTimeout.
func (p *Pool) warm(ctx context.Context, m *Member) error {
	for wait := firstPing; ; wait = min(2*wait, longestPing) {
		params, err := m.host.Ready(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		done, err := p.handleReady(m, params, err)
		if done || err != nil {
			return err
		}
		if err := Sleep(ctx, wait); err != nil {
			return err
		}
	}
}

// pinger is a host whose Ready asks the server, so that Watch can see a lost
// server return. A host without Pings is taken to be ready for ever.
type pinger interface{ Pings() bool }

// Watch asks m whether m is ready until m is, and again each time that m could
// not be reached: a host that is back gets requests sooner than its rest would
// end. While no other host is ready the error may be an *UnavailableError, after
// ReadyTimeout; else the error is that of ctx. Watch returns nil once m is dropped
// or departed, or is ready and has no ping.
func (p *Pool) Watch(ctx context.Context, m *Member) error {
	host, tells := m.host.(pinger)
	for {
		if err := p.warm(ctx, m); err != nil || !tells || !host.Pings() || !p.inUse(m) {
			return err
		}
		select {
		case <-m.lost:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// inUse tells whether m is neither dropped nor departed.
func (p *Pool) inUse(m *Member) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return m.dropReason == "" && slices.Contains(p.members, m)
}

// handleReady takes the answer of m to Ready. done means that m needs no more asking.
func (p *Pool) handleReady(m *Member, params Parameters, err error) (done bool, fatal error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if m.dropReason != "" || !slices.Contains(p.members, m) {
		return true, nil
	}
	if err == nil && m.ready { // m was ready before, and is back
		m.restUntil = time.Now()
		p.serve()
		return true, nil
	}
	if err == nil {
		m.ready, m.params, m.limiter = true, params, p.limits.limiter(params)
		if p.singleRequests {
			m.limiter.freeze(true)
		}
		m.reason = ""
		p.noneReadySince = time.Time{}
		p.announce()
		p.serve()
		return true, nil
	}
	m.reason = brief(err.Error())
	fatal = p.fatal()
	if isA[*UnavailableError](fatal) {
		p.serve()
		return false, fatal
	}
	return false, nil
}

// announce wakes Await: a host became ready or left. Called with mu held.
func (p *Pool) announce() {
	close(p.changed)
	p.changed = make(chan struct{})
}

// SpendRetry takes one retry from the fleet's budget, which is 20% of the
// requests plus 3 retries a second. An empty budget delays; the only error is
// that of ctx.
func (p *Pool) SpendRetry(ctx context.Context) error { return p.retries.spend(ctx) }

// Clock counts the fleet's good answers so far.
func (p *Pool) Clock() uint64 { return p.goodAnswers.Load() }
