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

	"github.com/batchmill/batchmill/transform/manifest"
	"github.com/batchmill/batchmill/transform/store"
)

// adoptFinished takes over the manifest of a job that is complete, whose log
// is gone because nothing was left to do. It has the objects in the job's order.
func (st *state) adoptFinished(ctx context.Context) error {
	i := -1
	m, err := readManifest(ctx, st.plan.Output, func(o *manifest.Object) error {
		if i++; i >= st.plan.count() || o.Status != manifest.Published || o.Output == nil {
			return nil
		}
		is, err := st.plan.object(i)
		if err != nil || o.Output.URI != st.plan.Output.URI(is.out) {
			return err
		}
		st.fates.settle(i, o.Status)
		return st.fates.put(i, o)
	})
	if err != nil || m == nil {
		return err
	}
	made, err := st.plan.made(m)
	if err != nil {
		return err
	}
	if !made {
		return usage("choose another --output, or replace it with --overwrite",
			"%s holds the outputs of another job (its inputs or its settings differ)", st.plan.Output.URI(""))
	}
	st.job.ID, st.job.Started = m.JobID, m.Started
	return nil
}

// readManifest calls each for what the output's manifest tells of an object, in
// order, and returns the rest of it; nil where there is none. Its error may
// come late: then nothing of it counts.
func readManifest(ctx context.Context, s store.Store, each func(*manifest.Object) error) (*manifest.Manifest, error) {
	rc, _, err := s.Open(ctx, manifestName)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer rc.Close()
	m, err := manifest.Read(rc, each)
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
	for i := range st.plan.count() {
		if !st.fates.has(i, intentMark) {
			continue
		}
		if err := st.settleIntent(ctx, i); err != nil {
			return err
		}
	}
	return nil
}

func (st *state) settleIntent(ctx context.Context, i int) error {
	o, was, err := st.fate(i)
	if err != nil {
		return err
	}
	// What it may still be about to publish is not what this run makes.
	st.otherPolicy = st.otherPolicy || was.OnBad != st.plan.Spec.OnBad
	same := false
	if was.Status == manifest.Published {
		if same, err = holds(ctx, st.plan.Output, o.out, *was.Output); err != nil {
			return err
		}
	}
	if !same {
		st.fates.reopen(i)
		return nil
	}
	st.fates.settle(i, was.Status)
	return st.sweep(ctx, o.out)
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
