package answerlog

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"iter"
	"slices"

	"github.com/batchmill/batchmill/transform/store"
)

// A File is where a log stands: under Name in Keeper. URI is for messages.
type File struct {
	Keeper store.Keeper
	Name   string
	URI    string
	// Whole: the keeper keeps all or nothing of what is synced, so that no log has a torn tail.
	Whole bool
}

// Stat tells how many bytes the log holds, whole or not, when the log grew last, and
// whether there is a log: a log that is missing is no error.
func (f File) Stat(ctx context.Context) (info store.Info, there bool, err error) {
	rc, info, err := f.Keeper.ReadLog(ctx, f.Name)
	if errors.Is(err, fs.ErrNotExist) {
		return store.Info{}, false, nil
	}
	if err != nil {
		return store.Info{}, false, err
	}
	return info, true, rc.Close()
}

// bufferSize is how many bytes of a log are read at a time.
const bufferSize = 256 << 10

// Open opens the log as far as the log goes now. A log that is missing is empty.
func (f File) Open(ctx context.Context) (*Reader, error) {
	rc, info, err := f.Keeper.ReadLog(ctx, f.Name)
	if errors.Is(err, fs.ErrNotExist) {
		return &Reader{uri: f.URI}, nil
	}
	if err != nil {
		return nil, err
	}
	return f.reader(rc, info, 0, info.Size), nil
}

// OpenAt opens a part of the log that is known to be whole: from the entry that
// begins at byte offset up to byte size.
func (f File) OpenAt(ctx context.Context, offset, size int64) (*Reader, error) {
	rc, info, err := f.Keeper.ReadLog(ctx, f.Name)
	if err != nil {
		return nil, err
	}
	return f.reader(rc, info, offset, size), nil
}

// reader reads the entries of file from byte offset up to byte size.
func (f File) reader(file store.Reader, info store.Info, offset, size int64) *Reader {
	r := &Reader{Info: info, file: file, uri: f.URI, size: size, whole: f.Whole}
	r.seek(offset)
	return r
}

// A Reader reads the entries of a log. A Reader must be closed.
type Reader struct {
	Info store.Info // of the log when it was opened

	file   store.Reader // nil where there is no log
	src    *bufio.Reader
	uri    string
	whole  bool          // there is no torn tail
	size   int64         // where reading ends: entries that come later must not be taken for proof that a half entry is damage
	off    int64         // where the next entry begins
	proven int64         // up to where the log is as it was written, by what its groups say
	tag    [tagSize]byte // of the log, once tagged
	tagged bool
	sealed bool // the last entry began a group
	buf    []byte
}

// seek goes on at byte offset.
func (r *Reader) seek(offset int64) {
	left := r.size - offset
	r.src, r.off = bufio.NewReaderSize(io.NewSectionReader(r.file, offset, left), int(min(max(left, GroupSize), bufferSize))), offset
}

// Offset is where the next entry begins, in bytes: behind all entries that were
// read, which are whole.
func (r *Reader) Offset() int64 { return r.off }

// Sealed tells whether the log ends as a closed [Writer] leaves a log: the
// entry that was read last begins a group, and nothing stands behind it.
func (r *Reader) Sealed() bool { return r.sealed && r.off == r.size }

// Tag is what the groups that were read have in common.
func (r *Reader) Tag() [tagSize]byte { return r.tag }

// Close gives up reading.
func (r *Reader) Close() error {
	if r.file == nil {
		return nil
	}
	return r.file.Close()
}

// Entries yields the entries that are left, but not the entries that begin groups. An
// error ends the sequence: a *[DamageError], or an error of the store.
func (r *Reader) Entries() iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		for {
			e, err := r.Next()
			if err == io.EOF {
				return
			}
			if err == nil && e.Kind == kindGroup {
				continue
			}
			if !yield(e, err) || err != nil {
				return
			}
		}
	}
}

