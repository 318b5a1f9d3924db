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
// First, with one request at each host, batches grow until an answer takes twice as
// long as to one record, and no longer than the target allows. With that, the hosts' numbers of
// requests are found. Then those are held, and the size is found by levels: two
// things that change at once would each be taken for the other. While a larger size makes a record worthwhile cheaper, the
// next level is larger: four times where a record costs next to nothing yet, else twice.
// Once three levels lie on a line (so much for a request, so much for each record), it
// is the size at which the request costs next to nothing.
// Then the size stays, and the hosts' numbers are let go. From then on it only
// shrinks: when answers time out, or when the window holds too few batches for the
// hosts. What a 413 teaches is a size in bytes, and the pool's.
//
// Meanwhile the cutter stays close to the hosts, for it could else fill the window with
// batches of a size that is not the one to be found. It never waits for anything
// but batches that are at work, so hosts are as busy as ever.
type sizer struct {
	target time.Duration // for one answer
	hosts  sized

	mu      sync.Mutex
	size    int
	stage   sizerStage
	given   bool          // the size was said, by the user or a host
	began   time.Time     // of the first batch
	at      *level        // the level that is measured
	best    *level        // the cheapest one so far; nil before the first
	passed  []point       // sizes and the seconds that an answer took alone, ascending
	queued  float64       // how many times longer it takes at the held numbers; 0 until known
	longest time.Duration // that warming may take
	strikes int           // larger levels in a row that were not cheaper
	most    int           // records that fit a batch; 0 is not known
	out     int           // batches of any level that are not settled
	blocked bool          // the cutter waits
	changed chan struct{}

	timeouts, goods int // since the size changed
}

// sized is what a sizer needs of the pool.
type sized interface {
	Capacity() int
	Settled() bool
	Hold()
	HoldAtOne()
	Free()
}

type sizerStage uint8

const (
	roughly   sizerStage = iota // hosts get one request each
	warming                     // the hosts' numbers are being found
	measuring                   // they are held
	found
)

