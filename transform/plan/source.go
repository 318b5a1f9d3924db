package plan

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/batchmill/batchmill/formats"
	"github.com/batchmill/batchmill/transform/store"
)

// Open opens an object and makes sure that its content is still what was listed. The
// reader lives as long as ctx. The error is a *[ChangedError], or the store's.
func (o *Object) Open(ctx context.Context) (*Pinned, error) {
	rc, info, err := openObject(ctx, o)
	if err != nil {
		return nil, err
	}
	if !sameContent(info, o.Info) {
		return nil, errors.Join(&ChangedError{uri: o.URI()}, rc.Close())
	}
	return &Pinned{stored: rc, o: o, opened: info}, nil
}

// Unchanged looks at the object again, once it was read: its bytes count only if nobody has
// written to it meanwhile. The error is a *[ChangedError], or the store's.
func (p *Pinned) Unchanged() error {
	now, err := p.Stat()
	switch {
	case err != nil:
		return p.note(err)
	case !sameContent(now, p.opened):
		return &ChangedError{uri: p.uri, overwritten: true, timeKept: now.Size == p.opened.Size && now.ModTime.Equal(p.opened.ModTime)}
	}
	return nil
}

// SameAs binds later readings of o to the content that src has, and takes what only an
// open object tells.
func (o *Object) SameAs(src *Pinned) {
	o.Info.ChangeTime = src.opened.ChangeTime
	o.Info.Encoding = src.opened.Encoding
}

// sameContent tells whether two looks at an object saw the same bytes: by its
// ETag, or by size and times where the store has none.
func sameContent(a, b store.Info) bool {
	if a.ETag != "" || b.ETag != "" || a.Size != b.Size {
		return a.Size == b.Size && a.ETag == b.ETag
	}
	known := !a.ChangeTime.IsZero() && !b.ChangeTime.IsZero()
	return a.ModTime.Equal(b.ModTime) && (!known || a.ChangeTime.Equal(b.ChangeTime))
}

// A ChangedError is an input that is no longer what the job began with.
type ChangedError struct {
	uri string
	// Sizes in bytes, where reading showed the change.
	read, listed int64
	overwritten  bool // while it was read
	timeKept     bool // its size and its time of modification are the old ones
}

func (e *ChangedError) Error() string {
	switch {
	case e.timeKept:
		return e.uri + ": changed while it was read, although its time of modification did not; run the job again when nobody writes to it, " +
			"with --restart unless only its name, owner or mode is another"
	case e.overwritten:
		return e.uri + ": overwritten while it was read; run the job again when it is complete"
	case e.read == e.listed:
		return e.uri + ": changed since it was listed; run the job again when it is complete"
	}
	return fmt.Sprintf("%s: ended at byte %d, but was listed with %d; run the job again when it is complete", e.uri, e.read, e.listed)
}

// openObject opens an object; read errors of the result are errors of the store.
func openObject(ctx context.Context, o *Object) (*stored, store.Info, error) {
	rc, info, err := o.Source.Open(ctx, o.Info.Name)
	if err != nil {
		return nil, info, err
	}
	return &stored{Reader: rc, uri: o.URI()}, info, nil
}

// stored names the object in its read errors, and remembers the last error.
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
		err = &ChangedError{uri: s.uri}
	} else if !errors.As(err, &known) {
		err = &store.Error{Op: "read", URI: s.uri, Err: err}
	}
	s.failed = err
	return err
}

// Pinned reads an object of known size. An end before that size, or bytes
// beyond that size, are errors: a short read is never the end of a file.
type Pinned struct {
	*stored
	o      *Object
	opened store.Info // what was opened
	read   int64      // by Read
	told   int64      // of the object's bytes, by Advance
}

// Failure is a read error, of which a reader above may say nothing; nil without.
func (s *stored) Failure() error { return s.failed }

// Stored is the object as its store gives it, for a store that copies bytes by itself.
func (s *stored) Stored() store.Reader { return s.Reader }

// Advance is how many more bytes of the object, as stored, a batch holds that was cut from it and
// ends with record number records; b is nil at the object's end. A reader of columns
// reads here and there: then rows tell the bytes. A reader of text reads ahead, so the end of
// the batch's text tells. In a compressed object that is behind what was read, which tells
// then. Once all is read, nothing tells how much text is left: then text counts as an eighth of its
// size, as it is usually compressed, and as half of what is left at most.
func (p *Pinned) Advance(reader formats.Reader, b *formats.Batch, records int64) int64 {
	at := p.read
	r, columns := reader.(interface{ Rows() int64 })
	switch {
	case columns && r.Rows() > 0:
		at = int64(float64(p.o.Info.Size) * float64(records) / float64(r.Rows()))
	case b == nil || b.Len() == 0:
	default:
		end := b.OffsetOf(b.Len()-1) + int64(len(b.Record(b.Len()-1)))
		if at = min(end, p.read); end > p.read && p.read == p.o.Info.Size {
			at = p.told + min(int64(len(b.Data))/8, (p.read-p.told)/2)
		}
	}
	more := max(0, at-p.told)
	p.told += more
	return more
}

func (p *Pinned) Read(b []byte) (int, error) {
	n, err := p.stored.Read(b)
	p.read += int64(n)
	if p.read > p.o.Info.Size || err == io.EOF && p.read != p.o.Info.Size {
		return n, p.changed(p.read)
	}
	return n, err
}

func (p *Pinned) ReadAt(b []byte, off int64) (int, error) {
	n, err := p.stored.ReadAt(b, off)
	if end := off + int64(n); err == io.EOF && end < p.o.Info.Size && n < len(b) {
		return n, p.changed(end)
	}
	return n, err
}

func (p *Pinned) changed(at int64) error {
	return &ChangedError{uri: p.o.URI(), read: at, listed: p.o.Info.Size}
}
