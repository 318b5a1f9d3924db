package transform

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/batchmill/batchmill/internal/caught"
	"github.com/batchmill/batchmill/workers"
)

// A request that is slow is hedged where the job waits for it: a twin goes to a
// second host if the request is the head's of a full window, or if the job has nothing else
// to ask, at its end or while the size of batches is measured. The answer that comes
// first is taken, and the other request is given up. The records are the same,
// and so is the idempotency key.

const (
	// hedgeEvery is how often the requests in flight are looked at.
	hedgeEvery = 100 * time.Millisecond
	// slowFactor is how many times the fleet's 95th percentile of latency a request has to
	// take before that request counts as slow.
	slowFactor = 2
)

// flights are the requests in flight.
type flights struct {
	mu   sync.Mutex
	all  map[*inflight]bool
	wake chan struct{} // holds a token when there may be a request
}

func newFlights() *flights { return &flights{all: map[*inflight]bool{}, wake: make(chan struct{}, 1)} }

// inflight is one request that may get a twin.
type inflight struct {
	x       *exchange
	host    *workers.Member
	since   time.Time
	records int                // number of records that the request asks about
	cancel  context.CancelFunc // gives the request up
	twin    *twin              // nil while one host alone is asked
}

// twin is the same request to a second host, with memory of its own.
type twin struct {
	x      *exchange
	lease  *workers.Lease
	resp   workers.Response
	err    error
	asking context.Context
	cancel context.CancelFunc
	done   chan struct{} // closed when resp and err are there
	// classify is the asker's: a page with status 200 wins no race.
	classify func(workers.Response, error) workers.Outcome
}

// send sends a request, lets a second host be asked, and returns the response
// that came first, with the lease of the host that gave the response: the other request is over.
func (a *asker) send(ctx context.Context, lease *workers.Lease, x *exchange) (workers.Response, *workers.Lease, error) {
	first, cancel := context.WithCancel(ctx)
	defer cancel()
	f := &inflight{x: x, host: lease.Member(), since: time.Now(), records: lease.Records, cancel: cancel}
	a.flights.add(f)
	resp, err := lease.Invoke(first, &x.Request)
	t := a.flights.remove(f)
	if t == nil {
		return resp, lease, err
	}
	x.place.requests++
	if a.classify(resp, err).Cause == workers.Good {
		t.cancel()
		<-t.done
		t.drop()
		return resp, lease, err
	}
	<-t.done // with its answer, or with the job's end
	if gaveUp := errors.Is(err, context.Canceled); !t.good() && !(gaveUp && t.refused()) {
		t.drop()
		return resp, lease, err
	}
	// A refusal of the second host tells nothing of the first, nor does a want of memory here.
	if ctx.Err() == nil && t.good() && !errors.Is(err, errNoRoom) {
		release(lease, a.overtaken(resp, err))
	}
	lease.Cancel()
	t.lease.Records = lease.Records
	x.adopt(t)
	return t.resp, t.lease, nil
}

// overtaken is what a host has done whose request another host answered.
func (a *asker) overtaken(resp workers.Response, err error) workers.Outcome {
	if err != nil && errors.Is(err, context.Canceled) {
		return workers.Outcome{Cause: workers.Broken, Message: "another host answered sooner"}
	}
	return a.classify(resp, err)
}

func (s *flights) add(f *inflight) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all[f] = true
	if len(s.all) == 1 {
		select {
		case s.wake <- struct{}{}:
		default:
		}
	}
}

// count is how many requests are in flight, twins aside.
func (s *flights) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.all)
}

// remove ends a request to its first host: from now on the request gets no twin.
func (s *flights) remove(f *inflight) *twin {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.all, f)
	return f.twin
}

// olderThan tells whether some request has been in flight for longer than d.
func (s *flights) olderThan(d time.Duration) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for f := range s.all {
		if time.Since(f.since) > d {
			return true
		}
	}
	return false
}

// slow lists the requests that have no twin and take longer than late, the oldest
// first; a request about k times the usual number of records has k times the
// time. With seq from 0 on, only requests of place seq are listed.
func (s *flights) slow(late time.Duration, usual float64, seq int64) []*inflight {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []*inflight
	for f := range s.all {
		more := max(1, float64(f.records)/usual)
		if f.twin == nil && time.Since(f.since).Seconds() > late.Seconds()*more && (seq < 0 || f.x.place.seq == seq) {
			list = append(list, f)
		}
	}
	slices.SortFunc(list, func(a, b *inflight) int { return a.since.Compare(b.since) })
	return list
}

