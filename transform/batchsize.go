package transform

import (
	"context"
	"math"
	"sync"
	"time"

	"github.com/batchmill/batchmill/workers"
)

// A sizer finds how many records a batch should have: the fewest that bring
// nearly the most records for a request's time, within the time that an answer may take.
//
// It goes by levels, at the beginning of a job and while the hosts' numbers of
// requests are held: two things that change at once would each be taken for
// the other. A level is some batches of one size to each host. While a larger size makes
// a record worthwhile cheaper, the next level is larger; once three levels lie on
// a line (so much for a request, so much for each record), it is the size at which
// the request costs next to nothing. Then the size stays, and the hosts' numbers are let go. From then on it only shrinks: when answers time
// out, or when the window holds too few batches for the hosts. What a 413 teaches is a size in
// bytes, and the pool's.
//
// The cutter asks it and waits for a level's end, for it could else fill the
// window with batches of a size that is not the one to be found.
type sizer struct {
	target time.Duration // for one answer
	done   func()        // called when the size is found
	hosts  func() int    // that can be asked

	mu      sync.Mutex
	size    int
	frozen  bool
	at      *level // the level that is measured
	best    *level  // the cheapest one so far
	passed  []point // sizes and the seconds that an answer took, ascending
	strikes int     // larger levels in a row that were not cheaper
	blocked bool   // the cutter waits
	changed chan struct{}

	timeouts, goods int // since the size changed
}

