package workers

import (
	"math"
	"time"
)

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
