package s3

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/batchmill/batchmill/transform/store"
)

const (
	// syncTime bounds one Sync or Truncate. A run that was told to end still logs
	// its last answers, so the end of its context does not end them at once; but
	// somebody waits for the process to end, so from then on they have lastTime.
	syncTime = 5 * time.Minute
	lastTime = 15 * time.Second
	// claimTries is how many segments an older run may put while a later one
	// looks for a free number.
	claimTries = 100
	// putTries is how often a segment is put of which nothing is found
	// afterwards. Below it the SDK has made its own attempts.
	putTries = 4
	// keptBuffer is the largest buffer that is used again.
	keptBuffer = 16 << 20
)

// An appender puts segments. Its owner calls it from one goroutine at a time.
type appender struct {
	s    *Store
	run  context.Context // given to Append; see whileEnding
	name string
	id   string // begins the nonces of its segments

	log  string // in the metadata of the log's segments
	base int64  // number of the first one
	last int64  // number of the last one, which is ours
	size int64  // of the log, without buf
	buf  []byte // written and not synced
	err  error  // the first error, which is final
}

// Append takes the log called name over, and begins it where there is none. The
// errors, beside those of the contract: ErrSuperseded when a later run took the log
// over meanwhile, and a [*DamageError].
//
// A run that has read nothing (seen is 0) takes over nothing where there is
// something: it gets ErrGrown and fences nobody. With any other ErrGrown
// the log is taken over, so that it stands still while the caller reads it again.
//
// The end of ctx does not end the Appender: what is under way then, and what begins
// later, may take 15 s. So a run that is told to end can log its last answers.
func (s *Store) Append(ctx context.Context, name string, seen int64) (store.Appender, error) {
	if err := s.begin(ctx, "append", name); err != nil {
		return nil, err
	}
	a := &appender{s: s, run: ctx, name: name, id: rand.Text()}
	if err := a.open(ctx, seen); err != nil {
		return nil, wrap("append", s.URI(name), err)
	}
	return a, nil
}

func (a *appender) open(ctx context.Context, seen int64) error {
	t, err := a.s.findLog(ctx, a.name)
	var stray *strayError
	switch {
	case errors.As(err, &stray): // no number is used again while a segment bears it
		t = &table{mark: mark{log: a.id, base: stray.number + 1}}
	case errors.Is(err, fs.ErrNotExist):
		t = &table{mark: mark{log: a.id, base: 1}}
	case err != nil:
		return err
	}
	if seen == 0 && t.size > 0 {
		return store.ErrGrown
	}
	if read, ok := a.s.logs.Load(a.name); ok && seen > 0 && read != t.beginning() {
		return store.ErrGrown // a log of another beginning, and perhaps of the same size
	}
	if err := a.claim(ctx, t, seen == 0); err != nil {
		return err
	}
	// Between the listing and the claim the older run may have put more.
	behind, err := a.confirm(ctx, a.log, a.base, t.last())
	if err != nil {
		return err
	}
	if a.log != t.log || a.base != t.base {
		return store.ErrGrown
	}
	a.size = t.size
	for i, g := range behind {
		if g.number != t.last()+1+int64(i) {
			return a.s.damaged(a.name, t.last()+1+int64(i), fs.ErrNotExist)
		}
		a.size += g.size
	}
	if a.size != seen {
		return store.ErrGrown
	}
	return nil
}

// claim puts an empty segment behind all others. It belongs to the log of the
// segment before it, whatever that is by then: the log that t describes may have been cut.
func (a *appender) claim(ctx context.Context, t *table, seenNothing bool) error {
	a.log, a.base, a.last = t.log, t.base, t.last()+1
	for range claimTries {
		other, err := a.put(ctx, nil)
		if err != nil || other == nil {
			return err
		}
		if seenNothing { // the other one may have logged a job by now
			return store.ErrGrown
		}
		if other.base == 0 {
			return &DamageError{a.s.URI(segmentName(a.name, a.last)), "its metadata does not say which log it belongs to"}
		}
		a.log, a.base = other.log, other.base
		a.last++
	}
	return fmt.Errorf("%d numbers in a row were taken by another run: wait for it to end", claimTries)
}

