package transform

import (
	"cmp"
	"context"
	"errors"
	"io"
	"math"
	"time"

	"github.com/batchmill/batchmill/formats"
)

// cut is the reading side: it opens the objects one after another, cuts them
// into batches, and takes a place in the window for each before its work may
// start. It is the only goroutine that reads input.
func (r *run) cut(ctx context.Context) error {
	defer r.cutting.Store(false)
	left := r.plan.Spec.Limit
	if left == 0 {
		left = math.MaxInt64
	}
	for o, err := range r.plan.all() {
		if err != nil {
			return err
		}
		if left == 0 {
			break
		}
		if r.state.fates.has(o.index, settledMark) {
			if left, err = r.skipSettled(o, left); err != nil {
				return err
			}
			continue
		}
		n, whole, err := r.cutObject(ctx, o, left)
		if err != nil {
			return err
		}
		if left -= n; !whole && r.plan.Spec.Limit > 0 {
			break // which records come next depends on how many this one has
		}
	}
	// Closed only here: after an error the stages behind must not take the
	// end of what came for the end of the job.
	close(r.work)
	close(r.order)
	return nil
}

// skipSettled passes over an object that needs no work. Its records count for --limit.
func (r *run) skipSettled(o *object, left int64) (int64, error) {
	was, err := r.state.fates.of(o)
	if err != nil {
		return 0, err
	}
	r.progress.bytes.Add(o.info.Size)
	r.progress.skipped.Add(o.info.Size)
	r.state.fates.final[o.index] = true
	r.judged.Add(was.In)
	r.judgedBad.Add(was.Rejected)
	return max(0, left-was.In), nil
}

// capsFor are the caps of the next batch, of at most most records, and the level that
// it helps to measure. What is known (the log answers it, or it is the end that was
// found before) is cut as it is, whatever the caps are now, and needs no host; else the
// batch ends where the log goes on.
func (r *run) capsFor(ctx context.Context, most int, known bool) (formats.Caps, *level, error) {
	if known {
		return formats.Caps{Records: most, Bytes: math.MaxInt32}, nil, nil
	}
	if r.told.Bytes == 0 {
		var err error
		if r.told, err = r.awaitCaps(ctx); err != nil {
			return formats.Caps{}, nil, err
		}
	}
	caps, level := r.told, (*level)(nil)
	if caps.Records == 0 {
		var err error
		if caps.Records, level, err = r.sizer.next(ctx); err != nil {
			return formats.Caps{}, nil, err
		}
	}
	if limit := r.pool.PayloadLimit(); limit > 0 {
		caps.Bytes = min(caps.Bytes, limit)
	}
	caps.Records = min(caps.Records, most)
	return caps, level, nil
}

// awaitCaps waits for a host, which may tell what it takes.
func (r *run) awaitCaps(ctx context.Context) (formats.Caps, error) {
	told, err := r.pool.Await(ctx)
	if err != nil {
		return formats.Caps{}, err
	}
	caps := r.plan.Spec.caps(told.MaxPayload, told.SingleRecord)
	if caps.Records > 0 {
		r.sizer.fix(caps.Records)
	}
	return caps, nil
}

// batchRecords is how many records a batch may have; 0 finds the best number.
// Responses that are written whole make batches show in the output, so there the number is fixed.
func (s *Spec) batchRecords() int {
	if s.BatchRecords == 0 && s.Answers == "per-batch" {
		return DefaultBatchRecords
	}
	return int(s.BatchRecords)
}

// caps are the bounds of a batch: flags first, then what hosts tell (0 and
// false when they tell nothing), then the defaults. No records means that their
// number is to be found.
func (s *Spec) caps(maxPayload int64, single bool) formats.Caps {
	c := formats.Caps{Records: s.batchRecords(), Bytes: int(s.BatchBytes)}
	if single && s.BatchRecords == 0 {
		c.Records = 1
	}
	if c.Bytes == 0 {
		if maxPayload <= 0 {
			maxPayload = DefaultBatchBytes
		}
		c.Bytes = int(min(maxPayload, int64(s.Memory/4)))
	}
	return c
}

