package workers

import (
	"slices"
	"time"
)

// InFlight is the number of leases that have not ended.
func (p *Pool) InFlight() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.inFlight
}

// Up counts the hosts that are ready and neither dropped nor ejected, and all members.
func (p *Pool) Up() (up, total int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, m := range p.members {
		if m.usable() && !m.probing {
			up++
		}
	}
	return up, len(p.members)
}

// usable counts the hosts that are ready and not dropped, and adds their limits
// up. Called with mu held.
func (p *Pool) usable() (usable, capacity int) {
	for _, m := range p.members {
		if m.usable() {
			usable++
			capacity += m.limiter.limit
		}
	}
	return usable, capacity
}

// Capacity is how many requests the usable hosts take at once.
func (p *Pool) Capacity() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, capacity := p.usable()
	return capacity
}

// Starved tells whether a host has room and no request waits for a host.
func (p *Pool) Starved() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	return len(p.waiters) == 0 && slices.ContainsFunc(p.members, func(m *Member) bool { return m.free(now) })
}

// Idle tells whether no request waits for a host.
func (p *Pool) Idle() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.waiters) == 0
}

// Expecting tells whether a host has had no chance to answer yet: a host that is
// not ready, within ReadyTimeout of the pool's start, or a ready host that has
// finished no request.
func (p *Pool) Expecting() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	early := time.Since(p.began) < p.limits.ReadyTimeout
	return slices.ContainsFunc(p.members, func(m *Member) bool {
		return m.dropReason == "" && (!m.ready && early || m.ready && m.requests == 0)
	})
}

// anyAtWork tells whether the question is true of a host that is not ejected and has
// requests in flight.
func (p *Pool) anyAtWork(question func(*Member) bool) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.ContainsFunc(p.members, func(m *Member) bool { return m.inFlight > 0 && !m.probing && question(m) })
}

// limitsSteady tells whether the limit of every host in use is found.
func (p *Pool) limitsSteady() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return !slices.ContainsFunc(p.members, func(m *Member) bool {
		return m.usable() && !m.probing && !m.limiter.fixed && m.limiter.phase < steady
	})
}

// freeze keeps the limit of every host in use where it is, until unfreeze. With
// single, every host gets one request at a time, hosts that join meanwhile
// included, and the search for its limit begins anew afterwards.
func (p *Pool) freeze(single bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.singleRequests = single
	for _, m := range p.members {
		if m.usable() {
			m.limiter.freeze(single)
		}
	}
}

// unfreeze lets the limiters move again.
func (p *Pool) unfreeze() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.singleRequests = false
	now := time.Now()
	for _, m := range p.members {
		m.limiter.unfreeze(now)
	}
	p.serve()
}
