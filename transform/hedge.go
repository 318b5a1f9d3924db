package transform

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/batchmill/batchmill/workers"
)

// A second host is asked about a request that a first one is slow with, where
// the job waits for it: it is the head of a full window, or the job has nothing else
// to ask, at its end or while the size of batches is measured. Which answers first is taken, and the other one is given up. The
// records are the same, and so is the idempotency key.

const (
	// hedgeEvery is how often the requests in flight are looked at.
	hedgeEvery = 100 * time.Millisecond
	// slowFactor is how many times the fleet's 95th percentile a request has to
	// take before it counts as slow.
	slowFactor = 2
)

// races are the requests in flight.
type races struct {
	mu   sync.Mutex
	all  map[*race]bool
	some chan struct{} // holds a token when there may be one
}

func newRaces() *races { return &races{all: map[*race]bool{}, some: make(chan struct{}, 1)} }

// race is one request that a second host may be asked about too.
type race struct {
	x       *exchange
	host    *workers.Member
	since   time.Time
	records int                // that it asks about
	cancel  context.CancelFunc // gives the first request up
	second  *second            // nil while one host alone is asked
}

// second is the request to the other host, with its own memory.
type second struct {
	x      *exchange
	lease  *workers.Lease
	used   int64
	into   []byte
	resp   workers.Response
	err    error
	asking context.Context
	cancel context.CancelFunc
	done   chan struct{} // closed when resp and err are there
}

// ask sends a request, and lets a second host be asked. It returns the response
// that came first, with the lease of the host that gave it: the other one is over.
func (r *run) ask(ctx context.Context, lease *workers.Lease, x *exchange) (workers.Response, *workers.Lease, error) {
	first, cancel := context.WithCancel(ctx)
	defer cancel()
	c := &race{x: x, host: lease.Member(), since: time.Now(), records: lease.Records, cancel: cancel}
	r.races.enter(c)
	resp, err := lease.Invoke(first, &x.Request)
	s := r.races.leave(c)
	if s == nil {
		return resp, lease, err
	}
	x.place.requests++
	if err == nil && resp.Status/100 == 2 {
		s.cancel()
		<-s.done
		s.drop()
		return resp, lease, err
	}
	<-s.done // with its answer, or with the job's end
	if gaveUp := errors.Is(err, context.Canceled); !s.good() && !(gaveUp && s.judges()) {
		s.drop()
		return resp, lease, err
	}
	// What another host refuses tells nothing of this one, nor does our want of memory.
	if ctx.Err() == nil && s.good() && !errors.Is(err, errNoRoom) {
		release(lease, overtaken(resp, err))
	}
	lease.Cancel()
	s.lease.Records = lease.Records
	x.adopt(s)
	return s.resp, s.lease, nil
}

// overtaken is what a host has done whose request another one answered.
func overtaken(resp workers.Response, err error) workers.Outcome {
	if err != nil && errors.Is(err, context.Canceled) {
		return workers.Outcome{Cause: workers.Broken, Message: "another host answered sooner"}
	}
	return workers.Classify(resp, err)
}

func (s *races) enter(c *race) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all[c] = true
	if len(s.all) == 1 {
		select {
		case s.some <- struct{}{}:
		default:
		}
	}
}

// none tells whether no request is in flight.
func (s *races) none() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.all) == 0
}

// leave ends a race for its first host: from now on no second one is asked.
func (s *races) leave(c *race) *second {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.all, c)
	return c.second
}

// olderThan tells whether some request has been in flight for longer than that.
func (s *races) olderThan(d time.Duration) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.all {
		if time.Since(c.since) > d {
			return true
		}
	}
	return false
}

// slow lists the races that have no second host and take longer than late, the oldest
// first; one that asks about more than the usual number of records has so much more
// time. Only those of place seq, unless that is negative.
func (s *races) slow(late time.Duration, usual float64, seq int64) []*race {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []*race
	for c := range s.all {
		more := max(1, float64(c.records)/usual)
		if c.second == nil && time.Since(c.since).Seconds() > late.Seconds()*more && (seq < 0 || c.x.place.seq == seq) {
			list = append(list, c)
		}
	}
	slices.SortFunc(list, func(a, b *race) int { return a.since.Compare(b.since) })
	return list
}

