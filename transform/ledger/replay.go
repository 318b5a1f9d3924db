package ledger

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"math"
	"slices"

	"github.com/batchmill/batchmill/formats"
	"github.com/batchmill/batchmill/transform/answerlog"
	"github.com/batchmill/batchmill/transform/manifest"
)

// stretch is a part of the log that answers consecutive records: the records of object
// from first on, all that are logged of the objects behind that, and the records of last
// before end. The answers may be in several entries, with entries of other kinds
// between them. Every object from object to last has records in the stretch.
type stretch struct {
	object, last int32
	first, end   int64 // record numbers, from 1
	offset       int64 // of the first entry, in the log
}

// replay lets the log answer first. The log is read beside the input, in the same
// order, and replay tells the cutter what is known about the records that come next. In
// memory stand only the beginnings of stretches, and the answers of retries.
type replay struct {
	file      answerlog.File
	size      int64                                // of the log when the run began
	stretches []stretch                            // in the order of the log, until drop sorts them by object
	reach     []int32                              // the largest last of the stretches up to here
	retried   map[int]map[int64]*answerlog.Answers // by object and record: the newest answer to a single record

	reader *answerlog.Reader
	base   int64              // where the stretch begins that the reader is in
	object int                // the object that was read last
	read   int64              // the record behind what was read of that object
	now    *answerlog.Answers // what is left of the entry that was read
}

// farAhead is how many bytes of the log are read over rather than sought over,
// and how many bytes a stretch may begin before the objects that follow its first.
const farAhead = 1 << 20

