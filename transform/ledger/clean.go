package ledger

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"github.com/batchmill/batchmill/transform/answerlog"
	"github.com/batchmill/batchmill/transform/codec"
	"github.com/batchmill/batchmill/transform/job"
	"github.com/batchmill/batchmill/transform/manifest"
	"github.com/batchmill/batchmill/transform/plan"
	"github.com/batchmill/batchmill/transform/roster"
	"github.com/batchmill/batchmill/transform/store"
)

// Cleaning says what Clean removes beside what killed runs left.
type Cleaning struct {
	// Forget removes the working state, the log of all answers among it: then no
	// run goes on with the job, and its rejects cannot be retried.
	Forget bool
	// Force goes on where the log grew so lately that a run seems to be at work.
	// Force is without effect on a lock.
	Force bool
	// IfAny does nothing where no working state stands, as behind most finished jobs.
	IfAny bool
	// Removed is called for each thing that was removed, with its kind and its URI.
	Removed func(what, uri string)
}

// Clean removes what killed runs left in out: temporary files or
// unfinished uploads, and columns that were spilled. Outputs, rejects and the
// manifest stay, and so does the log but for c.Forget. A run that is at work is
// kept out by the lock; where a store has no locks, the run is stopped (it ends with
// [job.Superseded]), and only with c.Force if the run seems to be alive.
func Clean(ctx context.Context, out store.Store, c Cleaning) error {
	keeper, ok := out.(store.Keeper)
	if !ok || plan.Unmade(out) {
		return noJob(out)
	}
	if c.IfAny {
		if left, err := populated(ctx, out, plan.WorkDir); !left || err != nil {
			return err
		}
	}
	cl := cleaner{Cleaning: c, out: out, keeper: keeper, file: logOf(out, keeper)}
	_, cl.distant = out.(store.Distant)
	if err := cl.check(ctx); err != nil {
		return err
	}
	unlock, err := lock(ctx, out, "wait for it, or stop it with SIGTERM")
	if err != nil {
		return err
	}
	err = cl.run(ctx, unlock != nil)
	if unlock != nil {
		err = errors.Join(err, unlock())
	}
	return err
}

func atWork(out store.Store, hint string) error {
	return &job.Failure{Class: job.Superseded, Err: fmt.Errorf("%s: another run of batchmill is at work there", out.URI("")), Hint: hint}
}

func noJob(out store.Store) error {
	return job.Usagef("name the output as --output did", "%s: no job of batchmill is known there", out.URI(""))
}

type cleaner struct {
	Cleaning
	out     store.Store
	keeper  store.Keeper
	file    answerlog.File
	distant bool
	nothing bool       // no job is known there
	removed bool       // something was
	names   roster.Set // all names that the job may write
}

func (c *cleaner) tell(what, name string) {
	c.removed = true
	c.Removed(what, c.out.URI(name))
}

// check looks for a job, and for a run of that job. A directory without a job is left
// alone: what is below the directory may belong to jobs whose outputs are there.
func (c *cleaner) check(ctx context.Context) error {
	s, err := ReadStatus(ctx, c.out, false)
	switch {
	case err != nil && c.Forget && ctx.Err() == nil: // damaged, perhaps; a log that cannot be read can still be removed
		return nil
	case err != nil:
		return err
	case s.State == JobRunning && !c.Force && c.distant:
		return atWork(c.out, "wait for half a minute if you have just stopped it; with --force it is stopped")
	}
	kept, err := populated(ctx, c.out, plan.WorkDir)
	if err != nil {
		return err
	}
	c.nothing = s.State == JobNone && !kept
	if c.nothing && !c.distant {
		return noJob(c.out)
	}
	return nil
}

func (c *cleaner) run(ctx context.Context, locked bool) error {
	if c.distant { // on disk the lock is held, and names of temporary files tell what the files are
		if err := c.end(ctx); err != nil {
			return err
		}
		if err := c.learnManifest(ctx); err != nil {
			return err
		}
	}
	if err := c.leftovers(ctx); err != nil {
		return err
	}
	if err := c.forget(ctx, locked); err != nil || c.removed || !c.nothing {
		return err
	}
	return noJob(c.out)
}

