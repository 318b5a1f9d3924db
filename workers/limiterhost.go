package workers

import (
	"math"
	"math/bits"
	"time"
)

// refused lowers the limit after a 429 or 503 to others, the number of other
// requests that the host seems to serve. At a limit that has served well one
// refusal in a hundred answers changes nothing.
func (l *limiter) refused(now time.Time, others int) {
	if l.fixed {
		return
	}
	if l.limitBefore == 0 {
		l.limitBefore, l.refusedAt = l.limit, now
	}
	if others >= l.limit && l.limit > 1 { // the request was sent under a higher limit
		return
	}
	l.refusedCount++
	trusted := l.phase == steady && l.goodCount > 4*l.limit
	if trusted && l.refusedCount*100 <= max(l.goodCount, 100) {
		return
	}
	waited := l.probeWait
	if l.phase != probing {
		waited = 0
	}
	l.cutAt = now
	l.steadyRate = 0
	l.move(others, now)
	l.holdSteady(now)
	l.probeWait = waited
	l.postponeProbe(now)
	l.probeDown = false
}

// regain is called with a good answer to a request sent at sent. A host that lost
// more than half its limit in a row of refusals, and answered no request sent since
// the row began, was away and not full: the host regains its limit, doubled each round.
func (l *limiter) regain(now, sent time.Time) {
	had := l.limitBefore
	if had == 0 || !sent.After(l.refusedAt) {
		return
	}
	if l.limitBefore = 0; l.frozen || 2*l.limit >= had {
		return
	}
	l.phase, l.points, l.steadyRate, l.probeWait = climbing, l.points[:0], 0, 0
	l.move(l.limit, now)
	l.target = min(had, l.maxLimit)
	l.epoch.pending = false
}

// broke counts a request without a whole response. When more than one request in
// five breaks, the host gets half its limit.
func (l *limiter) broke(now, sent time.Time) {
	if l.fixed || sent.Before(l.cutAt) {
		return
	}
	l.brokenCount++
	if l.brokenCount < 3 || l.brokenCount*5 < l.brokenCount+l.goodCount {
		return
	}
	l.cutAt = now
	l.steadyRate, l.probeWait = 0, 0
	l.move(l.limit/2, now)
	l.holdSteady(now)
	l.probeDown = false
}

// restart begins at a limit of 1, after the host was away, and goes back up to the
// limit it had, doubled each round.
func (l *limiter) restart(now time.Time) {
	if l.fixed || l.frozen {
		return
	}
	had := max(l.target, l.limit)
	if l.phase == probing {
		had = l.probeFrom.limit
	}
	l.phase, l.points, l.steadyRate, l.probeWait = climbing, l.points[:0], 0, 0
	l.move(1, now)
	l.target = had
	l.epoch.pending = l.limit == l.target
}

// freeze keeps the limit where it is until unfreeze; only refusals and broken
// requests still lower it. With single the limit is 1, and the search begins anew
// after unfreeze.
func (l *limiter) freeze(single bool) {
	if l.fixed || l.frozen {
		return
	}
	if single {
		fresh := newLimiter(0, l.maxLimit)
		fresh.frozen, fresh.slowdown = true, 1
		*l = fresh
		return
	}
	l.limit = max(l.limit, l.target)
	switch l.phase {
	case probing:
		l.limit, l.phase = l.probeFrom.limit, steady
	case refining: // the limit tried now is lower than the best
		best, _ := l.bracket()
		l.limit, l.phase, l.newestPoint = l.withSpare(best), steady, best
	}
	if l.phase < steady && l.minCost > 0 && l.newestPoint.rate > 0 { // the search has not ended: take the requests that the host seems to serve at once
		l.limit = max(1, min(l.limit, int(math.Ceil(1.25*l.newestPoint.rate*l.minCost))))
	}
	l.frozen, l.target, l.sizeClass = true, l.limit, 0
	l.slowdown = 1
	if l.minCost > 0 && l.newestPoint.rate > 0 {
		l.slowdown = max(1, float64(l.newestPoint.limit)/(l.newestPoint.rate*l.minCost))
	}
	l.epoch = epoch{}
}

// frozenSample learns how many seconds a record of the newest batch size takes at
// the frozen limit.
func (l *limiter) frozenSample(took float64, records int) {
	if class := bits.Len(uint(records)); class != l.sizeClass {
		l.sizeClass, l.epoch = class, epoch{}
	}
	l.epoch.add(took, records)
}

// unfreeze goes on from the frozen limit. The seconds that a record takes alone
// are estimated: the seconds at the frozen limit over slowdown.
func (l *limiter) unfreeze(now time.Time) {
	if !l.frozen {
		return
	}
	l.frozen, l.probeDown, l.minCost, l.steadyRate, l.probeWait = false, false, 0, 0, 0
	if e := &l.epoch; e.answers > 0 {
		l.minCost = e.seconds / float64(e.records) / l.slowdown
	}
	l.points = l.points[:0]
	switch {
	case l.phase == starting && l.minCost > 0:
		l.points = append(l.points, point{l.limit, float64(l.limit) / l.minCost})
	case l.phase != starting && l.phase != climbing:
		l.holdSteady(now)
	}
	l.move(l.limit, now)
}
