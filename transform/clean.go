package transform

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/maphash"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/batchmill/batchmill/formats/compress"
	"github.com/batchmill/batchmill/transform/manifest"
	"github.com/batchmill/batchmill/transform/store"
)

// Cleaning says what Clean removes beside what killed runs left.
type Cleaning struct {
	// Forget removes the working state, the log of all answers among it: then no
	// run goes on with the job, and its rejects cannot be retried.
	Forget bool
	// Force goes on where the log grew so lately that a run seems to be at work.
	// It is without effect on a lock.
	Force bool
	// Removed is told of each thing that was removed: what it was, and its address.
	Removed func(what, uri string)
}

// Clean removes what runs left in out that were killed: temporary files or
// unfinished uploads, and columns that were spilled. Outputs, rejects and the
// manifest stay, and so does the log but for c.Forget. A run that is at work is
// kept out by the lock; where a store has none, it is stopped (it ends with
// [Superseded]), and only with c.Force if it seems to be alive.
func Clean(ctx context.Context, out store.Store, c Cleaning) error {
	keeper, ok := out.(store.Keeper)
	if !ok || Unmade(out) {
		return noJob(out)
	}
	cl := cleaner{Cleaning: c, out: out, keeper: keeper, names: nameSet{seed: maphash.MakeSeed()}}
	_, cl.distant = out.(store.Distant)
	if err := cl.check(ctx); err != nil {
		return err
	}
	unlock, err := lock(ctx, out)
	if errors.Is(err, store.ErrLocked) {
		return atWork(out, "wait for it, or stop it with SIGTERM")
	}
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
	return &Failure{Class: Superseded, Err: fmt.Errorf("%s: another run of batchmill is at work there", out.URI("")), Hint: hint}
}

func noJob(out store.Store) error {
	return usage("name the output as --output did", "%s: no job of batchmill is known there", out.URI(""))
}

type cleaner struct {
	Cleaning
	out     store.Store
	keeper  store.Keeper
	distant bool
	nothing bool    // no job is known there
	removed bool    // something was
	names   nameSet // all that the job may write
}

func (c *cleaner) tell(what, name string) {
	c.removed = true
	c.Removed(what, c.out.URI(name))
}

// check looks for a job, and for a run of it. A directory without one is left
// alone: what is below it may belong to jobs whose outputs are there.
func (c *cleaner) check(ctx context.Context) error {
	s, err := ReadStatus(ctx, c.out)
	switch {
	case err != nil && c.Forget && ctx.Err() == nil: // damaged, perhaps; what cannot be read can still be removed
		return nil
	case err != nil:
		return err
	case s.State == JobRunning && !c.Force && c.distant:
		return atWork(c.out, "wait for half a minute if you have just stopped it; with --force it is stopped")
	}
	c.nothing = s.State == JobNone
	for _, err := range c.out.List(ctx, workDir) {
		if err != nil {
			return err
		}
		c.nothing = false
		break
	}
	if c.nothing && !c.distant {
		return noJob(c.out)
	}
	return nil
}

func (c *cleaner) run(ctx context.Context, locked bool) error {
	if c.distant { // elsewhere the lock is held, and names of temporary files tell what they are
		if err := c.end(ctx); err != nil {
			return err
		}
		if err := c.learnManifest(ctx); err != nil {
			return err
		}
		slices.Sort(c.names.sums)
	}
	if err := c.leftovers(ctx); err != nil {
		return err
	}
	if err := c.forget(ctx, locked); err != nil || c.removed || !c.nothing {
		return err
	}
	return noJob(c.out)
}

// end takes the log over, so that whoever appends to it writes no more, and
// seals it, so that nobody takes the job for one that is at work.
func (c *cleaner) end(ctx context.Context) error {
	for try := 1; ; try++ {
		size, there, err := c.log(ctx)
		if err == nil && !there {
			return nil
		}
		whole := int64(0)
		if err == nil {
			whole, err = c.learn(ctx)
		}
		if err != nil && c.Forget && ctx.Err() == nil {
			return nil // damaged, perhaps; to remove it ends it too
		}
		if err != nil {
			return err
		}
		a, err := c.keeper.Append(ctx, logName, size)
		switch {
		case err == nil && whole == size:
			return newLogWriter(a, size).close()
		case err == nil:
			return a.Close()
		case !errors.Is(err, store.ErrGrown) || try == takeovers:
			return err
		}
	}
}

