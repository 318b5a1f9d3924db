package workers

import (
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

const (
	firstRest = 100 * time.Millisecond
	slowRest  = 30 * time.Second
	// brokenInARow is how many requests in a row a host may break before it is ejected.
	brokenInARow = 3
	// failedInARow is how many requests in a row a host may fail in any way
	// while another does not, before it is ejected.
	failedInARow = 5
	// quiet is how many times what an answer takes a host may say nothing before
	// nobody waits for it who could have another.
	quiet = 4
)

// A Member is one host of a [Pool], with what the pool knows about it.
type Member struct {
	pool     *Pool
	host     Host
	good     atomic.Bool
	lastGood atomic.Uint64
	payload  atomic.Int64

	// All below is guarded by pool.mu.
	ready    bool
	params   Parameters
	limiter  limiter
	inFlight int
	dropped  string        // why; empty while in use
	gone     bool          // dropped because its server is gone for good, not because it is the wrong one
	source   Source        // that found it; nil for the job's own hosts
	grants   int           // leases so far
	solo     bool          // its one lease is to have it alone
	lost     chan struct{} // holds a token after it could not be reached
	reason   string        // the last thing that went wrong
	rest     time.Time     // no request before
	rested   time.Time     // when the last rest began
	backoff  time.Duration
	heard    time.Time     // when it answered last, or was asked first while it was asked nothing
	usual    time.Duration // that a good answer takes, about
	broken   int           // in a row
	failed   int           // in a row, in any way
	probing  bool          // ejected: one request at a time until a good answer
	fits     int64         // the largest payload answered well, in bytes

	requests, records, retries, ejections, hedges int64

	track track

	answerTime time.Duration           // of all good answers together
	failures   map[Cause]int64         // requests without one
	latency    *hdrhistogram.Histogram // microseconds
}

func newMember(p *Pool, h Host) *Member {
	return &Member{pool: p, host: h, limiter: p.limits.limiter(Parameters{}), reason: "not ready yet",
		failures: map[Cause]int64{}, lost: make(chan struct{}, 1), latency: hdrhistogram.New(1, time.Hour.Microseconds(), 2)}
}

// Name is the host's name, without secrets.
func (m *Member) Name() string { return m.host.Name() }

// wake lets [Pool.Watch] look at the host again.
func (m *Member) wake() {
	select {
	case m.lost <- struct{}{}:
	default:
	}
}

// Host is the host itself.
func (m *Member) Host() Host { return m.host }

// Good tells whether the host has given a good answer.
func (m *Member) Good() bool { return m.good.Load() }

// LastGood is what [Pool.Clock] stood at right after the host's last good
// answer: a clock noted earlier is smaller exactly if it has answered since.
func (m *Member) LastGood() uint64 { return m.lastGood.Load() }

// PayloadLimit is the size in bytes that the host's 413s have taught; 0 is no limit.
func (m *Member) PayloadLimit() int { return int(m.payload.Load()) }

// learn413 halves the limit below what was refused, but never below a payload
// that was taken.
func (m *Member) learn413(size int) {
	limit := max(int64(size)/2, min(m.fits, int64(size)-1), 1)
	if old := m.payload.Load(); old == 0 || limit < old {
		m.payload.Store(limit)
	}
}

// up: it can be used, now or after a rest.
func (m *Member) up() bool { return m.ready && m.dropped == "" }

// room is how many more requests the host may get at once.
func (m *Member) room() int {
	switch {
	case m.solo || m.pool.reserved == m:
		return 0
	case m.probing:
		return 1 - m.inFlight
	}
	return m.limiter.limit - m.inFlight
}

// free: it can take a request now.
func (m *Member) free(now time.Time) bool {
	return m.up() && m.room() > 0 && !now.Before(m.rest)
}

// quietUntil is up to when the host may say nothing, and still be worth waiting for.
func (m *Member) quietUntil() time.Time { return m.heard.Add(max(soonRest, quiet*m.usual)) }

// lighter compares load by share of the limit.
func (m *Member) lighter(o *Member) bool {
	return m.inFlight*o.limiter.limit < o.inFlight*m.limiter.limit
}

// restFor makes the host rest for d, or for longer if it does already.
func (m *Member) restFor(d time.Duration, now time.Time) {
	m.rested = now
	if until := now.Add(d); until.After(m.rest) {
		m.rest = until
	}
}

// backOff rests the host for a random time below a bound that doubles. Requests
// sent before the last rest began tell nothing new, so a burst counts once.
func (m *Member) backOff(sent, now time.Time) {
	if m.backoff > 0 && !sent.After(m.rested) {
		return
	}
	m.backoff = min(max(2*m.backoff, firstRest), slowRest)
	m.restFor(1+rand.N(m.backoff), now)
}
