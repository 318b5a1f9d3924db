package transform

import (
	"cmp"
	"context"
	"errors"
	"io"
	"iter"
	"math"
	"time"

	"github.com/batchmill/batchmill/formats"
	"github.com/batchmill/batchmill/transform/plan"
	"github.com/batchmill/batchmill/workers"
)

// A cutter is the reading side: the cutter opens the objects one after another, cuts the objects
// into batches, and takes a place in the window for each batch before the batch's work may
// start. Its goroutine is the only one that reads input.
type cutter struct {
	*run
	work  chan *place // to the asker
	order chan *place // to the assembler, in input order; never full

	hostCaps formats.Caps // what a batch may hold, once a host was ready; no bytes before
	seats    int64        // places taken so far
	open     func(*plan.Object) (*plan.Pinned, error)
}

func newCutter(r *run) *cutter {
	return &cutter{run: r, work: make(chan *place), order: make(chan *place, r.window.capacity())}
}

// cut reads the whole job. Its error is that the job has ended; what is wrong
// with an object travels in the object's last place.
func (c *cutter) cut(ctx context.Context) error {
	defer c.evidence.reading.Store(false)
	c.open = func(o *plan.Object) (*plan.Pinned, error) { return o.Open(ctx) }
	if n, most, piece := c.plan.Ahead(); n > 0 {
		ahead := newReadahead(ctx, c.unsettled(), n, most, piece)
		defer ahead.close()
		c.open = func(*plan.Object) (*plan.Pinned, error) { return ahead.open(ctx) }
	}
	if err := c.cutAll(ctx); err != nil {
		return err
	}
	// Closed only here: after an error the stages behind must not take the
	// end of what came for the end of the job.
	close(c.work)
	close(c.order)
	return nil
}

func (c *cutter) cutAll(ctx context.Context) error {
	left := c.plan.Spec.Limit
	if left == 0 {
		left = math.MaxInt64
	}
	for o, err := range c.plan.All() {
		if err != nil {
			return err
		}
		if left == 0 {
			break
		}
		if c.ledger.Settled(o.Index) {
			if left, err = c.skipSettled(o, left); err != nil {
				return err
			}
			continue
		}
		n, whole, err := c.cutObject(ctx, o, left)
		if err != nil {
			return err
		}
		if left -= n; !whole && c.plan.Spec.Limit > 0 {
			break // which records come next depends on how many this object has
		}
	}
	return nil
}

// unsettled yields the objects that need work.
func (c *cutter) unsettled() iter.Seq2[*plan.Object, error] {
	return func(yield func(*plan.Object, error) bool) {
		for i := range c.plan.Count() {
			if c.ledger.Settled(i) {
				continue
			}
			o, err := c.plan.Object(i)
			if !yield(o, err) || err != nil {
				return
			}
		}
	}
}

// skipSettled passes over an object that needs no work. Its records count for --limit.
func (c *cutter) skipSettled(o *plan.Object, left int64) (int64, error) {
	was, err := c.ledger.Keep(o)
	if err != nil {
		return 0, err
	}
	c.progress.bytes.Add(o.Info.Size)
	c.progress.skipped.Add(o.Info.Size)
	c.allowance.carry(was.In, was.Rejected)
	return max(0, left-was.In), nil
}

// capsFor are the caps of the next batch, of at most most records, and the level that
// the batch helps to measure. Known records (the log answers them, or they are the end that an
// earlier run found) are cut as they are, whatever the caps are now, and need no host; a batch
// of other records ends where the log goes on.
func (c *cutter) capsFor(ctx context.Context, most int, known bool) (formats.Caps, *workers.Level, error) {
	if known {
		return formats.Caps{Records: most, Bytes: math.MaxInt32}, nil, nil
	}
	if c.hostCaps.Bytes == 0 {
		var err error
		if c.hostCaps, err = c.awaitCaps(ctx); err != nil {
			return formats.Caps{}, nil, err
		}
	}
	caps, level := c.hostCaps, (*workers.Level)(nil)
	if caps.Records == 0 {
		var err error
		if caps.Records, level, err = c.sizer.Next(ctx); err != nil {
			return formats.Caps{}, nil, err
		}
	}
	if limit := c.pool.PayloadLimit(); limit > 0 {
		caps.Bytes = min(caps.Bytes, limit)
	}
	caps.Records = min(caps.Records, most)
	return caps, level, nil
}

// awaitCaps waits for a host, which may tell the payloads that it takes.
func (c *cutter) awaitCaps(ctx context.Context) (formats.Caps, error) {
	told, err := c.pool.Await(ctx)
	if err != nil {
		return formats.Caps{}, err
	}
	caps := c.plan.Spec.Caps(told.MaxPayload, told.SingleRecord)
	if caps.Records > 0 {
		c.sizer.Fix(caps.Records)
	}
	return caps, nil
}