const (
	firstSize = 1
	// mostRoughly is how large the first batches may get.
	mostRoughly = 1024
	// longestWarming ends it where the hosts' numbers are not found, and so do
	// mostAnswers times the time of one answer, if that is more.
	longestWarming = 10 * time.Second
	mostAnswers    = 30
	// A level takes twice as many answers as there are requests in flight, and these at least.
	leastAnswers = 8
	// unanswered is how many times that may be settled without such an answer.
	unanswered = 4
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
func newSizer(target time.Duration, given int, hosts sized) *sizer {
	s := &sizer{target: target, hosts: hosts, changed: make(chan struct{})}
	s.enter(firstSize)
	if given > 0 {
		s.size, s.stage, s.at, s.given = given, found, nil, true
	}
	return s
}

// next is how many records the next batch may have, and the level that it
// belongs to; nil when none is measured. It waits while batches enough are at work.
func (s *sizer) next(ctx context.Context) (int, *level, error) {
	for {
		s.mu.Lock()
		if s.stage == found || s.out < 2*s.hosts.Capacity()+2 {
			defer s.mu.Unlock()
			if s.began.IsZero() && s.stage == roughly {
				s.began = time.Now()
				s.hosts.HoldAtOne()
			}
			return s.size, s.at, nil
		}
		s.blocked = true
		changed := s.changed
		s.mu.Unlock()
		if err := s.await(ctx, changed); err != nil {
			return 0, nil, err
		}
	}
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

// waiting tells whether the cutter waits for batches at work.
func (s *sizer) waiting() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.blocked
}

// cut notes a batch that was cut for level l, and returns the level that it stands for.
func (s *sizer) cut(l *level, records, bytes, mostBytes int) *level {
	if l == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stage == found {
		return nil
	}
	s.out++
	if l == s.at && records < l.size {
		if l.short++; bytes*2 > mostBytes {
			s.most = max(records, 1) // more records than that do not fit a batch
			s.enter(s.most)
		} else if l.short >= mostShort {
			s.settleOn(max(l.size, DefaultBatchRecords)) // objects are small: it does not matter
		}
	}
	return l
}

// answered counts a whole batch of l that a host answered at once.
func (s *sizer) answered(l *level, host *workers.Member, records int, took time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.goods++
	if l == nil || l != s.at || records < l.size {
		return
	}
	t := l.timings[host]
	if t == nil {
		t = new(timing)
		l.timings[host] = t
	}
	t.n++
	t.seconds += took.Seconds()
	l.answers++
	enough := s.enough()
	switch {
	case s.stage == roughly:
		s.rough(l)
	case s.stage == warming && l.answers >= enough && (s.hosts.Settled() || time.Since(s.began) > s.longest):
		s.stage = measuring
		s.hosts.Hold()
		s.enter(l.size)
	case s.stage == measuring && l.answers >= enough:
		s.judge(l)
	}
}

// rough looks for a size with which the hosts' numbers are found soon. It is the right one
// where not even the first one is within the target.
func (s *sizer) rough(l *level) {
	took, target := l.mean(), s.target.Seconds()
	first := took
	if len(s.passed) > 0 {
		first = s.passed[0].seconds
	}
	switch {
	case took > leaves*target:
		s.settleOn(max(1, int(float64(l.size)*leaves*target/took)))
	case took < min(2*first, leaves*target/2) && 4*l.size <= mostRoughly && s.most == 0:
		s.passed = append(s.passed, point{l.size, took})
		s.enter(4 * l.size)
	case l.answers >= 2*s.hosts.Capacity(): // each host has shown how long it takes alone
		s.passed = append(s.passed, point{l.size, took})
		s.stage, s.longest = warming, max(longestWarming, time.Duration(mostAnswers*took*float64(time.Second)))
		s.enter(l.size)
		s.hosts.Free()
	}
}

// failed counts a request that a host did not answer.
func (s *sizer) failed(l *level, host *workers.Member, why workers.Cause, timeout bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case l != nil && l == s.at && why == workers.TooLarge:
		l.tooMuch[host]++
	case l != nil && l == s.at && (why == workers.Broken || why == workers.Failed || why == workers.Oversized):
		l.broken[host]++
	case timeout && s.stage == found:
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
	s.out--
	s.announce()
	if l.settled++; l != s.at {
		return
	}
	enough := s.enough()
	switch {
	case l.refused(s.best), l.breaks(s.best, enough):
		s.settleOn(s.bestOr(max(1, l.size/4)))
	case l.settled > unanswered*(enough+l.answers):
		s.settleOn(s.bestOr(DefaultBatchRecords)) // rejects only: nothing can be learned
	}
}

// fix ends the search before it begins: a host told the number.
func (s *sizer) fix(size int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.given = true; s.stage != found {
		s.settleOn(size)
	}
}

// pressed says that the window holds too few batches for the hosts.
func (s *sizer) pressed(size int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stage == found && size >= s.size {
		s.shrink()
	}
}

// shrink halves the size, unless it is not ours to choose.
func (s *sizer) shrink() {
	if s.given {
		return
	}
	s.size = max(1, s.size/2)
	s.timeouts, s.goods = 0, 0
}

// now is the size of batches, and whether it is found.
func (s *sizer) now() (size int, isFound bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.size, s.stage == found
}

// enough is how many answers a level takes.
func (s *sizer) enough() int { return max(leastAnswers, 2*s.hosts.Capacity()) }

// settleOn ends the search. Called with mu held, like all below.
func (s *sizer) settleOn(size int) {
	s.size, s.stage, s.at, s.best = size, found, nil, nil
	s.announce()
	s.hosts.Free()
}

// enter goes to another level.
func (s *sizer) enter(size int) {
	s.size = size
	s.at = &level{size: size, timings: map[*workers.Member]*timing{}, broken: map[*workers.Member]int{}, tooMuch: map[*workers.Member]int{}}
}

func (s *sizer) announce() {
	s.blocked = false
	close(s.changed)
	s.changed = make(chan struct{})
}

// judge ends a level that has answers enough. The first one is of the size that was
// roughly found with one request at each host, so it shows how much longer an answer
// takes with others beside it. That is the limiter's doing, and no reason for small batches.
func (s *sizer) judge(l *level) {
	if s.queued == 0 {
		s.queued = max(1, l.mean()/s.passed[len(s.passed)-1].seconds)
		s.passed = s.passed[:len(s.passed)-1]
	}
	took := l.mean() / s.queued
	if took > s.target.Seconds() {
		fits := int(float64(l.size) * leaves * s.target.Seconds() / took)
		s.settleOn(s.bestOr(max(1, fits)))
		return
	}
	s.passed = append(s.passed, point{l.size, took})
	if best := s.foreseen(); best > 0 {
		s.best = l // by its line, whatever chance says of the last step
		by := min(float64(best)/float64(l.size), s.allows(took))
		if by < 0.8 {
			s.settleOn(max(1, int(float64(l.size)*by)))
			return
		}
		s.grow(l, took, by)
		return
	}
	gain := l.gain(s.best)
	if gain >= cheaper {
		s.best, s.strikes = l, 0
	} else if s.strikes++; s.strikes >= strikesOut {
		s.settleOn(s.best.size)
		return
	}
	by := 2.0
	if gain > 1.8 {
		by = 4
	}
	s.grow(l, took, by)
}

// bestOr is the best size so far, or another one where nothing was good yet.
func (s *sizer) bestOr(size int) int {
	if s.best != nil {
		return s.best.size
	}
	return size
}

// allows is how many times longer an answer may take.
func (s *sizer) allows(took float64) float64 { return leaves * s.target.Seconds() / took }

// grow goes to a level so many times larger, but no further than the target allows,
// or settles where that is not much.
func (s *sizer) grow(l *level, took, by float64) {
	by = min(by, s.allows(took))
	if s.most > 0 {
		by = min(by, float64(s.most)/float64(l.size))
	}
	if by < 1.25 || l.size > math.MaxInt32/8 {
		s.settleOn(s.best.size)
		return
	}
	s.enter(max(l.size+1, int(float64(l.size)*by)))
}

// foreseen is the size at which a request's own cost is next to nothing beside its
// records', where the levels lie on a line; else 0.
func (s *sizer) foreseen() int {
	n := len(s.passed)
	if n < 3 {
		return 0
	}
	request, record := line(s.passed)
	for _, p := range s.passed {
		if off := request + record*float64(p.size) - p.seconds; math.Abs(off) > 0.2*p.seconds {
			return 0
		}
	}
	largest := s.passed[n-1]
	switch {
	case record*float64(largest.size) < request/4:
		return 0 // too flat to say how steep
	case request <= 0:
		return largest.size
	}
	return int(request / (record * (cheaper - 1)))
}
