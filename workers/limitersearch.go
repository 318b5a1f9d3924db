package workers

import (
	"slices"
	"time"
)

// endStep takes the next step of a search, of which here is the newest point.
func (l *limiter) endStep(here point, now time.Time) {
	l.points = insertPoint(l.points, here)
	if l.phase == climbing {
		if to := min(2*here.limit, l.ceiling(here)); to > here.limit && l.paidOff(here) {
			l.move(to, now)
			return
		}
		l.phase = refining
	}
	best, below := l.bracket()
	straight := best.rate*l.minCost >= fullShare*float64(best.limit) || // no request waits in the host's queue
		below.limit > 0 && best.rate/below.rate >= 0.95*float64(best.limit)/float64(below.limit)
	if best.limit-below.limit > max(1, best.limit/8) && !straight {
		l.move(l.between(below, best), now)
		return
	}
	l.steadyRate = best.rate
	l.holdSteady(now)
	l.move(l.withSpare(best), now)
}

// withSpare is the best limit and a little more.
func (l *limiter) withSpare(best point) int {
	return max(best.limit, min(best.limit+best.limit/spareDivisor, l.ceiling(best)))
}

// between is the limit to try between below and best: a little more than the host
// seems to serve at once, if that is between the two, else halfway.
func (l *limiter) between(below, best point) int {
	if served := int(1.1*best.rate*l.minCost) + 1; served > below.limit && served < best.limit-best.limit/16 {
		return served
	}
	return (best.limit + below.limit) / 2
}

// paidOff tells whether the step to here raised the rate enough to go on.
func (l *limiter) paidOff(here point) bool {
	at := len(l.points) - 1
	for l.points[at].limit != here.limit {
		at--
	}
	if at == 0 {
		return true
	}
	return here.rate*(1+l.epoch.doubt()) >= l.worthwhileRate(l.points[at-1], here.limit)
}

// bracket is the point with the smallest limit whose rate is near the best, and
// the point before; below is zero without a point before.
func (l *limiter) bracket() (best, below point) {
	most := 0.0
	for _, p := range l.points {
		most = max(most, p.rate)
	}
	for _, p := range l.points {
		if p.rate >= nearBest*most {
			return p, below
		}
		below = p
	}
	return best, below
}

// insertPoint puts p among points, in place of an older point of its limit.
func insertPoint(points []point, p point) []point {
	at, exists := slices.BinarySearchFunc(points, p.limit, func(o point, limit int) int { return o.limit - limit })
	if exists {
		points[at] = p
		return points
	}
	return slices.Insert(points, at, p)
}

// holdSteady ends a search: the limit stays until the next probe.
func (l *limiter) holdSteady(now time.Time) {
	l.phase = steady
	l.points = l.points[:0]
	if l.probeWait == 0 {
		l.probeWait = firstProbeWait
	}
	l.probeAt = now.Add(l.probeWait)
}