// cutObject cuts at most left records of one object, and returns how many it
// was, and whether the object was whole so far. What is wrong with it travels
// in its last place; the returned error is only that the job has ended.
func (r *run) cutObject(ctx context.Context, o *object, left int64) (records int64, whole bool, err error) {
	end := &place{object: o, last: true}
	src, err := r.open(ctx, o)
	if err != nil {
		end.err = err
		return 0, false, cmp.Or(ctx.Err(), r.seat(ctx, end))
	}
	defer src.Close()
	reader, err := r.plan.codec.reader(o, src)
	for records < left && err == nil && (o.info.Size > 0 || r.plan.codec.in == formatParquet) {
		var p *place
		if p, err = r.cutNext(ctx, src, reader, records, left); err != nil {
			break
		}
		records += int64(p.batch.Len())
		if err := r.seat(ctx, p); err != nil {
			return records, false, err
		}
	}
	var stopped *stoppedError
	if errors.As(err, &stopped) {
		return records, false, stopped.error
	}
	r.progress.bytes.Add(src.advance(reader, records)) // what stood behind the last record
	if err == nil || err == io.EOF {
		err = src.failed // read ahead, perhaps, and not needed; still it is not passed over
	}
	if err != nil {
		end.err = err
	}
	return records, end.err == nil, cmp.Or(ctx.Err(), r.seat(ctx, end))
}

// A stoppedError ends the job, other than what is wrong with an object.
type stoppedError struct{ error }

// cutNext cuts the batch behind the first records of an object. Its error is
// a *stoppedError, or the object's: io.EOF at its end.
func (r *run) cutNext(ctx context.Context, src *pinned, reader formats.Reader, records, left int64) (*place, error) {
	o := src.o
	most, logged, err := r.state.known.known(ctx, o.index, records+1)
	if err != nil {
		return nil, &stoppedError{err}
	}
	end := int64(0)
	if !logged && records > 0 {
		if end, err = r.state.fates.records(o); err != nil {
			return nil, &stoppedError{err}
		}
	}
	caps, level, err := r.capsFor(ctx, int(min(int64(most), left-records)), logged || records > 0 && records == end)
	if err != nil {
		return nil, &stoppedError{err}
	}
	w := works.Get().(*work)
	began := time.Now()
	err = reader.Next(w.batch, caps)
	r.clock.reading.Add(int64(time.Since(began)))
	if err != nil {
		freeWork(w)
		return nil, err
	}
	r.progress.bytes.Add(src.advance(reader, records+int64(w.batch.Len())))
	p := &place{object: o, reader: reader, rejectText: r.plan.codec.rejects, work: w}
	p.level = r.sizer.cut(level, w.batch.Len(), w.batch.Size(), caps.Bytes)
	if logged {
		if p.logged, p.later, err = r.state.known.take(o.index, records+1, w.batch.Len()); err != nil {
			return nil, &stoppedError{err}
		}
	}
	return p, nil
}

// bytesPerRecord is what a record takes beside its bytes and its output: its
// span, its answer, its place in a selection.
const bytesPerRecord = 40

// seat takes the next place of the window and hands it on.
func (r *run) seat(ctx context.Context, p *place) error {
	p.held = placeOverhead
	if p.work != nil { // its bytes, and as many again for its output
		p.held += 2*int64(p.batch.Size()) + bytesPerRecord*int64(p.batch.Len())
	}
	if p.work != nil && r.window.holdsFew(p.held, 2*r.pool.Capacity()) && r.pool.Starved() {
		r.sizer.pressed(p.batch.Len())
	}
	began := time.Now()
	defer func() { r.clock.waiting.Add(int64(time.Since(began))) }()
	if err := r.window.enter(ctx, p.held); err != nil {
		return err
	}
	p.seq = r.seats
	r.seats++
	p.answered, p.joined = make(chan struct{}), make(chan struct{})
	if p.last {
		close(p.answered)
		close(p.joined)
	}
	r.order <- p // has room for all that the window can hold
	if p.last {
		return nil
	}
	r.busy.Add(1)
	select {
	case r.work <- p:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
