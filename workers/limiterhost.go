package workers

import (
	"math"
	"math/bits"
	"time"
)

// busy: a host refused a request, and seems to serve so many others. At a limit
// that has served well, one refusal in a hundred answers is not listened to.
func (l *limiter) busy(now time.Time, others int) {
	if l.fixed {
		return
	}
	if l.had == 0 {
		l.had, l.hadAt = l.limit, now
	}
	if others >= l.limit && l.limit > 1 { // sent under an older limit
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

// answers: a good answer came to a request that was sent then. A host that refused
// more than half of what it used to get, and nothing but refused what was sent
// since it began to, was away and not full: it gets back what it had, twice as many
// each round.
func (l *limiter) answers(now, sent time.Time) {
	had := l.had
	if had == 0 || !sent.After(l.hadAt) {
		return
	}
	if l.had = 0; l.held || 2*l.limit >= had {
		return
	}
	l.phase, l.points, l.steady, l.probeWait = climbing, l.points[:0], 0, 0
	l.move(l.limit, now)
	l.target = min(had, l.most)
	l.epoch.pending = false
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

// hold keeps the limit where it is, but for what the host refuses, until release; with
// one, it keeps it at one, and the search begins anew.
func (l *limiter) hold(one bool) {
	if l.fixed || l.held {
		return
	}
	if one {
		fresh := newLimiter(0, l.most)
		fresh.held, fresh.queued = true, 1
		*l = fresh
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
