package transform

import (
	"context"
	"errors"
	"io"

	"github.com/batchmill/batchmill/transform/store"
)

// outFile puts one object's joined records into its output: through the
// format's own writer where it has one, and through the compression. It holds
// the object's input open where the output is made of its bytes.
type outFile struct {
	io.Writer
	closers []io.Closer // what ends the file, from the outermost in
	src     *pinned     // nil unless the input is read again
	spill   store.Spill // the last one that was begun
}

// newOutFile makes what writes to dst. Its error is the object's.
func (r *run) newOutFile(ctx context.Context, o *object, dst io.Writer) (*outFile, error) {
	f := &outFile{Writer: dst}
	if err := r.plan.codec.writers(ctx, r, o, f); err != nil {
		f.abort()
		return nil, err
	}
	return f, nil
}

// push makes w the outermost writer.
func (f *outFile) push(w io.WriteCloser) {
	f.Writer = w
	f.closers = append([]io.Closer{w}, f.closers...)
}

// Close writes the file's end. The output itself stays open.
func (f *outFile) Close() error {
	for _, c := range f.closers {
		if err := c.Close(); err != nil {
			return err
		}
	}
	f.abort()
	return nil
}

// abort gives up what the file holds. It can always be called.
func (f *outFile) abort() {
	if f == nil {
		return
	}
	if f.spill != nil {
		_ = f.spill.Close() // one that stays is removed when the next run begins
	}
	if f.src != nil {
		_ = f.src.Close() // it was only read
		f.src = nil
	}
}

// blamesInput tells whether err comes from the input or what is in it, and not
// from where the output goes.
func (f *outFile) blamesInput(err error) bool {
	var stored *store.Error
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return false // the job's end; a read may have been cut off by it too
	case errors.Is(err, store.ErrChanged):
		return true // nothing but an input is pinned
	case f.src != nil && f.src.failed != nil:
		return true
	}
	return !errors.As(err, &stored)
}