func (c *cleaner) log(ctx context.Context) (size int64, there bool, err error) {
	rc, info, err := c.keeper.ReadLog(ctx, logName)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, err
	}
	return info.Size, true, rc.Close()
}

// leftovers removes what nobody will ask for.
func (c *cleaner) leftovers(ctx context.Context) error {
	what, mine := "temporary file", func(name string) bool { return !c.nested(ctx, name) }
	if c.distant {
		what, mine = "unfinished upload", c.names.has
	}
	if left, ok := c.out.(store.Cleaner); ok {
		for name, err := range left.Clean(ctx, mine) {
			if err != nil {
				return err
			}
			c.tell(what, name)
		}
	}
	if err := c.below(ctx, spillDir+"/", "spill file"); err != nil {
		return err
	}
	return c.below(ctx, workDir+"/probe-", "trial object")
}

// nested tells whether a folder above name is the output of another job, which
// may be at work.
func (c *cleaner) nested(ctx context.Context, name string) bool {
	for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
		if _, err := c.out.Stat(ctx, dir+"/"+lockName); !errors.Is(err, fs.ErrNotExist) {
			return true
		}
	}
	return false
}

// below removes the objects of the working state whose names begin with prefix.
func (c *cleaner) below(ctx context.Context, prefix, what string) error {
	var names []string
	for info, err := range c.out.List(ctx, workDir) {
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

// forget removes the working state where that is wanted, and where it holds
// nothing but the lock.
func (c *cleaner) forget(ctx context.Context, locked bool) error {
	_, there, err := c.log(ctx)
	if err != nil && !c.Forget {
		return err
	}
	there = there || err != nil
	if there && !c.Forget || !there && !locked {
		return nil
	}
	if err := c.keeper.Remove(ctx, workDir); err != nil {
		return err
	}
	if there {
		c.tell("working state", workDir)
	}
	return nil
}

// learn finds out from the log which names the job writes: in the same folder
// of a bucket others may have uploads that are none of ours. It tells how much of the
// log is whole.
func (c *cleaner) learn(ctx context.Context) (whole int64, err error) {
	c.names = nameSet{seed: maphash.MakeSeed()}
	var name func(rel string) string
	whole, _, err = readLog(ctx, c.keeper, c.out.URI(logName), func(_ int64, kind byte, body []byte) error {
		switch kind {
		case entryJob:
			var job jobEntry
			err := json.Unmarshal(body, &job)
			name = job.outputs()
			return err
		case entryObject:
			var o objectEntry
			if err := json.Unmarshal(body, &o); err != nil || name == nil {
				return err
			}
			c.names.add(name(o.Path))
		}
		return nil
	})
	return whole, err
}

// learnManifest reads the manifest twice: what names begin with may stand behind them.
func (c *cleaner) learnManifest(ctx context.Context) error {
	m, err := c.readManifest(ctx, nil)
	if m == nil || err != nil {
		return err
	}
	written := RecordedOutput(m)
	_, err = c.readManifest(ctx, func(o *manifest.Object) error {
		if o.Output == nil {
			return nil
		}
		if name, ok := OutputName(written, o.Output.URI); ok {
			c.names.add(name)
		}
		return nil
	})
	return err
}

// readManifest is nil where there is none that can be read: that is verify's business.
func (c *cleaner) readManifest(ctx context.Context, each func(*manifest.Object) error) (*manifest.Manifest, error) {
	rc, _, err := c.out.Open(ctx, manifestName)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer rc.Close()
	m, err := manifest.Read(rc, each)
	if err != nil && ctx.Err() == nil {
		return nil, nil
	}
	return m, err
}

// outputs is how the job named its outputs.
func (j *jobEntry) outputs() func(rel string) string {
	in, out := j.Identity["input-format"], j.Identity["output-format"]
	codec := compress.None
	if out != formatParquet {
		codec, _ = compress.ByName(j.Identity["compression"])
	}
	return func(rel string) string { return outputName(rel, in, out, codec) }
}

// nameSet is a set of names, of which it keeps eight bytes each.
type nameSet struct {
	seed maphash.Seed
	sums []uint64 // sorted once all are known
}

func (s *nameSet) add(name string) { s.sums = append(s.sums, maphash.String(s.seed, name)) }

// has tells whether name is one of the set, or one of batchmill's own.
func (s *nameSet) has(name string) bool {
	if first, _, _ := strings.Cut(name, "/"); reserved[first] {
		return true
	}
	_, found := slices.BinarySearch(s.sums, maphash.String(s.seed, name))
	return found
}
