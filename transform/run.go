package transform

import (
	"context"
	"errors"
	"io/fs"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/batchmill/batchmill/formats"
	"github.com/batchmill/batchmill/transform/store"
	"github.com/batchmill/batchmill/workers"
)

// publishers is how many finished objects may be made durable at once on a
// store that is near. One that is distant tells it.
const publishers = 4

// commitInterval is how much answered work a crash may cost, and distantInterval
// the same where every commit is a request and an object.
const (
	commitInterval  = time.Second
	distantInterval = 5 * time.Second
)

// run is a job at work: what its stages share.
type run struct {
	plan     *Plan
	state    *state
	fleet    workers.Fleet
	pool     *workers.Pool
	sizer    *sizer
	races    *races
	progress *Progress

	window      *window
	ahead       *ahead // nil where objects are opened one by one
	layout      *layout
	work        chan *place // cut to dispatch
	order       chan *place // cut to assemble, in input order; never full
	publishing  chan *sink  // assemble to publish
	publishRoom *publishRoom
	results     results

	asking     context.Context // ends when no more may be read or asked
	stopAsking context.CancelFunc
	askers     sync.WaitGroup // cut, dispatch, and a batch each
	drained    chan struct{}  // closed when asking has ended and so have they
	stopped    bool           // the assembler found the end of what was answered

	told        formats.Caps // what a batch may hold, once a host was ready; the cutter's own
	seats       int64        // taken so far; the cutter's own
	cutting     atomic.Bool  // records are still to be read
	busy        atomic.Int64 // batches that have records which are neither settled nor failing alone
	judged      atomic.Int64 // records settled, by earlier runs too
	judgedBad   atomic.Int64 // of them rejects
	lastReject  atomic.Pointer[reject]
	failedAlone atomic.Int64 // records that failed alone since the last good answer
	canary      atomic.Pointer[canary]
	answerSize  atomic.Int64 // bytes of response per record, about
	clock       clock
}

// Run runs the job to its end. When every object is published, held or failed,
// it writes the manifest and returns it; an error means that the job stopped
// before, and that the same call goes on with it. Outputs of an earlier run of
// the same job are kept. The fleet must have a host or a source, unless nothing is left to do.
func Run(ctx context.Context, p *Plan, fleet workers.Fleet, progress *Progress) (_ *Result, err error) {
	st, done, err := beginState(ctx, p)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, st.close()) }()
	if done != nil {
		return done, nil
	}
	r := newRun(p, st, fleet, progress)
	if err := r.stages(ctx); err != nil {
		return nil, err
	}
	return r.conclude(ctx)
}

// takeovers is how often a run tries to take over the log of others that are
// still at work: the first try stops the older ones, so more than two need
// runs that are started at the same time.
const takeovers = 5

// beginState opens the output's state and begins to log, unless all is done: then
// the result is returned. A run that took the log over from one at work reads
// what that has logged in between.
func beginState(ctx context.Context, p *Plan) (*state, *Result, error) {
	for try := 1; ; try++ {
		st, done, err := tryState(ctx, p)
		if err == nil || try == takeovers || !p.overtaken(err, try) {
			return st, done, err
		}
	}
}

func tryState(ctx context.Context, p *Plan) (*state, *Result, error) {
	st, err := openState(ctx, p)
	if err != nil {
		return nil, nil, err
	}
	done, err := st.alreadyDone(ctx)
	if err == nil && done == nil {
		err = st.begin(ctx)
	}
	if err != nil {
		return nil, nil, errors.Join(err, st.close())
	}
	return st, done, nil
}

// overtaken tells whether err may come from another run that went on while
// this one read what is there: it wrote to the log, or published an output whose
// mention in the log this one has not read. What is refused twice is refused.
func (p *Plan) overtaken(err error, try int) bool {
	_, locks := p.Output.(store.Locker)
	return errors.Is(err, store.ErrGrown) || !locks && ClassOf(err) == Usage && try < 3
}

func newRun(p *Plan, st *state, fleet workers.Fleet, progress *Progress) *run {
	s := &p.Spec
	w := newWindow(p.windowMemory())
	r := &run{
		plan: p, state: st, fleet: fleet, progress: progress, window: w,
		pool: workers.NewPool(fleet, workers.Limits{Concurrency: int(s.Concurrency), MaxConcurrency: s.MaxConcurrency,
			HostWait: time.Duration(s.HostWait), ReadyTimeout: time.Duration(s.ReadyTimeout)}),
		layout:     newLayout(p.codec.open()),
		work:       make(chan *place),
		order:      make(chan *place, w.capacity()),
		publishing: make(chan *sink), publishRoom: newPublishRoom(p.Output),
		drained: make(chan struct{}),
	}
	if st.layout != nil && !r.layout.settled() {
		r.layout.settle(*st.layout)
	}
	r.races = newRaces()
	r.sizer = newSizer(time.Duration(s.TargetLatency), s.batchRecords(), r.pool)
	r.ahead = newAhead(p)
	r.results.fates = st.fates
	progress.begin(r)
	return r
}

