package workers

import (
	"math/rand/v2"
	"sync/atomic"
	"time"
)

const (
	firstBackOff   = 100 * time.Millisecond
	longestBackOff = 30 * time.Second
	// mostBrokenInRow is how many requests in a row a host may break before the
	// host is ejected.
	mostBrokenInRow = 3
	// mostFailedInRow is how many requests in a row a host may fail in any way,
	// while another host answers, before the host is ejected.
	mostFailedInRow = 5
	// silentFactor is how many usual answer times a host may stay silent before
	// waiters stop waiting for the host and take the host they avoid.
	silentFactor = 4
)

// A Member is one host of a [Pool], with what the pool knows about the host. The
// methods may be called concurrently.
type Member struct {
	pool         *Pool
	host         Host
	payloadLimit atomic.Int64
	given

	// The fields below are guarded by pool.mu.
	ready        bool
	params       Parameters
	limiter      limiter
	inFlight     int
	dropReason   string        // why the host was dropped; empty while in use
	dropCause    string        // dropReason without what the host said; may be empty
	serverGone   bool          // the host was dropped because its server is gone for good, not because it is the wrong host
	source       Source        // found the host; nil for a host of Fleet.Hosts
	grants       int           // number of leases so far
	exclusive    bool          // the host's one lease keeps other requests away
	lost         chan struct{} // holds a token after the host could not be reached
	largestTaken int64         // the largest payload answered well, in bytes
	health
	rest
	totals
}

// given is what a host has answered.
type given struct {
	hasAnswered atomic.Bool
	lastGood    atomic.Uint64
	looks       looks // of the answers
}

// health is how well a host has answered lately.
type health struct {
	reason      string        // the last failure, in one line
	lastHeard   time.Time     // when the host answered last, or got a request while idle
	usualTime   time.Duration // of a good answer, a moving mean
	brokenInRow int           // requests in a row without a whole response
	failedInRow int           // requests in a row without a good answer
	probing     bool          // the host is ejected: one request at a time until a good answer
	told        told
}

// rest is a time in which a host gets no requests.
type rest struct {
	restUntil time.Time     // the host gets no request before
	restBegan time.Time     // when the last rest began
	backoff   time.Duration // the bound of the last random rest; 0 after a good answer
}

func newMember(p *Pool, h Host) *Member {
	return &Member{pool: p, host: h, limiter: p.limits.limiter(Parameters{}), lost: make(chan struct{}, 1),
		health: health{reason: "not ready yet"}, totals: newTotals()}
}

// Name is the host's name, without secrets.
func (m *Member) Name() string { return m.host.Name() }

// signalLost lets [Pool.Watch] ask the host again.
func (m *Member) signalLost() {
	select {
	case m.lost <- struct{}{}:
	default:
	}
}

// Host is the host, as the fleet or the source gave it.
func (m *Member) Host() Host { return m.host }

// Good tells whether the host has given a good answer.
func (m *Member) Good() bool { return m.hasAnswered.Load() }

// LastGood is what [Pool.Clock] stood at right after the host's last good
// answer: an earlier reading of the clock is smaller exactly if the host has
// answered since.
func (m *Member) LastGood() uint64 { return m.lastGood.Load() }

// usable tells whether the host can get requests, now or after a rest.
func (m *Member) usable() bool { return m.ready && m.dropReason == "" }

// room is how many more requests the host may get now.
func (m *Member) room() int {
	switch {
	case m.exclusive || m.pool.reservedMember == m:
		return 0
	case m.probing:
		return 1 - m.inFlight
	}
	return m.limiter.limit - m.inFlight
}

// free tells whether the host can take a request now.
func (m *Member) free(now time.Time) bool {
	return m.usable() && m.room() > 0 && !now.Before(m.restUntil)
}

// worthWaitingUntil is until when a silent host is worth waiting for.
func (m *Member) worthWaitingUntil() time.Time {
	return m.lastHeard.Add(max(soonRest, silentFactor*m.usualTime))
}

// lessLoaded compares the shares of the limits that are in flight.
func (m *Member) lessLoaded(o *Member) bool {
	return m.inFlight*o.limiter.limit < o.inFlight*m.limiter.limit
}

// restFor makes the host rest for d, or until the end of a longer rest.
func (r *rest) restFor(d time.Duration, now time.Time) {
	r.restBegan = now
	if until := now.Add(d); until.After(r.restUntil) {
		r.restUntil = until
	}
}

// restOrBackOff rests the host for the time it asked for, else for a time that grows.
func (r *rest) restOrBackOff(asked time.Duration, sent, now time.Time) {
	if asked > 0 {
		r.restFor(asked, now)
		return
	}
	r.backOff(sent, now)
}

// backOff rests the host for a random time below a bound that doubles, up to
// longestBackOff. A request sent before the last rest began tells nothing new, so
// a burst of failures counts once.
func (r *rest) backOff(sent, now time.Time) {
	if r.backoff > 0 && !sent.After(r.restBegan) {
		return
	}
	r.backoff = min(max(2*r.backoff, firstBackOff), longestBackOff)
	r.restFor(1+rand.N(r.backoff), now)
}
