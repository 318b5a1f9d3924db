package ledger

import (
	"cmp"
	"context"
	"errors"
	"io/fs"

	"golang.org/x/sync/errgroup"

	"github.com/batchmill/batchmill/internal/caught"
	"github.com/batchmill/batchmill/transform/job"
	"github.com/batchmill/batchmill/transform/manifest"
	"github.com/batchmill/batchmill/transform/plan"
	"github.com/batchmill/batchmill/transform/roster"
	"github.com/batchmill/batchmill/transform/store"
)

// own makes sure that every name the job will write is free, or the job's own, and
// decides which objects need no work. Of the log, whole bytes are whole.
func (l *Ledger) own(ctx context.Context, whole int64) error {
	if l.plan.Spec.Overwrite {
		l.redo()
		l.known.drop(func(int) bool { return false })
		return nil
	}
	if whole == 0 && !l.plan.Spec.Restart {
		if err := l.takeFinished(ctx); err != nil {
			return err
		}
	}
	if err := l.settleIntents(ctx); err != nil {
		return err
	}
	if err := l.ownNames(ctx); err != nil {
		return err
	}
	l.extend(l.plan.Spec.Limit)
	l.known.drop(func(object int) bool { return l.outcomes.has(object, settledMark) })
	return nil
}

// FewObjects are so few that each object's name is asked about. Of more objects, a list of
// what is there tells the same with a thousandth of the requests.
const FewObjects = 1000

// ownNames owns every object's name.
func (l *Ledger) ownNames(ctx context.Context) error {
	listed := false
	if l.plan.Count() > FewObjects {
		var err error
		if listed, err = l.ownListed(ctx); err != nil {
			return err
		}
	}
	g, asking := errgroup.WithContext(ctx)
	g.SetLimit(plan.Concurrency(l.plan.Output, 1))
	for i := range l.plan.Count() {
		if l.outcomes.has(i, thereMark) || listed && !l.outcomes.has(i, settledMark) {
			continue // the name is owned, or nothing bears it
		}
		if asking.Err() != nil {
			break
		}
		caught.Go(g, func() error { return l.ownAsked(asking, i, listed) })
	}
	return cmp.Or(g.Wait(), ctx.Err())
}

// ManyOthers is how many names there may be for each name of the job before it is better to ask than to list.
const ManyOthers = 100

// ownListed owns the names of which a list of the output says that
// something is there. The result is false where too much is there to list.
func (l *Ledger) ownListed(ctx context.Context) (bool, error) {
	p := l.plan
	names := roster.NewIndex(p.Count())
	for o, err := range p.All() {
		if err != nil {
			return false, err
		}
		names.Add(o.Output, o.Index)
	}
	names.Sort()
	left := ManyOthers * p.Count()
	for info, err := range p.Output.List(ctx, "") {
		if err != nil {
			return false, err
		}
		if left--; left < 0 {
			return false, nil
		}
		for i := range names.Find(info.Name) {
			o, err := p.Object(i)
			if err != nil {
				return false, err
			}
			if o.Output != info.Name {
				continue
			}
			if err := l.ownObject(ctx, o, &info); err != nil {
				return false, err
			}
		}
	}
	return true, nil
}

// ownAsked owns the name of object i. If missing, nothing bears the name; else the store is asked.
func (l *Ledger) ownAsked(ctx context.Context, i int, missing bool) error {
	o, err := l.plan.Object(i)
	if err != nil {
		return err
	}
	var there *store.Info
	if !missing {
		info, err := l.plan.Output.Stat(ctx, o.Output)
		if err == nil {
			there = &info
		} else if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return l.ownObject(ctx, o, there)
}

// ownObject makes sure that the name of o's output is free (there is nil) or
// the job's own, and looks whether a settled object is to be built again.
func (l *Ledger) ownObject(ctx context.Context, o *plan.Object, there *store.Info) (err error) {
	out, f := l.plan.Output, l.outcomes
	var was *manifest.Object
	if f.has(o.Index, settledMark) {
		if was, err = f.of(o); err != nil {
			return err
		}
	}
	published := was != nil && was.Status == manifest.Published
	if published && (there == nil || there.Size != was.Output.Size) {
		return job.Usagef("put it back, or redo everything with --overwrite", "%s was published by this job and is now missing or changed", out.URI(o.Output))
	}
	if there != nil {
		f.set(o.Index, thereMark)
		if !published && !f.has(o.Index, oursMark) {
			if err := l.ownUnlogged(ctx, o); err != nil {
				return err
			}
		}
	}
	if was != nil && l.reopens(was) {
		f.reopen(o.Index)
		if l.plan.RetryRejects {
			f.set(o.Index, retryMark)
		}
	}
	return nil
}

// ownUnlogged takes what bears the name of o's output for the job's, where the store's mark says so: by a
// run of the job that could not log it any more.
func (l *Ledger) ownUnlogged(ctx context.Context, o *plan.Object) error {
	out := l.plan.Output
	owned, err := l.owns(ctx, o.Output)
	switch {
	case err != nil:
		return err
	case owned:
		l.outcomes.set(o.Index, oursMark)
		return nil
	case l.lost != nil:
		return job.Usagef("replace it: run the job's command with --resume-before-damage --overwrite", "%s exists, and the log before its damage does not tell whose it is", out.URI(o.Output))
	case l.plan.Spec.Restart:
		return job.Usagef("replace it with --restart --overwrite", "%s is published already", out.URI(o.Output))
	}
	return job.Usagef("choose another --output, or replace it with --overwrite", "%s exists and is not this job's", out.URI(o.Output))
}

// owns tells whether an output bears the mark of this job.
func (l *Ledger) owns(ctx context.Context, name string) (bool, error) {
	marks, ok := l.plan.Output.(store.Owner)
	if !ok || l.job.ID == "" {
		return false, nil
	}
	job, err := marks.OwnerOf(ctx, name)
	return err == nil && job == l.job.ID, err
}

// reopens tells whether a settled object is to be built again: its rejects are
// to be retried, or it was held and the policy is now another.
func (l *Ledger) reopens(was *manifest.Object) bool {
	if l.plan.RetryRejects {
		return was.Rejected > 0
	}
	return was.Status == manifest.Held && l.plan.Spec.OnBad != "fail"
}
