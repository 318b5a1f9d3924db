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

// good counts an answer to so many records. sent is when its place was taken.
func (l *limiter) good(now, sent time.Time, records int) {
	if l.fixed {
		return
	}
	l.proven++
	if records < 1 {
		return
	}
	if l.held {
		l.heldSample(now.Sub(sent).Seconds(), records)
		return
	}
	if l.phase == starting && len(l.points) > 0 && l.limit < l.ceiling(l.points[0]) {
		l.limit++
		l.target = l.limit
	}
	if l.limit < l.target {
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
	} else {
		l.points = l.points[:0]
	}
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
		l.start(here, cost, now)
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
func (l *limiter) start(here point, cost float64, now time.Time) {
	began := 1
	if len(l.points) > 0 {
		began = l.points[0].limit
	}
	// What was answered in this round was sent when no more were in flight than when it began.
	l.points = append(l.points[:0], point{here.limit, float64(began) / cost})
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

// search takes the next step of a search, of which here is the newest point.
func (l *limiter) search(here point, now time.Time) {
	l.points = insertPoint(l.points, here)
	if l.phase == climbing {
		if to := min(2*here.limit, l.ceiling(here)); to > here.limit && l.worth(here) {
			l.move(to, now)
			return
		}
		l.phase = refining
	}
	best, below := l.bracket()
	straight := best.rate*l.base >= full*float64(best.limit) || // nothing waits there
		below.limit > 0 && best.rate/below.rate >= 0.95*float64(best.limit)/float64(below.limit)
	if best.limit-below.limit > max(1, best.limit/8) && !straight {
		l.move(l.between(below, best), now)
		return
	}
	l.steady = best.rate
	l.settle(now)
	l.move(l.spared(best), now)
}

// spared is the best limit and a little more.
func (l *limiter) spared(best point) int {
	return max(best.limit, min(best.limit+best.limit/spare, l.ceiling(best)))
}

// between is the limit to try between two: a little above what the host seems
// to serve at once, if that lies there.
func (l *limiter) between(below, best point) int {
	if served := int(1.1*best.rate*l.base) + 1; served > below.limit && served < best.limit-best.limit/16 {
		return served
	}
	return (best.limit + below.limit) / 2
}

// worth tells whether the step to here brought enough to go on.
func (l *limiter) worth(here point) bool {
	at := len(l.points) - 1
	for l.points[at].limit != here.limit {
		at--
	}
	if at == 0 {
		return true
	}
	return here.rate*(1+l.epoch.doubt()) >= l.least(l.points[at-1], here.limit)
}

// bracket is the fewest that brought enough, and the most below that did not.
func (l *limiter) bracket() (best, below point) {
	most := 0.0
	for _, p := range l.points {
		most = max(most, p.rate)
	}
	for _, p := range l.points {
		if p.rate >= near*most {
			return p, below
		}
		below = p
	}
	return best, below
}

// insertPoint puts p in its place, instead of an older one of its limit.
func insertPoint(points []point, p point) []point {
	at := 0
	for at < len(points) && points[at].limit < p.limit {
		at++
	}
	if at < len(points) && points[at].limit == p.limit {
		points[at] = p
		return points
	}
	points = append(points, point{})
	copy(points[at+1:], points[at:])
	points[at] = p
	return points
}

// settle ends a search; the limit stays what it is until the next probe.
func (l *limiter) settle(now time.Time) {
	l.phase = settled
	l.points = l.points[:0]
	if l.probeWait == 0 {
		l.probeWait = firstProbe
	}
	l.probeAt = now.Add(l.probeWait)
}

// watch follows a settled host, and begins a probe when it is time.
func (l *limiter) watch(here point, now time.Time) {
	switch {
	case l.steady == 0:
		l.steady = here.rate
	case here.rate > drift*l.steady || drift*here.rate < l.steady:
		if l.drifted = !l.drifted; l.drifted { // once may be chance
			return
		}
		// Another host by now: what was known of it does not hold.
		l.base, l.steady, l.probeWait = 0, 0, 0
		l.phase, l.points = climbing, l.points[:0]
		return
	default:
		l.drifted = false
		l.steady += (here.rate - l.steady) / 2
	}
	if now.Before(l.probeAt) {
		return
	}
	to := l.probeTo(here, now)
	l.down = !l.down
	if to == l.limit {
		l.later(now)
		return
	}
	l.from = point{l.limit, l.steady}
	l.phase = probing
	l.move(to, now)
}

// probeTo is the limit that the next probe tries.
func (l *limiter) probeTo(here point, now time.Time) int {
	if l.down && here.rate*l.base > full*float64(l.limit) {
		return l.limit // nothing waits there
	}
	if l.down {
		return max(1, l.limit-max(1, l.limit/5))
	}
	step := max(1, l.limit/4)
	if l.refusals(now) {
		step = max(1, l.limit/16)
	}
	return min(l.limit+step, max(l.limit, l.ceiling(here)))
}

// refusals tells whether the host is known to refuse what it has no room for.
func (l *limiter) refusals(now time.Time) bool {
	return !l.cutAt.IsZero() && now.Sub(l.cutAt) < remembered
}

// judge ends a probe.
func (l *limiter) judge(here point, now time.Time) {
	l.phase = settled
	up := here.limit > l.from.limit
	ratio := float64(here.limit) / float64(l.from.limit)
	switch {
	case up && here.rate >= l.from.rate*(1+max(worthwhile*math.Log2(ratio), (ratio-1)/4)):
		l.points = append(l.points[:0], l.from, here)
		l.phase, l.probeWait = climbing, 0
		if to := min(2*here.limit, l.ceiling(here)); to > here.limit && !l.refusals(now) {
			l.move(to, now)
			return
		}
		l.steady, l.down = here.rate, false
		l.settle(now)
	case !up && here.rate >= enough*l.from.rate:
		l.steady, l.probeWait, l.down = here.rate, 0, true // and even less, perhaps
		l.settle(now)
	default:
		l.move(l.from.limit, now)
		l.later(now)
	}
}

// later puts the next probe off, for longer each time that one found nothing.
func (l *limiter) later(now time.Time) {
	l.probeWait = min(max(2*l.probeWait, firstProbe), slowProbe)
	l.probeAt = now.Add(l.probeWait)
}

// giveUp ends a probe without a result.
func (l *limiter) giveUp() {
	l.phase = settled
	l.target = l.from.limit
	l.limit = min(l.limit, l.target)
	l.epoch = epoch{pending: l.limit == l.target}
}

// busy: a host refused a request, and seems to serve so many others. At a limit
// that has served well, one refusal in a hundred answers is not listened to.
func (l *limiter) busy(now time.Time, others int) {
	if l.fixed || others >= l.limit && l.limit > 1 { // sent under an older limit
		return
	}
	l.refused++
	trusted := l.phase == settled && l.proven > 4*l.limit
	if trusted && l.refused*100 <= max(l.proven, 100) {
		return
	}
	waited := l.probeWait
	if l.phase != probing {
		waited = 0
	}
	l.cutAt = now
	l.steady = 0
	l.move(others, now)
	l.settle(now)
	l.probeWait = waited
	l.later(now)
	l.down = false
}

// bad: a request came to no end. When more than one in five does, the host gets half.
func (l *limiter) bad(now, sent time.Time) {
	if l.fixed || sent.Before(l.cutAt) {
		return
	}
	l.broken++
	if l.broken < 3 || l.broken*5 < l.broken+l.proven {
		return
	}
	l.cutAt = now
	l.steady, l.probeWait = 0, 0
	l.move(l.limit/2, now)
	l.settle(now)
	l.down = false
}

// restart is for a host that was away: from one request up to what it had, twice
// as many each round.
func (l *limiter) restart(now time.Time) {
	if l.fixed || l.held {
		return
	}
	had := max(l.target, l.limit)
	if l.phase == probing {
		had = l.from.limit
	}
	l.phase, l.points, l.steady, l.probeWait = climbing, l.points[:0], 0, 0
	l.move(1, now)
	l.target = had
	l.epoch.pending = l.limit == l.target
}

// hold keeps the limit where it is, but for what the host refuses, until release.
func (l *limiter) hold() {
	if l.fixed || l.held {
		return
	}
	l.limit = max(l.limit, l.target)
	switch l.phase {
	case probing:
		l.limit, l.phase = l.from.limit, settled
	case refining: // what is tried just now is less, but not the best
		best, _ := l.bracket()
		l.limit, l.phase, l.last = l.spared(best), settled, best
	}
	if l.phase < settled && l.base > 0 && l.last.rate > 0 { // not found yet: what it seems to serve
		l.limit = max(1, min(l.limit, int(math.Ceil(1.25*l.last.rate*l.base))))
	}
	l.held, l.target, l.class = true, l.limit, 0
	l.queued = 1
	if l.base > 0 && l.last.rate > 0 {
		l.queued = max(1, float64(l.last.limit)/(l.last.rate*l.base))
	}
	l.epoch = epoch{}
}

// heldSample learns how long the newest size of batches takes at this limit.
func (l *limiter) heldSample(took float64, records int) {
	if class := bits.Len(uint(records)); class != l.class {
		l.class, l.epoch = class, epoch{}
	}
	l.epoch.add(took, records)
}

// release goes on from the limit that was held. How long a record takes alone is
// known by how much longer it took with others before.
func (l *limiter) release(now time.Time) {
	if !l.held {
		return
	}
	l.held, l.down, l.base, l.steady, l.probeWait = false, false, 0, 0, 0
	if e := &l.epoch; e.n > 0 {
		l.base = e.took / float64(e.records) / l.queued
	}
	l.points = l.points[:0]
	switch {
	case l.phase == starting && l.base > 0:
		l.points = append(l.points, point{l.limit, float64(l.limit) / l.base})
	case l.phase != starting && l.phase != climbing:
		l.settle(now)
	}
	l.move(l.limit, now)
}

// epoch is what was measured while one limit held.
type epoch struct {
	pending bool // it begins once no more than the limit is in flight
	began   time.Time
	at      time.Time // up to when area is counted
	area    float64   // requests in flight, times seconds
	n       int       // good answers to requests sent since it began
	records int       // in them
	took    float64   // seconds, all of them together
	mean    float64   // of seconds per record, and the sum of squares about it (Welford)
	squares float64
}

// last is up to when area was counted, and now from here on.
func (e *epoch) last(now time.Time) time.Time {
	was := e.at
	if was.IsZero() {
		was = e.began
	}
	e.at = now
	return was
}

func (e *epoch) add(took float64, records int) {
	e.n++
	e.records += records
	e.took += took
	each := took / float64(records)
	d := each - e.mean
	e.mean += d / float64(e.n)
	e.squares += d * (each - e.mean)
}

// inFlight is how many requests were in flight, on average.
func (e *epoch) inFlight(now time.Time) float64 { return e.area / now.Sub(e.began).Seconds() }

// rate is the records a second, by Little's law.
func (e *epoch) rate(now time.Time) float64 {
	return e.inFlight(now) * float64(e.records) / e.took
}

// doubt is how far the mean may be off, as a share of it.
func (e *epoch) doubt() float64 {
	n := float64(e.n)
	return math.Sqrt(e.squares/max(n-1, 1)/n) / e.mean
}