// stages is the map of a job: all its goroutines start here, and all have
// ended when it returns.
//
//	(open ahead ->) cut -> serve (one for each batch) -> assemble -> publish
//
// The first error ends them all. Watching hosts, keeping those up that were started
// for the job, asking second hosts and committing the log go on beside them until the last object is settled. When the caller ends the job,
// nothing more is read or asked, but the requests in flight may come to their
// end for as long as the grace lasts, so that their answers are logged.
func (r *run) stages(caller context.Context) error {
	grace, kill := context.WithCancel(context.WithoutCancel(caller))
	defer kill()
	g, ctx := errgroup.WithContext(grace)
	r.asking, r.stopAsking = context.WithCancel(ctx)
	beside, end := context.WithCancel(ctx)
	defer end()
	defer context.AfterFunc(caller, func() {
		r.stopAsking()
		time.AfterFunc(time.Duration(r.plan.Spec.Grace), kill)
	})()

	for _, m := range r.pool.Members() {
		r.lookAfter(beside, g, m)
	}
	for _, s := range r.fleet.Sources {
		g.Go(func() error { return r.follow(beside, g, s) })
	}
	g.Go(func() error { return r.hedge(beside, g) })
	g.Go(func() error { return r.state.log.commitEvery(beside, r.interval(), r.plan.heartbeat()) })

	cutting, cut := context.WithCancel(r.asking)
	defer cut()
	if r.ahead != nil {
		defer r.ahead.close()
		g.Go(func() error { return r.ahead.queue(cutting, r) })
		for range r.ahead.openers {
			g.Go(func() error { return r.ahead.serve(r.asking) })
		}
	}
	r.cutting.Store(true)
	r.askers.Add(2) // before drain may wait for them
	g.Go(func() error { return r.drain(beside) })
	g.Go(func() error {
		defer cut()
		return r.unlessStopped(r.cut(r.asking))
	})
	g.Go(func() error { return r.unlessStopped(r.dispatch(ctx, g)) })
	g.Go(func() error { return r.assemble(ctx) })
	left := atomic.Int64{}
	n := concurrency(r.plan.Output, publishers)
	left.Store(int64(n))
	for range n {
		g.Go(func() error {
			err := r.publish(ctx)
			if left.Add(-1) == 0 {
				end()
			}
			return err
		})
	}
	if err := g.Wait(); err != nil && !(grace.Err() != nil && errors.Is(err, context.Canceled)) {
		return err
	}
	if r.stopped || grace.Err() != nil {
		return caller.Err()
	}
	return nil
}

// lookAfter starts what a host needs beside requests: to be asked whether it is ready,
// and where we run its server, to be kept up.
func (r *run) lookAfter(beside context.Context, g *errgroup.Group, m *workers.Member) {
	g.Go(func() error {
		// A host that never gets ready is reported by who needs one.
		_ = r.pool.Watch(beside, m)
		return nil
	})
	if host, ok := m.Host().(workers.Kept); ok {
		g.Go(func() error {
			if err := host.Keep(beside); beside.Err() == nil {
				r.pool.Lose(m, err)
			}
			return nil
		})
	}
}

// follow lets the hosts join and leave that a source finds.
func (r *run) follow(beside context.Context, g *errgroup.Group, s workers.Source) error {
	err := s.Watch(beside, func(hosts []workers.Host) {
		for _, m := range r.pool.Refresh(s, hosts) {
			r.lookAfter(beside, g, m)
		}
	}, func(err error) { r.pool.Trouble(s, err) })
	if beside.Err() != nil {
		return nil
	}
	return err
}

// drain waits, once the caller has ended the job, until nobody asks any more.
func (r *run) drain(beside context.Context) error {
	select {
	case <-r.asking.Done():
		r.askers.Wait()
		close(r.drained)
	case <-beside.Done():
	}
	return nil
}

// unlessStopped drops the error of an asker that was told to stop.
func (r *run) unlessStopped(err error) error {
	defer r.askers.Done()
	if r.asking.Err() != nil && errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// dispatch gives every batch its goroutine. How many requests are in flight is
// the pool's business and how many batches exist the window's; here only so
// many are prepared ahead of a free host as there are processors to do it.
func (r *run) dispatch(ctx context.Context, g *errgroup.Group) error {
	preparing := make(chan struct{}, runtime.GOMAXPROCS(0))
	for {
		select {
		case preparing <- struct{}{}:
		case <-r.asking.Done():
			return r.asking.Err()
		}
		select {
		case p, ok := <-r.work:
			if !ok {
				return nil
			}
			r.askers.Add(1)
			g.Go(func() error { return r.unlessStopped(r.serve(ctx, p, onceDone(preparing))) })
		case <-r.asking.Done():
			return r.asking.Err()
		}
	}
}

// onceDone takes one token back, once. It is for one goroutine.
func onceDone(tokens <-chan struct{}) func() {
	done := false
	return func() {
		if !done {
			done = true
			<-tokens
		}
	}
}

// conclude writes the manifest, and only after it, when every object is
// published, the mark that schedulers wait for.
func (r *run) conclude(ctx context.Context) (*Result, error) {
	result, err := r.writeManifest(ctx)
	// An older run may have been about to write it when this one took over.
	for try := 1; errors.Is(err, fs.ErrExist) && try < takeovers; try++ {
		result, err = r.writeManifest(ctx)
	}
	if err != nil {
		return nil, err
	}
	if !result.allPublished() {
		return result, r.state.keeper.Remove(ctx, successName)
	}
	if err := r.state.log.seal(); err != nil {
		return nil, err
	}
	if err := writeWhole(ctx, r.plan.Output, successName, nil); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err // the mark of an older run is as good
	}
	if result.Manifest.Totals.Rejected > 0 {
		return result, nil
	}
	return result, r.state.remove(ctx)
}

func writeWhole(ctx context.Context, s store.Store, name string, text []byte) error {
	o, err := s.Create(ctx, name, store.Replace)
	if err != nil {
		return err
	}
	defer func() { _ = o.Abort() }() // after Commit it does nothing
	if _, err := o.Write(text); err != nil {
		return err
	}
	return o.Commit(ctx)
}
