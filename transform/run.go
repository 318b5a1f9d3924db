package transform

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/batchmill/batchmill/internal/caught"
	"github.com/batchmill/batchmill/transform/codec"
	"github.com/batchmill/batchmill/transform/ledger"
	"github.com/batchmill/batchmill/transform/plan"
	"github.com/batchmill/batchmill/workers"
)

// publishers is how many finished objects may be made durable at once on a
// store that is near. A store that is distant tells the number.
const publishers = 4

// answersShare is the part of --memory, one of 16, that the answers to a batch should take
// at most: a batch is copied while it is written, and many batches are at work.
const answersShare = 16

// run is a job at work: what all its stages share.
type run struct {
	plan     *plan.Plan
	codec    *codec.Codec // the plan's
	ledger   *ledger.Ledger
	pool     *workers.Pool
	sizer    *workers.Sizer
	window   *window
	copies   copies
	layout   *layout
	progress *Progress
	flights  *flights
	*lifetime
	evidence  evidence
	allowance allowance
	failures  failures
	doubts    doubts
	clock     clock
}

// Run runs the job to its end. When every object is published, held or failed,
// Run writes the manifest and returns what became of the job. An error means that the
// job stopped before; the same call goes on with it. Outputs of an earlier run of
// the same job are kept. The fleet must have a host or a source, unless nothing is left to do.
// Progress may be nil.
func Run(ctx context.Context, p *plan.Plan, fleet workers.Fleet, progress *Progress) (_ *Result, err error) {
	led, done, err := ledger.Open(ctx, p)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, led.Close()) }()
	if done != nil {
		return &Result{Summary: *done, AlreadyDone: true}, nil
	}
	if progress == nil {
		progress = new(Progress)
	}
	r := newRun(p, led, fleet, progress)
	err = r.stages(ctx, fleet)
	if doubt := r.lastDoubt(ctx); doubt != nil {
		return nil, doubt
	}
	if err != nil {
		return nil, err
	}
	return r.conclude(ctx)
}

func newRun(p *plan.Plan, led *ledger.Ledger, fleet workers.Fleet, progress *Progress) *run {
	s := &p.Spec
	pool := workers.NewPool(fleet, workers.Limits{Concurrency: int(s.Concurrency), MaxConcurrency: s.MaxConcurrency,
		HostWait: time.Duration(s.HostWait), ReadyTimeout: time.Duration(s.ReadyTimeout)})
	r := &run{
		plan: p, codec: p.Codec, ledger: led, pool: pool, progress: progress,
		sizer:     workers.NewSizer(time.Duration(s.TargetLatency), s.BatchSize(), int(s.Memory)/answersShare, pool),
		window:    newWindow(p.WindowMemory()),
		copies:    copies{budget: int64(s.Memory) / copiesShare},
		layout:    newLayout(p.Codec.LearnsLayout()),
		flights:   newFlights(),
		allowance: allowance{most: *s.MaxRejects},
		doubts:    make(doubts, 1),
	}
	if logged := led.Layout(); logged != nil && !r.layout.fixed() {
		r.layout.fix(*logged)
	}
	progress.begin(r)
	return r
}

// stages is the map of a job: all its goroutines start here, and all have
// ended when stages returns. (A sequence of package ordered has goroutines of its own, which end with it.)
//
//	cut -> serve (a goroutine for each batch) -> assemble -> publish
//
// The first error ends all stages. Watching hosts, keeping up the hosts that were started
// for the job, hedging and committing the log go on beside the stages until the last object is
// settled. When the caller ends the job, nothing more is read or asked, but the
// requests in flight may come to their end for as long as the grace lasts, so that
// their answers are logged.
func (r *run) stages(caller context.Context, fleet workers.Fleet) error {
	grace, kill := context.WithCancel(context.WithoutCancel(caller))
	defer kill()
	g, ctx := errgroup.WithContext(grace)
	r.lifetime = newLifetime(ctx)
	beside, end := context.WithCancel(ctx)
	defer end()
	defer context.AfterFunc(caller, func() {
		r.stopAsking()
		time.AfterFunc(time.Duration(r.plan.Spec.Grace), kill)
	})()
	r.askers.Add(2) // the cutter and the dispatcher, before drain may wait for them
	r.evidence.reading.Store(true)
	cutter, asker := newCutter(r), newAsker(r)
	assembler := newAssembler(r, cutter.order, asker.join)

	for _, m := range r.pool.Members() {
		r.lookAfter(beside, g, m)
	}
	for _, s := range fleet.Sources {
		caught.Go(g, func() error { return r.follow(beside, g, s) })
	}
	caught.Go(g, func() error { return asker.hedge(beside, g) })
	caught.Go(g, func() error { return r.ledger.Run(beside) })
	caught.Go(g, func() error { return r.drain(beside) })
	caught.Go(g, func() error { return r.watchTrust(beside) })
	caught.Go(g, func() error { return r.tell(caller, beside) })

	r.startAsker(g, func() error { return cutter.cut(r.asking) })
	r.startAsker(g, func() error { return asker.dispatch(ctx, g, cutter.work) })
	caught.Go(g, func() error { return assembler.assemble(ctx) })
	left := atomic.Int64{}
	n := plan.Concurrency(r.plan.Output, publishers)
	left.Store(int64(n))
	for range n {
		caught.Go(g, func() error {
			err := assembler.publish(ctx)
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

// lookAfter starts what a host needs beside requests: the probes of its readiness,
// and where batchmill runs its server, the restarts.
func (r *run) lookAfter(beside context.Context, g *errgroup.Group, m *workers.Member) {
	caught.Go(g, func() error {
		// A host that never gets ready is reported by the stage that needs a host.
		_ = r.pool.Watch(beside, m)
		return nil
	})
	if host, ok := m.Host().(workers.Kept); ok {
		caught.Go(g, func() error {
			if err := host.Keep(beside); beside.Err() == nil {
				r.pool.Lose(m, err)
			}
			return nil
		})
	}
}

// tell tells a person what happens to hosts while others go on, and, once the caller
// has ended the job, what the job still waits for.
func (r *run) tell(caller, beside context.Context) error {
	say := r.plan.Notice
	if say == nil {
		return nil
	}
	stop := caller.Done()
	for {
		select {
		case incident := <-r.pool.Incidents():
			say(incident.String())
			continue
		default:
		}
		select {
		case incident := <-r.pool.Incidents():
			say(incident.String())
		case <-stop:
			stop = nil
			say(fmt.Sprintf("stopping: requests in flight, now %d, may be answered for %v (--grace); then the log is made durable and started hosts are ended",
				r.pool.InFlight(), time.Duration(r.plan.Spec.Grace)))
		case <-beside.Done():
			return nil
		}
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
