// Package ledger is the engine's whole view of earlier runs: what they logged, which outputs
// are the job's, which objects need no work. A [Ledger] answers from the log ([Ledger.At], [Ledger.Take]), writes
// what this run learns ([Ledger.Append], [Ledger.Intend], [Ledger.Settle]), and ends the job ([Ledger.Finish]).
//
// Two runs of one job exclude each other by a lock, or where a store has none, by the log: the
// run that starts takes the log over, and the older run finds out when it commits next.
//
// [ReadStatus] and [Clean] look at an output from outside, for a person.
package ledger

import (
	"context"
	"errors"
	"time"

	"github.com/batchmill/batchmill/formats"
	"github.com/batchmill/batchmill/internal/caught"
	"github.com/batchmill/batchmill/transform/answerlog"
	"github.com/batchmill/batchmill/transform/job"
	"github.com/batchmill/batchmill/transform/manifest"
	"github.com/batchmill/batchmill/transform/plan"
	"github.com/batchmill/batchmill/transform/store"
)

// Names in the working state.
const (
	LogName  = plan.WorkDir + "/log"
	LockName = plan.WorkDir + "/lock"
	probeDir = plan.WorkDir + "/probe"
)

// Ledger is what an output knows of its job, and the log that holds that knowledge.
type Ledger struct {
	plan   *plan.Plan
	keeper store.Keeper
	log    *answerlog.Writer
	file   answerlog.File
	seen   store.Info // of the log when it was read
	tag    [8]byte    // of the log
	// otherPolicy: an older run under another --on-bad, or with a limit, was about to publish something.
	otherPolicy bool
	// extended: the job has gone on to another limit, so that the manifest may be that of the limit before.
	extended bool
	// damaged: the log cannot be opened, and is to be forgotten whole.
	damaged bool
	// anew: the job begins anew behind what is logged, which tells whose the outputs are, and answers nothing.
	anew   bool
	lost   *loss        // what the log is cut before; nil for a log that is not damaged
	unlock func() error // nil where the store has no locks

	job      jobEntry
	outcomes *outcomes // what became of the objects
	known    *replay
	layout   *formats.Layout // of answers, as logged; nil when not fixed
	objects  int             // object entries seen
	// oldRejects: there are rejects files, some of which may be outdated.
	oldRejects bool
}

// Open reads what earlier runs left in the output and begins to log, unless all is done: then
// what became of the job is returned. A run that took the log over from a run at work reads
// what that run has logged in between. The Ledger must be closed.
func Open(ctx context.Context, p *plan.Plan) (*Ledger, *Summary, error) {
	for try := 1; ; try++ {
		l, done, err := open(ctx, p)
		if err == nil || try == takeovers || !outrun(p, err, try) {
			return l, done, err
		}
	}
}

// open locks the output where it can, reads what earlier runs left, and refuses
// an output that is not this job's. Before begin, only the lock is written.
func open(ctx context.Context, p *plan.Plan) (_ *Ledger, done *Summary, err error) {
	out := p.Output
	keeper, ok := out.(store.Keeper)
	if !ok {
		return nil, nil, job.Usagef("choose another --output; a store of your own needs the methods of store.Keeper",
			"%s cannot keep a job's state: %T is no store.Keeper", out.URI(""), out)
	}
	l := &Ledger{plan: p, keeper: keeper, file: logOf(out, keeper), outcomes: newOutcomes(p)}
	l.forgetAll()
	if l.unlock, err = lock(ctx, out, "wait for it, or choose another --output"); err != nil {
		return nil, nil, err
	}
	err = caught.Err(func() (err error) { // a panic must not keep the lock
		done, err = l.enter(ctx)
		return err
	})
	if err != nil {
		err = errors.Join(err, l.Close())
	}
	return l, done, err
}

// enter reads what earlier runs left, and begins the log where something is left to do.
func (l *Ledger) enter(ctx context.Context) (done *Summary, err error) {
	if l.oldRejects, err = populated(ctx, l.plan.Output, plan.RejectsDir); err != nil {
		return nil, err
	}
	whole, err := l.readLog(ctx)
	if err != nil {
		return nil, err
	}
	if err := l.own(ctx, whole); err != nil {
		return nil, err
	}
	if done, err = l.alreadyDone(ctx); err == nil && done == nil {
		err = l.begin(ctx)
	}
	return done, err
}

