package workers

import (
	"context"
	"math"
	"sync"
	"time"
)

// A Sizer finds how many records a batch should have: the fewest records with
// nearly the most records for a second of the hosts' time, within the time that an
// answer may take.
//
// The search has four stages. Roughing: with one request at each host, batches grow
// until an answer takes twice as long as the answer to one record, or half of what
// the target allows. Warming: batches of that size let the limiters find how many
// requests each host takes. Measuring: the limits are frozen, since limits and sizes
// that change together would each be blamed for the other, and the size goes from
// level to level. While a larger level makes a record worthwhile cheaper, the next
// level is larger, by 4 where the time of a record does not show yet, else by 2.
// Once three levels lie on a line (seconds for a request, and seconds for each
// record), the size is the point on the line at which the seconds for the request
// hardly count. Found: the size stays, and the limits are free. A size that was
// found only shrinks: when answers time out, or when the window holds too few
// batches for the hosts. What a 413 teaches is a size in bytes, which the pool keeps.
//
// During the search the cutter keeps only about two batches ahead for each request
// in flight: else the window would fill with batches of a size that is not the
// final size. The cutter waits for nothing but batches at work, so hosts stay busy.
type Sizer struct {
	answerTarget time.Duration // the time that an answer may take
	hosts        *Pool

	mu          sync.Mutex
	size        int
	stage       sizerStage
	fixed       bool          // the user or a host gave the size
	firstBatch  time.Time     // when the first batch was cut
	level       *Level        // the level that is measured; nil once found
	bestLevel   *Level        // the level with the cheapest record so far; nil before the first
	sizeTimes   []sizeTime    // sizes, ascending, and the seconds of an answer with one request at each host
	slowdown    float64       // how many times longer an answer takes at the frozen limits; 0 until known
	warmingTime time.Duration // the longest that warming may take
	strikes     int           // larger levels in a row without a cheaper record
	unresolved  int           // batches of any level that are not resolved
	cutterWaits bool          // the cutter waits in Next
	changed     chan struct{}
	recent      recentRequests
	sizeBounds
}

type sizerStage uint8

const (
	roughing  sizerStage = iota // hosts get one request at a time, and batches grow
	warming                     // the limiters find their limits
	measuring                   // the limits are frozen, and levels are compared
	found
)

const (
	firstSize = 1
	// mostRoughSize is how many records a batch of the first stage may have.
	mostRoughSize = 1024
	// longestWarming, or warmingAnswers times the time of one answer if that is
	// longer, ends the warming although a limiter is not steady.
	longestWarming = 10 * time.Second
	warmingAnswers = 30
	// A level takes two answers for each request in flight, and leastAnswers at least.
	leastAnswers = 8
	// mostUnanswered times as many batches may be resolved before a level is given up.
	mostUnanswered = 4
	// worthwhileSaving is how many times cheaper a level has to make a record.
	worthwhileSaving = 1.015
	// mostStrikes is how many levels in a row without a cheaper record end the search.
	mostStrikes = 2
	// targetShare is the share of the target that is used: busy hosts take longer.
	targetShare = 0.8
	// mostShortBatches is how many batches below the size of their level show that
	// objects are small, so that the size does not matter.
	mostShortBatches = 64
)

// NewSizer makes a sizer that finds the size; with given above 0, given is the
// size and stays. target is the longest that an answer may take, and mostBytes what
// the answers to a batch may take.
func NewSizer(target time.Duration, given, mostBytes int, hosts *Pool) *Sizer {
	s := &Sizer{answerTarget: target, sizeBounds: sizeBounds{mostBytes: mostBytes}, hosts: hosts, changed: make(chan struct{})}
	s.beginLevel(firstSize)
	if given > 0 {
		s.size, s.stage, s.level, s.fixed = given, found, nil, true
	}
	return s
}

// Next is how many records the next batch may have, and the level that the batch
// belongs to; nil when no level is measured. Next waits while enough batches are at
// work. The only error is that of ctx.
func (s *Sizer) Next(ctx context.Context) (int, *Level, error) {
	for {
		s.mu.Lock()
		if s.stage == found || s.unresolved < 2*s.hosts.Capacity()+2 {
			defer s.mu.Unlock()
			if s.firstBatch.IsZero() && s.stage == roughing {
				s.firstBatch = time.Now()
				s.hosts.freeze(true)
			}
			return s.size, s.level, nil
		}
		s.cutterWaits = true
		changed := s.changed
		s.mu.Unlock()
		if err := s.awaitChange(ctx, changed); err != nil {
			return 0, nil, err
		}
	}
}

