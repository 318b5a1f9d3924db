package workers

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// A Lease is the right to send one request to one host. A lease belongs to one
// goroutine, and keeps a place at its host until Release or Cancel.
type Lease struct {
	// Records is how many records the request asks about. The caller sets Records
	// before Release; [HostStats] counts the records of good answers.
	Records int

	member       *Member
	granted      time.Time
	position     int       // requests in flight at the host when the lease began, its own included
	memberGrants int       // leases of the host so far, this lease included
	sent         time.Time // when the lease was granted, then when Invoke began
	took         time.Duration
	bytes        int
	sends        int64
	ended        bool
}

// Member is the host that is leased.
func (l *Lease) Member() *Member { return l.member }

// Invoke sends the request to the leased host, and measures the time. The results
// are those of [Host.Invoke].
func (l *Lease) Invoke(ctx context.Context, r *Request) (Response, error) {
	l.member.pool.retries.earn()
	l.sends++
	l.bytes = len(r.Body)
	l.sent = time.Now()
	resp, err := l.member.host.Invoke(ctx, r)
	l.took = time.Since(l.sent)
	return resp, err
}

// Shared tells whether other requests were in flight at the host since this lease
// began: another request may be why the host broke this one off.
func (l *Lease) Shared() bool {
	p := l.member.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	return l.position > 1 || l.member.grants != l.memberGrants
}

// Took is how long the last Invoke took.
func (l *Lease) Took() time.Duration { return l.took }

// Probe sends a further request to the leased host, to see whether the host is
// well. Release does not count what came of a probe.
func (l *Lease) Probe(ctx context.Context, r *Request) (Response, error) {
	l.sends++
	return l.member.host.Invoke(ctx, r)
}

// Release gives the place back, and tells the pool what came of the request: the
// outcome as the caller knows it after parsing, and the verdict of [Blame]. After
// a Release or Cancel, Release and Cancel do nothing, so that Cancel can be deferred.
func (l *Lease) Release(o Outcome, v Verdict) { l.end(func(p *Pool) { p.learn(l, o, v) }) }

// Cancel gives the place back and tells the pool nothing about the host: for a
// request that was never sent, or whose answer is not wanted any more.
func (l *Lease) Cancel() { l.end(func(*Pool) {}) }

// end gives the place back, if the lease still has it, and calls learn with the
// pool's lock held.
func (l *Lease) end(learn func(*Pool)) {
	p := l.member.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	if l.ended {
		return
	}
	p.endLease(l)
	learn(p)
	p.serve()
}

// endLease gives the place of l back. Called with mu held, like all below.
func (p *Pool) endLease(l *Lease) {
	l.ended = true
	m := l.member
	m.limiter.account(time.Now(), m.inFlight)
	m.inFlight--
	m.exclusive = false
	m.requests += l.sends
	p.inFlight--
}

// learn updates the host and the fleet from one outcome.
func (p *Pool) learn(l *Lease, o Outcome, v Verdict) {
	m, now := l.member, time.Now()
	if o.Cause != Broken && o.Cause != Unreachable {
		m.lastHeard = now
	}
	if o.Cause == Good {
		p.learnGood(l, now)
		return
	}
	p.countFailure(l, o, v)
	p.noteTrouble(o, v, now)
	switch {
	case v.Action == DropHost:
		m.dropCause = fmt.Sprintf("%s (%s)", v.Why, sampleOf(o))
		p.dropMember(m, v.Why+" ("+m.reason+")", now)
	case v.Action == PauseHost:
		p.eject(m, v.Why+" ("+m.reason+")", now)
		m.restFor(max(v.Rest, firstBackOff), now)
	case o.Cause == Unreachable:
		m.signalLost()
		p.eject(m, withCure(m.reason, o.Cause), now)
		m.restOrBackOff(v.Rest, l.sent, now)
	case o.Cause == Busy:
		// Requests overtake each other: this request may have arrived before
		// requests that were sent earlier, so the larger count is the safe one.
		m.limiter.refused(now, max(l.position-1, m.inFlight))
		// A host that serves other requests has room for fewer, and needs no rest.
		if v.Rest > 0 || m.inFlight == 0 || m.limiter.fixed {
			m.restOrBackOff(v.Rest, l.sent, now)
		}
	case m.brokenInRow >= mostBrokenInRow, p.failsAlone(m):
		p.eject(m, withCure(m.reason, o.Cause), now)
		m.backOff(l.sent, now)
	case o.Cause == Broken:
		m.limiter.broke(now, l.granted)
	}
}

