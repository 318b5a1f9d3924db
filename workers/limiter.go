package workers

import (
	"math"
	"math/bits"
	"time"
)

// A limiter finds how many requests a host should have in flight at once, the
// limit: the fewest requests that bring nearly the most records a second. Further
// requests would only wait in the host's own queue.
//
// The search goes by steps. A limit holds for an epoch, in which the host's rate
// is measured by Little's law: the mean number of requests in flight over the mean
// time of a record. The phase says which limit is tried next:
//
//   - starting: one more with each good answer, while answers take no longer;
//   - climbing: the double, while a doubling raises the rate by worthwhileGain;
//   - refining: halfway between the smallest limit with a rate near the best and
//     the next smaller limit that was measured;
//   - steady: the limit stays, and is watched for a rate that drifts away, which
//     begins the search again;
//   - probing: now and then, from steady, a little more or a little less.
//
// A host that refuses a request (429, 503) tells its limit: the number of the
// other requests in flight. A host that breaks requests off gets half its limit.
//
// Answers are compared by time per record, and only answers to batches of about
// one size: a fixed cost per request must not look like a slow host. A limit is
// never more than queueFactor times the requests that the host seems to serve at
// once by its shortest times. The ideas are those of Netflix's concurrency-limits
// (gradient of latency, probes) and of TCP (slow start, a window that is not full
// proves nothing). The difference: a job always has more to ask, so the rate
// itself can be measured.
//
// A limiter only calculates. The pool's lock guards all limiters.
type limiter struct {
	maxLimit int  // limit is never above
	fixed    bool // the user gave the limit
	frozen   bool // the limit stays, while batches change

	limit        int
	target       int // limit grows to target by one for each good answer
	phase        phase
	epoch        epoch
	steadyRate   float64 // records a second while steady; 0 is not known
	minCost      float64 // the fewest seconds that a record took, as the mean of an epoch
	slowdown     float64 // while frozen: how many times longer than minCost a record takes
	sizeClass    int     // the bits of the size of the batches that are compared
	otherClasses int     // answers to batches of other size classes in this epoch

	search
	counts
}

// search is what a limiter remembers of its searches and probes.
type search struct {
	points      []point // limits measured in this search, ascending
	newestPoint point   // the point measured last
	probeFrom   point   // the point at which the probe began
	probeAt     time.Time
	probeWait   time.Duration
	probeDown   bool // the next probe tries a lower limit
	drifted     bool // the last epoch's rate was far from steadyRate
}

// counts is how the host took requests.
type counts struct {
	goodCount    int       // good answers since the limit changed
	refusedCount int       // refusals since the limit changed
	brokenCount  int       // broken requests since the limit changed
	limitBefore  int       // the limit before a row of refusals; 0 without refusals
	refusedAt    time.Time // when the row of refusals began
	cutAt        time.Time // when a refusal or a broken request lowered the limit last
}

type phase uint8

const (
	starting phase = iota
	climbing
	refining
	steady
	probing
)

// point is a limit and the records a second that the host served with it.
type point struct {
	limit int
	rate  float64
}

const (
	// firstLimit is where a search begins: the time of a request alone shows later
	// how long requests wait in the host's own queue.
	firstLimit = 1
	// worthwhileGain is the share by which a doubled limit has to raise the rate.
	worthwhileGain = 0.05
	// nearBest is the share of the best rate that a search is content with:
	// chance is as large, and spareDivisor adds to the limit. probeKeeps is the share
	// of the rate that a probe of a lower limit has to keep.
	nearBest   = 0.96
	probeKeeps = 0.98
	// spareDivisor sets how much is added to a limit that was found: an eighth. The
	// addition covers the time on the network, and a limit found too low by chance.
	spareDivisor = 8
	// slowerFactor is how many times the cost of the quickest round a round of the
	// start may have per record.
	slowerFactor = 1.3
	// fullShare is the share of the limit that must have been in flight, or the
	// epoch proves nothing.
	fullShare = 0.85
	// queueFactor times the requests that a host serves at once is its highest limit.
	queueFactor = 4.5
	// driftFactor is the change of the rate after which the search begins again.
	driftFactor = 1.6

	// refusalMemory is for how long after a refusal the limit grows in small steps.
	refusalMemory = 5 * time.Minute

	// longestEpoch ends an epoch early if it has an answer for each request in flight.
	longestEpoch = 5 * time.Second

	// firstProbeWait is from the end of a search to the first probe. A probe that
	// found nothing doubles the wait, up to longestProbeWait.
	firstProbeWait   = 5 * time.Second
	longestProbeWait = time.Minute
)

