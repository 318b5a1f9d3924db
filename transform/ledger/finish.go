package ledger

import (
	"context"
	"errors"
	"io/fs"
	"iter"

	"github.com/batchmill/batchmill/transform/answerlog"
	"github.com/batchmill/batchmill/transform/manifest"
	"github.com/batchmill/batchmill/transform/plan"
	"github.com/batchmill/batchmill/transform/store"
)

// A Summary is what became of a job's objects.
type Summary struct {
	Manifest   *manifest.Manifest // without its objects, of which there may be millions
	Objects    manifest.Ends      // how many objects there are
	InputBytes int64              // of all inputs, as stored
	// Unpublished are the first maxUnpublished objects that are held or failed.
	Unpublished []manifest.Object
}

// maxUnpublished is how many objects a Summary names that are not published.
const maxUnpublished = 20

// Add counts an object of the manifest.
func (s *Summary) Add(o *manifest.Object) {
	s.Objects.Add(o.Status)
	s.InputBytes += o.Input.Size
	if o.Status != manifest.Published && len(s.Unpublished) < maxUnpublished {
		s.Unpublished = append(s.Unpublished, *o)
	}
}

// AllPublished tells whether every object is published.
func (s *Summary) AllPublished() bool { return s.Objects.Published == s.Objects.All() }

// Outcomes yields what became of the job's objects, in their order, but for objects that this
// run did not come to: objects behind a --limit.
func (l *Ledger) Outcomes() iter.Seq2[*manifest.Object, error] {
	return func(yield func(*manifest.Object, error) bool) {
		f := l.outcomes
		for o, err := range l.plan.All() {
			var e *manifest.Object
			if err == nil {
				if !f.final[o.Index] {
					continue
				}
				if e, err = f.of(o); err == nil && e.OnBad == l.plan.Spec.OnBad {
					e.OnBad = "" // the manifest tells only another policy than the job's
				}
			}
			if !yield(e, err) || err != nil {
				return
			}
		}
	}
}

// whole tells whether the mark that schedulers wait for belongs to the job: no limit ended the job, every
// object is published, and if there are records, some are answered.
func (s *Summary) whole() bool {
	return s.Manifest.Limit == 0 && s.AllPublished() && !s.Manifest.Totals.Unanswered()
}

// Finish ends a job whose manifest is written, and told s. Where the job is whole
// it writes the mark that schedulers wait for, and takes the working
// state away unless rejects may be retried.
func (l *Ledger) Finish(ctx context.Context, s *Summary) error {
	if !s.whole() {
		return l.keeper.Remove(ctx, plan.SuccessName)
	}
	if err := l.log.Seal(); err != nil {
		return err
	}
	if err := l.mark(ctx); err != nil && !errors.Is(err, fs.ErrExist) {
		return err // the mark of an older run is as good
	}
	if s.Manifest.Totals.Rejected > 0 {
		return nil
	}
	return l.remove(ctx)
}

// remove takes away the working state of a job that is done with it. Where no
// lock keeps other runs out the log is emptied first: of this run and a run that takes the
// log over only one succeeds, so a log that is another run's by now stays.
func (l *Ledger) remove(ctx context.Context) error {
	if l.unlock == nil && l.log == nil && l.seen.Size > 0 {
		out, err := l.keeper.Append(ctx, LogName, l.seen.Size)
		if err != nil {
			return err
		}
		l.log = answerlog.NewWriter(out, l.seen.Size, l.tag, int64(l.plan.Spec.Memory)/8)
	}
	if log := l.log; log != nil {
		l.log = nil
		if err := log.Abandon(l.unlock == nil); err != nil {
			return err
		}
	}
	return l.keeper.Remove(ctx, plan.WorkDir)
}

// mark writes the mark that schedulers wait for, an empty object.
func (l *Ledger) mark(ctx context.Context) error {
	o, err := l.plan.Output.Create(ctx, plan.SuccessName, store.Replace)
	if err != nil {
		return err
	}
	defer func() { _ = o.Abort() }() // after Commit it does nothing
	if _, err := o.Write(nil); err != nil {
		return err
	}
	return o.Commit(ctx)
}

// errDiffers ends the reading of a manifest that the log does not agree with.
var errDiffers = errors.New("the log says otherwise")

// alreadyDone tells what became of the job in an earlier run that settled every
// object for good; nil where something is left to do.
func (l *Ledger) alreadyDone(ctx context.Context) (*Summary, error) {
	if l.plan.Spec.Overwrite || l.plan.Spec.Restart {
		return nil, nil
	}
	r, i := new(Summary), 0
	m, _, err := ReadManifest(ctx, l.plan.Output, func(o *manifest.Object) error {
		r.Add(o)
		i++
		return l.agrees(i-1, o)
	})
	if errors.Is(err, errDiffers) {
		return nil, nil
	}
	if m == nil || err != nil {
		return nil, err
	}
	if other, err := l.otherMade(m); other != "" || err != nil {
		return nil, err
	}
	if m.Limit != l.plan.Spec.Limit || m.Limit != l.job.Limit {
		return nil, nil
	}
	r.Manifest = m
	if r.whole() {
		if there, err := exists(ctx, l.plan.Output, plan.SuccessName); !there || err != nil {
			return nil, err // the earlier run died between the manifest and the mark
		}
		if m.Totals.Rejected == 0 {
			return r, l.remove(ctx)
		}
	}
	return r, nil
}

// agrees tells, by errDiffers, whether what a manifest says of its object i is
// not what the log says: a run that died after it had published something
// leaves the manifest of the run before.
func (l *Ledger) agrees(i int, now *manifest.Object) error {
	if i >= l.plan.Count() || !l.outcomes.has(i, settledMark) {
		return errDiffers
	}
	_, was, err := l.outcome(i)
	switch {
	case err != nil:
		return err
	case now.Status != was.Status || now.Counts != was.Counts || (now.Output == nil) != (was.Output == nil):
		return errDiffers
	case now.Output != nil && (now.Output.Size != was.Output.Size || now.Output.SHA256 != was.Output.SHA256):
		return errDiffers
	}
	return nil
}