// lock takes the output's lock, in two tries: a reader of the job's status
// holds the lock for an instant. Where there are no locks, unlock is nil, and
// [Ledger.begin] takes the log over. Hint is what to do about a run that has the lock.
func lock(ctx context.Context, s store.Store, hint string) (unlock func() error, err error) {
	k, ok := s.(store.Locker)
	if !ok {
		return nil, nil
	}
	if unlock, err = k.Lock(ctx, LockName); errors.Is(err, store.ErrLocked) {
		if err := rest(ctx, 50*time.Millisecond); err != nil {
			return nil, err
		}
		unlock, err = k.Lock(ctx, LockName)
	}
	if errors.Is(err, store.ErrLocked) {
		err = atWork(s, hint)
	}
	return unlock, err
}

// logOf is where the log stands in out, which is keeper.
func logOf(out store.Store, keeper store.Keeper) answerlog.File {
	_, distant := out.(store.Distant) // which keeps what is synced whole, or not at all: see store.Appender
	return answerlog.File{Keeper: keeper, Name: LogName, URI: out.URI(LogName), Whole: distant}
}

// populated tells whether something stands at or below name.
func populated(ctx context.Context, s store.Store, name string) (bool, error) {
	for _, err := range s.List(ctx, name) {
		if errors.Is(err, store.ErrNoFile) {
			err = job.Usagef("put a folder or nothing there, or choose another --output",
				"%s: it is a symbolic link or no folder, and what a job writes stays in its output", s.URI(name))
		}
		return err == nil, err
	}
	return false, nil
}

// Job is the job's name, which requests and outputs carry, and when its first run began.
func (l *Ledger) Job() (id string, started time.Time) { return l.job.ID, l.job.Started }

// Layout is the layout of answers that an earlier run fixed; nil where no run did.
func (l *Ledger) Layout() *formats.Layout { return l.layout }

// FixLayout notes the layout of answers for the runs to come.
func (l *Ledger) FixLayout(layout formats.Layout) error {
	return l.log.Note(answerlog.KindLayout, layout)
}

// Append adds framed entries of answers, in input order. The entries are durable when
// [Ledger.Run] has committed them, or the next intent.
func (l *Ledger) Append(add func(dst []byte) []byte) error { return l.log.Append(add) }

// How much answered work a crash may cost: CommitInterval, or DistantInterval
// where every commit is a request and an object.
const (
	CommitInterval  = time.Second
	DistantInterval = 5 * time.Second
)

// Run makes what is appended durable, again and again until ctx ends. Where no
// lock keeps other runs out, the log shows meanwhile that this run is at work.
func (l *Ledger) Run(ctx context.Context) error {
	interval, heartbeat := CommitInterval, Heartbeat
	if _, distant := l.plan.Output.(store.Distant); distant {
		interval = DistantInterval
	}
	if _, locks := l.plan.Output.(store.Locker); locks {
		heartbeat = 0
	}
	return l.log.CommitEvery(ctx, interval, heartbeat)
}

// Seal makes all that was appended durable. The error is [store.ErrSuperseded] where
// a later run has taken the job over.
func (l *Ledger) Seal() error { return l.log.Seal() }

// outcome is object i, and what became of that object: nil where nothing is known.
func (l *Ledger) outcome(i int) (*plan.Object, *manifest.Object, error) {
	o, err := l.plan.Object(i)
	if err != nil {
		return nil, nil, err
	}
	m, err := l.outcomes.of(o)
	return o, m, err
}

// Close ends the run: the log is sealed, and the output free for another run.
func (l *Ledger) Close() error {
	var errs []error
	l.known.close()
	errs = append(errs, l.outcomes.close())
	if l.log != nil {
		errs = append(errs, caught.Err(l.log.Close)) // a panic must not keep the lock
		l.log = nil
	}
	if l.unlock != nil {
		errs = append(errs, l.unlock())
	}
	return errors.Join(errs...)
}
