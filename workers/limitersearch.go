package workers

import "time"

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
