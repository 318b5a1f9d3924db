package workers

import (
	"cmp"
	"slices"
	"time"
)

// mostLeft is how many hosts that are gone are told of by themselves. In a
// fleet that changes for days there may be very many; older ones are told of together.
const mostLeft = 100

// Refresh tells the pool which hosts a source has now. Those that are new are
// returned: each needs a Warm. Those that are not there any more get no further
// request; what they answer to those in flight still counts.
func (p *Pool) Refresh(s Source, hosts []Host) (joined []*Member) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sources[s] = ""
	if len(hosts) == 0 {
		p.sources[s] = "no address is known for this name"
	}
	kept := p.members[:0]
	for _, m := range p.members {
		if m.source == s && !slices.Contains(hosts, m.host) {
			p.leave(m)
		} else {
			kept = append(kept, m)
		}
	}
	clear(p.members[len(kept):])
	p.members = kept
	for _, h := range hosts {
		if !slices.ContainsFunc(p.members, func(m *Member) bool { return m.source == s && m.host == h }) {
			m := p.join(s, h)
			p.members = append(p.members, m)
			joined = append(joined, m)
		}
	}
	p.idleNow(time.Now())
	p.announce()
	p.serve()
	return joined
}

// Trouble notes what went wrong with a source, for messages.
func (p *Pool) Trouble(s Source, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sources[s] = cut(err.Error())
}

// join makes a member of a host that was found. One that had left under the same
// name goes on counting where it ended. Called with mu held, like all below.
func (p *Pool) join(s Source, h Host) *Member {
	at := slices.IndexFunc(p.left, func(m *Member) bool {
		return m.host != nil && m.Name() == h.Name() && m.inFlight == 0 && m.dropped == ""
	})
	m := newMember(p, h)
	m.source = s
	if at >= 0 {
		m.absorb(p.left[at])
		p.left = slices.Delete(p.left, at, at+1)
	}
	return m
}

// leave moves m to those that are gone. The oldest of too many become one.
func (p *Pool) leave(m *Member) {
	m.ready = false
	m.wake()
	p.left = append(p.left, m)
	if p.left[0].host != nil && len(p.left) > mostLeft {
		p.left = slices.Insert(p.left, 0, newMember(p, nil)) // the others that left, together
	}
	at := slices.IndexFunc(p.left, func(m *Member) bool { return m.host != nil && m.inFlight == 0 })
	if at > 0 && len(p.left) > mostLeft {
		p.left[0].absorb(p.left[at])
		p.left = slices.Delete(p.left, at, at+1)
	}
}

// absorb adds what o has done to what m has.
func (m *Member) absorb(o *Member) {
	m.requests += o.requests
	m.records += o.records
	m.retries += o.retries
	m.ejections += o.ejections
	m.hedges += o.hedges
	m.answerTime += o.answerTime
	for c, n := range o.failures {
		m.failures[c] += n
	}
	m.latency.Merge(o.latency)
	m.track = o.track
}

// Lose takes a host out for good whose server is gone and will not come back.
func (p *Pool) Lose(m *Member, why error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	m.gone = m.dropped == ""
	p.drop(m, cut(why.Error()), time.Now())
	p.serve()
}

// idleNow starts or ends the time in which no host is ready.
func (p *Pool) idleNow(now time.Time) {
	switch usable, _ := p.count(); {
	case usable > 0:
		p.idle = time.Time{}
	case p.idle.IsZero():
		p.idle = now
	}
}

// reasons is what is wrong with each host and source.
func (p *Pool) reasons() []HostReason {
	var list []HostReason
	for _, m := range p.members {
		list = append(list, HostReason{Host: m.Name(), Reason: cmp.Or(m.dropped, m.reason)})
	}
	for s, trouble := range p.sources {
		if trouble != "" {
			list = append(list, HostReason{Host: s.Name(), Reason: trouble})
		}
	}
	return list
}

// allDropped tells whether no host is left, and none can come.
func (p *Pool) allDropped() bool {
	return len(p.sources) == 0 && !slices.ContainsFunc(p.members, func(m *Member) bool { return m.dropped == "" })
}

// allGone tells whether one of them was lost, and not the wrong one.
func (p *Pool) allGone() bool {
	return slices.ContainsFunc(p.members, func(m *Member) bool { return m.gone })
}

// Settled tells whether the number of requests is found for every host in use.
func (p *Pool) Settled() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return !slices.ContainsFunc(p.members, func(m *Member) bool {
		return m.up() && !m.probing && !m.limiter.fixed && m.limiter.phase < settled
	})
}

// Hold keeps the number of requests of every host in use where it is, until Free.
func (p *Pool) Hold() { p.hold(false) }

// HoldAtOne gives every host one request at a time, until Free, those included that
// come meanwhile. What was found of them is found again.
func (p *Pool) HoldAtOne() { p.hold(true) }

func (p *Pool) hold(one bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.one = one
	for _, m := range p.members {
		if m.up() {
			m.limiter.hold(one)
		}
	}
}

// Free lets the hosts' numbers of requests go that Hold or HoldAtOne kept.
func (p *Pool) Free() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.one = false
	now := time.Now()
	for _, m := range p.members {
		m.limiter.release(now)
	}
	p.serve()
}

// Spare leases another host than busy for a request that one is slow with. It
// never waits: it is nil unless a host has room, no one waits for it, and the
// retry budget allows it.
func (p *Pool) Spare(busy *Member) *Lease {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if len(p.waiters) > 0 || !p.trouble.IsZero() && !p.patience(now) {
		return nil
	}
	m, _ := p.pick(busy, now)
	if m == nil || m == busy || m.probing || p.budget.take() > 0 {
		return nil
	}
	m.hedges++
	return p.lease(m, now)
}

// Expecting tells whether a host may still answer that never had the chance: it is not
// ready yet, within the time that is given for it, or was not asked yet.
func (p *Pool) Expecting() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	early := time.Since(p.began) < p.limits.ReadyTimeout
	return slices.ContainsFunc(p.members, func(m *Member) bool {
		return m.dropped == "" && (!m.ready && early || m.ready && m.requests == 0)
	})
}

// PayloadLimit is the smallest size in bytes that the 413s of a host in use have
// taught; 0 is no limit. A host that has answered nothing yet, or nothing lately, has no say.
func (p *Pool) PayloadLimit() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	limit := 0
	for _, m := range p.members {
		if m.up() && m.Good() && !m.probing {
			limit = lesser(limit, m.PayloadLimit())
		}
	}
	return limit
}

// Takes tells whether a payload of so many bytes, which host refused as too large,
// is one that hosts take: one in use has answered as much, or another one has not
// refused as much.
func (p *Pool) Takes(bytes int, host *Member) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return host.fits >= int64(bytes) || p.othersTook(bytes, host) || slices.ContainsFunc(p.members, func(m *Member) bool {
		limit := m.PayloadLimit()
		return m != host && m.dropped == "" && !m.probing && (limit == 0 || limit >= bytes) // one that is not ready yet may too
	})
}

// othersTook tells whether another host in use has answered a payload of so many
// bytes. Called with mu held.
func (p *Pool) othersTook(bytes int, host *Member) bool {
	return slices.ContainsFunc(p.members, func(m *Member) bool { return m != host && m.up() && m.fits >= int64(bytes) })
}

// Starved tells whether a host has room and nobody waits for one.
func (p *Pool) Starved() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	return len(p.waiters) == 0 && slices.ContainsFunc(p.members, func(m *Member) bool { return m.free(now) })
}

// Idle tells whether nobody waits for a host.
func (p *Pool) Idle() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.waiters) == 0
}
