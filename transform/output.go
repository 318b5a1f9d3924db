package transform

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"slices"

	"github.com/batchmill/batchmill/formats"
	"github.com/batchmill/batchmill/transform/answerlog"
	"github.com/batchmill/batchmill/transform/codec"
	"github.com/batchmill/batchmill/transform/job"
	"github.com/batchmill/batchmill/transform/manifest"
	"github.com/batchmill/batchmill/transform/plan"
	"github.com/batchmill/batchmill/transform/store"
)

// sink collects one object's output and rejects. The assembler fills the sink; a
// publisher settles the object.
type sink struct {
	run     *run
	object  *plan.Object
	out     *summed  // nil before the first record, and when there is none to publish
	file    *outFile // what puts records into out
	rejects *summed  // nil without rejects
	counts  manifest.Counts
	err     error // why the object cannot be finished
	reasons manifest.Reasons
	first   string // the message of the first reject
	flawed  int64  // of the rejects, those that no host was asked about
	cut     bool   // by the job's limit

	requests, retries int64
	bytes             int64  // of the room for publishing
	line              []byte // scratch for one line of the rejects file
}

// summed is an object being written, with the size and sum of its bytes.
type summed struct {
	store.Object
	sum  hash.Hash
	size int64
}

func newSummed(o store.Object) *summed { return &summed{Object: o, sum: sha256.New()} }

func (s *summed) Write(b []byte) (int, error) {
	n, err := s.Object.Write(b)
	s.sum.Write(b[:n])
	s.size += int64(n)
	return n, err
}

// WriteFrom is Write of bytes that stand at off of an input. The sum counts the bytes
// in any case; a store may copy the bytes by itself.
func (s *summed) WriteFrom(b []byte, src io.ReaderAt, off int64) (int, error) {
	copier, can := s.Object.(store.Copier)
	from, ok := src.(*plan.Pinned)
	if !can || !ok {
		return s.Write(b)
	}
	n, err := copier.WriteFrom(b, from.Stored(), off)
	s.sum.Write(b[:n])
	s.size += int64(n)
	return n, err
}

func (s *summed) hex() string { return hex.EncodeToString(s.sum.Sum(nil)) }

// add writes what a place brings. Only a failing store ends the job here.
func (s *sink) add(ctx context.Context, p *place) error {
	s.requests += p.requests
	s.retries += p.retries
	switch {
	case s.err != nil:
		return nil
	case p.end != nil:
		s.counts.Add(p.counts)
		s.cut = p.end.cut
		if s.err = p.end.err; s.err == nil {
			s.err = s.refused()
		}
		if s.err != nil {
			return nil
		}
		if err := s.open(ctx, p.headerEnd); err != nil || s.err != nil { // an object without records has an output too
			return err
		}
		return s.blameInput(s.file.Close())
	}
	if err := s.open(ctx, p.headerEnd); err != nil || s.err != nil {
		return err
	}
	s.count(p)
	if _, err := s.file.Write(p.out); err != nil {
		return s.blameInput(err)
	}
	return s.addRejects(ctx, p.rejects)
}

// count counts what came of the records of a place.
func (s *sink) count(p *place) {
	s.counts.Add(p.counts)
	for i := range p.rejects {
		if len(s.reasons) == 0 {
			s.first = p.rejects[i].Line.Message
		}
		s.reasons.Add(&p.rejects[i].Line)
		if p.rejects[i].Flaw {
			s.flawed++
		}
	}
}

// refused is why an object has failed of whose records not one could be sent: a wrong delimiter or format
// looks like that, and an output of placeholders alone like a success. A lone record may just be bad.
func (s *sink) refused() error {
	if s.counts.In < 2 || s.flawed < s.counts.In {
		return nil
	}
	first, why := &s.reasons[0], ""
	if slices.Contains(plain, first.Reason) {
		why = ": " + s.first
	}
	cure := "see whether --input-format, --encoding, --delimiter and --header fit the file, or leave it out"
	if first.Reason == string(formats.ReasonKeyClash) {
		cure = "they hold the answer's name already: choose another with --answer-name, or write the answers alone with --join none"
	}
	return &job.Failure{Class: job.BadInput, Err: fmt.Errorf("not one of its %d records can be sent, the first because of %s%s; %s",
		s.counts.In, first.Reason, why, cure)}
}

