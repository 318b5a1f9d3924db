package transform

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"github.com/batchmill/batchmill/transform/manifest"
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
	for i := range st.plan.objects {
		if err := st.claimObject(ctx, i); err != nil {
			return err
		}
		if _, ok := st.settled[i]; ok {
			st.known.forget(i)
		}
	}
	return nil
}

func (st *state) claimObject(ctx context.Context, i int) error {
	out, o := st.plan.Output, &st.plan.objects[i]
	was, known := st.settled[i]
	info, err := out.Stat(ctx, o.out)
	there := err == nil
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	published := known && was.Status == manifest.Published
	owned := false
	if there && !published && !st.ours[i] {
		if owned, err = st.owns(ctx, o.out); err != nil {
			return err
		}
	}
	switch {
	case published && (!there || info.Size != was.Output.Size):
		return usage("put it back, or redo everything with --overwrite", "%s was published by this job and is now missing or changed", out.URI(o.out))
	case there && !published && !st.ours[i] && owned:
		st.ours[i] = true // by a run of this job that could not log it any more
	case there && !published && !st.ours[i] && st.plan.Spec.Restart:
		return usage("replace it too, with --restart --overwrite", "%s is published already", out.URI(o.out))
	case there && !published && !st.ours[i]:
		return usage("choose another --output, or replace it with --overwrite", "%s exists and is not this job's", out.URI(o.out))
	}
	if known && st.reopens(was) {
		delete(st.settled, i)
		st.ours[i] = st.ours[i] || published
		st.retry[i] = st.plan.retryRejects
	}
	return nil
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
func (st *state) reopens(was manifest.Object) bool {
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
		if err := st.keeper.Remove(ctx, name); err != nil {
			return err
		}
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
	for _, err := range c.Clean(ctx, st.plan.makes) {
		if err != nil && !errors.Is(err, errors.ErrUnsupported) {
			return err
		}
	}
	return nil
}

// makes tells whether name is one that the job writes.
func (p *Plan) makes(name string) bool {
	if first, _, _ := strings.Cut(name, "/"); reserved[first] && first != rejectsDir {
		return true
	}
	for i := range p.objects {
		if p.objects[i].out == name || p.objects[i].rejects == name {
			return true
		}
	}
	return false
}

// adoptFinished takes over the manifest of a job that is complete, whose log
// is gone because nothing was left to do.
func (st *state) adoptFinished(ctx context.Context) error {
	m, err := readManifest(ctx, st.plan.Output)
	if err != nil || m == nil {
		return err
	}
	if !st.plan.made(m) {
		return usage("choose another --output, or replace it with --overwrite",
			"%s holds the outputs of another job (its inputs or its settings differ)", st.plan.Output.URI(""))
	}
	byURI := make(map[string]manifest.Object, len(m.Objects))
	for _, o := range m.Objects {
		if o.Status == manifest.Published {
			byURI[o.Output.URI] = o
		}
	}
	for i := range st.plan.objects {
		if o, ok := byURI[st.plan.Output.URI(st.plan.objects[i].out)]; ok {
			st.settled[i] = o
		}
	}
	st.job.ID, st.job.Started = m.JobID, m.Started
	return nil
}

func readManifest(ctx context.Context, s store.Store) (*manifest.Manifest, error) {
	rc, _, err := s.Open(ctx, manifestName)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer rc.Close()
	m, err := manifest.Decode(rc)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.URI(manifestName), err)
	}
	return m, nil
}

// settleIntents looks which outputs got their names before a run died. The
// log says what was about to be published, and the bytes say whether it was.
// Where they do not, the object is built again, from the log; an older output
// of it is then ours to replace.
func (st *state) settleIntents(ctx context.Context) error {
	for i, was := range st.intents {
		if was.Status == manifest.Published {
			same, err := holds(ctx, st.plan.Output, st.plan.objects[i].out, *was.Output)
			if err != nil {
				return err
			}
			if same {
				st.settled[i] = was
				if err := st.sweep(ctx, st.plan.objects[i].out); err != nil {
					return err
				}
				continue
			}
		}
		if older, ok := st.settled[i]; ok {
			st.ours[i] = st.ours[i] || older.Status == manifest.Published
			delete(st.settled, i)
		}
	}
	clear(st.intents)
	return nil
}

// sweep takes away what a run that died in the middle of publishing name may
// have left beside it: beginning an object anew does so.
func (st *state) sweep(ctx context.Context, name string) error {
	o, err := st.plan.Output.Create(ctx, name, store.New)
	if err != nil {
		return err
	}
	return o.Abort()
}

// holds tells whether name holds exactly the bytes of want.
func holds(ctx context.Context, s store.Store, name string, want manifest.Output) (bool, error) {
	rc, info, err := s.Open(ctx, name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer rc.Close()
	if info.Size != want.Size {
		return false, nil
	}
	h := sha256.New()
	if _, err := io.Copy(h, rc); err != nil {
		return false, err
	}
	return bytes.Equal([]byte(hex.EncodeToString(h.Sum(nil))), []byte(want.SHA256)), nil
}
