package workers

import (
	"math"
	"math/bits"
	"time"
)

// A limiter finds how many requests a host should have in flight at once: the
// fewest that bring nearly the most records a second. More than that only
// waits in the host's own queue.
//
// It goes by steps. A limit is held for an epoch, in which the host's rate is
// measured by Little's law: requests in flight on average, over the time that
// a record took on average. Then the next limit is tried:
//
//   - start: one more with each good answer, as long as answers take no longer;
//   - climb: doubled, as long as that brings worthwhile more;
//   - refine: halfway between the fewest that brought enough and the most that
//     did not;
//   - settled: held. Now and then a little more and a little less is tried, and
//     where the rate drifts away, all begins again.
//
// A host that refuses (429, 503) says how many it takes itself: what was in flight
// when it refused one, less that one. A host that breaks requests off gets half.
//
// Answers are compared by time per record, and only those to batches of about one
// size: a fixed cost per request must not look like a slow host. It never tries
// more than ownQueue times what the host seems to serve at once, by its shortest
// times. The ideas are Netflix's concurrency-limits (gradient of latency, probes)
// and TCP's (slow start, a window that is not full proves nothing); what differs is
// that a job always has more to ask, so that the rate itself can be measured.
//
// It is no more than a calculation; the pool's lock guards it.
type limiter struct {
	most  int  // never above
	fixed bool // the limit is what the user said
	held  bool // the limit stays, while batches change

	limit  int
	target int // limit grows to it by one for each good answer
	phase  phase
	epoch  epoch
	points []point // measured in this search, ascending by limit
	from   point   // what a probe began at
	last   point   // the newest that was measured
	steady float64 // records a second while settled
	base   float64 // the shortest time a record took, as the mean of an epoch
	queued float64 // while held: how many times longer it took at this limit
	class  int     // of batches that are compared: the bits of their size
	others int     // answers to batches of other classes in this epoch

	probeAt   time.Time
	probeWait time.Duration
	down      bool // the next probe tries less
	drifted   bool // the last epoch's rate was far from the others

	proven  int // good answers since the limit changed
	refused int // and refusals
	broken  int // and broken requests
	had     int // the limit before a row of refusals; 0 without
	hadAt   time.Time
	cutAt   time.Time
}

type phase uint8

const (
	starting phase = iota
	climbing
	refining
	settled
	probing
)

// point is a limit and the records a second that it brought.
type point struct {
	limit int
	rate  float64
}

const (
	// firstLimit is where a search begins: what one request takes alone is what
	// a host's own queue is told from.
	firstLimit = 1
	// worthwhile is by how much a doubling has to raise the rate.
	worthwhile = 0.05
	// near is the share of the best rate that a search is content with, for chance is as
	// large, and it gets some on top; enough is the share that a probe has to keep.
	near   = 0.96
	enough = 0.98
	// spare is the part of a limit that it gets on top: it makes up for the way
	// there and back, and for what chance made too low.
	spare = 8
	// slower is by what factor a round of the start may take longer than the
	// quickest one.
	slower = 1.3
	// full is the share of the limit that must have been in flight for an epoch
	// to tell anything.
	full = 0.85
	// ownQueue is how many times what a host serves at once it is tried with.
	ownQueue = 4.5
	// drift is by what factor the rate may change before it is another host.
	drift = 1.6

	// remembered is how long a host counts as one that refuses: it is gone up to
	// in small steps.
	remembered = 5 * time.Minute

	// longestEpoch ends an epoch that has an answer for each request in flight.
	longestEpoch = 5 * time.Second

	firstProbe = 5 * time.Second
	slowProbe  = time.Minute
)

func newLimiter(fixed, most int) limiter {
	l := limiter{most: max(most, 1)}
	if fixed > 0 {
		l.fixed, l.most = true, fixed
	}
	l.limit = min(firstLimit, l.most)
	if l.fixed {
		l.limit = fixed
	}
	l.target = l.limit
	return l
}

// begin measures the limit that holds from now on.
func (l *limiter) begin(now time.Time) {
	l.epoch = epoch{began: now}
	l.others = 0
}

// move goes to another limit: down at once, up by one for each good answer.
func (l *limiter) move(to int, now time.Time) {
	to = max(1, min(to, l.most))
	l.target = to
	if to < l.limit {
		l.limit = to
	}
	l.proven, l.refused, l.broken = 0, 0, 0
	l.epoch = epoch{} // begins when no more than that is in flight, see account
	if l.limit == to {
		l.epoch.pending = true
	}
}

// account is called before the number in flight changes.
func (l *limiter) account(now time.Time, inFlight int) {
	switch e := &l.epoch; {
	case e.pending && inFlight <= l.limit:
		l.begin(now)
	case !e.began.IsZero():
		e.area += float64(inFlight) * now.Sub(e.last(now)).Seconds()
	}
}

