package ledger

import (
	"context"
	"fmt"
	"io/fs"

	"github.com/batchmill/batchmill/transform/answerlog"
	"github.com/batchmill/batchmill/transform/manifest"
	"github.com/batchmill/batchmill/transform/plan"
	"github.com/batchmill/batchmill/transform/store"
)

// Settled tells whether object i needs no work in this run.
func (l *Ledger) Settled(i int) bool { return l.outcomes.has(i, settledMark) }

// Keep takes the end of a settled object, which is returned, into this run's manifest.
func (l *Ledger) Keep(o *plan.Object) (*manifest.Object, error) {
	l.outcomes.final[o.Index] = true
	return l.outcomes.of(o)
}

// Records is how many records an earlier reading of o to its end has found; 0 where the number is not
// known, as that of an object that a limit cut.
func (l *Ledger) Records(o *plan.Object) (int64, error) {
	m, err := l.outcomes.of(o)
	if m == nil || err != nil || m.Cut {
		return 0, err
	}
	return m.In, nil
}

// Create begins o's output. An earlier output of the job is replaced.
func (l *Ledger) Create(ctx context.Context, o *plan.Object) (store.Object, error) {
	mode := store.New
	if l.plan.Spec.Overwrite || l.outcomes.has(o.Index, oursMark) {
		mode = store.Replace
	}
	return l.plan.Output.Create(ctx, o.Output, mode)
}

// Intend notes, durably, that o's outputs are complete and about to get their
// names: a run that finds the outputs knows by the intent whose they are.
func (l *Ledger) Intend(o *plan.Object, end *manifest.Object) error {
	if err := l.log.Note(answerlog.KindIntent, settled{o.Index, *end}); err != nil {
		return err
	}
	return l.log.Commit()
}

// Settle notes that o's outputs have their names, or that o is held.
func (l *Ledger) Settle(ctx context.Context, o *plan.Object, end *manifest.Object) error {
	if err := l.withdraw(ctx, o, end); err != nil {
		return err
	}
	if err := l.log.Note(answerlog.KindSettled, settled{o.Index, *end}); err != nil {
		return err
	}
	return l.conclude(o, end)
}

// Fail takes the end of o into the manifest alone, so that the next run tries o again.
func (l *Ledger) Fail(ctx context.Context, o *plan.Object, end *manifest.Object) error {
	if err := l.withdraw(ctx, o, end); err != nil {
		return err
	}
	return l.conclude(o, end)
}

// withdraw removes the output of o's first records that a run with a smaller limit published, where all of o
// is not published.
func (l *Ledger) withdraw(ctx context.Context, o *plan.Object, end *manifest.Object) error {
	if end.Status == manifest.Published || !l.outcomes.has(o.Index, cutMark) || !l.outcomes.has(o.Index, oursMark) {
		return nil
	}
	if err := l.log.Seal(); err != nil { // or the output may be a later run's
		return err
	}
	return l.keeper.Remove(ctx, o.Output)
}

// conclude takes the end of o into this run's manifest.
func (l *Ledger) conclude(o *plan.Object, end *manifest.Object) error {
	l.outcomes.final[o.Index] = true
	return l.outcomes.put(o.Index, end)
}

// DropRejects removes the rejects file that an earlier run may have left of o.
func (l *Ledger) DropRejects(ctx context.Context, o *plan.Object) error {
	if !l.oldRejects {
		return nil
	}
	return l.keeper.Remove(ctx, o.Rejects)
}

// AlreadyMade looks at an output that got its name from another writer in the
// meantime. Another run of this job, which has not found out yet that it was
// superseded, makes the same bytes; then all is well. The error is fs.ErrExist
// where the output is none of the job's.
func (l *Ledger) AlreadyMade(ctx context.Context, o *plan.Object, made manifest.Output) error {
	out := l.plan.Output
	ours, err := l.owns(ctx, o.Output)
	if err != nil {
		return err
	}
	if !ours {
		return fs.ErrExist
	}
	same, err := holds(ctx, out, o.Output, made)
	if err == nil && !same {
		err = &store.Error{Op: "commit", URI: out.URI(o.Output), Err: store.ErrSuperseded}
	}
	return err
}

// SpillDir holds spill files. Files that a killed run left there go when the next run begins.
const SpillDir = plan.WorkDir + "/spill"

// Spill begins a spill file in the working state. An object has one spill file at a time.
func (l *Ledger) Spill(ctx context.Context, o *plan.Object) (store.Spill, error) {
	return l.keeper.Spill(ctx, fmt.Sprintf("%s/%d", SpillDir, o.Index))
}