// plain are the reasons whose messages repeat nothing of their records.
var plain = []string{string(formats.ReasonRagged), string(formats.ReasonQuote), string(formats.ReasonTooLarge)}

// blameInput tells a failing store, which ends the job, from what is wrong with the
// object: its output may be made from its own bytes.
func (s *sink) blameInput(err error) error {
	if err != nil && s.file.blamesInput(err) {
		s.err, err = err, nil
	}
	return err
}

// open begins the output, once. headerEnd is how the object's header line ends.
func (s *sink) open(ctx context.Context, headerEnd []byte) error {
	if s.out != nil {
		return nil
	}
	out, err := s.run.ledger.Create(ctx, s.object)
	if err != nil {
		return err
	}
	s.out = newSummed(out)
	if s.file, err = s.run.newOutFile(ctx, s.object, s.out); err != nil {
		s.err = err // only its own input can be at fault here, or the job has ended
		return ctx.Err()
	}
	if head := s.run.codec.Joiner.Begin(nil, &s.run.layout.Layout, headerEnd); len(head) > 0 {
		_, err = s.file.Write(head)
	}
	return err
}

func (s *sink) addRejects(ctx context.Context, rejects []answerlog.Reject) error {
	for i := range rejects {
		if s.rejects == nil {
			o, err := s.run.plan.Output.Create(ctx, s.object.Rejects, store.Replace)
			if err != nil {
				return err
			}
			s.rejects = newSummed(o)
		}
		s.line = manifest.AppendReject(s.line[:0], &rejects[i].Line)
		if _, err := s.rejects.Write(s.line); err != nil {
			return err
		}
	}
	return nil
}

// abort forgets what was written. What is committed stays.
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

// outFile puts one object's joined records into its output: through the
// format's own writer where the format has a writer, and through the compression. An outFile
// holds the object's input open where the output is made of the input's bytes.
type outFile struct {
	io.Writer
	end   io.Closer    // writes the file's end; nil where there is nothing to write
	src   *plan.Pinned // nil unless the input is read again
	spill store.Spill  // the spill file that was begun last
}

// newOutFile makes what writes to dst. Its error is the object's.
func (r *run) newOutFile(ctx context.Context, o *plan.Object, dst io.Writer) (_ *outFile, err error) {
	f := &outFile{Writer: dst}
	defer func() {
		if err != nil {
			f.abort()
		}
	}()
	out := codec.Output{Layout: &r.layout.Layout, Input: o.Content()}
	if r.codec.Spliced() {
		if f.src, err = o.Open(ctx); err != nil {
			return nil, err
		}
		out.Source = f.src
		out.Spill = func() (_ codec.Spill, err error) {
			f.spill, err = r.ledger.Spill(ctx, o)
			return f.spill, err
		}
	}
	w, err := r.codec.Writer(dst, out)
	if err != nil {
		return nil, err
	}
	if w != nil {
		f.Writer, f.end = w, w
	}
	return f, nil
}

// Close writes the file's end. The output itself stays open.
func (f *outFile) Close() error {
	if f.end != nil {
		if err := f.end.Close(); err != nil {
			return err
		}
	}
	if f.src != nil {
		if err := f.src.Unchanged(); err != nil {
			return err
		}
	}
	f.abort()
	return nil
}

// abort gives up what the file holds. A nil file holds nothing.
func (f *outFile) abort() {
	if f == nil {
		return
	}
	if f.spill != nil {
		_ = f.spill.Close() // a spill file that stays is removed when the next run begins
	}
	if f.src != nil {
		_ = f.src.Close() // the input was only read
		f.src = nil
	}
}

// blamesInput tells whether err comes from the input or its content, and not
// from the output's store.
func (f *outFile) blamesInput(err error) bool {
	var stored *store.Error
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return false // the job's end, which may have cut off a read too
	case errors.Is(err, store.ErrChanged):
		return true // nothing but an input is pinned
	case f.src != nil && f.src.Failure() != nil:
		return true
	}
	return !errors.As(err, &stored)
}
