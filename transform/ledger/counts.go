package ledger

import (
	"cmp"
	"context"
	"errors"
	"io"
	"time"

	"github.com/batchmill/batchmill/transform/answerlog"
	"github.com/batchmill/batchmill/transform/job"
	"github.com/batchmill/batchmill/transform/manifest"
	"github.com/batchmill/batchmill/transform/store"
)

// counts is what the log says, in numbers.
type counts struct {
	job     jobEntry
	objects []objectCounts // by index
	grown   time.Time      // when the log was last written to
	closed  bool           // the log ends as a run ends a log that was not killed
	// beforeDamage: damage is the end of the log.
	beforeDamage bool
}

// objectCounts is what the log says about one object.
// There may be millions of objects: each takes 32 bytes.
type objectCounts struct {
	answered, rejected, retryable int64
	settled, held                 bool // held tells nothing of an object that is not settled
	reopened                      bool // a run was at work on the object since it was settled
	cut                           bool // by the job's limit, when it was settled or about to be
}

// recentGrowth is how young the last entry of a log is whose job may still be
// running. Jobs commit every few seconds while answers come.
const recentGrowth = 20 * time.Second

// growing guesses whether a job is running, where nothing better is known.
func (c *counts) growing() bool {
	age := time.Since(c.grown)
	return c.job.ID != "" && !c.closed && age > -recentGrowth && age < recentGrowth // the clock may be another machine's
}

// endsWith tells whether m, with these numbers of objects, is the last word on what the
// log says, or the only word.
func (c *counts) endsWith(m *manifest.Manifest, objects manifest.Ends) bool {
	if c.job.ID == "" {
		return true
	}
	if c.job.Limit != m.Limit {
		return false
	}
	settled := int64(0)
	for i := range c.objects {
		o := &c.objects[i]
		if o.settled && o.reopened {
			return false
		}
		if o.settled {
			settled++
		}
	}
	return c.job.ID == m.JobID && settled >= objects.Published+objects.Held
}

// damageHint is what to do about a damaged log, for who looks at it from outside.
const damageHint = "restore the file; or run the same command with --resume-before-damage, which keeps the answers before the damage, or redo everything with --restart --overwrite"

// differs tells whether the log settles object i otherwise than a manifest does, in which the object is o.
func (c *counts) differs(i int, o *manifest.Object) bool {
	if i >= len(c.objects) || !c.objects[i].settled {
		return false
	}
	was := &c.objects[i]
	return was.held != (o.Status == manifest.Held) || was.answered != o.Answered || was.rejected != o.Rejected
}

// readCounts reads the log as far as the log went when it was opened: a running job
// goes on writing, and its last entry may be half there. A missing log is empty.
func readCounts(ctx context.Context, out store.Store, beforeDamage bool) (*counts, error) {
	c := &counts{beforeDamage: beforeDamage}
	keeper, ok := out.(store.Keeper)
	if !ok {
		return c, nil
	}
	log, err := logOf(out, keeper).Open(ctx)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	c.grown = log.Info.ModTime
	err = c.read(ctx, log)
	c.closed = log.Sealed()
	return c, err
}

func (c *counts) read(ctx context.Context, log *answerlog.Reader) error {
	for e, err := range log.Entries() {
		if err = cmp.Or(ctx.Err(), err); errors.Is(err, io.ErrUnexpectedEOF) { // a new run cut off what was torn
			return nil
		}
		var damage *answerlog.DamageError
		if errors.As(err, &damage) && c.beforeDamage {
			return nil
		}
		if errors.As(err, &damage) {
			return &job.Failure{Class: job.Storage, Err: err, Hint: damageHint}
		}
		if err != nil {
			return err
		}
		if err := c.count(&e); err != nil {
			return e.Fault(err)
		}
	}
	return nil
}

// count counts one entry.
func (c *counts) count(e *answerlog.Entry) error {
	switch e.Kind {
	case answerlog.KindLayout, answerlog.KindAlive, answerlog.KindDoubt:
	case answerlog.KindJob:
		for i := range c.objects { // none at the log's beginning; behind that the job goes on to another limit
			c.objects[i].reopened = c.objects[i].reopened || c.objects[i].cut
		}
		c.job = jobEntry{}
		if err := e.Decode(&c.job); err != nil {
			return err
		}
		return c.known()
	case answerlog.KindForget:
		clear(c.objects)
		c.job = jobEntry{}
		if err := e.Decode(&c.job); err != nil {
			return err
		}
		return c.known()
	case answerlog.KindObject:
		c.objects = append(c.objects, objectCounts{})
	case answerlog.KindAnswers, answerlog.KindRetried:
		return c.countAnswers(e)
	case answerlog.KindIntent, answerlog.KindSettled:
		return c.countSettled(e)
	case answerlog.KindRedo:
		for i := range c.objects {
			c.objects[i].reopened = true
		}
	default:
		return job.Usagef("use the batchmill that wrote it", "entries of kind %q are unknown; a newer batchmill wrote it", e.Kind)
	}
	return nil
}

// known refuses a log that a newer batchmill wrote.
func (c *counts) known() error {
	if !c.job.read() {
		return job.Usagef("use the batchmill that wrote it", "the job there is logged in version %d, this batchmill reads %d", c.job.Version, logVersion)
	}
	return nil
}

// countAnswers counts records. A record that a host had rejected and that is
// answered now is not asked about again, so each record is counted once.
func (c *counts) countAnswers(e *answerlog.Entry) error {
	a, err := answersOf(e, len(c.objects))
	if err != nil {
		return err
	}
	o := &c.objects[a.Object]
	answered, rejected, flawed := a.Count()
	o.answered += answered
	if e.Kind == answerlog.KindRetried {
		o.reopened = true
		o.retryable -= answered
		o.rejected -= answered
		return nil
	}
	o.retryable += rejected
	o.rejected += rejected + flawed
	return nil
}

func (c *counts) countSettled(e *answerlog.Entry) error {
	s, err := endOf(e, len(c.objects))
	if err != nil {
		return err
	}
	o := &c.objects[s.Index]
	o.cut = s.Object.Cut
	if o.reopened = e.Kind == answerlog.KindIntent; o.reopened {
		return nil
	}
	o.settled, o.held = true, s.Object.Status == manifest.Held
	o.answered, o.rejected = s.Object.Answered, s.Object.Rejected
	return nil
}