func newLimiter(fixed, most int) limiter {
	l := limiter{maxLimit: max(most, 1)}
	if fixed > 0 {
		l.fixed, l.maxLimit = true, fixed
	}
	l.limit = min(firstLimit, l.maxLimit)
	if l.fixed {
		l.limit = fixed
	}
	l.target = l.limit
	return l
}

// beginEpoch begins to measure the limit.
func (l *limiter) beginEpoch(now time.Time) {
	l.epoch = epoch{began: now}
	l.otherClasses = 0
}

// move goes to another limit: down at once, up by one with each good answer.
func (l *limiter) move(to int, now time.Time) {
	to = max(1, min(to, l.maxLimit))
	l.target = to
	if to < l.limit {
		l.limit = to
	}
	l.goodCount, l.refusedCount, l.brokenCount = 0, 0, 0
	l.epoch = epoch{} // account begins the epoch once no more than the limit is in flight
	if l.limit == to {
		l.epoch.pending = true
	}
}

// account is called before the number of requests in flight changes from inFlight.
func (l *limiter) account(now time.Time, inFlight int) {
	switch e := &l.epoch; {
	case e.pending && inFlight <= l.limit:
		l.beginEpoch(now)
	case !e.began.IsZero():
		e.requestSeconds += float64(inFlight) * now.Sub(e.advance(now)).Seconds()
	}
}

// good counts a good answer to so many records, whose request was sent at sent.
// saturated tells whether the host had limit requests in flight; with fewer, a
// higher limit is not needed.
func (l *limiter) good(now, sent time.Time, records int, saturated bool) {
	if l.fixed {
		return
	}
	l.goodCount++
	l.regain(now, sent)
	if records < 1 {
		return
	}
	if l.frozen {
		l.frozenSample(now.Sub(sent).Seconds(), records)
		return
	}
	if saturated && l.phase == starting && len(l.points) > 0 && l.limit < l.ceiling(l.points[0]) {
		l.limit++
		l.target = l.limit
	}
	if l.limit < l.target {
		if !saturated {
			return
		}
		if l.limit++; l.limit == l.target {
			l.beginEpoch(now)
		}
		return
	}
	e := &l.epoch
	if e.began.IsZero() && !e.pending {
		l.beginEpoch(now)
	}
	if e.pending || sent.Before(e.began) || !l.comparable(records) {
		return
	}
	e.add(now.Sub(sent).Seconds(), records)
	if l.conclusive(now) {
		l.endEpoch(now)
	}
}

// conclusive tells whether the epoch can end: with an answer for each request in
// flight, once the mean is known well, or after so many answers that waiting for
// more is too long. A climb goes on as soon as the last step's worth is plain.
func (l *limiter) conclusive(now time.Time) bool {
	e := &l.epoch
	if now.Sub(e.began) > longestEpoch && e.answers >= max(l.limit, 4) {
		return true
	}
	switch l.phase {
	case starting:
		return e.answers >= max(l.limit/2, 4)
	case climbing:
		least := max(l.limit, 4)
		return e.answers >= least && (l.plainlyDecided(now) || e.doubt() <= 0.03 || e.answers >= 3*least)
	case steady: // steadyRate averages many epochs
		return e.answers >= max(l.limit, 12)
	}
	least, most, longest := max(l.limit, 12), 0.02, 3
	if l.phase == probing { // the rate is compared with a rate that is known well
		if most, longest = 0.015, 8; e.answers >= max(l.limit, 4) && e.rate(now)*(1+3*e.doubt()) < probeKeeps*l.probeFrom.rate {
			return true // the probe is plainly worse
		}
	}
	return e.answers >= least && (e.doubt() <= most || e.answers >= longest*least)
}

