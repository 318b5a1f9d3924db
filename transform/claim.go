package transform

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/batchmill/batchmill/transform/manifest"
	"github.com/batchmill/batchmill/transform/roster"
	"github.com/batchmill/batchmill/transform/store"
)

// lookForRejects notes whether an earlier run left rejects files.
func (st *state) lookForRejects(ctx context.Context) error {
	for _, err := range st.plan.Output.List(ctx, rejectsDir) {
		if err != nil {
			return err
		}
		st.oldRejects = true
		break
	}
	return nil
}

// claim makes sure that every name the job will write is free, or its own, and
// decides which objects need no work.
func (st *state) claim(ctx context.Context, whole int64) error {
	if st.plan.Spec.Overwrite {
		st.redo()
		st.known.drop(func(int) bool { return false })
		return nil
	}
	if whole == 0 && !st.plan.Spec.Restart {
		if err := st.adoptFinished(ctx); err != nil {
			return err
		}
	}
	if err := st.settleIntents(ctx); err != nil {
		return err
	}
	if err := st.claimNames(ctx); err != nil {
		return err
	}
	st.known.drop(func(object int) bool { return st.fates.has(object, settledMark) })
	return nil
}

// fewObjects are so few that each one's name is asked about. Of more, a list of
// what is there tells the same with a thousandth of the requests.
const fewObjects = 1000

// claimNames claims every object's name.
func (st *state) claimNames(ctx context.Context) error {
	listed := false
	if st.plan.count() > fewObjects {
		var err error
		if listed, err = st.claimListed(ctx); err != nil {
			return err
		}
	}
	g, asking := errgroup.WithContext(ctx)
	g.SetLimit(concurrency(st.plan.Output, 1))
	for i := range st.plan.count() {
		if st.fates.has(i, thereMark) || listed && !st.fates.has(i, settledMark) {
			continue // it is claimed, or there is nothing to claim
		}
		if asking.Err() != nil {
			break
		}
		g.Go(func() error { return st.claimAsked(asking, i, listed) })
	}
	return cmp.Or(g.Wait(), ctx.Err())
}

// manyOthers is how many names there may be for each of the job's before it is better to ask than to list.
const manyOthers = 100

// claimListed claims the names of which a list of the output says that
// something is there. It returns false where it gave up, because too much is there.
func (st *state) claimListed(ctx context.Context) (bool, error) {
	p := st.plan
	names := roster.NewIndex(p.count())
	for o, err := range p.all() {
		if err != nil {
			return false, err
		}
		names.Add(o.out, o.index)
	}
	names.Sort()
	left := manyOthers * p.count()
	for info, err := range p.Output.List(ctx, "") {
		if err != nil {
			return false, err
		}
		if left--; left < 0 {
			return false, nil
		}
		for i := range names.Find(info.Name) {
			o, err := p.object(i)
			if err != nil {
				return false, err
			}
			if o.out != info.Name {
				continue
			}
			if err := st.claimObject(ctx, o, &info); err != nil {
				return false, err
			}
		}
	}
	return true, nil
}

// claimAsked claims the name of object i. If missing, nothing bears it; else the store is asked.
func (st *state) claimAsked(ctx context.Context, i int, missing bool) error {
	o, err := st.plan.object(i)
	if err != nil {
		return err
	}
	if missing {
		return st.claimObject(ctx, o, nil)
	}
	info, err := st.plan.Output.Stat(ctx, o.out)
	if errors.Is(err, fs.ErrNotExist) {
		return st.claimObject(ctx, o, nil)
	}
	if err != nil {
		return err
	}
	return st.claimObject(ctx, o, &info)
}

// claimObject makes sure that the name of o's output is free (there is nil) or
// the job's own, and looks whether a settled object is to be built again.
func (st *state) claimObject(ctx context.Context, o *object, there *store.Info) (err error) {
	out, f := st.plan.Output, st.fates
	var was *manifest.Object
	if f.has(o.index, settledMark) {
		if was, err = f.of(o); err != nil {
			return err
		}
	}
	published := was != nil && was.Status == manifest.Published
	if published && (there == nil || there.Size != was.Output.Size) {
		return usage("put it back, or redo everything with --overwrite", "%s was published by this job and is now missing or changed", out.URI(o.out))
	}
	if there != nil {
		f.set(o.index, thereMark)
		if !published && !f.has(o.index, oursMark) {
			if err := st.own(ctx, o); err != nil {
				return err
			}
		}
	}
	if was != nil && st.reopens(was) {
		f.reopen(o.index)
		if st.plan.retryRejects {
			f.set(o.index, retryMark)
		}
	}
	return nil
}

