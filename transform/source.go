package transform

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/batchmill/batchmill/formats"
	"github.com/batchmill/batchmill/transform/store"
)

// openPinned opens an object and makes sure that it is still what was listed.
func openPinned(ctx context.Context, o *object) (*pinned, error) {
	rc, info, err := openObject(ctx, o)
	if err != nil {
		return nil, err
	}
	if !sameContent(info, o.info) {
		return nil, errors.Join(&ChangedError{URI: o.uri()}, rc.Close())
	}
	return &pinned{stored: rc, o: o}, nil
}

// sameContent tells whether two looks at an object saw the same bytes: by its
// ETag, or by size and time where the store has none.
func sameContent(a, b store.Info) bool {
	return a.Size == b.Size && a.ETag == b.ETag && (a.ETag != "" || a.ModTime.Equal(b.ModTime))
}

// A ChangedError is an input that is no longer what the job began with.
type ChangedError struct {
	URI string
	// Read and Listed are sizes in bytes, when it was seen while reading.
	Read, Listed int64
}

func (e *ChangedError) Error() string {
	if e.Read == e.Listed {
		return e.URI + ": changed since it was listed; run the job again when it is complete"
	}
	return fmt.Sprintf("%s: ended at byte %d, but was listed with %d; run the job again when it is complete", e.URI, e.Read, e.Listed)
}

// openObject opens an object; its read errors are errors of the store.
func openObject(ctx context.Context, o *object) (*stored, store.Info, error) {
	rc, info, err := o.source.Open(ctx, o.info.Name)
	if err != nil {
		return nil, info, err
	}
	return &stored{Reader: rc, uri: o.uri()}, info, nil
}

// stored names the object in its read errors, and remembers them.
type stored struct {
	store.Reader
	uri    string
	failed error // set by the goroutine that reads
}

func (s *stored) Read(b []byte) (int, error) {
	n, err := s.Reader.Read(b)
	return n, s.note(err)
}

func (s *stored) ReadAt(b []byte, off int64) (int, error) {
	n, err := s.Reader.ReadAt(b, off)
	return n, s.note(err)
}

func (s *stored) note(err error) error {
	if err == nil || err == io.EOF {
		return err
	}
	var known *store.Error
	if errors.Is(err, store.ErrChanged) {
		err = &ChangedError{URI: s.uri}
	} else if !errors.As(err, &known) {
		err = &store.Error{Op: "read", URI: s.uri, Err: err}
	}
	s.failed = err
	return err
}

// pinned reads an object of known size. An end before that size, or bytes
// beyond it, are errors: a short read is never the end of a file.
type pinned struct {
	*stored
	o    *object
	read int64 // by Read
	told int64 // of the object's bytes, to progress
}

// advance is how many more bytes of the object were read, once records were
// cut from it. What reads columns here and there tells it by its rows.
func (p *pinned) advance(reader formats.Reader, records int64) int64 {
	at := p.read
	if r, ok := reader.(interface{ Rows() int64 }); ok && r.Rows() > 0 {
		at = int64(float64(p.o.info.Size) * float64(records) / float64(r.Rows()))
	}
	more := at - p.told
	p.told = at
	return more
}

func (p *pinned) Read(b []byte) (int, error) {
	n, err := p.stored.Read(b)
	p.read += int64(n)
	if p.read > p.o.info.Size || err == io.EOF && p.read != p.o.info.Size {
		return n, p.changed(p.read)
	}
	return n, err
}

func (p *pinned) ReadAt(b []byte, off int64) (int, error) {
	n, err := p.stored.ReadAt(b, off)
	if end := off + int64(n); err == io.EOF && end < p.o.info.Size && n < len(b) {
		return n, p.changed(end)
	}
	return n, err
}

func (p *pinned) changed(at int64) error {
	return &ChangedError{URI: p.o.uri(), Read: at, Listed: p.o.info.Size}
}