// level is what is known of one batch size.
type level struct {
	size    int
	bytes   int // of the largest batch
	issued  int // batches of that size
	short   int // batches that were smaller: their object ended
	out     int // batches that are not settled
	closed  bool
	timings map[*workers.Member]*timing
	tooMuch int // 413
	broken  int // timeouts, and other ends without an answer
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

const (
	firstSize = 8
	// leastPerHost to mostPerHost batches of a level go to each host, as long as they take
	// no more than levelTime seconds; mostBatches to all.
	leastPerHost, mostPerHost = 2, 6
	levelTime                 = 1.0
	mostBatches               = 200
	// cheaper is how many times cheaper a level has to make a record.
	cheaper = 1.015
	// strikesOut is how many levels in a row may be no cheaper.
	strikesOut = 2
	// leaves is the part of the target that is used: hosts that are busy take longer.
	leaves = 0.8
	// mostShort is after how many batches that did not come to the size of the
	// level the size does not matter.
	mostShort = 64
)

// newSizer measures, unless the number is given: then it stands.
func newSizer(target time.Duration, fixed int, hosts func() int, done func()) *sizer {
	s := &sizer{target: target, done: done, hosts: hosts, size: firstSize, changed: make(chan struct{})}
	if fixed > 0 {
		s.size, s.frozen = fixed, true
	}
	return s
}

// next is how many records the next batch may have, and the level that it
// belongs to; nil when none is measured. It waits while the level has all it needs.
func (s *sizer) next(ctx context.Context) (int, *level, error) {
	for {
		s.mu.Lock()
		if s.frozen {
			defer s.mu.Unlock()
			return s.size, nil, nil
		}
		if s.at == nil {
			s.at = &level{size: s.size, timings: map[*workers.Member]*timing{}}
		}
		l := s.at
		if l.issued < min(mostBatches, s.perHost(l)*max(1, s.hosts())) {
			defer s.mu.Unlock()
			return l.size, l, nil
		}
		l.closed, s.blocked = true, true
		changed := s.changed // before the level may end
		s.decideIfOver(l)
		s.mu.Unlock()
		if err := s.await(ctx, changed); err != nil {
			return 0, nil, err
		}
	}
}

// perHost is how many batches of l each host gets. A batch takes no longer than
// in proportion to the last level.
func (s *sizer) perHost(l *level) int {
	if len(s.passed) == 0 {
		return mostPerHost
	}
	last := s.passed[len(s.passed)-1]
	takes := last.seconds * float64(l.size) / float64(last.size)
	return max(leastPerHost, min(mostPerHost, int(levelTime/takes)))
}

func (s *sizer) await(ctx context.Context, changed <-chan struct{}) error {
	defer func() {
		s.mu.Lock()
		s.blocked = false
		s.mu.Unlock()
	}()
	select {
	case <-changed:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// waiting tells whether the cutter waits for a level's end.
func (s *sizer) waiting() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.blocked
}

// cut notes a batch that was cut for level l. It is of the level only if it has
// as many records, and with them fewer bytes than a batch may have.
func (s *sizer) cut(l *level, records, bytes, mostBytes int) *level {
	if l == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.at != l {
		return nil
	}
	if records < l.size {
		if l.short++; bytes*2 > mostBytes {
			s.freeze(max(records, 1)) // more records than that do not fit a batch
		} else if l.short >= mostShort {
			s.freeze(max(l.size, DefaultBatchRecords)) // objects are small: it does not matter
		}
		return nil
	}
	l.issued++
	l.out++
	l.bytes = max(l.bytes, bytes)
	return l
}

// answered counts a whole batch of l that a host answered at once.
func (s *sizer) answered(l *level, host *workers.Member, took time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.goods++
	if l == nil || l != s.at {
		return
	}
	t := l.timings[host]
	if t == nil {
		t = new(timing)
		l.timings[host] = t
	}
	t.n++
	t.seconds += took.Seconds()
}

// failed counts a request that was not answered.
func (s *sizer) failed(l *level, why workers.Cause, timeout bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case l != nil && l == s.at && why == workers.TooLarge:
		l.tooMuch++
	case l != nil && l == s.at && (why == workers.Broken || why == workers.Failed || why == workers.Oversized):
		l.broken++
	case timeout && s.frozen:
		if s.timeouts++; s.timeouts >= 3 && s.timeouts*5 >= s.goods {
			s.shrink()
		}
	}
}

// settled notes that a batch is, or that what is left of it fails alone.
func (s *sizer) settled(p *place) {
	l := p.level
	if l == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if l.out--; l == s.at {
		s.decideIfOver(l)
	}
}

// fix ends the search before it begins: a host told the number.
func (s *sizer) fix(size int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.frozen {
		s.freeze(size)
	}
}

// pressed says that the window holds too few batches for the hosts.
func (s *sizer) pressed(size int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.frozen && size >= s.size {
		s.shrink()
	}
}

func (s *sizer) shrink() {
	s.size = max(1, s.size/2)
	s.timeouts, s.goods = 0, 0
}

// now is the size of batches, and whether it is found.
func (s *sizer) now() (size int, found bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.size, s.frozen
}

// freeze ends the search. Called with mu held, like all below.
func (s *sizer) freeze(size int) {
	s.size, s.frozen, s.at, s.best = size, true, nil, nil
	s.announce()
	s.done()
}

func (s *sizer) announce() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// decideIfOver ends a level whose batches are all settled.
func (s *sizer) decideIfOver(l *level) {
	if !l.closed || l.out > 0 {
		return
	}
	took := l.mean()
	switch {
	case l.tooMuch > 0, l.broken*4 > l.issued:
		s.freeze(s.bestOr(max(1, l.size/4)))
		return
	case took == 0:
		s.freeze(s.bestOr(DefaultBatchRecords)) // rejects only: nothing was learned
		return
	case took > s.target.Seconds():
		fits := int(float64(l.size) * leaves * s.target.Seconds() / took)
		s.freeze(s.bestOr(max(1, fits)))
		return
	}
	s.passed = append(s.passed, point{l.size, took})
	gain := l.gain(s.best)
	if gain >= cheaper {
		s.best, s.strikes = l, 0
	} else if s.strikes++; s.strikes >= strikesOut {
		s.freeze(s.best.size)
		return
	}
	s.grow(l, took, gain)
}

// bestOr is the best size so far, or another one where nothing was good yet.
func (s *sizer) bestOr(size int) int {
	if s.best != nil {
		return s.best.size
	}
	return size
}

// grow goes to the next level: four times as many where a record costs next to
// nothing yet, else twice, and no more than the target allows.
func (s *sizer) grow(l *level, took, gain float64) {
	by := 2.0
	if gain > 1.8 {
		by = 4
	}
	if best := s.foreseen(); best > 0 {
		by = float64(best) / float64(l.size)
	}
	by = min(by, leaves*s.target.Seconds()/took)
	if by < 1.25 || l.size > math.MaxInt32/4 {
		s.freeze(s.best.size)
		return
	}
	s.size, s.at = int(float64(l.size)*by), nil
	s.announce()
}

// foreseen is the size at which a request's own cost is next to nothing beside
// its records', where the last three levels lie on a line; else 0.
func (s *sizer) foreseen() int {
	n := len(s.passed)
	if n < 3 {
		return 0
	}
	p, q, r := s.passed[n-3], s.passed[n-2], s.passed[n-1]
	record := (r.seconds - p.seconds) / float64(r.size-p.size)
	request := r.seconds - record*float64(r.size)
	middle := request + record*float64(q.size)
	if record <= 0 || request <= 0 || math.Abs(middle-q.seconds) > 0.15*q.seconds || record*float64(r.size) < request/4 {
		return 0
	}
	return int(request / (record * (cheaper - 1)))
}

// mean is how many seconds an answer took; 0 when there was none.
func (l *level) mean() float64 {
	var all timing
	for _, t := range l.timings {
		all.n += t.n
		all.seconds += t.seconds
	}
	if all.n == 0 {
		return 0
	}
	return all.seconds / float64(all.n)
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
