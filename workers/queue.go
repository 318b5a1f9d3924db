package workers

import (
	"math/rand/v2"
	"slices"
	"time"
)

// soonRest is the longest rest after which a host still counts as usable soon.
const soonRest = 2 * time.Second

// A waiter is one call of Acquire. Its result is set before served is closed.
type waiter struct {
	Wish
	served chan struct{}
	lease  *Lease
	err    error
}

// enqueue and dequeue are called with mu held, like all below.
func (p *Pool) enqueue(w *waiter) {
	at, _ := slices.BinarySearchFunc(p.waiters, w.Order, func(o *waiter, order int64) int {
		if o.Order <= order { // equals are served as they came
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

// serve gives out what can be given out, lowest order first. Whoever changes
// anything that Acquire waits for calls it; for what time alone changes it
// arms the timer.
func (p *Pool) serve() {
	now := time.Now()
	if err := p.fatal(); err != nil {
		p.fail(err)
	} else if p.patience(now) {
		p.grant(now)
	}
	p.arm(now)
}

// patience is over once there was no good answer for HostWait: from then on no
// request is sent, and those in flight decide. One good answer among them and
// all goes on; else fatal ends it.
func (p *Pool) patience(now time.Time) bool {
	return p.trouble.IsZero() || now.Before(p.trouble.Add(p.limits.HostWait))
}

// grant looks past a waiter only if the one host with room is the one it avoids, or if
// it waits to have a host alone.
func (p *Pool) grant(now time.Time) {
	p.reserved, p.avoiding = nil, false
	for i := 0; i < len(p.waiters); {
		w := p.waiters[i]
		m, patient := p.pickFor(w, now)
		switch {
		case m != nil:
			if p.reserved == m {
				p.reserved = nil
			}
			w.lease = p.lease(m, now)
			m.solo = w.Alone
			close(w.served)
			p.waiters = slices.Delete(p.waiters, i, i+1)
		case patient:
			p.avoiding = true
			i++
		default:
			return
		}
	}
}

// pickFor chooses a host for w. patient tells that there is none for it now, and that
// others may go first.
func (p *Pool) pickFor(w *waiter, now time.Time) (m *Member, patient bool) {
	switch {
	case !w.Alone:
		return p.pick(w.Avoid, now)
	case p.reserved != nil: // one at a time
		return nil, true
	}
	p.reserved = p.quietest(w.Avoid, now)
	if m = p.reserved; m != nil && m.inFlight == 0 {
		return m, false
	}
	return nil, true
}

// quietest is the host with the fewest requests in flight of those that can be
// used now, avoid only if there is no other; nil when there is none.
func (p *Pool) quietest(avoid *Member, now time.Time) (best *Member) {
	for _, m := range p.members {
		switch {
		case !m.up() || m.solo || now.Before(m.rest):
		case best == nil, best == avoid, m != avoid && m.inFlight < best.inFlight:
			best = m
		}
	}
	return best
}

// lease takes a place at m.
func (p *Pool) lease(m *Member, now time.Time) *Lease {
	if m.inFlight == 0 {
		m.heard = now
	}
	m.limiter.account(now, m.inFlight)
	m.inFlight++
	m.grants++
	p.inFlight++
	return &Lease{member: m, granted: now, sent: now, nth: m.inFlight, grants: m.grants}
}

// fail ends every wait.
func (p *Pool) fail(err error) {
	for _, w := range p.waiters {
		w.err = err
		close(w.served)
	}
	clear(p.waiters)
	p.waiters = p.waiters[:0]
}

// pick chooses a host for one request: the lighter of two random ones that are
// free. avoided tells that there is only the one to avoid, and that it is worth
// waiting for another.
func (p *Pool) pick(avoid *Member, now time.Time) (m *Member, avoided bool) {
	var first, second *Member
	seen, soon := 0, false
	for _, c := range p.members {
		if c == avoid {
			continue
		}
		soon = soon || (c.up() && !c.probing && c.rest.Sub(now) <= soonRest && now.Before(c.quietUntil()))
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
	case second != nil && (second.lighter(first) || (!first.lighter(second) && rand.IntN(2) == 0)):
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

// arm sets the timer for the next instant at which time alone may change who
// can be served; without waiters there is none.
func (p *Pool) arm(now time.Time) {
	var next time.Time
	if len(p.waiters) > 0 {
		next = p.nextChange(now)
	}
	switch {
	case next.IsZero() && p.wake != nil:
		p.wake.Stop()
	case next.IsZero():
	case p.wake == nil:
		p.wake = time.AfterFunc(next.Sub(now), func() {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.serve()
		})
	default:
		p.wake.Reset(next.Sub(now))
	}
}

// nextChange is the earliest end of a rest, of waiting for a quiet host, or of
// our patience; zero if none lies ahead.
func (p *Pool) nextChange(now time.Time) time.Time {
	var next time.Time
	sooner := func(t time.Time) {
		if t.After(now) && (next.IsZero() || t.Before(next)) {
			next = t
		}
	}
	for _, m := range p.members {
		if m.up() {
			sooner(m.rest)
			if m.rest.Sub(now) > soonRest { // from then on it is worth waiting for
				sooner(m.rest.Add(-soonRest))
			}
			if p.avoiding { // and from then on no more
				sooner(m.quietUntil())
			}
		}
	}
	if !p.idle.IsZero() {
		sooner(p.readyDeadline())
	}
	if !p.trouble.IsZero() {
		sooner(p.trouble.Add(p.limits.HostWait))
	}
	return next
}

// readyDeadline is when waiting ends while no host is ready.
func (p *Pool) readyDeadline() time.Time { return p.idle.Add(p.limits.ReadyTimeout) }

// fatal is the error that ends every wait, or nil.
func (p *Pool) fatal() error {
	now := time.Now()
	switch {
	case p.allDropped():
		return &AllDroppedError{Hosts: p.reasons(), Gone: p.allGone()}
	case !p.idle.IsZero() && !now.Before(p.readyDeadline()):
		return &UnavailableError{Since: p.idle, Waited: now.Sub(p.idle), NeverReady: true, Hosts: p.reasons()}
	case !p.patience(now) && p.inFlight == 0:
		return &UnavailableError{Since: p.trouble, Waited: now.Sub(p.trouble), Hosts: p.reasons()}
	}
	return nil
}
