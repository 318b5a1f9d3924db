package workers

import (
	"math/rand/v2"
	"slices"
	"time"

	"github.com/batchmill/batchmill/internal/caught"
)

// soonRest is the longest rest of a host that is worth waiting for.
const soonRest = 2 * time.Second

// A waiter is one call of Acquire. lease or err is set before done is closed.
type waiter struct {
	Wish
	done  chan struct{}
	lease *Lease
	err   error
}

// Spare leases another host for a request that the host slow has not answered
// yet. Spare never waits: the lease is nil unless another host has room, no
// waiter wants the room, and the retry budget holds a retry.
func (p *Pool) Spare(slow *Member) *Lease {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if len(p.waiters) > 0 || !p.troubledSince.IsZero() && !p.patient(now) {
		return nil
	}
	m, _ := p.pick(slow, now)
	if m == nil || m == slow || m.probing || p.retries.takeOrDelay() > 0 {
		return nil
	}
	m.hedges++
	return p.lease(m, now)
}

// enqueue puts w behind the waiters of its Order. Called with mu held, like all below.
func (p *Pool) enqueue(w *waiter) {
	at, _ := slices.BinarySearchFunc(p.waiters, w.Order, func(o *waiter, order int64) int {
		if o.Order <= order { // equal orders are served as they came
			return -1
		}
		return 1
	})
	p.waiters = slices.Insert(p.waiters, at, w)
}

func (p *Pool) dequeue(w *waiter) {
	if at := slices.Index(p.waiters, w); at >= 0 {
		p.waiters = slices.Delete(p.waiters, at, at+1)
	}
}

// serve leases the free places, lowest Order first. Every method that changes
// what Acquire waits for calls serve; the timer calls serve where time alone
// makes the change.
func (p *Pool) serve() {
	now := time.Now()
	p.noteStandstill(now)
	if err := p.fatal(); err != nil {
		p.failWaiters(err)
	} else if p.patient(now) {
		p.grant(now)
	}
	p.armTimer(now)
}

// patient tells whether there was a good answer within HostWait. Once the pool
// is not patient no request is sent any more, and the requests in flight decide:
// one good answer makes the pool patient again; without a good answer fatal ends
// the job.
func (p *Pool) patient(now time.Time) bool {
	return p.troubledSince.IsZero() || now.Before(p.troubledSince.Add(p.limits.HostWait))
}

// grant leases hosts to waiters in their order. A waiter is passed over only if
// the one host with room is the host that the waiter avoids, or if the waiter
// wants a host exclusively.
func (p *Pool) grant(now time.Time) {
	p.reservedMember, p.avoiderWaits = nil, false
	for i := 0; i < len(p.waiters); {
		w := p.waiters[i]
		m, othersMayGo := p.pickFor(w, now)
		switch {
		case m != nil:
			if p.reservedMember == m {
				p.reservedMember = nil
			}
			w.lease = p.lease(m, now)
			m.exclusive = w.Exclusive
			close(w.done)
			p.waiters = slices.Delete(p.waiters, i, i+1)
		case othersMayGo:
			p.avoiderWaits = true
			i++
		default:
			return
		}
	}
}

// pickFor chooses a host for w. othersMayGo says that w has no host now, and that
// waiters behind w may be served first.
func (p *Pool) pickFor(w *waiter, now time.Time) (m *Member, othersMayGo bool) {
	var best *Member
	if w.Proven {
		best = p.proven(w.Avoid, now)
	}
	switch {
	case best != nil && !w.Exclusive && best.free(now):
		return best, false
	case best != nil && !w.Exclusive:
		return nil, true
	case !w.Exclusive:
		return p.pick(w.Avoid, now)
	case p.reservedMember != nil: // one host at a time is emptied
		return nil, true
	}
	p.reservedMember = p.leastBusy(w.Avoid, now)
	if m = p.reservedMember; m != nil && m.inFlight == 0 {
		return m, false
	}
	return nil, true
}

// proven is the host that has answered most lately, of the hosts other than avoid that will
// have room soon; nil where none of them has answered.
func (p *Pool) proven(avoid *Member, now time.Time) (best *Member) {
	for _, m := range p.members {
		if m == avoid || !m.Good() || m.probing || !m.free(now) && !m.soon(now) {
			continue
		}
		if best == nil || m.LastGood() > best.LastGood() {
			best = m
		}
	}
	return best
}

// Better tells whether another host than m has answered more lately than m, and is neither
// ejected nor at a longer rest.
func (p *Pool) Better(m *Member) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	return slices.ContainsFunc(p.members, func(o *Member) bool {
		return o.usable() && !o.probing && o.restUntil.Sub(now) <= soonRest && o.LastGood() > m.LastGood()
	})
}