// good counts an answer to so many records. sent is when its place was taken, used
// tells whether all places were: else there is no need for more.
func (l *limiter) good(now, sent time.Time, records int, used bool) {
	if l.fixed {
		return
	}
	l.proven++
	l.answers(now, sent)
	if records < 1 {
		return
	}
	if l.held {
		l.heldSample(now.Sub(sent).Seconds(), records)
		return
	}
	if used && l.phase == starting && len(l.points) > 0 && l.limit < l.ceiling(l.points[0]) {
		l.limit++
		l.target = l.limit
	}
	if l.limit < l.target {
		if !used {
			return
		}
		if l.limit++; l.limit == l.target {
			l.begin(now)
		}
		return
	}
	e := &l.epoch
	if e.began.IsZero() && !e.pending {
		l.begin(now)
	}
	if e.pending || sent.Before(e.began) || !l.comparable(records) {
		return
	}
	e.add(now.Sub(sent).Seconds(), records)
	if l.told(now) {
		l.decide(now)
	}
}

// told tells whether the epoch has shown enough: an answer for each request in
// flight, and then until the mean is known well, but not for ever. A climb goes
// on as soon as it is plain that the last step was worth it.
func (l *limiter) told(now time.Time) bool {
	e := &l.epoch
	if now.Sub(e.began) > longestEpoch && e.n >= max(l.limit, 4) {
		return true
	}
	switch l.phase {
	case starting:
		return e.n >= max(l.limit/2, 4)
	case climbing:
		least := max(l.limit, 4)
		return e.n >= least && (l.plain(now) || e.doubt() <= 0.03 || e.n >= 3*least)
	case settled: // many epochs are taken together
		return e.n >= max(l.limit, 12)
	}
	least, most, longest := max(l.limit, 12), 0.02, 3
	if l.phase == probing { // compared with a rate that is known well
		if most, longest = 0.015, 8; e.n >= max(l.limit, 4) && e.rate(now)*(1+3*e.doubt()) < enough*l.from.rate {
			return true // plainly worse
		}
	}
	return e.n >= least && (e.doubt() <= most || e.n >= longest*least)
}

// plain tells whether the rate is far from the least that makes a step worthwhile.
func (l *limiter) plain(now time.Time) bool {
	if len(l.points) == 0 {
		return true
	}
	e, before := &l.epoch, l.points[len(l.points)-1]
	rate, least, doubt := e.rate(now), l.least(before, l.limit), 3*e.doubt()
	return rate*(1-doubt) >= least || rate*(1+doubt) < least
}

// least is the rate that makes a step from before worthwhile.
func (l *limiter) least(before point, limit int) float64 {
	return before.rate * (1 + worthwhile*math.Log2(float64(limit)/float64(before.limit)))
}

// comparable tells whether a batch of so many records is of the size that
// counts. When most are of another size, that one counts from then on.
func (l *limiter) comparable(records int) bool {
	class := bits.Len(uint(records))
	if l.class == class {
		return true
	}
	if l.others++; l.class != 0 && l.others <= 2*max(l.epoch.n, l.limit) {
		return false
	}
	l.class, l.base, l.steady = class, 0, 0
	if l.phase == probing {
		l.giveUp()
		return false
	}
	l.points = l.points[:0]
	began := l.epoch.began
	l.epoch = epoch{began: began, at: l.epoch.at, area: l.epoch.area}
	l.others = 0
	return true
}

// decide ends an epoch.
func (l *limiter) decide(now time.Time) {
	e := &l.epoch
	inFlight, cost := e.inFlight(now), e.took/float64(e.records)
	here := point{l.limit, e.rate(now)}
	l.last = here
	if l.base == 0 || cost < l.base {
		l.base = cost
	}
	switch {
	case l.phase == starting:
		l.start(here, inFlight, now)
	case inFlight < full*float64(l.limit):
		l.starved(now)
	case l.phase == settled:
		l.watch(here, now)
	case l.phase == probing:
		l.judge(here, now)
	default:
		l.search(here, now)
	}
	if !l.epoch.pending && l.limit == l.target {
		l.begin(now)
	}
}

// start ends a round of the start. A first one shows how long an answer takes
// alone; when they take longer, as many as there were then are measured.
func (l *limiter) start(here point, inFlight float64, now time.Time) {
	began, cost := 1, inFlight/here.rate
	if len(l.points) > 0 {
		began = l.points[0].limit
	}
	// What was answered in this round was sent when no more were in flight than when it began.
	l.points = append(l.points[:0], point{here.limit, min(float64(began), inFlight) / cost})
	if cost < slower*l.base && l.limit < l.most {
		return
	}
	l.phase, l.points = climbing, l.points[:0]
	l.move(began, now)
}

// starved: the job had no more to ask, so nothing can be said of the limit.
func (l *limiter) starved(now time.Time) {
	if l.phase == probing {
		l.giveUp()
	}
	if l.phase != settled {
		l.settle(now)
	}
}

// ceiling is the most that may be tried after here.
func (l *limiter) ceiling(here point) int {
	if here.rate == 0 || l.base == 0 {
		return l.most
	}
	served := here.rate * l.base // at once
	return min(l.most, max(2, int(ownQueue*served)))
}