// countFailure counts a request without a good answer.
func (p *Pool) countFailure(l *Lease, o Outcome, v Verdict) {
	m := l.member
	m.reason = reasonOf(o)
	m.failures[o.Cause]++
	if m.samples[o.Cause] == "" {
		m.samples[o.Cause] = sampleOf(o)
	}
	if v.Action == Retry || v.Action == Wait {
		m.retries++
	}
	large := o.Cause == TooLarge && m.Good() && !p.anotherTook(l.bytes, m)
	if few := o.Cause == Unproved && l.Records > 1; !large && !few { // else the batch is to blame, or smaller ones will prove the host
		m.failedInRow++
	}
	if o.Cause == TooLarge && (m.largestTaken < int64(l.bytes) || !p.anotherTook(l.bytes, m)) { // else another batch as large would be taken
		m.learn413(l.bytes)
	}
	m.brokenInRow++
	if o.Cause != Broken {
		m.brokenInRow = 0
	}
}

// failsAlone tells whether a host fails every request, in any way, while other
// hosts answer or may still answer. Such a host can fail a thousand requests in
// the time that another host takes for one answer, would always be free, and would
// get most of the job. A stretch of bad records looks the same at a single host,
// but makes the other hosts fail, too; and where all hosts fail, one host goes on.
func (p *Pool) failsAlone(m *Member) bool {
	if m.failedInRow < mostFailedInRow {
		return false
	}
	return p.goodAnswers.Load()-m.lastGood.Load() >= mostFailedInRow || slices.ContainsFunc(p.members, func(o *Member) bool {
		return o.usable() && !o.probing && o.failedInRow < mostFailedInRow
	})
}

// learnGood takes a good answer, which ends all suspicion against the host, and
// proves that the fleet is alive.
func (p *Pool) learnGood(l *Lease, now time.Time) {
	m := l.member
	if m.probing {
		m.probing = false
		m.limiter.restart(now)
		p.tellRecovered(m)
	}
	m.backoff, m.brokenInRow, m.failedInRow = 0, 0, 0
	m.usualTime += (l.took - m.usualTime) / 8
	m.largestTaken = max(m.largestTaken, int64(l.bytes))
	m.records += int64(l.Records)
	m.limiter.good(now, l.granted, l.Records, m.inFlight+1 >= m.limiter.limit)
	m.track.add(now, m.limiter.limit)
	// The histogram ends at an hour and refuses larger values, so they are cut to it.
	_ = m.latency.RecordValue(min(max(l.took.Microseconds(), 1), m.latency.HighestTrackableValue()))
	m.answerTime += l.took
	p.troubledSince = time.Time{}
	m.lastGood.Store(p.goodAnswers.Add(1))
	m.hasAnswered.Store(true)
}

// noteTrouble starts the clock of HostWait. Only outcomes that speak against the
// host do; refused records do not.
func (p *Pool) noteTrouble(o Outcome, v Verdict, now time.Time) {
	if !p.troubledSince.IsZero() {
		return
	}
	switch o.Cause {
	case Busy, Unreachable, Broken, Denied:
		p.troubledSince = now
	default:
		if v.Action == PauseHost {
			p.troubledSince = now
		}
	}
}

// dropMember takes a host out for good.
func (p *Pool) dropMember(m *Member, why string, now time.Time) {
	if m.dropReason != "" {
		return
	}
	m.dropReason = why
	p.incidents.tell(m.Name(), "is not used any more: %s", why)
	m.signalLost()
	if up, _ := p.usable(); up == 0 && p.noneReadySince.IsZero() {
		p.noneReadySince = now
	}
	p.announce()
}

// eject allows the host one request at a time until a good answer; why is for people.
func (p *Pool) eject(m *Member, why string, now time.Time) {
	if !m.probing {
		m.probing = true
		m.ejections++
	}
	p.tellEjected(m, why, now)
}

// reasonOf says in one line what an outcome was.
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