// cutObject cuts at most left records of one object, and returns how many were
// cut, and whether the object was whole that far. What is wrong with the object travels
// in its last place; the returned error is only that the job has ended.
func (c *cutter) cutObject(ctx context.Context, o *plan.Object, left int64) (records int64, whole bool, err error) {
	end := &place{object: o, end: new(objectEnd)}
	src, err := c.open(o)
	var stopped *stoppedError
	if errors.As(err, &stopped) {
		return 0, false, stopped.error
	}
	if err != nil {
		end.end.err, end.span = err, o.Info.Size
		return 0, false, cmp.Or(ctx.Err(), c.seat(ctx, end))
	}
	defer src.Close()
	o.SameAs(src)
	reader, err := c.codec.Reader(o.Content(), src)
	for records < left && err == nil && !c.codec.Blank(o.Info.Size) {
		var p *place
		if p, err = c.cutNext(ctx, end, src, reader, records, left); err != nil {
			break
		}
		records += int64(p.batch.Len())
		if err := c.seat(ctx, p); err != nil {
			return records, false, err
		}
	}
	if errors.As(err, &stopped) {
		return records, false, stopped.error
	}
	end.span = src.Advance(reader, nil, records) // what stood behind the last record
	if err == nil || err == io.EOF {
		// Perhaps of bytes that were read ahead and not needed: a read error is never passed over.
		if err = src.Failure(); err == nil {
			err = src.Unchanged()
		}
	}
	end.end.err, end.end.cut = err, err == nil && records == left
	return records, err == nil, cmp.Or(ctx.Err(), c.seat(ctx, end))
}

// A stoppedError ends the job; other errors of a cut are about an object.
type stoppedError struct{ error }

// cutNext cuts the batch behind the first records of an object. Its error is
// a *stoppedError, or the object's: io.EOF at its end, whose place takes the lines behind the last record.
func (c *cutter) cutNext(ctx context.Context, atEnd *place, src *plan.Pinned, reader formats.Reader, records, left int64) (*place, error) {
	o := atEnd.object
	most, logged, err := c.ledger.At(ctx, o.Index, records+1)
	if err != nil {
		return nil, &stoppedError{err}
	}
	end := int64(0)
	if !logged && records > 0 {
		if end, err = c.ledger.Records(o); err != nil {
			return nil, &stoppedError{err}
		}
	}
	caps, level, err := c.capsFor(ctx, int(min(int64(most), left-records)), logged || records > 0 && records == end)
	if err != nil {
		return nil, &stoppedError{err}
	}
	w := works.Get().(*work)
	began := time.Now()
	err = reader.Next(w.batch, caps)
	spent(&c.clock.reading, began)
	if err != nil {
		atEnd.counts.Blank, atEnd.counts.SkippedLines, atEnd.headerEnd = w.batch.Blank, w.batch.Skipped, w.batch.HeaderEnd
		freeWork(w)
		return nil, err
	}
	p := &place{object: o, reader: reader, work: w, headerEnd: w.batch.HeaderEnd, span: src.Advance(reader, w.batch, records+int64(w.batch.Len()))}
	p.level = c.sizer.Cut(level, w.batch.Len(), w.batch.Size(), caps.Bytes)
	if logged {
		if p.logged, err = c.ledger.Take(o.Index, records+1, w.batch.Len()); err != nil {
			return nil, &stoppedError{err}
		}
	}
	return p, nil
}

// bytesPerRecord is how many bytes a record takes beside its text and its output: its
// span, its answer, its place in a selection.
const bytesPerRecord = 40

// seat takes the next place of the window for p, and hands p on.
func (c *cutter) seat(ctx context.Context, p *place) error {
	p.bytes = placeOverhead
	if p.work != nil { // the batch's bytes, and as many again for its output
		p.bytes += 2*int64(p.batch.Size()) + bytesPerRecord*int64(p.batch.Len())
	}
	if p.work != nil && c.window.holdsFew(p.bytes, 2*c.pool.Capacity()) && c.pool.Starved() {
		c.sizer.Pressed(p.batch.Len())
	}
	if err := c.window.enter(ctx, p.bytes); err != nil {
		return err
	}
	p.seq = c.seats
	c.seats++
	p.answered, p.joined = make(chan struct{}), make(chan struct{})
	if p.end != nil {
		close(p.answered)
		close(p.joined)
	}
	c.order <- p // has room for all that the window can hold
	if p.end != nil {
		return nil
	}
	c.evidence.unresolved.Add(1)
	select {
	case c.work <- p:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
