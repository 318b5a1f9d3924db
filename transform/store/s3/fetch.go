package s3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"golang.org/x/sync/semaphore"

	"github.com/batchmill/batchmill/internal/caught"
)

// No service holds larger objects than this; Amazon's largest has 50 TiB.
const mostSize = 1 << 50

var errShort = errors.New("the answer ended early")

// A version is one content of an object. Every request for its bytes but the
// first names it by its ETag, so that bytes of two versions are never mixed. A few
// gateways to file systems have objects without ETags; of these the size and the
// time of change tell versions apart.
type version struct {
	key      string
	uri      string
	etag     string
	size     int64
	modified time.Time // in whole seconds
}

// A stream reads bytes of a version, through as many responses as it takes:
// one that ends early or stalls is asked for again where it ended. That is the
// one thing that the SDK does not repeat, for it is done when the header is there.
type stream struct {
	s   *Store
	v   *version
	rc  io.ReadCloser // the open response, or nil
	pos int64         // of the object: where it stands
	end int64         // and where it ends
	// whole: the service ignores ranges, and rc began with the object's first byte.
	whole bool
}

// read fills p with the bytes from off on. Where it has to ask, it asks for
// those up to end, so that the next read can go on.
func (st *stream) read(ctx context.Context, p []byte, off, end int64) error {
	for tries := 0; len(p) > 0; {
		if st.rc == nil || st.pos != off && !(st.whole && st.pos < off) {
			if err := st.open(ctx, off, end); err != nil {
				return err
			}
		}
		n, err := st.step(p, off)
		p, off = p[n:], off+int64(n)
		if n > 0 {
			tries = 0
		}
		if err == nil || len(p) == 0 {
			continue
		}
		st.close()
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if tries++; tries >= st.s.o.Attempts {
			return fmt.Errorf("at byte %d: %w, %d times in a row; check the network, and run it again", off, err, tries)
		}
		if err := rest(ctx, tries); err != nil {
			return err
		}
	}
	return st.finish()
}

// step reads some bytes for p, which begins at off. Where the service ignores
// ranges, it skips those before.
func (st *stream) step(p []byte, off int64) (int, error) {
	if st.pos < off {
		n, err := io.CopyN(io.Discard, st.rc, off-st.pos)
		if st.pos += n; err != nil {
			return 0, ended(err)
		}
	}
	n, err := st.rc.Read(p)
	st.pos += int64(n)
	return n, ended(err)
}

// ended is err of a response that has more to come: its end is no end.
func ended(err error) error {
	if err == io.EOF {
		return errShort
	}
	return err
}

// finish closes a response that has given all it was asked for. Its end is
// read, for the connection is used again only then, and a checksum is compared
// only there.
func (st *stream) finish() error {
	if st.rc == nil || st.pos < st.end {
		return nil
	}
	var one [1]byte
	n, err := st.rc.Read(one[:])
	st.close()
	if n > 0 {
		return errors.New("the answer has more bytes than were asked for")
	}
	var broken *brokenError
	if err == io.EOF || errors.As(err, &broken) {
		return nil // all bytes are there; how the connection ended does not matter
	}
	return err
}

func (st *stream) close() {
	if st.rc != nil {
		st.rc.Close()
		st.rc = nil
	}
}

