package ledger

import (
	"context"
	"crypto/rand"
	"errors"
	"strings"
	"time"

	"github.com/batchmill/batchmill/transform/answerlog"
	"github.com/batchmill/batchmill/transform/manifest"
	"github.com/batchmill/batchmill/transform/plan"
	"github.com/batchmill/batchmill/transform/roster"
	"github.com/batchmill/batchmill/transform/store"
)

// begin takes the log over, writes what binds the log to the job where the log is new, and
// clears the output of what older runs left. The error is that of takeLog.
func (l *Ledger) begin(ctx context.Context) error {
	whole := l.known.size
	wait, err := l.quietFor(ctx)
	if err != nil {
		return err
	}
	if err := l.takeLog(ctx, whole); err != nil {
		return err
	}
	switch {
	case whole == 0:
		err = l.bind()
	case l.anew:
		l.newJob()
		err = l.log.Note(answerlog.KindForget, l.job)
	case l.plan.Spec.Overwrite:
		err = l.log.Note(answerlog.KindRedo, struct{}{})
	}
	if to := l.plan.Spec.Limit; err == nil && l.job.Limit != to {
		l.job.Limit, l.extended = to, true
		err = l.log.Note(answerlog.KindJob, l.job)
	}
	if err != nil {
		return err
	}
	if err := l.log.Commit(); err != nil {
		return err
	}
	if err := rest(ctx, wait); err != nil {
		return err
	}
	if err := l.tidy(ctx); err != nil {
		return err
	}
	if o, ok := l.plan.Output.(store.Owner); ok {
		o.Own(l.job.ID)
	}
	return l.takeDown(ctx)
}

// takeLog opens the log behind its whole bytes, and cuts a torn tail off. The error is
// [store.ErrGrown] when an older run wrote to the log since it was read: then that run can
// write no more, and all is to be read again.
func (l *Ledger) takeLog(ctx context.Context, whole int64) error {
	if prober, ok := l.plan.Output.(store.Prober); ok {
		if err := prober.Probe(ctx, probeDir); err != nil {
			return err
		}
	}
	if l.damaged {
		if err := l.keeper.Remove(ctx, LogName); err != nil {
			return err
		}
	}
	out, err := l.keeper.Append(ctx, LogName, l.seen.Size)
	if err != nil {
		return err
	}
	err = l.finishedMeanwhile(ctx, whole)
	if err == nil {
		err = out.Truncate(whole)
	}
	if err == nil { // what a killed run wrote and could not sync is read as whole, and the next group says that all before is durable
		err = out.Sync()
	}
	if err != nil {
		return errors.Join(err, out.Close())
	}
	l.log = answerlog.NewWriter(out, whole, l.tag, int64(l.plan.Spec.Memory)/8)
	if l.lost != nil && l.plan.Notice != nil {
		l.plan.Notice(l.lost.String())
	}
	return nil
}

// finishedMeanwhile fails with [store.ErrGrown] where an older run has finished
// the job, and removed its log, since this run found no log.
func (l *Ledger) finishedMeanwhile(ctx context.Context, whole int64) error {
	if whole > 0 || l.unlock != nil || l.plan.Spec.Overwrite || l.plan.Spec.Restart {
		return nil
	}
	m, _, err := ReadManifest(ctx, l.plan.Output, func(*manifest.Object) error { return nil })
	if err != nil || m == nil || m.JobID == l.job.ID {
		return err
	}
	return &store.Error{Op: "append", URI: l.plan.Output.URI(LogName), Err: store.ErrGrown}
}

// tidy removes what a run that died left, and no run will ask for.
func (l *Ledger) tidy(ctx context.Context) error {
	if l.plan.Codec.Spliced() {
		if err := l.keeper.Remove(ctx, SpillDir); err != nil {
			return err
		}
	}
	if _, ok := l.plan.Output.(store.Prober); ok {
		if err := l.keeper.Remove(ctx, probeDir); err != nil {
			return err
		}
	}
	return l.abandon(ctx)
}

// newJob gives the job a name of its own, and no past.
func (l *Ledger) newJob() {
	l.job = jobEntry{Version: logVersion, ID: rand.Text(), Started: time.Now().UTC(), Identity: l.plan.Identity(),
		Restarted: l.plan.Spec.Restart, Limit: l.plan.Spec.Limit}
}

// bind writes what binds the log to the job. There may be millions of objects,
// so bind does not wait for the end to make their entries durable: a log that holds
// only some of the objects counts as empty.
func (l *Ledger) bind() error {
	if l.job.ID == "" {
		l.newJob()
	}
	l.job.Version, l.job.Identity, l.job.Limit = logVersion, l.plan.Identity(), l.plan.Spec.Limit
	if err := l.log.Note(answerlog.KindJob, l.job); err != nil {
		return err
	}
	for o, err := range l.plan.All() {
		if err != nil {
			return err
		}
		if err := l.bound(answerlog.KindObject, o.Pin()); err != nil {
			return err
		}
	}
	for i := range l.plan.Count() {
		if !l.outcomes.has(i, settledMark) {
			continue
		}
		_, was, err := l.outcome(i)
		if err != nil {
			return err
		}
		if err := l.bound(answerlog.KindSettled, settled{i, *was}); err != nil {
			return err
		}
	}
	return l.log.Commit()
}

// bound notes one of many entries.
func (l *Ledger) bound(kind answerlog.Kind, v any) error {
	_, distant := l.plan.Output.(store.Distant)
	return l.log.NoteLarge(kind, v, distant)
}

// takeDown removes what says that the outputs are complete, before any output
// changes. When all outputs are made again, the rejects go too; else the manifest stays, for a retry
// of rejects begins with it; but not that of another limit, whose outputs are about to be replaced. Where something is there to remove, takeDown
// makes sure first that this run was not superseded: what is there may be the later run's by now.
func (l *Ledger) takeDown(ctx context.Context) error {
	names := []string{plan.SuccessName}
	if l.plan.Spec.Overwrite || l.plan.Spec.Restart {
		names = append(names, plan.ManifestName, plan.RejectsDir)
	} else if l.extended && !l.plan.RetryRejects {
		names = append(names, plan.ManifestName)
	}
	for _, name := range names {
		there, err := populated(ctx, l.plan.Output, name)
		if err == nil && there {
			err = l.log.Seal()
		}
		if err == nil && there {
			err = l.keeper.Remove(ctx, name)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// abandon ends the unfinished uploads of the job's own outputs: whoever began
// the uploads can publish nothing any more.
func (l *Ledger) abandon(ctx context.Context) error {
	c, ok := l.plan.Output.(store.Cleaner)
	if _, distant := l.plan.Output.(store.Distant); !ok || !distant {
		return nil // a disk's temporary files are overwritten one by one
	}
	var names roster.Set
	for o, err := range l.plan.All() {
		if err != nil {
			return err
		}
		for _, name := range o.Names() {
			names.Add(name)
		}
	}
	var lost error // where this run was superseded, an upload may be the later run's
	mine := func(name string) bool {
		first, _, _ := strings.Cut(name, "/")
		reserved := plan.Reserved(name) && first != plan.RejectsDir // rejects files are among names
		if lost != nil || !reserved && !names.Has(name) {
			return false
		}
		lost = l.log.Seal()
		return lost == nil
	}
	for _, err := range c.Clean(ctx, mine) {
		if err != nil && !errors.Is(err, errors.ErrUnsupported) {
			return err
		}
	}
	return lost
}
