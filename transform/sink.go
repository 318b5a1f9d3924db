package transform

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"

	"github.com/batchmill/batchmill/transform/manifest"
	"github.com/batchmill/batchmill/transform/store"
)

// sink collects one object's output and rejects. The assembler fills it; a
// publisher settles the object.
type sink struct {
	run     *run
	object  *object
	out     *summed  // nil before the first record, and when there is none to publish
	file    *outFile // what puts records into out
	rejects *summed  // nil without rejects
	counts  manifest.Counts
	err     error // why the object cannot be finished

	requests, retries int64
	held              int64  // of the room for publishing
	line              []byte // scratch for one line of the rejects file
}

// summed is an object being written, with the size and sum of its bytes.
type summed struct {
	store.Object
	sum  hash.Hash
	size int64
}

func (s *summed) Write(b []byte) (int, error) {
	n, err := s.Object.Write(b)
	s.sum.Write(b[:n])
	s.size += int64(n)
	return n, err
}

// WriteFrom is Write of bytes that stand at off of an input. They are summed
// here in any case; a store may copy them by itself.
func (s *summed) WriteFrom(b []byte, src io.ReaderAt, off int64) (int, error) {
	copier, can := s.Object.(store.Copier)
	from, ok := src.(*pinned)
	if !can || !ok {
		return s.Write(b)
	}
	n, err := copier.WriteFrom(b, from.Reader, off)
	s.sum.Write(b[:n])
	s.size += int64(n)
	return n, err
}

func (s *summed) hex() string { return hex.EncodeToString(s.sum.Sum(nil)) }

func newSink(r *run, o *object) *sink { return &sink{run: r, object: o} }

// add writes what a place brings. Only a failing store ends the job here.
func (s *sink) add(ctx context.Context, p *place) error {
	s.requests += p.requests
	s.retries += p.retries
	switch {
	case s.err != nil:
		return nil
	case p.last:
		if s.err = p.err; s.err != nil {
			return nil
		}
		if err := s.open(ctx); err != nil || s.err != nil { // an object without records has an output too
			return err
		}
		return s.blame(s.file.Close())
	}
	if err := s.open(ctx); err != nil || s.err != nil {
		return err
	}
	rejected := int64(len(p.rejects))
	s.counts.In += p.records
	s.counts.Rejected += rejected
	s.counts.Answered += p.good
	s.counts.Out += p.written
	if _, err := s.file.Write(p.out); err != nil {
		return s.blame(err)
	}
	return s.addRejects(ctx, p.rejects)
}

// blame tells a failing store, which ends the job, from what is wrong with the
// object: its output may be made from its own bytes.
func (s *sink) blame(err error) error {
	if err != nil && s.file.blamesInput(err) {
		s.err, err = err, nil
	}
	return err
}

func (s *sink) open(ctx context.Context) error {
	if s.out != nil {
		return nil
	}
	out, err := s.create(ctx, s.object.out, s.run.state.mode(s.object.index))
	if err != nil {
		return err
	}
	s.out = out
	if s.file, err = s.run.newOutFile(ctx, s.object, out); err != nil {
		s.err = err // only its own input can be at fault here, or the job has ended
		return ctx.Err()
	}
	if head := s.run.plan.codec.joiner.Begin(nil, &s.run.layout.Layout); len(head) > 0 {
		_, err = s.file.Write(head)
	}
	return err
}

func (s *sink) create(ctx context.Context, name string, mode store.Mode) (*summed, error) {
	o, err := s.run.plan.Output.Create(ctx, name, mode)
	if err != nil {
		return nil, err
	}
	return &summed{Object: o, sum: sha256.New()}, nil
}

func (s *sink) addRejects(ctx context.Context, rejects []reject) error {
	for i := range rejects {
		if s.rejects == nil {
			var err error
			if s.rejects, err = s.create(ctx, s.object.rejects, store.Replace); err != nil {
				return err
			}
		}
		s.line = manifest.AppendReject(s.line[:0], &rejects[i].line)
		if _, err := s.rejects.Write(s.line); err != nil {
			return err
		}
	}
	return nil
}

// abort forgets what was written. It does nothing to what is committed.
func (s *sink) abort() {
	if s == nil {
		return
	}
	s.file.abort()
	for _, o := range []*summed{s.out, s.rejects} {
		if o != nil {
			// Nothing became visible; a temporary file that stays is
			// overwritten by the next run.
			_ = o.Abort()
		}
	}
}

