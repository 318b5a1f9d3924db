package transform

import (
	"math"

	"github.com/batchmill/batchmill/workers"
)

// level is what is known of one batch size.
type level struct {
	size    int
	settled int // batches
	short   int // batches that were smaller: their object ended
	timings map[*workers.Member]*timing
	answers int                     // in timings
	tooMuch map[*workers.Member]int // 413
	broken  map[*workers.Member]int // timeouts, and other ends without an answer
}

// point is a batch size and the seconds that an answer took.
type point struct {
	size    int
	seconds float64
}

// timing adds up a host's answers.
type timing struct {
	n       int
	seconds float64
}

// line is the one that comes nearest to points, by shares of their seconds: what a
// request takes, and what each of its records adds.
func line(points []point) (request, record float64) {
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

// knows tells whether a host has a say about l: one that has never answered a
// batch has none, unless no host answers any of l.
func (l *level) knows(host *workers.Member, before *level) bool {
	return l.timings[host] != nil || before != nil && before.timings[host] != nil || len(l.timings) == 0 && l.settled >= leastAnswers
}

// refused tells whether batches of l are larger than a host takes.
func (l *level) refused(before *level) bool {
	for host := range l.tooMuch {
		if l.knows(host, before) {
			return true
		}
	}
	return false
}

// breaks tells whether batches of l are more than the hosts can do: at least as
// many of them failed a quarter of what they were asked as did not, and they
// failed a quarter of what a level takes.
func (l *level) breaks(before *level, enough int) bool {
	unfit, fit, all := 0, 0, 0
	for host, n := range l.broken {
		all += n
		if t := l.timings[host]; l.knows(host, before) && (t == nil || n*3 > t.n) {
			unfit++
		}
	}
	for host, t := range l.timings {
		if l.broken[host]*3 <= t.n {
			fit++
		}
	}
	return all*4 > enough && unfit > 0 && unfit >= fit
}

// mean is how many seconds an answer took; 0 when there was none.
func (l *level) mean() float64 {
	seconds := 0.0
	for _, t := range l.timings {
		seconds += t.seconds
	}
	return seconds / float64(max(l.answers, 1))
}

// gain is how many times cheaper a record is at l than it was at o, by the hosts that
// answered at both.
func (l *level) gain(o *level) float64 {
	if o == nil {
		return math.Inf(1)
	}
	var was, is float64
	for host, now := range l.timings {
		if before := o.timings[host]; before != nil {
			weight := float64(min(now.n, before.n))
			was += weight * before.seconds / float64(before.n) / float64(o.size)
			is += weight * now.seconds / float64(now.n) / float64(l.size)
		}
	}
	if is == 0 {
		return 1 // other hosts: nothing can be said
	}
	return was / is
}
