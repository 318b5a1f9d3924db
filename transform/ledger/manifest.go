package ledger

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/batchmill/batchmill/transform/job"
	"github.com/batchmill/batchmill/transform/manifest"
	"github.com/batchmill/batchmill/transform/plan"
	"github.com/batchmill/batchmill/transform/store"
)

// ReadManifest calls each for what the output's manifest tells of an object, in order, and
// returns the rest of the manifest, nil where there is no manifest, and the Info of what was
// read. The error may come late: then nothing that each was told counts. A manifest that
// cannot be used is a [job.Failure], the same for every command; an error of each comes
// back as it is.
func ReadManifest(ctx context.Context, s store.Store, each func(*manifest.Object) error) (*manifest.Manifest, store.Info, error) {
	rc, info, err := s.Open(ctx, plan.ManifestName)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, info, nil
	}
	if err != nil {
		return nil, info, err
	}
	defer rc.Close()
	var own error
	told := each
	if each != nil {
		told = func(o *manifest.Object) error {
			own = each(o)
			return own
		}
	}
	m, err := manifest.Read(rc, told)
	switch {
	case err == nil:
		return m, info, nil
	case own != nil:
		return nil, info, own
	}
	return nil, info, unusable(ctx, fmt.Errorf("%s: %w", s.URI(plan.ManifestName), err))
}

// unusable sorts why a manifest cannot be read: err is the store's, or the manifest is
// damaged, another program's, or a newer batchmill's.
func unusable(ctx context.Context, err error) error {
	var stored *store.Error
	var version *manifest.VersionError
	switch {
	case ctx.Err() != nil || errors.As(err, &stored):
		return err
	case errors.As(err, &version):
		return &job.Failure{Class: job.BadInput, Err: err, Hint: "use the batchmill that wrote it, or redo everything with run --restart --overwrite"}
	}
	return &job.Failure{Class: job.BadInput, Err: err, Hint: "restore the manifest, or redo everything with run --restart --overwrite"}
}

// takeFinished takes over the manifest of a job that is complete, whose log
// is gone because nothing was left to do. The manifest has the objects in the job's order.
func (l *Ledger) takeFinished(ctx context.Context) error {
	i, published := -1, false
	m, _, err := ReadManifest(ctx, l.plan.Output, func(o *manifest.Object) error {
		i++
		published = published || o.Status == manifest.Published
		if i >= l.plan.Count() || o.Status != manifest.Published || o.Output == nil {
			return nil
		}
		is, err := l.plan.Object(i)
		if err != nil || o.Output.URI != l.plan.Output.URI(is.Output) {
			return err
		}
		l.outcomes.settle(i, o.Status)
		return l.outcomes.put(i, o)
	})
	if err != nil || m == nil {
		return err
	}
	other, err := l.otherMade(m)
	switch {
	case err != nil:
		return err
	case other != "" && !published: // nothing of it is there
		return nil
	case other != "":
		return job.Usagef("choose another --output, or replace it with --overwrite",
			"%s holds the outputs of another job: %s", l.plan.Output.URI(""), other)
	}
	if m.Limit != l.plan.Spec.Limit { // what stands behind the limit may have to look as what was answered before
		return job.Usagef("redo everything with --overwrite, or say --limit as before", "%s: the answers of the job there, which ended at --limit %d, are gone, so it cannot go on to more records",
			l.plan.Output.URI(""), m.Limit)
	}
	l.job.ID, l.job.Started, l.job.Limit = m.JobID, m.Started, m.Limit
	return nil
}