func (s *Sizer) awaitChange(ctx context.Context, changed <-chan struct{}) error {
	defer func() {
		s.mu.Lock()
		s.cutterWaits = false
		s.mu.Unlock()
	}()
	select {
	case <-changed:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Waiting tells whether the cutter waits in Next for batches at work.
func (s *Sizer) Waiting() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cutterWaits
}

// Cut counts a batch that was cut for level l, and returns the level that the batch
// counts for; nil once the size is found. mostBytes is the cap of a batch in bytes.
func (s *Sizer) Cut(l *Level, records, bytes, mostBytes int) *Level {
	if l == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stage == found {
		return nil
	}
	s.unresolved++
	if l == s.level && records < l.size {
		if l.shortBatches++; bytes*2 > mostBytes {
			s.mostRecords = max(records, 1) // more records do not fit a batch
			s.beginLevel(s.mostRecords)
		} else if l.shortBatches >= mostShortBatches {
			s.endSearch(max(l.size, DefaultBatchRecords)) // objects are small: the size does not matter
		}
	}
	return l
}

// Answered counts a good answer of so many bytes to so many records of a batch of l.
// Only answers to whole batches are measured.
func (s *Sizer) Answered(l *Level, host *Member, records, bytes int, took time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.recent.answers++
	if records > 1 {
		s.oneLines = 0
	}
	if bytes > s.mostBytes {
		s.bound(max(1, int(float64(records)*float64(s.mostBytes)/float64(bytes))))
	}
	if l == nil || l != s.level {
		return
	}
	if l.heard[host] = true; records < l.size {
		return
	}
	t := l.timings[host]
	if t == nil {
		t = new(timing)
		l.timings[host] = t
	}
	t.answers++
	t.seconds += took.Seconds()
	l.answers++
	enough := s.answersNeeded()
	switch {
	case s.stage == roughing:
		s.growRoughly(l)
	case s.stage == warming && l.answers >= enough && (s.hosts.limitsSteady() || time.Since(s.firstBatch) > s.warmingTime):
		s.stage = measuring
		s.hosts.freeze(false)
		s.beginLevel(l.size)
	case s.stage == measuring && l.answers >= enough:
		s.endLevel(l)
	}
}

// growRoughly looks for a size with which the limits are found soon. Where answers to
// l take longer than the target allows, the size that the target allows is final.
func (s *Sizer) growRoughly(l *Level) {
	took, target := l.mean(), s.answerTarget.Seconds()
	first := took
	if len(s.sizeTimes) > 0 {
		first = s.sizeTimes[0].seconds
	}
	switch {
	case took > targetShare*target:
		s.endSearch(max(1, int(float64(l.size)*targetShare*target/took)))
	case took < min(2*first, targetShare*target/2) && 4*l.size <= mostRoughSize && s.mostRecords == 0:
		s.sizeTimes = append(s.sizeTimes, sizeTime{l.size, took})
		s.beginLevel(4 * l.size)
	case l.answers >= 2*s.hosts.Capacity(): // each host has shown the time of a request alone
		s.sizeTimes = append(s.sizeTimes, sizeTime{l.size, took})
		s.stage, s.warmingTime = warming, max(longestWarming, time.Duration(warmingAnswers*took*float64(time.Second)))
		s.beginLevel(l.size)
		s.hosts.unfreeze()
	}
}

// Failed counts a request that a host did not answer; timeout says that the
// request's time ran out, and oneLine that one answer came to several records.
func (s *Sizer) Failed(l *Level, host *Member, why Cause, timeout, oneLine bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if l != nil {
		l.heard[host] = true
	}
	if oneLine {
		s.countOneLine(host)
	}
	switch {
	case l != nil && l == s.level && why == TooLarge:
		l.tooLarge[host]++
	case l != nil && l == s.level && (why == Broken || why == Failed || why == Oversized):
		l.broken[host]++
	case timeout && s.stage == found:
		if s.recent.timeouts++; s.recent.timeouts >= 3 && s.recent.timeouts*5 >= s.recent.answers {
			s.shrink()
		}
	}
}

// Resolved counts a batch of l that is resolved: every record is answered, rejected,
// or failing alone.
func (s *Sizer) Resolved(l *Level) {
	if l == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unresolved--
	s.announce()
	if l.resolved++; l != s.level {
		return
	}
	enough := s.answersNeeded()
	switch {
	case s.hosts.anyAtWork(l.unheard):
	case l.refused(s.bestLevel), l.breaks(s.bestLevel, enough):
		s.endSearch(s.bestOr(max(1, l.size/4)))
	case l.resolved > mostUnanswered*(enough+l.answers):
		s.endSearch(s.bestOr(DefaultBatchRecords)) // only rejects: the level teaches nothing
	}
}

// Fix sets the size that a host gave, and ends the search.
func (s *Sizer) Fix(size int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fixed = true; s.stage != found {
		s.endSearch(size)
	}
}

// Now is the size of batches in records, and whether the size is final.
func (s *Sizer) Now() (size int, isFound bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.size, s.stage == found
}

// answersNeeded is how many answers a level takes.
func (s *Sizer) answersNeeded() int { return max(leastAnswers, 2*s.hosts.Capacity()) }

// endSearch fixes the size. Called with mu held, like all below.
func (s *Sizer) endSearch(size int) {
	if s.mostRecords > 0 && !s.fixed {
		size = min(size, s.mostRecords)
	}
	s.size, s.stage, s.level, s.bestLevel = size, found, nil, nil
	s.announce()
	s.hosts.unfreeze()
}

// beginLevel goes to a level of size records.
func (s *Sizer) beginLevel(size int) {
	s.size = size
	s.level = &Level{size: size, heard: map[*Member]bool{}, timings: map[*Member]*timing{}, broken: map[*Member]int{}, tooLarge: map[*Member]int{}}
}

func (s *Sizer) announce() {
	s.cutterWaits = false
	close(s.changed)
	s.changed = make(chan struct{})
}

// endLevel decides, once l has enough answers, what is measured next. The first level
// has the size that was found with one request at each host, and shows how much
// longer an answer takes at the limits. The limiters chose that slowdown, so it is no
// reason for small batches.
func (s *Sizer) endLevel(l *Level) {
	if s.slowdown == 0 {
		s.slowdown = max(1, l.mean()/s.sizeTimes[len(s.sizeTimes)-1].seconds)
		s.sizeTimes = s.sizeTimes[:len(s.sizeTimes)-1]
	}
	took := l.mean() / s.slowdown
	if took > s.answerTarget.Seconds() {
		fits := int(float64(l.size) * targetShare * s.answerTarget.Seconds() / took)
		s.endSearch(s.bestOr(max(1, fits)))
		return
	}
	s.sizeTimes = append(s.sizeTimes, sizeTime{l.size, took})
	if best := s.foreseenSize(); best > 0 {
		s.bestLevel = l // the line decides, whatever chance says of the last step
		by := min(float64(best)/float64(l.size), s.allowedFactor(took))
		if by < 0.8 {
			s.endSearch(max(1, int(float64(l.size)*by)))
			return
		}
		s.nextLevel(l, took, by)
		return
	}
	gain := l.gain(s.bestLevel)
	if gain >= worthwhileSaving {
		s.bestLevel, s.strikes = l, 0
	} else if s.strikes++; s.strikes >= mostStrikes {
		s.endSearch(s.bestLevel.size)
		return
	}
	by := 2.0
	if gain > 1.8 {
		by = 4
	}
	s.nextLevel(l, took, by)
}

// bestOr is the size of the best level so far, or size without a best level.
func (s *Sizer) bestOr(size int) int {
	if s.bestLevel != nil {
		return s.bestLevel.size
	}
	return size
}

// allowedFactor is how many times longer an answer may take than took, in seconds.
func (s *Sizer) allowedFactor(took float64) float64 {
	return targetShare * s.answerTarget.Seconds() / took
}

// nextLevel goes to a level that is by times larger, or as much as the target and
// the batch allow; where that is less than a quarter larger, the search ends.
func (s *Sizer) nextLevel(l *Level, took, by float64) {
	by = min(by, s.allowedFactor(took))
	if s.mostRecords > 0 {
		by = min(by, float64(s.mostRecords)/float64(l.size))
	}
	if by < 1.25 || l.size > math.MaxInt32/8 {
		s.endSearch(s.bestLevel.size)
		return
	}
	s.beginLevel(max(l.size+1, int(float64(l.size)*by)))
}