// own takes what bears the name of o's output for the job's, where it is: by a
// run of it that could not log it any more.
func (st *state) own(ctx context.Context, o *object) error {
	out := st.plan.Output
	owned, err := st.owns(ctx, o.out)
	switch {
	case err != nil:
		return err
	case owned:
		st.fates.set(o.index, oursMark)
		return nil
	case st.plan.Spec.Restart:
		return usage("replace it too, with --restart --overwrite", "%s is published already", out.URI(o.out))
	}
	return usage("choose another --output, or replace it with --overwrite", "%s exists and is not this job's", out.URI(o.out))
}

// owns tells whether an output bears the mark of this job.
func (st *state) owns(ctx context.Context, name string) (bool, error) {
	marks, ok := st.plan.Output.(store.Owner)
	if !ok || st.job.ID == "" {
		return false, nil
	}
	job, err := marks.OwnerOf(ctx, name)
	return err == nil && job == st.job.ID, err
}

// reopens tells whether a settled object is to be built again: its rejects are
// to be retried, or it was held and the policy is now another one.
func (st *state) reopens(was *manifest.Object) bool {
	if st.plan.retryRejects {
		return was.Rejected > 0
	}
	return was.Status == manifest.Held && st.plan.Spec.OnBad != "fail"
}

// takeDown removes what says that the outputs are complete, before any of them
// changes. When all are made again, the rejects go too; else the manifest stays,
// for it is what a retry of rejects begins with.
func (st *state) takeDown(ctx context.Context) error {
	names := []string{successName}
	if st.plan.Spec.Overwrite || st.plan.Spec.Restart {
		names = append(names, manifestName, rejectsDir)
	}
	for _, name := range names {
		if err := st.takeDownOne(ctx, name); err != nil {
			return err
		}
	}
	return nil
}

// takeDownOne removes what is at or below name. Where something is there, it makes
// sure first that this run was not superseded: it may be the later run's by now.
func (st *state) takeDownOne(ctx context.Context, name string) error {
	for _, err := range st.plan.Output.List(ctx, name) {
		if err != nil {
			return err
		}
		if err := st.log.seal(); err != nil {
			return err
		}
		return st.keeper.Remove(ctx, name)
	}
	return nil
}

// abandon ends the unfinished uploads of the job's own outputs: whoever began
// them can publish nothing any more.
func (st *state) abandon(ctx context.Context) error {
	c, ok := st.plan.Output.(store.Cleaner)
	if _, distant := st.plan.Output.(store.Distant); !ok || !distant {
		return nil // a disk's temporary files are overwritten one by one
	}
	names, err := st.plan.written()
	if err != nil {
		return err
	}
	var lost error // what a run that was superseded finds may be the later one's
	mine := func(name string) bool {
		if lost != nil || !names.has(name) {
			return false
		}
		lost = st.log.seal()
		return lost == nil
	}
	for _, err := range c.Clean(ctx, mine) {
		if err != nil && !errors.Is(err, errors.ErrUnsupported) {
			return err
		}
	}
	return errors.Join(names.failed, lost)
}

// written are the names that a job writes.
type written struct {
	plan   *Plan
	names  *roster.Index
	failed error
}

func (p *Plan) written() (*written, error) {
	w := &written{plan: p, names: roster.NewIndex(2 * p.count())}
	for o, err := range p.all() {
		if err != nil {
			return nil, err
		}
		for _, name := range o.names() {
			w.names.Add(name, o.index)
		}
	}
	w.names.Sort()
	return w, nil
}

// has tells whether name is one that the job writes.
func (w *written) has(name string) bool {
	if first, _, _ := strings.Cut(name, "/"); reserved[first] && first != rejectsDir {
		return true
	}
	for i := range w.names.Find(name) {
		o, err := w.plan.object(i)
		if w.failed = cmp.Or(w.failed, err); err == nil && (o.out == name || o.rejects == name) {
			return true
		}
	}
	return false
}
