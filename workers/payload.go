package workers

import "slices"

// PayloadLimit is the smallest payload limit in bytes of the hosts in use; 0 is
// no limit. A host without a good answer, or an ejected one, has no say.
func (p *Pool) PayloadLimit() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	limit := 0
	for _, m := range p.members {
		if m.usable() && m.Good() && !m.probing {
			limit = lesser(limit, m.PayloadLimit())
		}
	}
	return limit
}

// Takes tells whether hosts take a payload of so many bytes, which refuser
// refused as too large: a host in use has answered a payload as large, or another
// host has not refused one.
func (p *Pool) Takes(bytes int, refuser *Member) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return refuser.largestTaken >= int64(bytes) || p.anotherTook(bytes, refuser) || slices.ContainsFunc(p.members, func(m *Member) bool {
		limit := m.PayloadLimit()
		return m != refuser && m.dropReason == "" && !m.probing && (limit == 0 || limit >= bytes) // a host that is not ready yet may take the payload, too
	})
}

// anotherTook tells whether another host in use than refuser has answered a
// payload of so many bytes. Called with mu held.
func (p *Pool) anotherTook(bytes int, host *Member) bool {
	return slices.ContainsFunc(p.members, func(m *Member) bool { return m != host && m.usable() && m.largestTaken >= int64(bytes) })
}

// PayloadLimit is the largest payload in bytes that the host gets, as its 413s
// have taught; 0 is no limit.
func (m *Member) PayloadLimit() int { return int(m.payloadLimit.Load()) }

// learn413 sets the payload limit to half of the size that was refused, but not
// below the largest payload that the host has answered.
func (m *Member) learn413(size int) {
	limit := max(int64(size)/2, min(m.largestTaken, int64(size)-1), 1)
	if old := m.payloadLimit.Load(); old == 0 || limit < old {
		m.payloadLimit.Store(limit)
	}
}