// soon tells whether the host is worth waiting for now.
func (m *Member) soon(now time.Time) bool {
	return m.usable() && !m.probing && m.restUntil.Sub(now) <= soonRest && now.Before(m.worthWaitingUntil())
}

// leastBusy is the host with the fewest requests in flight among the hosts that
// can be used now; avoid only if there is no other host, nil without any host.
func (p *Pool) leastBusy(avoid *Member, now time.Time) (best *Member) {
	for _, m := range p.members {
		switch {
		case !m.usable() || m.exclusive || now.Before(m.restUntil):
		case best == nil, best == avoid, m != avoid && m.inFlight < best.inFlight:
			best = m
		}
	}
	return best
}

// lease takes a place at m.
func (p *Pool) lease(m *Member, now time.Time) *Lease {
	if m.inFlight == 0 {
		m.lastHeard = now
	}
	m.limiter.account(now, m.inFlight)
	m.inFlight++
	m.grants++
	p.inFlight++
	return &Lease{member: m, granted: now, sent: now, position: m.inFlight, memberGrants: m.grants}
}

// failWaiters ends every wait with err.
func (p *Pool) failWaiters(err error) {
	for _, w := range p.waiters {
		w.err = err
		close(w.done)
	}
	clear(p.waiters)
	p.waiters = p.waiters[:0]
}

// pick chooses a host for one request: the less loaded of two random hosts that
// are free. avoided says that only avoid is free, and that another host is worth
// waiting for.
func (p *Pool) pick(avoid *Member, now time.Time) (m *Member, avoided bool) {
	var first, second *Member
	seen, soon := 0, false
	for _, c := range p.members {
		if c == avoid {
			continue
		}
		soon = soon || c.soon(now)
		if !c.free(now) {
			continue
		}
		// A reservoir of two: each pair is as likely as any other.
		seen++
		switch at := rand.IntN(seen); {
		case seen == 1:
			first = c
		case seen == 2:
			second = c
		case at == 0:
			first = c
		case at == 1:
			second = c
		}
	}
	switch {
	case second != nil && (second.lessLoaded(first) || (!first.lessLoaded(second) && rand.IntN(2) == 0)):
		return second, false
	case first != nil:
		return first, false
	case avoid == nil || !avoid.free(now):
		return nil, false
	case soon:
		return nil, true
	}
	return avoid, false
}

// armTimer sets the timer to the next instant at which time alone may let a
// waiter be served. Without waiters no timer runs.
func (p *Pool) armTimer(now time.Time) {
	var next time.Time
	if len(p.waiters) > 0 {
		next = p.nextChange(now)
	}
	switch {
	case next.IsZero() && p.timer != nil:
		p.timer.Stop()
	case next.IsZero():
	case p.timer == nil:
		p.timer = time.AfterFunc(next.Sub(now), func() {
			p.mu.Lock()
			defer p.mu.Unlock()
			caught.Run(p.serve)
		})
	default:
		p.timer.Reset(next.Sub(now))
	}
}

// nextChange is the earliest instant ahead at which a rest ends, a silent host
// stops being worth waiting for, or the pool's patience ends; zero without any.
func (p *Pool) nextChange(now time.Time) time.Time {
	var next time.Time
	sooner := func(t time.Time) {
		if t.After(now) && (next.IsZero() || t.Before(next)) {
			next = t
		}
	}
	for _, m := range p.members {
		if m.usable() {
			sooner(m.restUntil)
			if m.restUntil.Sub(now) > soonRest { // from here on the host is worth waiting for
				sooner(m.restUntil.Add(-soonRest))
			}
			if p.avoiderWaits { // and from here on no more
				sooner(m.worthWaitingUntil())
			}
		}
	}
	if !p.noneReadySince.IsZero() {
		sooner(p.readyDeadline())
	}
	if !p.troubledSince.IsZero() {
		sooner(p.troubledSince.Add(p.limits.HostWait))
	}
	return next
}

// readyDeadline is when waiting for a first ready host ends.
func (p *Pool) readyDeadline() time.Time { return p.noneReadySince.Add(p.limits.ReadyTimeout) }

// fatal is the error that ends every wait, or nil.
func (p *Pool) fatal() error {
	now := time.Now()
	switch {
	case p.allDropped():
		return &AllDroppedError{Hosts: p.reasons(), Gone: p.anyServerGone()}
	case !p.noneReadySince.IsZero() && !now.Before(p.readyDeadline()):
		return &UnavailableError{Since: p.noneReadySince, Waited: now.Sub(p.noneReadySince), NeverReady: true, Hosts: p.reasons()}
	case !p.patient(now) && p.inFlight == 0:
		return &UnavailableError{Since: p.troubledSince, Waited: now.Sub(p.troubledSince), Hosts: p.reasons()}
	}
	return nil
}