// rest waits before a response is asked for again, but for the first time.
func rest(ctx context.Context, tries int) error {
	if tries < 2 {
		return nil
	}
	t := time.NewTimer(min(100*time.Millisecond<<min(tries-2, 10), 5*time.Second))
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// open asks for the bytes of the version in [off, end).
func (st *stream) open(ctx context.Context, off, end int64) error {
	st.close()
	out, err := st.s.get(ctx, st.v.key, off, end, st.v.etag)
	if isPrecondition(err) || status(err) == http.StatusRequestedRangeNotSatisfiable {
		return ErrChanged
	}
	if err != nil {
		return err
	}
	a, err := readAnswer(out, off, end)
	if err == nil && (a.size != st.v.size || a.etag != st.v.etag || a.etag == "" && !a.modified.Equal(st.v.modified)) {
		err = ErrChanged
	}
	if err != nil {
		out.Body.Close()
		return err
	}
	st.rc, st.pos, st.end, st.whole = out.Body, a.from, a.to, a.whole
	return nil
}

// get sends the request for [off, end), of the version etag if there is one.
func (s *Store) get(ctx context.Context, key string, off, end int64, etag string) (*s3.GetObjectOutput, error) {
	in := &s3.GetObjectInput{Bucket: &s.bucket, Key: &key, Range: aws.String(fmt.Sprintf("bytes=%d-%d", off, end-1))}
	if etag != "" {
		in.IfMatch = aws.String(`"` + etag + `"`)
	}
	return s.client.GetObject(ctx, in)
}

// An answer is what a response's header says about its body.
type answer struct {
	from, to int64 // which bytes of the object it has
	size     int64 // of the object
	etag     string
	modified time.Time
	whole    bool // it has all of them, whatever was asked for
}

// readAnswer holds the header of a response against the request for
// [off, end). It may have less only where the object ends.
func readAnswer(out *s3.GetObjectOutput, off, end int64) (answer, error) {
	length := int64(-1)
	if out.ContentLength != nil {
		length = *out.ContentLength
	}
	if out.ContentRange == nil {
		if length < 0 || length > mostSize {
			return answer{}, fmt.Errorf("the answer has no usable length (%d)", length)
		}
		return answer{to: length, size: length, etag: unquote(out.ETag), modified: when(out.LastModified), whole: true}, nil
	}
	from, to, size, ok := parseRange(*out.ContentRange)
	if !ok || from != off || to != min(end, size) || length >= 0 && length != to-from {
		return answer{}, fmt.Errorf("the answer is %q of %d bytes; bytes %d to %d were asked for",
			clean(*out.ContentRange, 100), length, off, end-1)
	}
	return answer{from: from, to: to, size: size, etag: unquote(out.ETag), modified: when(out.LastModified)}, nil
}

// parseRange reads "bytes FROM-LAST/SIZE" of RFC 9110, section 14.4; to is
// behind the last byte. It takes what is not empty and inside the object.
func parseRange(s string) (from, to, size int64, ok bool) {
	s, unit := strings.CutPrefix(s, "bytes ")
	span, total, slash := strings.Cut(s, "/")
	first, last, dash := strings.Cut(span, "-")
	from, err1 := strconv.ParseInt(first, 10, 64)
	to, err2 := strconv.ParseInt(last, 10, 64)
	size, err3 := strconv.ParseInt(total, 10, 64)
	ok = unit && slash && dash && errors.Join(err1, err2, err3) == nil && 0 <= from && from <= to && to < size && size <= mostSize
	return from, to + 1, size, ok
}

// A piece is a part of an object or a log that is on its way, or there.
type piece struct {
	off    int64 // where the piece begins
	data   []byte
	held   int64 // bytes that the budget was charged for the piece
	cancel context.CancelFunc
	done   chan struct{} // closed when data is there, or err
	err    error
}

// pieces is a queue of pieces, each of which begins where the one before ends. It
// has one user at a time.
type pieces struct {
	budget *semaphore.Weighted
	queue  []*piece
}

// ask begins to fetch a piece, in a goroutine that ends with parent at the latest.
func (q *pieces) ask(parent context.Context, p *piece, fetch func(context.Context, *piece) error) {
	var ctx context.Context
	ctx, p.cancel = context.WithCancel(parent)
	p.done = make(chan struct{})
	q.queue = append(q.queue, p)
	caught.Start(func() { // drop waits for it
		defer close(p.done)
		p.err = caught.Err(func() error { return fetch(ctx, p) })
	})
}

// drop forgets the first piece, and gives its memory back.
func (q *pieces) drop() {
	p := q.queue[0]
	p.cancel()
	<-p.done
	q.budget.Release(p.held)
	recycle(p.data)
	q.queue[0] = nil
	q.queue = q.queue[1:]
}

// end is where a queue that is not empty ends.
func (q *pieces) end() int64 { return q.queue[len(q.queue)-1].end() }

// clear forgets all pieces.
func (q *pieces) clear() {
	for len(q.queue) > 0 {
		q.drop()
	}
}

// end is where the piece ends.
func (p *piece) end() int64 { return p.off + int64(len(p.data)) }

func (p *piece) there() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}