// end takes the log over, so that a run which appends to the log writes no more, and
// seals the log, so that no reader takes the job for running.
func (c *cleaner) end(ctx context.Context) error {
	for try := 1; ; try++ {
		info, there, err := c.file.Stat(ctx)
		if err == nil && !there {
			return nil
		}
		size, whole, tag := info.Size, int64(0), [8]byte{}
		if err == nil {
			whole, tag, err = c.learn(ctx)
		}
		if err != nil && c.Forget && ctx.Err() == nil {
			return nil // damaged, perhaps; to remove the log ends it too
		}
		if err != nil {
			return err
		}
		a, err := c.keeper.Append(ctx, LogName, size)
		switch {
		case err == nil && whole == size:
			return answerlog.NewWriter(a, size, tag, 1<<30).Close()
		case err == nil:
			return a.Close()
		case !errors.Is(err, store.ErrGrown) || try == takeovers:
			return err
		}
	}
}

// leftovers removes what no run will ask for.
func (c *cleaner) leftovers(ctx context.Context) error {
	what, mine := "temporary file", func(name string) bool { return !c.nested(ctx, name) }
	if c.distant {
		what, mine = "unfinished upload", func(name string) bool { return plan.Reserved(name) || c.names.Has(name) }
	}
	if left, ok := c.out.(store.Cleaner); ok {
		for name, err := range left.Clean(ctx, mine) {
			if err != nil {
				return err
			}
			c.tell(what, name)
		}
	}
	if err := c.below(ctx, SpillDir+"/", "spill file"); err != nil {
		return err
	}
	return c.below(ctx, probeDir, "trial object")
}

// nested tells whether a folder above name is the output of another job, which
// may be at work.
func (c *cleaner) nested(ctx context.Context, name string) bool {
	for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
		if _, err := c.out.Stat(ctx, dir+"/"+LockName); !errors.Is(err, fs.ErrNotExist) {
			return true
		}
	}
	return false
}

// below removes the objects of the working state whose names begin with prefix.
func (c *cleaner) below(ctx context.Context, prefix, what string) error {
	var names []string
	for info, err := range c.out.List(ctx, plan.WorkDir) {
		if err != nil {
			return err
		}
		if strings.HasPrefix(info.Name, prefix) {
			names = append(names, info.Name)
		}
	}
	for _, name := range names {
		if err := c.keeper.Remove(ctx, name); err != nil {
			return err
		}
		c.tell(what, name)
	}
	return nil
}

// forget removes the working state where c.Forget is set, and where the working state
// holds nothing but the lock.
func (c *cleaner) forget(ctx context.Context, locked bool) error {
	_, there, err := c.file.Stat(ctx)
	if err != nil && !c.Forget {
		return err
	}
	there = there || err != nil
	if there && !c.Forget || !there && !locked {
		return nil
	}
	if err := c.keeper.Remove(ctx, plan.WorkDir); err != nil {
		return err
	}
	if there {
		c.tell("working state", plan.WorkDir)
	}
	return nil
}

// learn finds out from the log which names the job writes, for in the same folder
// of a bucket other programs may have uploads. It returns how many bytes of the
// log are whole, and the tag of the log.
func (c *cleaner) learn(ctx context.Context) (whole int64, tag [8]byte, err error) {
	c.names = roster.Set{}
	log, err := c.file.Open(ctx)
	if err != nil {
		return 0, tag, err
	}
	defer log.Close()
	var name func(rel string) string // how the job named its outputs
	for e, err := range log.Entries() {
		if err != nil {
			return 0, tag, err
		}
		var job jobEntry
		var object plan.Pin
		switch e.Kind {
		case answerlog.KindJob:
			err = e.Decode(&job)
			name = codec.OutputNames(job.Identity["input-format"], job.Identity["output-format"], job.Identity["compression"])
		case answerlog.KindObject:
			if err = e.Decode(&object); err == nil && name != nil {
				c.names.Add(name(object.Path))
			}
		}
		if err != nil {
			return 0, tag, e.Fault(err)
		}
	}
	return log.Offset(), log.Tag(), nil
}

// learnManifest reads the manifest twice: what its names begin with may stand behind the names.
func (c *cleaner) learnManifest(ctx context.Context) error {
	m, err := c.readManifest(ctx, nil)
	if m == nil || err != nil {
		return err
	}
	written := plan.RecordedOutput(m)
	_, err = c.readManifest(ctx, func(o *manifest.Object) error {
		if o.Output == nil {
			return nil
		}
		if name, ok := plan.OutputName(written, o.Output.URI); ok {
			c.names.Add(name)
		}
		return nil
	})
	return err
}

// readManifest is nil where there is no manifest that can be read: that is verify's business.
func (c *cleaner) readManifest(ctx context.Context, each func(*manifest.Object) error) (*manifest.Manifest, error) {
	m, _, err := ReadManifest(ctx, c.out, each)
	var stored *store.Error
	if err != nil && ctx.Err() == nil && !errors.As(err, &stored) {
		return nil, nil
	}
	return m, err
}
