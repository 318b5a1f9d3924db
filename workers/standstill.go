package workers

import "time"

// A Standstill is a time in which requests wait and no host can be asked, for every
// ready host rests.
type Standstill struct {
	Host    string    `json:"host"`     // the host that can be asked first
	Until   time.Time `json:"until"`    // when the rest of Host ends
	Hosts   int       `json:"hosts"`    // hosts that rest
	GivesUp time.Time `json:"gives_up"` // when HostWait ends, unless a good answer comes first
}

// Waiting is a time in which no host is ready.
type Waiting struct {
	Since   time.Time `json:"since"`
	GivesUp time.Time `json:"gives_up"` // when ReadyTimeout ends, unless a host is ready first
	Host    string    `json:"host"`     // a host or a source that is waited for
	Reason  string    `json:"reason"`   // why Host is not ready, by what came of the last try
}

// Waiting tells what is waited for while no host is ready, and nil otherwise.
func (p *Pool) Waiting() *Waiting {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.noneReadySince.IsZero() {
		return nil
	}
	w := &Waiting{Since: p.noneReadySince, GivesUp: p.readyDeadline()}
	if why := p.reasons(); len(why) > 0 {
		w.Host, w.Reason = why[0].Host, why[0].Reason
	}
	return w
}

// Standstill tells who is waited for, or nil while a host can be asked or no
// request waits.
func (p *Pool) Standstill() *Standstill {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	m, resting := p.firstBack(now)
	if m == nil || len(p.waiters) == 0 {
		return nil
	}
	p.noteStandstill(now)
	return &Standstill{Host: m.Name(), Until: m.restUntil, Hosts: resting, GivesUp: p.troubledSince.Add(p.limits.HostWait)}
}

// noteStandstill starts the clock of HostWait when a request waits and every ready
// host rests: a good answer to an earlier request may have stopped the clock, and
// the last host that did not rest may have left. Called with mu held, like all below.
func (p *Pool) noteStandstill(now time.Time) {
	if !p.troubledSince.IsZero() || len(p.waiters) == 0 {
		return
	}
	if m, _ := p.firstBack(now); m != nil {
		p.troubledSince = now
	}
}

// firstBack is the ready host whose rest ends first, and how many rest. The host is
// nil while any ready host does not rest, and without a ready host.
func (p *Pool) firstBack(now time.Time) (first *Member, resting int) {
	for _, m := range p.members {
		switch {
		case !m.usable():
			continue
		case !now.Before(m.restUntil):
			return nil, 0
		case first == nil || m.restUntil.Before(first.restUntil):
			first = m
		}
		resting++
	}
	return first, resting
}
