package workers

import (
	"cmp"
	"slices"
	"time"
)

// mostDeparted is how many departed hosts have figures of their own. In a fleet
// that changes for days very many hosts depart; the figures of the oldest are
// added up.
const mostDeparted = 100

// Refresh tells the pool which hosts a source has now. The new hosts are
// returned as members: each needs a [Pool.Watch]. A host that is missing departs:
// the host gets no further request, and its answers to requests in flight count.
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
			p.depart(m)
		} else {
			kept = append(kept, m)
		}
	}
	clear(p.members[len(kept):])
	p.members = kept
	for _, h := range hosts {
		if !slices.ContainsFunc(p.members, func(m *Member) bool { return m.source == s && m.host == h }) {
			m := p.memberOf(s, h)
			p.members = append(p.members, m)
			joined = append(joined, m)
		}
	}
	p.updateNoneReady(time.Now())
	p.announce()
	p.serve()
	return joined
}

// Trouble keeps the last failure of a source, for messages.
func (p *Pool) Trouble(s Source, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sources[s] = brief(err.Error())
}

// Lose drops a host whose server is gone for good; why says how the server ended.
func (p *Pool) Lose(m *Member, why error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	m.serverGone = m.dropReason == ""
	p.dropMember(m, brief(why.Error()), time.Now())
	p.serve()
}

// memberOf makes a member of a host that a source found. A host that departed
// under the same name brings its figures along. Called with mu held, like all below.
func (p *Pool) memberOf(s Source, h Host) *Member {
	at := slices.IndexFunc(p.departed, func(m *Member) bool {
		return m.host != nil && m.Name() == h.Name() && m.inFlight == 0 && m.dropReason == ""
	})
	m := newMember(p, h)
	m.source = s
	if at >= 0 {
		m.absorb(&p.departed[at].totals)
		p.departed = slices.Delete(p.departed, at, at+1)
	}
	return m
}

// depart moves m to the departed hosts. The oldest of too many become one entry.
func (p *Pool) depart(m *Member) {
	p.incidents.tell(m.Name(), "gets no more requests: %s does not name it any more", m.source.Name())
	m.ready = false
	m.signalLost()
	p.departed = append(p.departed, m)
	if p.departed[0].host != nil && len(p.departed) > mostDeparted {
		p.departed = slices.Insert(p.departed, 0, newMember(p, nil)) // the sum of the oldest
	}
	at := slices.IndexFunc(p.departed, func(m *Member) bool { return m.host != nil && m.inFlight == 0 })
	if at > 0 && len(p.departed) > mostDeparted {
		p.departed[0].absorb(&p.departed[at].totals)
		p.departed = slices.Delete(p.departed, at, at+1)
	}
}

// updateNoneReady starts or ends the time in which no host is ready.
func (p *Pool) updateNoneReady(now time.Time) {
	switch usable, _ := p.usable(); {
	case usable > 0:
		p.noneReadySince = time.Time{}
	case p.noneReadySince.IsZero():
		p.noneReadySince = now
	}
}

// reasons lists the last failure of each host and source.
func (p *Pool) reasons() []HostReason {
	var list []HostReason
	for _, m := range p.members {
		reason := cmp.Or(m.dropReason, m.reason)
		if m.usable() && m.restUntil.After(time.Now()) {
			reason += ", and rests until " + m.restUntil.Format(time.RFC3339)
		}
		list = append(list, HostReason{Host: m.Name(), Reason: reason})
	}
	for s, trouble := range p.sources {
		if trouble != "" {
			list = append(list, HostReason{Host: s.Name(), Reason: trouble})
		}
	}
	return list
}

// allDropped tells whether every host is dropped and no source can bring another host.
func (p *Pool) allDropped() bool {
	return len(p.sources) == 0 && !slices.ContainsFunc(p.members, func(m *Member) bool { return m.dropReason == "" })
}

// anyServerGone tells whether a host was dropped because its server is gone, and
// not because it is the wrong host.
func (p *Pool) anyServerGone() bool {
	return slices.ContainsFunc(p.members, func(m *Member) bool { return m.serverGone })
}
