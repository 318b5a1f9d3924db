package transform

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math"
	"slices"

	"github.com/batchmill/batchmill/transform/store"
)

// stretch is a part of the log that answers consecutive records of one
// object, possibly in several entries, with other entries between them.
type stretch struct {
	first, end int64 // record numbers
	offset     int64 // of the first entry, in the log
}

// replay lets the log answer first. It is read beside the input, in the same
// order, and tells the cutter what is known about the records it comes to. In
// memory it holds only where stretches begin, and the answers of retries.
type replay struct {
	keeper    store.Keeper
	uri       string                    // of the log
	size      int64                     // of the log when the run began
	stretches map[int][]stretch         // by object
	retried   map[int]map[int64]*logged // by object and record: the newest answer to a single record

	reader *logReader
	src    io.Closer
	object int     // that the reader is in
	now    *logged // what is left of the entry that was read
}

// farAhead is how many bytes of the log are read over rather than sought over.
const farAhead = 1 << 20

// note adds an answers entry that begins at offset.
func (r *replay) note(offset int64, l *logged) {
	list := r.stretches[l.object]
	if n := len(list); n > 0 && list[n-1].end == l.first {
		list[n-1].end = l.end()
		return
	}
	r.stretches[l.object] = append(list, stretch{first: l.first, end: l.end(), offset: offset})
}

// forget drops an object that needs no work.
func (r *replay) forget(object int) {
	delete(r.stretches, object)
	delete(r.retried, object)
}

// known tells how a batch that begins with record first of the object may be
// cut: it may hold up to most records, and if logged, the log answers them.
// Calls come in input order.
func (r *replay) known(ctx context.Context, object int, first int64) (most int, logged bool, err error) {
	most = math.MaxInt
	for _, s := range r.stretches[object] {
		switch {
		case s.first <= first && first < s.end:
			n, err := r.seek(ctx, object, first, s)
			return n, true, err
		case first < s.first:
			most = int(min(int64(most), s.first-first))
		}
	}
	return most, false, nil
}

// seek reads entries until one holds the record, and tells how many records it has from there.
func (r *replay) seek(ctx context.Context, object int, first int64, s stretch) (int, error) {
	if l := r.now; l != nil && l.object == object && l.first == first && len(l.heads) > 0 {
		return len(l.heads), nil
	}
	r.now = nil
	behind := r.reader != nil && r.reader.off > s.offset && (r.object != object || s.first == first)
	if r.reader == nil || behind || r.reader.off < s.offset-farAhead {
		if err := r.open(ctx, s.offset); err != nil {
			return 0, err
		}
	}
	r.object = object
	for {
		l, err := r.next()
		if err != nil {
			return 0, err
		}
		if l == nil || l.object != object || l.end() <= first {
			continue
		}
		if skip := int(first - l.first); skip > 0 {
			if _, err := l.take(skip); err != nil {
				return 0, err
			}
		}
		r.now = l
		return len(l.heads), nil
	}
}

// next reads an entry; nil if it is of another kind. What was whole when the
// run began is whole now, so an end here is damage.
func (r *replay) next() (*logged, error) {
	at := r.reader.off
	kind, body, err := r.reader.next()
	if err == io.EOF {
		err = &DamageError{URI: r.reader.uri, Offset: at, Why: "it ends here, and did not before"}
	}
	if err != nil {
		return nil, err
	}
	r.reader.off += entryHeader + 1 + int64(len(body))
	if kind != entryAnswers {
		return nil, nil
	}
	return parseAnswers(slices.Clone(body))
}

// take hands over what the log knows about the n records from first on, with
// the answers of later retries. It must follow known.
func (r *replay) take(object int, first int64, n int) (*logged, []*logged, error) {
	if r.now == nil || r.now.object != object || r.now.first != first || n > len(r.now.heads) {
		return nil, nil, fmt.Errorf("the log is not at record %d of object %d", first, object)
	}
	l, err := r.now.take(n)
	if err != nil {
		return nil, nil, err
	}
	var later []*logged
	if retried := r.retried[object]; len(retried) > 0 {
		for i := range int64(n) {
			if x := retried[first+i]; x != nil {
				later = append(later, x)
			}
		}
	}
	return l, later, nil
}

func (r *replay) open(ctx context.Context, offset int64) error {
	r.close()
	rc, _, err := r.keeper.ReadLog(ctx, logName)
	if err != nil {
		return err
	}
	r.src = rc
	src := bufio.NewReaderSize(io.NewSectionReader(rc, offset, r.size-offset), 256<<10)
	r.reader = &logReader{src: src, reopen: reopenLog(ctx, r.keeper), uri: r.uri, size: r.size, off: offset}
	return nil
}

func (r *replay) close() {
	if r.src != nil {
		_ = r.src.Close() // it was only read
		r.src, r.reader = nil, nil
	}
}