// Next reads an entry, entries that begin groups too. The error is io.EOF at the
// end, and at a tail that was never durable.
func (r *Reader) Next() (Entry, error) {
	if r.off == r.size || !r.whole && r.off+HeaderSize > r.size {
		return Entry{}, io.EOF
	}
	e, why, err := r.entry()
	if err != nil {
		return Entry{}, err
	}
	if why != "" {
		return Entry{}, r.tornOrDamaged(why)
	}
	if e.Kind == kindGroup {
		if err := r.group(&e); err != nil {
			return Entry{}, err
		}
	}
	r.off, r.sealed = e.end(), e.Kind == kindGroup
	return e, nil
}

// entry reads the entry at r.off, or tells why the entry is not whole.
func (r *Reader) entry() (e Entry, why string, err error) {
	if r.off+HeaderSize > r.size {
		return e, "it ends within an entry", nil
	}
	var head [HeaderSize]byte
	if _, err := io.ReadFull(r.src, head[:]); err != nil {
		return e, "", err
	}
	n := int64(binary.LittleEndian.Uint32(head[:]))
	if n < 1 || n > maxEntry || r.off+HeaderSize+n > r.size { // nothing is allocated by what the entry says
		return e, "the length of an entry cannot be", nil
	}
	r.buf = slices.Grow(r.buf[:0], int(n))[:n]
	if _, err := io.ReadFull(r.src, r.buf); err != nil {
		return e, "", err
	}
	if crc32.Checksum(r.buf, castagnoli) != binary.LittleEndian.Uint32(head[4:]) {
		return e, "the checksum of an entry is wrong", nil
	}
	return Entry{Kind: Kind(r.buf[0]), Body: r.buf[1:], Offset: r.off, uri: r.uri}, "", nil
}

// group takes an entry that begins a group. What stands since the group before is what
// was written there only if this group stands where it was written: entries that are gone, or that
// were put in, leave all others whole, and move this group.
func (r *Reader) group(e *Entry) error {
	at, tag, ok := parseGroup(e.Body)
	switch {
	case !ok || r.tagged && tag != r.tag:
		return r.damage(r.proven, fmt.Sprintf("another log's group of entries stands at byte %d", e.Offset))
	case at != e.Offset:
		return r.damage(r.proven, fmt.Sprintf("the group of entries at byte %d was written at byte %d", e.Offset, at))
	}
	r.tag, r.tagged, r.proven = tag, true, e.end()
	return nil
}

func (r *Reader) damage(offset int64, why string) error {
	return &DamageError{URI: r.uri, Offset: offset, Why: why}
}

// tornOrDamaged judges an entry that does not check. Nothing is known about
// bytes that were never synced, so these may hold anything, and are cut off. But
// a group of entries that begins behind such bytes, wherever it was written, says that the bytes were durable
// before the group was: then the log is damaged. A store that keeps all or nothing of
// what is synced has no such bytes.
func (r *Reader) tornOrDamaged(why string) error {
	bad := r.off
	if !r.whole {
		r.seek(bad + 1)
		err := r.findGroup()
		if r.off = bad; err != nil {
			return err // io.EOF: no group is left
		}
	}
	return r.damage(bad, why)
}

// findGroup goes on at the next group of the log, wherever that was written. The
// error is io.EOF where there is none.
func (r *Reader) findGroup() error {
	for ; ; r.off++ {
		head, err := r.src.Peek(GroupSize)
		if len(head) < untagged {
			return err
		}
		if _, tag, ok := beginsGroup(head); ok && (!r.tagged || tag == r.tag) {
			return nil
		}
		if _, err := r.src.Discard(1); err != nil {
			return err
		}
	}
}

// Behind yields what is whole from byte offset on, where the log that was read is damaged,
// entries that begin groups aside: what is lost with the damage, as far as that can be told.
func (r *Reader) Behind(offset int64) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		for r.seek(offset); ; {
			e, why, err := r.entry()
			if why != "" {
				r.seek(r.off + 1)
				if err = r.findGroup(); err == nil {
					continue
				}
			}
			if err == io.EOF {
				return
			}
			r.off = e.end()
			if err == nil && e.Kind == kindGroup {
				continue
			}
			if !yield(e, err) || err != nil {
				return
			}
		}
	}
}
