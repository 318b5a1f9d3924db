package transform

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"time"

	"github.com/batchmill/batchmill/formats"
	"github.com/batchmill/batchmill/transform/manifest"
	"github.com/batchmill/batchmill/transform/store"
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
	for i := range r.plan.objects {
		if left == 0 {
			break
		}
		o := &r.plan.objects[i]
		if was, ok := r.state.settled[i]; ok {
			left = r.skipSettled(o, was, left)
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
func (r *run) skipSettled(o *object, was manifest.Object, left int64) int64 {
	r.progress.bytes.Add(o.info.Size)
	r.progress.skipped.Add(o.info.Size)
	r.results.put(o, was)
	r.judged.Add(was.In)
	r.judgedBad.Add(was.Rejected)
	return max(0, left-was.In)
}

// capsFor are the caps of the next batch, of at most most records. What is known
// (the log answers it, or it is the end that was found before) is cut as it is,
// whatever the caps are now, and needs no host; else the batch ends where the
// log goes on.
func (r *run) capsFor(ctx context.Context, most int, known bool) (formats.Caps, error) {
	if known {
		return formats.Caps{Records: most, Bytes: math.MaxInt32}, nil
	}
	if r.told.Records == 0 {
		var err error
		if r.told, err = r.awaitCaps(ctx); err != nil {
			return formats.Caps{}, err
		}
	}
	return formats.Caps{Records: min(r.told.Records, most), Bytes: r.told.Bytes}, nil
}

// awaitCaps waits for a host, which may tell what it takes.
func (r *run) awaitCaps(ctx context.Context) (formats.Caps, error) {
	told, err := r.pool.Await(ctx)
	if err != nil {
		return formats.Caps{}, err
	}
	return r.plan.Spec.caps(told.MaxPayload, told.SingleRecord), nil
}

// caps are the bounds of a batch: flags first, then what hosts tell (0 and
// false when they tell nothing), then the defaults.
func (s *Spec) caps(maxPayload int64, single bool) formats.Caps {
	c := formats.Caps{Records: s.BatchRecords, Bytes: int(s.BatchBytes)}
	if c.Records == 0 {
		if c.Records = DefaultBatchRecords; single {
			c.Records = 1
		}
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
	src, err := r.openPinned(ctx, o)
	if err != nil {
		end.err = err
		return 0, false, cmp.Or(ctx.Err(), r.seat(ctx, end))
	}
	defer src.Close()
	reader := r.plan.codec.reader(src)
	for records < left && o.info.Size > 0 {
		most, logged, err := r.state.known.known(ctx, o.index, records+1)
		if err != nil {
			return records, false, err
		}
		caps, err := r.capsFor(ctx, int(min(int64(most), left-records)), logged || records > 0 && records == r.state.ends[o.index])
		if err != nil {
			return records, false, err
		}
		w := works.Get().(*work)
		began := time.Now()
		err = reader.Next(w.batch, caps)
		r.clock.reading.Add(int64(time.Since(began)))
		if err != nil {
			freeWork(w)
			if err != io.EOF {
				end.err = err
			}
			break
		}
		p := &place{object: o, reader: reader, work: w}
		if logged {
			if p.logged, p.later, err = r.state.known.take(o.index, records+1, w.batch.Len()); err != nil {
				return records, false, err
			}
		}
		records += int64(w.batch.Len())
		if err := r.seat(ctx, p); err != nil {
			return records, false, err
		}
	}
	return records, end.err == nil, cmp.Or(ctx.Err(), r.seat(ctx, end))
}

// bytesPerRecord is what a record takes beside its bytes and its output: its
// span, its answer, its place in a selection.
const bytesPerRecord = 40

// seat takes the next place of the window and hands it on.
func (r *run) seat(ctx context.Context, p *place) error {
	p.held = placeOverhead
	if p.work != nil { // its bytes, and as many again for its output
		p.held += 2*int64(len(p.batch.Data)) + bytesPerRecord*int64(p.batch.Len())
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

// openPinned opens an object and makes sure that it is still what was listed.
func (r *run) openPinned(ctx context.Context, o *object) (io.ReadCloser, error) {
	rc, info, err := openObject(ctx, o)
	if err != nil {
		return nil, err
	}
	if info.Size != o.info.Size || info.ETag != o.info.ETag || !info.ModTime.Equal(o.info.ModTime) {
		return nil, errors.Join(&ChangedError{URI: o.uri()}, rc.Close())
	}
	return &pinned{ReadCloser: rc, o: o, bytes: &r.progress.bytes}, nil
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
	return &stored{ReadCloser: rc, uri: o.uri()}, info, nil
}

// stored names the object in its read errors, and remembers them.
type stored struct {
	io.ReadCloser
	uri    string
	failed error
}

func (s *stored) Read(b []byte) (int, error) {
	n, err := s.ReadCloser.Read(b)
	if err == nil || err == io.EOF {
		return n, err
	}
	var known *store.Error
	if !errors.As(err, &known) {
		err = &store.Error{Op: "read", URI: s.uri, Err: err}
	}
	s.failed = err
	return n, err
}

// pinned reads an object of known size. An end before that size, or bytes
// beyond it, are errors: a short read is never the end of a file.
type pinned struct {
	io.ReadCloser
	o     *object
	read  int64
	bytes interface{ Add(int64) int64 }
}

func (p *pinned) Read(b []byte) (int, error) {
	n, err := p.ReadCloser.Read(b)
	p.read += int64(n)
	p.bytes.Add(int64(n))
	if p.read > p.o.info.Size || err == io.EOF && p.read != p.o.info.Size {
		return n, &ChangedError{URI: p.o.uri(), Read: p.read, Listed: p.o.info.Size}
	}
	return n, err
}
