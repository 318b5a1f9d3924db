package workers

import (
	"math"
	"time"
)

// endSteadyEpoch follows the rate of a steady host, and begins a probe when one is due.
func (l *limiter) endSteadyEpoch(here point, now time.Time) {
	switch {
	case l.steadyRate == 0:
		l.steadyRate = here.rate
	case here.rate > driftFactor*l.steadyRate || driftFactor*here.rate < l.steadyRate:
		if l.drifted = !l.drifted; l.drifted { // one epoch may be chance
			return
		}
		// The host has changed: what was measured does not hold any more.
		l.minCost, l.steadyRate, l.probeWait = 0, 0, 0
		l.phase, l.points = climbing, l.points[:0]
		return
	default:
		l.drifted = false
		l.steadyRate += (here.rate - l.steadyRate) / 2
	}
	if now.Before(l.probeAt) {
		return
	}
	to := l.probeTo(here, now)
	l.probeDown = !l.probeDown
	if to == l.limit {
		l.postponeProbe(now)
		return
	}
	l.probeFrom = point{l.limit, l.steadyRate}
	l.phase = probing
	l.move(to, now)
}

// probeTo is the limit that the next probe tries.
func (l *limiter) probeTo(here point, now time.Time) int {
	if l.probeDown && here.rate*l.minCost > fullShare*float64(l.limit) {
		return l.limit // no request waits in the host's queue, so fewer must be slower
	}
	if l.probeDown {
		return max(1, l.limit-max(1, l.limit/5))
	}
	step := max(1, l.limit/4)
	if l.refuses(now) {
		step = max(1, l.limit/16)
	}
	return min(l.limit+step, max(l.limit, l.ceiling(here)))
}

// refuses tells whether the host has refused or broken requests lately.
func (l *limiter) refuses(now time.Time) bool {
	return !l.cutAt.IsZero() && now.Sub(l.cutAt) < refusalMemory
}

// endProbe keeps the limit of a probe that was better, or goes back.
func (l *limiter) endProbe(here point, now time.Time) {
	l.phase = steady
	up := here.limit > l.probeFrom.limit
	ratio := float64(here.limit) / float64(l.probeFrom.limit)
	switch {
	case up && here.rate >= l.probeFrom.rate*(1+max(worthwhileGain*math.Log2(ratio), (ratio-1)/4)):
		l.points = append(l.points[:0], l.probeFrom, here)
		l.phase, l.probeWait = climbing, 0
		if to := min(2*here.limit, l.ceiling(here)); to > here.limit && !l.refuses(now) {
			l.move(to, now)
			return
		}
		l.steadyRate, l.probeDown = here.rate, false
		l.holdSteady(now)
	case !up && here.rate >= probeKeeps*l.probeFrom.rate:
		l.steadyRate, l.probeWait, l.probeDown = here.rate, 0, true // an even lower limit may do as well
		l.holdSteady(now)
	default:
		l.move(l.probeFrom.limit, now)
		l.postponeProbe(now)
	}
}

// postponeProbe puts the next probe off, for longer after each probe that found nothing.
func (l *limiter) postponeProbe(now time.Time) {
	l.probeWait = min(max(2*l.probeWait, firstProbeWait), longestProbeWait)
	l.probeAt = now.Add(l.probeWait)
}

// abandonProbe ends a probe without a result.
func (l *limiter) abandonProbe() {
	l.phase = steady
	l.target = l.probeFrom.limit
	l.limit = min(l.limit, l.target)
	l.epoch = epoch{pending: l.limit == l.target}
}
