package workers

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// A Lease is the right to send one request to one host. It belongs to one
// goroutine, and ends with Release or Cancel: a lease that is kept keeps a
// place at its host.
type Lease struct {
	// Records is how many records the request asks about. The caller sets it
	// before Release; it is counted in [HostStats] when the answer is good.
	Records int

	member  *Member
	granted time.Time
	nth     int       // how many were in flight at the host with it
	grants  int       // of the host, with this one
	sent    time.Time // when it was granted, then when Invoke began
	took    time.Duration
	size    int
	asked   int64
	over    bool
}

// Member is the host that is leased.
func (l *Lease) Member() *Member { return l.member }

// Invoke sends the request to the leased host, and times it. It gives back what
// [Host.Invoke] does.
func (l *Lease) Invoke(ctx context.Context, r *Request) (Response, error) {
	l.member.pool.budget.Earn()
	l.asked++
	l.size = len(r.Body)
	l.sent = time.Now()
	resp, err := l.member.host.Invoke(ctx, r)
	l.took = time.Since(l.sent)
	return resp, err
}

// Shared tells whether other requests were in flight at the host since this lease
// began: what broke it off may have been meant for them.
func (l *Lease) Shared() bool {
	p := l.member.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	return l.nth > 1 || l.member.grants != l.grants
}

// Took is how long the last Invoke took.
func (l *Lease) Took() time.Duration { return l.took }

// Probe sends another request to the leased host, of which Release says nothing:
// to see whether the host is well.
func (l *Lease) Probe(ctx context.Context, r *Request) (Response, error) {
	l.asked++
	return l.member.host.Invoke(ctx, r)
}

// Release gives the place back, and notes what came of the request: o as the
// caller judged it after parsing, and what [Blame] said about it. After a
// Release or Cancel it does nothing, so that Cancel can always be deferred.
func (l *Lease) Release(o Outcome, v Verdict) {
	p := l.member.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	if l.over {
		return
	}
	p.giveBack(l)
	p.note(l, o, v)
	p.serve()
}

// Cancel gives the place back without a word about the host: for a request that
// was never sent, or whose answer is not wanted any more.
func (l *Lease) Cancel() {
	p := l.member.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	if l.over {
		return
	}
	p.giveBack(l)
	p.serve()
}

// giveBack ends a lease. Called with mu held, like all below.
func (p *Pool) giveBack(l *Lease) {
	l.over = true
	m := l.member
	m.limiter.account(time.Now(), m.inFlight)
	m.inFlight--
	m.solo = false
	m.requests += l.asked
	p.inFlight--
}

// note is the bookkeeping of one outcome.
func (p *Pool) note(l *Lease, o Outcome, v Verdict) {
	m, now := l.member, time.Now()
	if o.Cause != Broken && o.Cause != Unreachable {
		m.heard = now
	}
	if o.Cause == Good {
		p.noteGood(l, now)
		return
	}
	m.reason = reasonOf(o)
	m.failures[o.Cause]++
	if o.Cause != TooLarge || !m.Good() || p.othersTook(l.size, m) { // else it is about the batch
		m.failed++
	}
	if v.Action == Retry || v.Action == Wait {
		m.retries++
	}
	if o.Cause == TooLarge && (m.fits < int64(l.size) || !p.othersTook(l.size, m)) { // else it is no limit
		m.learn413(l.size)
	}
	if o.Cause == Broken {
		m.broken++
	} else {
		m.broken = 0
	}
	p.noteTrouble(o, v, now)
	switch {
	case v.Action == DropHost:
		p.drop(m, v.Why+" ("+m.reason+")", now)
	case v.Action == PauseHost:
		m.eject()
		m.restFor(max(v.Rest, firstRest), now)
	case o.Cause == Unreachable:
		m.wake()
		m.eject()
		m.restOrBackOff(v.Rest, l.sent, now)
	case o.Cause == Busy:
		// Requests overtake each other: it may have come in before others that were sent first.
		m.limiter.busy(now, max(l.nth-1, m.inFlight))
		// One that serves others has room for less, and needs no rest.
		if v.Rest > 0 || m.inFlight == 0 || m.limiter.fixed {
			m.restOrBackOff(v.Rest, l.sent, now)
		}
	case m.broken >= brokenInARow, p.failsAlone(m):
		m.eject()
		m.backOff(l.sent, now)
	case o.Cause == Broken:
		m.limiter.bad(now, l.granted)
	}
}

// failsAlone tells whether a host fails whatever it is asked, in any way, while
// others answer, or may do so yet: it can fail a thousand requests in the time
// that another takes for one. It would be free all the time, and get most
// of the job. A stretch of bad records looks the same at one host, but not beside the others;
// and where all fail, one goes on.
func (p *Pool) failsAlone(m *Member) bool {
	if m.failed < failedInARow {
		return false
	}
	return p.clock.Load()-m.lastGood.Load() >= failedInARow || slices.ContainsFunc(p.members, func(o *Member) bool {
		return o.up() && !o.probing && o.failed < failedInARow
	})
}

// noteGood: one good answer ends all suspicion against the host, and proves
// that the fleet is alive.
func (p *Pool) noteGood(l *Lease, now time.Time) {
	m := l.member
	if m.probing {
		m.probing = false
		m.limiter.restart(now)
	}
	m.backoff, m.broken, m.failed = 0, 0, 0
	m.usual += (l.took - m.usual) / 8
	m.fits = max(m.fits, int64(l.size))
	m.records += int64(l.Records)
	m.limiter.good(now, l.granted, l.Records, m.inFlight+1 >= m.limiter.limit)
	m.track.note(now, m.limiter.limit)
	// The histogram's range ends at an hour; its error is for what lies beyond.
	_ = m.latency.RecordValue(min(max(l.took.Microseconds(), 1), m.latency.HighestTrackableValue()))
	m.answerTime += l.took
	p.trouble = time.Time{}
	m.lastGood.Store(p.clock.Add(1))
	m.good.Store(true)
}

// noteTrouble starts the clock of HostWait. Only what speaks against the hosts
// does; records that are refused do not.
func (p *Pool) noteTrouble(o Outcome, v Verdict, now time.Time) {
	if !p.trouble.IsZero() {
		return
	}
	switch o.Cause {
	case Busy, Unreachable, Broken, Denied:
		p.trouble = now
	default:
		if v.Action == PauseHost {
			p.trouble = now
		}
	}
}

// drop takes a host out for good.
func (p *Pool) drop(m *Member, why string, now time.Time) {
	if m.dropped != "" {
		return
	}
	m.dropped = why
	m.wake()
	if up, _ := p.count(); up == 0 && p.idle.IsZero() {
		p.idle = now
	}
	p.announce()
}

// eject lets a host be probed by one request at a time until it answers well.
func (m *Member) eject() {
	if !m.probing {
		m.probing = true
		m.ejections++
	}
}

// restOrBackOff rests as long as the host asked for, else for a time that grows.
func (m *Member) restOrBackOff(asked time.Duration, sent, now time.Time) {
	if asked > 0 {
		m.restFor(asked, now)
		return
	}
	m.backOff(sent, now)
}

// reasonOf is an outcome in one line.
func reasonOf(o Outcome) string {
	switch {
	case o.Status != 0 && o.Message != "":
		return fmt.Sprintf("status %d: %s", o.Status, o.Message)
	case o.Status != 0:
		return fmt.Sprintf("status %d", o.Status)
	case o.Message != "":
		return o.Message
	}
	return o.Cause.String()
}
