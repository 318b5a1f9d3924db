package transform

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"sync"

	"github.com/batchmill/batchmill/transform/job"
	"github.com/batchmill/batchmill/transform/manifest"
	"github.com/batchmill/batchmill/transform/store"
	"golang.org/x/sync/semaphore"
)

// publish settles objects until the assembler is done: that nothing was lost is
// checked, and the outputs get their names.
func (a *assembler) publish(ctx context.Context) error {
	for {
		select {
		case s, ok := <-a.publishing:
			if !ok {
				return nil
			}
			err := s.settle(ctx)
			a.room.leave(s)
			if err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// settle decides what becomes of the object. The log says what is about to be
// published, durably, before anything gets its name: a run that finds the
// output knows by the log whose output that is.
func (s *sink) settle(ctx context.Context) error {
	defer s.abort()
	if s.err == nil {
		s.err = s.conserved()
	}
	end, led := s.end(), s.run.ledger
	if end.Status == manifest.Failed {
		s.run.failures.note(s.err)
		return led.Fail(ctx, s.object, &end)
	}
	if err := led.Intend(s.object, &end); err != nil {
		return err
	}
	if err := s.commit(ctx, &end); err != nil {
		if ctx.Err() != nil {
			return err
		}
		if sealed := led.Seal(); errors.Is(sealed, store.ErrSuperseded) {
			return sealed // a later run has ended what this run was uploading
		}
		return err
	}
	return led.Settle(ctx, s.object, &end)
}

// conserved is promise 1: every record that was read is answered or rejected,
// and stands in the output exactly when the policy says so.
func (s *sink) conserved() error {
	c, want := s.counts, s.counts.Answered
	if s.run.plan.Spec.OnBad == "placeholder" {
		want = c.In
	}
	if c.In != c.Answered+c.Rejected || c.Out != want {
		return &job.Failure{Class: job.Internal, Hint: "this is a fault of batchmill; please report it",
			Err: fmt.Errorf("%s: %d records read, but %d answered, %d rejected and %d written", s.object.URI(), c.In, c.Answered, c.Rejected, c.Out)}
	}
	return nil
}

// commit gives the rejects, then the output, their names.
func (s *sink) commit(ctx context.Context, end *manifest.Object) error {
	if s.rejects != nil {
		err := s.rejects.Commit(ctx)
		if errors.Is(err, fs.ErrExist) { // only runs of this job write there
			err = &store.Error{Op: "commit", URI: s.run.plan.Output.URI(s.object.Rejects), Err: store.ErrSuperseded}
		}
		if err != nil {
			return err
		}
	} else if err := s.run.ledger.DropRejects(ctx, s.object); err != nil {
		return err
	}
	if end.Status != manifest.Published {
		return nil
	}
	err := s.out.Commit(ctx)
	if errors.Is(err, fs.ErrExist) {
		if err := s.run.ledger.AlreadyMade(ctx, s.object, *end.Output); err == nil || !errors.Is(err, fs.ErrExist) {
			return err
		}
		return &job.Failure{Class: job.Usage, Err: err, Hint: "somebody wrote it during this run; choose another --output, or replace it with --overwrite"}
	}
	return err
}

// end is the object's part of the manifest.
func (s *sink) end() manifest.Object {
	o, out := s.object, s.run.plan.Output
	e := manifest.Object{
		Input:  o.Input(),
		Status: manifest.Published, Counts: s.counts, Reasons: s.reasons, OnBad: s.run.plan.Spec.OnBad, Cut: s.cut, Requests: s.requests, Retries: s.retries,
	}
	switch {
	case s.err != nil:
		e.Status, e.Error, e.Out = manifest.Failed, s.err.Error(), 0
		return e
	case s.run.plan.Spec.OnBad == "fail" && s.counts.Rejected > 0:
		e.Status, e.Out = manifest.Held, 0
		e.Error = fmt.Sprintf("held by --on-bad fail: %d of %d records are rejects", s.counts.Rejected, s.counts.In)
	}
	if s.rejects != nil {
		e.Rejects = &manifest.Rejects{URI: out.URI(o.Rejects), SHA256: s.rejects.hex()}
	}
	if e.Status == manifest.Published {
		e.Output = &manifest.Output{URI: out.URI(o.Output), Size: s.out.size, SHA256: s.out.hex()}
	}
	return e
}

// publishRoom bounds the bytes of objects that wait to be published on a distant
// store: many objects wait at a time, so that many small objects go quickly, and
// large objects must not take a part of memory each. Nil bounds nothing.
type publishRoom struct {
	free *semaphore.Weighted
	most int64
}

// Bounds of what an object that is not sent yet holds, in bytes.
const (
	mostUnsent  = 16 << 20
	leastUnsent = 64 << 10
)

func newPublishRoom(s store.Store) *publishRoom {
	d, ok := s.(store.Distant)
	if !ok {
		return nil
	}
	most := max(d.Memory()/2, leastUnsent)
	return &publishRoom{semaphore.NewWeighted(most), most}
}

// enter waits until there is room for what the sink holds.
func (p *publishRoom) enter(ctx context.Context, s *sink) error {
	if p == nil {
		return nil
	}
	for _, o := range []*summed{s.out, s.rejects} {
		if o != nil {
			s.bytes += min(max(2*o.size, leastUnsent), mostUnsent) // buffers double as they grow
		}
	}
	s.bytes = min(s.bytes, p.most)
	return p.free.Acquire(ctx, s.bytes)
}

// leave gives the room back.
func (p *publishRoom) leave(s *sink) {
	if p != nil {
		p.free.Release(s.bytes)
	}
}

// failures collect what went wrong with objects in this run.
type failures struct {
	mu       sync.Mutex
	internal error // the first fault of batchmill that cost an object
	storage  error // the first failure of a store that cost an object
}

// note takes why an object failed.
func (f *failures) note(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var failure *job.Failure
	if f.internal == nil && errors.As(err, &failure) && failure.Class == job.Internal {
		f.internal = err
	}
	if f.storage == nil && ClassOf(err) == job.Storage {
		f.storage = err
	}
}