// publish settles objects until the assembler is done: it checks that nothing
// was lost, and gives the outputs their names.
func (r *run) publish(ctx context.Context) error {
	for {
		select {
		case s, ok := <-r.publishing:
			if !ok {
				return nil
			}
			err := s.settle(ctx)
			r.publishRoom.leave(s)
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
// output there knows by that whose it is.
func (s *sink) settle(ctx context.Context) error {
	defer s.abort()
	if s.err == nil {
		s.err = s.conserved()
	}
	entry := s.entry()
	if entry.Status == manifest.Failed {
		s.run.results.fail(s.err)
		return s.run.results.put(s.object, &entry)
	}
	st := s.run.state
	if err := st.note(entryIntent, settled{s.object.index, entry}); err != nil {
		return err
	}
	if err := st.log.commit(); err != nil {
		return err
	}
	if err := s.commit(ctx, entry.Status); err != nil {
		return err
	}
	if err := st.note(entrySettled, settled{s.object.index, entry}); err != nil {
		return err
	}
	return s.run.results.put(s.object, &entry)
}

// conserved is promise 1: every record that was read is answered or rejected,
// and stands in the output exactly when the policy says so.
func (s *sink) conserved() error {
	c, want := s.counts, s.counts.Answered
	if s.run.plan.Spec.OnBad == "placeholder" {
		want = c.In
	}
	if c.In != c.Answered+c.Rejected || c.Out != want {
		return &Failure{Class: Internal, Hint: "this is a fault of batchmill; please report it",
			Err: fmt.Errorf("%s: %d records read, but %d answered, %d rejected and %d written", s.object.uri(), c.In, c.Answered, c.Rejected, c.Out)}
	}
	return nil
}

// commit gives the rejects, then the output, their names.
func (s *sink) commit(ctx context.Context, status manifest.Status) error {
	if s.rejects != nil {
		err := s.rejects.Commit(ctx)
		if errors.Is(err, fs.ErrExist) { // only runs of this job write there
			err = &store.Error{Op: "commit", URI: s.run.plan.Output.URI(s.object.rejects), Err: store.ErrSuperseded}
		}
		if err != nil {
			return err
		}
	} else if s.run.state.oldRejects {
		if err := s.run.state.keeper.Remove(ctx, s.object.rejects); err != nil {
			return err
		}
	}
	if status != manifest.Published {
		return nil
	}
	err := s.out.Commit(ctx)
	if errors.Is(err, fs.ErrExist) {
		if err := s.alreadyMade(ctx); err == nil || !errors.Is(err, fs.ErrExist) {
			return err
		}
		return &Failure{Class: Usage, Err: err, Hint: "somebody wrote it during this run; choose another --output, or replace it with --overwrite"}
	}
	return err
}

// alreadyMade looks at an output that got its name from somebody else in the
// meantime. Another run of this job, which has not found out yet that it was
// superseded, makes the same bytes; then all is well. The error is fs.ErrExist
// where the output is none of the job's.
func (s *sink) alreadyMade(ctx context.Context) error {
	out := s.run.plan.Output
	ours, err := s.run.state.owns(ctx, s.object.out)
	if err != nil {
		return err
	}
	if !ours {
		return fs.ErrExist
	}
	same, err := holds(ctx, out, s.object.out, manifest.Output{Size: s.out.size, SHA256: s.out.hex()})
	if err == nil && !same {
		err = &store.Error{Op: "commit", URI: out.URI(s.object.out), Err: store.ErrSuperseded}
	}
	return err
}

// entry is the object's part of the manifest.
func (s *sink) entry() manifest.Object {
	o, out := s.object, s.run.plan.Output
	e := manifest.Object{
		Input:  o.input(),
		Status: manifest.Published, Counts: s.counts, OnBad: s.run.plan.Spec.OnBad, Requests: s.requests, Retries: s.retries,
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
		e.Rejects = &manifest.Rejects{URI: out.URI(o.rejects), SHA256: s.rejects.hex()}
	}
	if e.Status == manifest.Published {
		e.Output = &manifest.Output{URI: out.URI(o.out), Size: s.out.size, SHA256: s.out.hex()}
	}
	return e
}