// put makes segment number last of data. If another run's segment is there,
// nothing is made and its mark is returned. An answer that does not
// tell what happened is resolved by looking, by the nonce.
func (a *appender) put(ctx context.Context, data []byte) (other *mark, err error) {
	if a.last > maxSegment {
		return nil, errors.New("the log has no numbers left: begin anew in another output")
	}
	m := mark{nonce: a.nonce(), log: a.log, base: a.base}
	for try := range putTries {
		if err = a.putOnce(ctx, m, data); err == nil {
			return nil, nil
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		found, lookErr := a.s.headSegment(ctx, a.name, a.last)
		switch {
		case lookErr == nil && found.nonce == m.nonce:
			return nil, nil
		case lookErr == nil:
			return &found, nil
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case !isMissing(lookErr):
			return nil, fmt.Errorf("%w; what came of it could not be seen: %w", explain(err), explain(lookErr))
		case !mayPass(err):
			return nil, err
		}
		if err := pause(ctx, try); err != nil {
			return nil, err
		}
	}
	return nil, err
}

func (a *appender) putOnce(ctx context.Context, m mark, data []byte) error {
	return twice(func() error {
		in := &s3.PutObjectInput{
			Bucket: &a.s.bucket, Key: aws.String(a.s.key(segmentName(a.name, a.last))), Metadata: a.s.metadata(m),
			Body: body(data), ContentLength: aws.Int64(int64(len(data))), IfNoneMatch: aws.String("*"),
		}
		if a.s.sums() {
			in.ChecksumCRC64NVME = aws.String(sumOf(data).String())
		}
		_, err := a.s.client.PutObject(ctx, in)
		return err
	})
}

// mayPass tells whether a put that made nothing may succeed another time:
// there was no answer, the service was busy, or its conditions were in each
// other's way (the segment that was there may be removed by now).
func mayPass(err error) bool {
	switch code := status(err); code {
	case 0, http.StatusRequestTimeout, http.StatusConflict, http.StatusPreconditionFailed, http.StatusTooManyRequests:
		return true
	default:
		return code >= 500
	}
}

// pause waits for 50, 100, 200 ms and so on.
func pause(ctx context.Context, try int) error {
	t := time.NewTimer(50 * time.Millisecond << try)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// confirm finds out, after segment number last was put, whether it is the last
// of the log that began with segment base, and returns the segments between
// after and it. The order of both looks is what the protocol rests on: see above.
func (a *appender) confirm(ctx context.Context, log string, base, after int64) ([]segment, error) {
	most := int(min(a.last-after, 1<<30)) + 1
	behind, err := a.s.segmentsAfter(ctx, a.name, after, most)
	if err != nil {
		return nil, err
	}
	if base != a.last { // or its first segment is the one just put
		first, err := a.s.headSegment(ctx, a.name, base)
		if err != nil && !isMissing(err) {
			return nil, err
		}
		if err != nil || first.log != log {
			return nil, errors.Join(store.ErrSuperseded, a.withdraw(ctx))
		}
	}
	if n := len(behind); n > 0 && behind[n-1].number > a.last {
		return nil, store.ErrSuperseded
	}
	return behind, nil
}

// withdraw deletes the segment just put: the log behind which it was put is
// gone. If this run slept once more, the segment may be gone too, and the
// number another's. If the segment was to begin a log, a run may have claimed that.
func (a *appender) withdraw(ctx context.Context) error {
	found, err := a.s.headSegment(ctx, a.name, a.last)
	if isMissing(err) {
		return nil
	}
	if err != nil || found.nonce != a.nonce() {
		return err
	}
	if a.base == a.last {
		return a.removeEnd(ctx)
	}
	return a.s.removeSegments(ctx, a.name, []int64{a.last})
}

// nonce is that of segment number last.
func (a *appender) nonce() string { return fmt.Sprintf("%s-%d", a.id, a.last) }

// Write keeps a copy of p until the next Sync. So the owner bounds the memory, by Sync.
func (a *appender) Write(p []byte) (int, error) {
	if a.err != nil {
		return 0, a.err
	}
	a.buf = append(a.buf, p...)
	return len(p), nil
}

// Sync puts what was written as one segment, and nothing if there is nothing.
func (a *appender) Sync() error {
	if a.err != nil || len(a.buf) == 0 {
		return a.err
	}
	err := a.whileEnding(func(ctx context.Context) error { return a.add(ctx, a.log, a.base) })
	if a.err = wrap("sync", a.s.URI(a.name), err); a.err != nil {
		return a.err
	}
	a.size += int64(len(a.buf))
	if a.buf = a.buf[:0]; cap(a.buf) > keptBuffer {
		a.buf = nil
	}
	return nil
}

// add puts what is buffered as the next segment, behind the log that began with base.
func (a *appender) add(ctx context.Context, log string, base int64) error {
	a.last++
	other, err := a.put(ctx, a.buf)
	if err != nil {
		return err
	}
	if other != nil {
		return store.ErrSuperseded
	}
	_, err = a.confirm(ctx, log, base, a.last)
	return err
}

// Truncate cuts the log to size bytes, and forgets what was not synced, unless size is that with
// these bytes. It is durable when it returns; after a crash the log holds what it held, perhaps with
// a beginning of it once more behind, or it is cut.
func (a *appender) Truncate(size int64) error {
	switch {
	case a.err != nil:
		return a.err
	case size == a.size+int64(len(a.buf)):
		return nil
	case size == a.size:
		a.buf = a.buf[:0]
		return nil
	case size < 0 || size > a.size:
		return wrap("truncate", a.s.URI(a.name), fmt.Errorf("cannot cut a log of %d bytes to %d", a.size, size))
	case size > 0:
		a.err = wrap("truncate", a.s.URI(a.name), a.cut(size))
		return a.err
	}
	a.err = wrap("truncate", a.s.URI(a.name), a.whileEnding(a.beginAnew))
	return a.err
}

// whileEnding does what the end of the run bounds to lastTime, counted from that
// end or from now, whichever is later. What it cuts off is a failure of the service
// and not of the run's context: answers that were paid for are not in the log.
func (a *appender) whileEnding(do func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(a.run), syncTime)
	defer cancel()
	last := time.AfterFunc(syncTime, cancel)
	defer last.Stop()
	unbind := context.AfterFunc(a.run, func() { last.Reset(lastTime) })
	defer unbind()
	began := time.Now()
	err := do(ctx)
	if err != nil && ctx.Err() != nil && !errors.Is(err, store.ErrSuperseded) {
		return &serviceError{message: fmt.Sprintf("no answer within %s", time.Since(began).Round(time.Second))}
	}
	return err
}

// beginAnew begins a log of its own behind the old one, whose segments it then deletes.
func (a *appender) beginAnew(ctx context.Context) error {
	log, base := a.log, a.base
	a.log, a.base, a.buf, a.size = rand.Text(), a.last+1, a.buf[:0], 0
	if err := a.add(ctx, log, base); err != nil {
		return err
	}
	return a.removeBelow(ctx, base)
}

// Close ends the appender, and puts nothing.
func (a *appender) Close() error {
	if errors.Is(a.err, fs.ErrClosed) {
		return a.err
	}
	a.err, a.buf = wrap("write", a.s.URI(a.name), fs.ErrClosed), nil
	return nil
}