// plainlyDecided tells whether the rate is so far from the worthwhile rate that more
// answers cannot change the decision.
func (l *limiter) plainlyDecided(now time.Time) bool {
	if len(l.points) == 0 {
		return true
	}
	e, before := &l.epoch, l.points[len(l.points)-1]
	rate, least, doubt := e.rate(now), l.worthwhileRate(before, l.limit), 3*e.doubt()
	return rate*(1-doubt) >= least || rate*(1+doubt) < least
}

// worthwhileRate is the rate from which the step from before to limit pays.
func (l *limiter) worthwhileRate(before point, limit int) float64 {
	return before.rate * (1 + worthwhileGain*math.Log2(float64(limit)/float64(before.limit)))
}

// comparable tells whether a batch of so many records is of the size class that
// is measured. When most batches are of another class, that class is measured
// from now on.
func (l *limiter) comparable(records int) bool {
	class := bits.Len(uint(records))
	if l.sizeClass == class {
		return true
	}
	if l.otherClasses++; l.sizeClass != 0 && l.otherClasses <= 2*max(l.epoch.answers, l.limit) {
		return false
	}
	l.sizeClass, l.minCost, l.steadyRate = class, 0, 0
	if l.phase == probing {
		l.abandonProbe()
		return false
	}
	l.points = l.points[:0]
	began := l.epoch.began
	l.epoch = epoch{began: began, countedTo: l.epoch.countedTo, requestSeconds: l.epoch.requestSeconds}
	l.otherClasses = 0
	return true
}

// endEpoch ends an epoch and decides which limit is next.
func (l *limiter) endEpoch(now time.Time) {
	e := &l.epoch
	inFlight, cost := e.inFlight(now), e.seconds/float64(e.records)
	here := point{l.limit, e.rate(now)}
	l.newestPoint = here
	if l.minCost == 0 || cost < l.minCost {
		l.minCost = cost
	}
	switch {
	case l.phase == starting:
		l.endRound(here, inFlight, now)
	case inFlight < fullShare*float64(l.limit):
		l.starved(now)
	case l.phase == steady:
		l.endSteadyEpoch(here, now)
	case l.phase == probing:
		l.endProbe(here, now)
	default:
		l.endStep(here, now)
	}
	if !l.epoch.pending && l.limit == l.target {
		l.beginEpoch(now)
	}
}

// endRound ends a round of the start. The first round shows how long an answer
// takes alone. When answers take longer than that, the climb begins at the limit
// with which the round began.
func (l *limiter) endRound(here point, inFlight float64, now time.Time) {
	began, cost := 1, inFlight/here.rate
	if len(l.points) > 0 {
		began = l.points[0].limit
	}
	// The requests answered in this round were sent with at most began in flight.
	l.points = append(l.points[:0], point{here.limit, min(float64(began), inFlight) / cost})
	if cost < slowerFactor*l.minCost && l.limit < l.maxLimit {
		return
	}
	l.phase, l.points = climbing, l.points[:0]
	l.move(began, now)
}

// starved ends an epoch in which the job had too few requests to test the limit.
func (l *limiter) starved(now time.Time) {
	if l.phase == probing {
		l.abandonProbe()
	}
	if l.phase != steady {
		l.holdSteady(now)
	}
}

// ceiling is the highest limit that may be tried after here.
func (l *limiter) ceiling(here point) int {
	if here.rate == 0 || l.minCost == 0 {
		return l.maxLimit
	}
	served := here.rate * l.minCost // requests at once
	return min(l.maxLimit, max(2, int(queueFactor*served)))
}