// join makes t the twin of f, unless f is over.
func (s *flights) join(f *inflight, t *twin) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.all[f] {
		return false
	}
	f.twin = t
	return true
}

// hedge looks for slow requests that the job waits for, as long as there are
// requests at all.
func (a *asker) hedge(ctx context.Context, g *errgroup.Group) error {
	tick := time.NewTimer(hedgeEvery)
	defer tick.Stop()
	for {
		next := tick.C
		if a.flights.count() == 0 {
			next = nil
		}
		select {
		case <-a.flights.wake:
			tick.Reset(hedgeEvery)
			continue
		case <-next:
			tick.Reset(hedgeEvery)
		case <-ctx.Done():
			return nil
		}
		for _, f := range a.waitedFor() {
			t := a.newTwin(ctx, f)
			if t == nil {
				break
			}
			caught.Go(g, func() error { t.run(f); return nil })
		}
	}
}

// waitedFor lists the slow requests that hold the job up.
func (a *asker) waitedFor() []*inflight {
	seq, full := a.window.stuckAt()
	last := (!a.evidence.reading.Load() || a.sizer.Waiting()) && a.pool.Idle()
	if a.asking.Err() != nil || !full && !last {
		return nil
	}
	if last {
		seq = -1
	}
	if !a.flights.olderThan(hedgeEvery) {
		return nil
	}
	usual, records := a.pool.Usual()
	if usual == 0 {
		return nil // nothing was answered yet
	}
	return a.flights.slow(slowFactor*usual, records, seq)
}

// newTwin takes a place at another host for f; nil when there is none.
func (a *asker) newTwin(ctx context.Context, f *inflight) *twin {
	lease := a.pool.Spare(f.host)
	if lease == nil {
		return nil
	}
	t := &twin{x: &exchange{window: a.window, place: f.x.place}, lease: lease, done: make(chan struct{}), classify: a.classify}
	t.x.Into = responses.get(0)
	t.asking, t.cancel = context.WithCancel(ctx)
	if !a.flights.join(f, t) {
		t.drop()
		return nil
	}
	return t
}

// run asks the second host, and gives the first request up if the second host answers.
func (t *twin) run(f *inflight) {
	defer close(t.done)
	q := f.x.Request // whose payload stays until done is closed
	q.Into, q.Reserve = t.x.Into, t.x.reserve
	t.resp, t.err = t.lease.Invoke(t.asking, &q)
	if t.good() || t.refused() {
		f.cancel()
	}
}

func (t *twin) good() bool { return t.classify(t.resp, t.err).Cause == workers.Good }

// refused tells whether the second host refused the records. Waiting for the first
// host would only put off what the blame table has to find out about the records, and a
// stalled host would cost --timeout for each bad record.
func (t *twin) refused() bool {
	if t.err != nil {
		return false
	}
	switch workers.Classify(t.resp, nil).Cause {
	case workers.Refused, workers.TooLarge, workers.Failed:
		return true
	}
	return false
}

// drop gives back what a twin held whose response is not used.
func (t *twin) drop() {
	t.cancel()
	if t.err != nil || t.resp.Status == 0 || t.good() {
		t.lease.Cancel() // given up, by send or with the job; a host that broke the request off will do so again
	} else {
		release(t.lease, t.classify(t.resp, nil))
	}
	t.x.drop() // the host's words may stand there
}

// release ends the lease of a request whose end decides nothing about its records,
// only about its host: how long the host rests, or whether the host is a wrong one.
func release(lease *workers.Lease, o workers.Outcome) {
	lease.Release(o, workers.Blame(o, workers.State{Records: 2, HostGood: lease.Member().Good(), JobGood: true}))
}

// adopt gives the response's memory back, and takes over the twin's.
func (x *exchange) adopt(t *twin) {
	t.cancel()
	x.window.shrink(x.taken)
	responses.put(x.Into)
	x.Into, x.taken, x.used = t.x.Into, t.x.taken, t.x.used
}