// note adds an answers entry that begins at offset. Small objects that follow
// each other share a stretch, so that a million small objects take no memory.
func (r *replay) note(offset int64, a *answerlog.Answers) {
	if n := len(r.stretches); n > 0 {
		s := &r.stretches[n-1]
		goesOn := int(s.last) == a.Object && s.end == a.First
		follows := int(s.last)+1 == a.Object && a.First == 1 && offset-s.offset < farAhead
		if goesOn || follows {
			s.last, s.end = int32(a.Object), a.End()
			return
		}
	}
	r.stretches = append(r.stretches, stretch{object: int32(a.Object), last: int32(a.Object), first: a.First, end: a.End(), offset: offset})
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

// of are the stretches that may hold records of the object, and perhaps stretches between them that do not.
func (r *replay) of(object int) []stretch {
	end, _ := slices.BinarySearchFunc(r.stretches, object+1, func(s stretch, o int) int { return cmp.Compare(int(s.object), o) })
	begin := end
	for begin > 0 && int(r.reach[begin-1]) >= object {
		begin--
	}
	return r.stretches[begin:end]
}

// known tells how a batch that begins with record first of the object may be
// cut: the batch may hold up to most records, and if logged, the log answers them.
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

// seek reads entries of the stretch until an entry holds the record, and tells how
// many records that entry has from there; 0 where the stretch goes on behind the record.
func (r *replay) seek(ctx context.Context, object int, first int64, s stretch) (int, error) {
	if a := r.now; a != nil && a.Object == object && a.First == first && recordsIn(a) > 0 {
		return recordsIn(a), nil
	}
	if err := r.enter(ctx, object, first, s); err != nil {
		return 0, err
	}
	for {
		a, err := r.next()
		if err != nil {
			return 0, err
		}
		if a == nil {
			continue
		}
		r.object, r.read, r.now = a.Object, a.End(), a
		switch {
		case a.Object < object || a.Object == object && a.End() <= first:
			continue
		case a.Object > object || a.First > first:
			return 0, nil
		}
		if skip := int(first - a.First); skip > 0 {
			if _, err := a.Cut(skip); err != nil {
				return 0, err
			}
		}
		return recordsIn(a), nil
	}
}

// enter puts the reader into the stretch, at the record or before the record.
func (r *replay) enter(ctx context.Context, object int, first int64, s stretch) error {
	r.now = nil
	in := r.reader != nil && r.base == s.offset
	if in && (r.object < object || r.object == object && r.read <= first) {
		return nil
	}
	r.base, r.object, r.read = s.offset, int(s.object), s.first
	if r.reader == nil || r.reader.Offset() > s.offset || r.reader.Offset() < s.offset-farAhead {
		return r.open(ctx, s.offset)
	}
	for r.reader.Offset() < s.offset {
		if _, err := r.next(); err != nil {
			return err
		}
	}
	return nil
}

// next reads an entry; nil if the entry is of another kind than answers. What was whole
// when the run began is whole now, so an end here is damage.
func (r *replay) next() (*answerlog.Answers, error) {
	e, err := r.reader.Next()
	if err == io.EOF {
		err = &answerlog.DamageError{URI: r.file.URI, Offset: r.reader.Offset(), Why: "it ends here, and did not before"}
	}
	if err != nil || e.Kind != answerlog.KindAnswers {
		return nil, err
	}
	return answerlog.ParseAnswers(slices.Clone(e.Body))
}

// take hands over what the log knows about the n records from first on: what was answered
// first, then the answers of later retries. Take must follow known.
func (r *replay) take(object int, first int64, n int) ([]*answerlog.Answers, error) {
	if r.now == nil || r.now.Object != object || r.now.First != first || n > recordsIn(r.now) {
		return nil, fmt.Errorf("the log is not at record %d of object %d", first, object)
	}
	a, err := r.now.Cut(n)
	if err != nil {
		return nil, err
	}
	parts, retried := []*answerlog.Answers{a}, r.retried[object]
	for i := range int64(n) {
		if later := retried[first+i]; later != nil {
			parts = append(parts, later)
		}
	}
	return parts, nil
}

func (r *replay) open(ctx context.Context, offset int64) error {
	r.close()
	var err error
	r.reader, err = r.file.OpenAt(ctx, offset, r.size)
	return err
}

func (r *replay) close() {
	if r.reader != nil {
		_ = r.reader.Close() // the log was only read
		r.reader = nil
	}
}

// Logged is what the log holds about the records of one batch.
type Logged struct {
	parts []*answerlog.Answers // what was answered first, of all records, and what later retries found out
	retry bool                 // the hosts' rejects are retried
	uri   string               // of the log
}

// At tells how a batch that begins with record first of object i may be cut: the batch
// may hold up to most records, and if logged, the log answers them. Calls come in input order.
func (l *Ledger) At(ctx context.Context, i int, first int64) (most int, logged bool, err error) {
	return l.known.known(ctx, i, first)
}

// Take hands over what the log holds about the n records from first on. Take must follow At.
func (l *Ledger) Take(i int, first int64, n int) (*Logged, error) {
	parts, err := l.known.take(i, first, n)
	logged := &Logged{parts: parts, retry: l.outcomes.has(i, retryMark), uri: l.file.URI}
	return logged, err
}

// recordsIn is how many records an entry of answers is about.
func recordsIn(a *answerlog.Answers) int { return int(a.End() - a.First) }

// Replay puts the answers into a, which has a place for each record from number
// first on, and returns the hosts' rejects by their index; none where the rejects are
// retried. The error is a *[answerlog.DamageError].
func (l *Logged) Replay(a *formats.Answers, first int64) (_ map[int]manifest.Reject, err error) {
	defer func() {
		if err != nil {
			err = &answerlog.DamageError{URI: l.uri, Why: err.Error()}
		}
		l.parts = nil
	}()
	if all := l.parts[0]; all.First != first || recordsIn(all) != len(a.List) {
		return nil, fmt.Errorf("the log has records %d to %d for a batch of %d from %d", all.First, all.End()-1, len(a.List), first)
	}
	texts := map[int][]byte{}
	for _, part := range l.parts {
		if err := part.Overlay(a, first, texts); err != nil {
			return nil, err
		}
	}
	if l.retry {
		return nil, nil
	}
	rejects := make(map[int]manifest.Reject, len(texts))
	for i, text := range texts {
		r, err := answerlog.ParseReject(text)
		if err != nil {
			return nil, err
		}
		rejects[i] = r
	}
	return rejects, nil
}
