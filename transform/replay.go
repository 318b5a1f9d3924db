package transform

import (
	"bufio"
	"cmp"
	"context"
	"fmt"
	"io"
	"math"
	"slices"

	"github.com/batchmill/batchmill/transform/store"
)

// stretch is a part of the log that answers consecutive records: those of object
// from first on, all that are logged of the objects behind it, and those of last
// before end. They may be in several entries, with entries of other kinds
// between them. Every object from object to last has records in it.
type stretch struct {
	object, last int32
	first, end   int64 // record numbers, from 1
	offset       int64 // of the first entry, in the log
}

// replay lets the log answer first. It is read beside the input, in the same
// order, and tells the cutter what is known about the records it comes to. In
// memory it holds only where stretches begin, and the answers of retries.
type replay struct {
	keeper    store.Keeper
	uri       string                    // of the log
	size      int64                     // of the log when the run began
	stretches []stretch                 // in the order of the log, until drop sorts them by object
	reach     []int32                   // the largest last of the stretches up to here
	retried   map[int]map[int64]*logged // by object and record: the newest answer to a single record

	reader *logReader
	src    io.Closer
	base   int64   // where the stretch begins that the reader is in
	object int     // what was read last: an object,
	read   int64   // and the record behind what was read of it
	now    *logged // what is left of the entry that was read
}

// farAhead is how many bytes of the log are read over rather than sought over,
// and how far a stretch may begin before the objects that it holds beside the first.
const farAhead = 1 << 20

// note adds an answers entry that begins at offset. Small objects that follow
// each other share a stretch, so that a million of them take no memory.
func (r *replay) note(offset int64, l *logged) {
	if n := len(r.stretches); n > 0 {
		s := &r.stretches[n-1]
		goesOn := int(s.last) == l.object && s.end == l.first
		follows := int(s.last)+1 == l.object && l.first == 1 && offset-s.offset < farAhead
		if goesOn || follows {
			s.last, s.end = int32(l.object), l.end()
			return
		}
	}
	r.stretches = append(r.stretches, stretch{object: int32(l.object), last: int32(l.object), first: l.first, end: l.end(), offset: offset})
}

// drop forgets objects that need no work, and ends the noting.
func (r *replay) drop(done func(object int) bool) {
	r.stretches = slices.DeleteFunc(r.stretches, func(s stretch) bool {
		for o := s.object; o <= s.last; o++ {
			if !done(int(o)) {
				return false
			}
		}
		return true
	})
	slices.SortStableFunc(r.stretches, func(a, b stretch) int { return cmp.Compare(a.object, b.object) })
	r.reach = make([]int32, len(r.stretches))
	for i, s := range r.stretches {
		r.reach[i] = s.last
		if i > 0 {
			r.reach[i] = max(s.last, r.reach[i-1])
		}
	}
	for o := range r.retried {
		if done(o) {
			delete(r.retried, o)
		}
	}
}

// of are the stretches that may hold records of the object, and perhaps some between them that do not.
func (r *replay) of(object int) []stretch {
	end, _ := slices.BinarySearchFunc(r.stretches, object+1, func(s stretch, o int) int { return cmp.Compare(int(s.object), o) })
	begin := end
	for begin > 0 && int(r.reach[begin-1]) >= object {
		begin--
	}
	return r.stretches[begin:end]
}

// known tells how a batch that begins with record first of the object may be
// cut: it may hold up to most records, and if logged, the log answers them.
// Calls come in input order.
func (r *replay) known(ctx context.Context, object int, first int64) (most int, logged bool, err error) {
	most = math.MaxInt
	for _, s := range r.of(object) {
		switch {
		case object > int(s.last) || object == int(s.last) && first >= s.end:
		case object == int(s.object) && first < s.first:
			most = int(min(int64(most), s.first-first))
		default:
			if n, err := r.seek(ctx, object, first, s); n > 0 || err != nil {
				return n, true, err
			}
		}
	}
	return most, false, nil
}

// seek reads entries of the stretch until one holds the record, and tells how
// many records it has from there; 0 where the stretch goes on behind it.
func (r *replay) seek(ctx context.Context, object int, first int64, s stretch) (int, error) {
	if l := r.now; l != nil && l.object == object && l.first == first && len(l.heads) > 0 {
		return len(l.heads), nil
	}
	if err := r.enter(ctx, object, first, s); err != nil {
		return 0, err
	}
	for {
		l, err := r.next()
		if err != nil {
			return 0, err
		}
		if l == nil {
			continue
		}
		r.object, r.read, r.now = l.object, l.end(), l
		switch {
		case l.object < object || l.object == object && l.end() <= first:
			continue
		case l.object > object || l.first > first:
			return 0, nil
		}
		if skip := int(first - l.first); skip > 0 {
			if _, err := l.take(skip); err != nil {
				return 0, err
			}
		}
		return len(l.heads), nil
	}
}

// enter puts the reader into the stretch, at the record or before it.
func (r *replay) enter(ctx context.Context, object int, first int64, s stretch) error {
	r.now = nil
	in := r.reader != nil && r.base == s.offset
	if in && (r.object < object || r.object == object && r.read <= first) {
		return nil
	}
	r.base, r.object, r.read = s.offset, int(s.object), s.first
	if r.reader == nil || r.reader.off > s.offset || r.reader.off < s.offset-farAhead {
		return r.open(ctx, s.offset)
	}
	for r.reader.off < s.offset {
		if _, err := r.next(); err != nil {
			return err
		}
	}
	return nil
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
