package workers

import (
	"math"
)

// Level is what a [Sizer] has measured of one batch size.
type Level struct {
	size         int
	heard        map[*Member]bool // hosts that have answered or failed a request about a batch of the level
	resolved     int              // batches of the level that are resolved
	shortBatches int              // batches below the size: their object ended
	timings      map[*Member]*timing
	answers      int             // the sum of the answers in timings
	tooLarge     map[*Member]int // requests answered with a 413
	broken       map[*Member]int // requests without an answer: timeouts and other failures
}

// sizeTime is a batch size and the seconds that an answer to such a batch took.
type sizeTime struct {
	size    int
	seconds float64
}

// timing adds up a host's answers.
type timing struct {
	answers int
	seconds float64
}

// line fits a line to points by least squares, weighted by 1/seconds²: the seconds
// that a request takes, and the seconds that each of its records adds.
func line(points []sizeTime) (request, record float64) {
	var w, wn, wnn, wt, wnt float64
	for _, p := range points {
		weight, n := 1/(p.seconds*p.seconds), float64(p.size)
		w += weight
		wn += weight * n
		wnn += weight * n * n
		wt += weight * p.seconds
		wnt += weight * n * p.seconds
	}
	if d := w*wnn - wn*wn; d > 0 {
		record = (w*wnt - wn*wt) / d
	}
	return (wt - record*wn) / w, record
}

// foreseenSize is the size at which the seconds of a request hardly count beside
// those of its records, where the levels lie on a line; else 0.
func (s *Sizer) foreseenSize() int {
	n := len(s.sizeTimes)
	if n < 3 {
		return 0
	}
	request, record := line(s.sizeTimes)
	for _, p := range s.sizeTimes {
		if off := request + record*float64(p.size) - p.seconds; math.Abs(off) > 0.2*p.seconds {
			return 0
		}
	}
	largest := s.sizeTimes[n-1]
	switch {
	case record*float64(largest.size) < request/4:
		return 0 // the seconds of a record hardly show yet
	case request <= 0:
		return largest.size
	}
	return int(request / (record * (worthwhileSaving - 1)))
}

// knows tells whether a host's failures count for l: those of a host without an
// answer at l or before do not, unless no host answers any batch of l. About the
// smallest size they tell nothing.
func (l *Level) knows(host *Member, before *Level) bool {
	return l.timings[host] != nil || before != nil && before.timings[host] != nil ||
		len(l.timings) == 0 && l.resolved >= leastAnswers && l.size > firstSize
}

// unheard tells whether host has neither answered nor failed a request about a batch of l.
// No level is judged before every host at work was heard: a broken host fails many
// batches in the time that another one takes for an answer.
func (l *Level) unheard(host *Member) bool { return !l.heard[host] }

// refused tells whether a host refused batches of l as too large.
func (l *Level) refused(before *Level) bool {
	for host := range l.tooLarge {
		if l.knows(host, before) {
			return true
		}
	}
	return false
}

// breaks tells whether batches of l are more than the hosts can do: a quarter of the
// requests fail at half of the hosts or more, and the failures are more than a
// quarter of needed, the answers that a level takes.
func (l *Level) breaks(before *Level, needed int) bool {
	unfit, fit, all := 0, 0, 0
	for host, n := range l.broken {
		all += n
		if t := l.timings[host]; l.knows(host, before) && (t == nil || n*3 > t.answers) {
			unfit++
		}
	}
	for host, t := range l.timings {
		if l.broken[host]*3 <= t.answers {
			fit++
		}
	}
	return all*4 > needed && unfit > 0 && unfit >= fit
}

// mean is the mean seconds of an answer; 0 without an answer.
func (l *Level) mean() float64 {
	seconds := 0.0
	for _, t := range l.timings {
		seconds += t.seconds
	}
	return seconds / float64(max(l.answers, 1))
}

// gain is how many times cheaper a record is at l than at o, by the hosts that
// answered at both levels.
func (l *Level) gain(o *Level) float64 {
	if o == nil {
		return math.Inf(1)
	}
	var was, is float64
	for host, now := range l.timings {
		if before := o.timings[host]; before != nil {
			weight := float64(min(now.answers, before.answers))
			was += weight * before.seconds / float64(before.answers) / float64(o.size)
			is += weight * now.seconds / float64(now.answers) / float64(l.size)
		}
	}
	if is == 0 {
		return 1 // no host answered at both levels
	}
	return was / is
}