// join makes s the second of c, unless c is over.
func (s *races) join(c *race, with *second) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.all[c] {
		return false
	}
	c.second = with
	return true
}

// hedge looks for slow requests that the job waits for, as long as there are
// requests at all.
func (r *run) hedge(ctx context.Context, g *errgroup.Group) error {
	tick := time.NewTimer(hedgeEvery)
	defer tick.Stop()
	for {
		next := tick.C
		if r.races.none() {
			next = nil
		}
		select {
		case <-r.races.some:
			tick.Reset(hedgeEvery)
			continue
		case <-next:
			tick.Reset(hedgeEvery)
		case <-ctx.Done():
			return nil
		}
		for _, c := range r.waitedFor() {
			s := r.newSecond(ctx, c)
			if s == nil {
				break
			}
			g.Go(func() error { s.run(c); return nil })
		}
	}
}

// waitedFor lists the slow requests that hold the job up.
func (r *run) waitedFor() []*race {
	seq, full := r.window.stuckAt()
	last := (!r.cutting.Load() || r.sizer.waiting()) && r.pool.Idle()
	if r.asking.Err() != nil || !full && !last {
		return nil
	}
	if last {
		seq = -1
	}
	if !r.races.olderThan(hedgeEvery) {
		return nil
	}
	usual, records := r.pool.Usual()
	if usual == 0 {
		return nil // nothing was answered yet
	}
	return r.races.slow(slowFactor*usual, records, seq)
}

// newSecond takes a place at another host for c; nil when there is none.
func (r *run) newSecond(ctx context.Context, c *race) *second {
	lease := r.pool.Spare(c.host)
	if lease == nil {
		return nil
	}
	s := &second{x: c.x, lease: lease, into: responses.get(), done: make(chan struct{})}
	s.asking, s.cancel = context.WithCancel(ctx)
	if !r.races.join(c, s) {
		s.drop()
		return nil
	}
	return s
}

// run asks the second host, and gives the first request up if that answers.
func (s *second) run(c *race) {
	defer close(s.done)
	q := c.x.Request // the first one's memory stays until done is closed
	q.Into, q.Reserve = s.into, s.reserve
	s.resp, s.err = s.lease.Invoke(s.asking, &q)
	if s.good() || s.judges() {
		c.cancel()
	}
}

func (s *second) good() bool { return s.err == nil && s.resp.Status/100 == 2 }

// judges tells whether the second host refused the records. Waiting for the first one
// would only put off what the blame table has to find out about them, and a
// stalled host would cost --timeout for each bad record.
func (s *second) judges() bool {
	if s.err != nil {
		return false
	}
	switch workers.Classify(s.resp, nil).Cause {
	case workers.Refused, workers.TooLarge, workers.Failed:
		return true
	}
	return false
}

// reserve finds room for n more bytes of the response.
func (s *second) reserve(ctx context.Context, n int) error {
	err := s.x.run.window.grow(ctx, s.x.place, int64(n), true)
	if err == nil {
		s.used += int64(n)
	}
	return err
}

// drop gives back what a second request held whose response is not used.
func (s *second) drop() {
	s.cancel()
	s.x.run.window.shrink(s.used)
	if s.err != nil || s.resp.Status == 0 || s.good() {
		s.lease.Cancel() // given up, by us or with the job; a host that broke it off will show that again
	} else {
		release(s.lease, workers.Classify(s.resp, nil))
	}
	responses.put(s.into) // its words may stand there
}

// release ends the lease of a request whose end decides nothing about its records,
// only about its host: how long that rests, or whether it is the wrong one.
func release(lease *workers.Lease, o workers.Outcome) {
	lease.Release(o, workers.Blame(o, workers.State{Records: 2, HostGood: lease.Member().Good(), JobGood: true}))
}

// adopt gives the first request's memory back, and takes over the second's.
func (x *exchange) adopt(s *second) {
	s.cancel()
	x.run.window.shrink(x.room)
	responses.put(x.Into)
	x.Into, x.room, x.used = s.into, s.used, s.used
}
