package s3

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"math/bits"
	"net/http"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/batchmill/batchmill/transform/store"
)

const (
	// firstStretch is what Open asks for, and leastFirst what it asks for when
	// readers hold all they may: a small object takes one request.
	firstStretch = 1 << 20
	leastFirst   = 64 << 10
	// largeStretch is what one request brings of a larger object, and leastStretch
	// when readers hold all they may. mostStretches are on their way at a time:
	// one connection to a distant service does not fill a line.
	largeStretch  = 8 << 20
	leastStretch  = 256 << 10
	mostStretches = 4
)

// Open reads an object from its beginning; a small one has arrived whole when
// Open returns. All further requests ask for the version that Open found; the
// error is [ErrChanged] where it is gone. ctx bounds the reader's whole life.
//
// All readers together hold half of [Store.Memory], taken as they need it and
// never waited for: a reader that gets none reads in smaller stretches, without
// reading ahead. So that it can go on, each may hold 256 KiB for Read
// and 1 MiB for ReadAt beyond that.
func (s *Store) Open(ctx context.Context, name string) (store.Reader, store.Info, error) {
	if err := s.begin(ctx, "open", name); err != nil {
		return nil, store.Info{}, err
	}
	r := &reader{s: s, v: version{key: s.key(name), uri: s.URI(name)}, chunks: chunks{at: map[int64]*chunk{}}, stretches: pieces{budget: s.reading}}
	r.ctx, r.cancel = context.WithCancelCause(ctx)
	info, err := r.begin()
	for try := 1; errors.Is(err, ErrChanged) && try < s.o.Attempts && ctx.Err() == nil; try++ {
		info, err = r.begin() // nobody has seen anything of it yet
	}
	if err != nil {
		r.Close()
		return nil, store.Info{}, wrap("open", s.URI(name), err)
	}
	info.Name = name
	r.info = info
	return r, info, nil
}

// A reader reads one version of an object: from its beginning through a queue
// of stretches, and at any place through [chunks].
type reader struct {
	s      *Store
	v      version
	info   store.Info // of that version
	ctx    context.Context
	cancel context.CancelCauseFunc

	use     sync.RWMutex // Read and ReadAt hold it, Close waits for it
	closed  bool
	flights sync.WaitGroup // goroutines that fetch

	mu       sync.Mutex // of the next three
	head     []byte     // the object's beginning, from Open
	headHeld int64      // what the budget was charged for it
	chunks   chunks

	// For Read alone.
	pos       int64   // what Read gives next
	asked     int64   // up to where stretches were asked for
	stretches pieces  // the first is being read
	read      int     // stretches that were read
	whole     *stream // where the service ignores ranges: the response with everything
	err       error   // why Read gives no more
}

// begin fetches the object's beginning.
func (r *reader) begin() (store.Info, error) {
	r.dropHead()
	first := int64(leastFirst)
	if r.s.reading.TryAcquire(firstStretch) {
		first, r.headHeld = firstStretch, firstStretch
	}
	out, err := r.s.get(r.ctx, r.v.key, 0, first, "")
	if status(err) == http.StatusRequestedRangeNotSatisfiable {
		return r.beginEmpty() // no range of an empty object can be satisfied
	}
	if err != nil {
		return store.Info{}, err
	}
	a, err := readAnswer(out, 0, first)
	if err != nil {
		out.Body.Close()
		return store.Info{}, err
	}
	r.v.size, r.v.etag, r.v.modified = a.size, a.etag, a.modified
	st := &stream{s: r.s, v: &r.v, rc: out.Body, end: a.to, whole: a.whole}
	r.head = make([]byte, min(a.size, first))
	r.giveHeld(&r.headHeld, int64(len(r.head)))
	r.asked = int64(len(r.head))
	if err := st.read(r.ctx, r.head, 0, int64(len(r.head))); err != nil {
		st.close()
		return store.Info{}, err
	}
	if st.rc != nil { // it has more than was asked for
		r.whole = st
	}
	return store.Info{Size: a.size, ModTime: a.modified, ETag: a.etag, Encoding: aws.ToString(out.ContentEncoding)}, nil
}

// beginEmpty makes sure that the object is empty.
func (r *reader) beginEmpty() (store.Info, error) {
	r.dropHead()
	out, err := r.s.client.HeadObject(r.ctx, headInput(r.s.bucket, r.v.key))
	if err != nil {
		return store.Info{}, err
	}
	if aws.ToInt64(out.ContentLength) != 0 {
		return store.Info{}, ErrChanged
	}
	r.v.size, r.v.etag, r.asked = 0, unquote(out.ETag), 0
	return store.Info{ModTime: when(out.LastModified), ETag: r.v.etag}, nil
}

// Stat is what Open found: every request asks for that version.
func (r *reader) Stat() (store.Info, error) { return r.info, nil }

// giveHeld gives back what is held beyond need.
func (r *reader) giveHeld(held *int64, need int64) {
	if *held > need {
		r.s.reading.Release(*held - need)
		*held = need
	}
}

// dropHead forgets the object's beginning. Who is copying from it keeps it alive.
func (r *reader) dropHead() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.head = nil
	r.giveHeld(&r.headHeld, 0)
}

// Read implements io.Reader, for one goroutine.
func (r *reader) Read(p []byte) (int, error) {
	r.use.RLock()
	defer r.use.RUnlock()
	switch {
	case r.closed:
		return 0, r.fail(fs.ErrClosed)
	case r.err != nil:
		return 0, r.err
	case len(p) == 0:
		return 0, nil
	case r.pos == r.v.size:
		return 0, io.EOF
	}
	if n := r.readHead(p); n > 0 {
		return n, nil
	}
	n, err := r.readStretch(p)
	if err != nil {
		r.err = r.fail(err)
	}
	return n, r.err
}

// fail is err as the reader's user sees it.
func (r *reader) fail(err error) error {
	if context.Cause(r.ctx) == fs.ErrClosed {
		err = fs.ErrClosed
	}
	return wrap("read", r.v.uri, err)
}

// readHead reads from the object's beginning. Only when half of it was taken
// more is asked for: many readers are opened long before they are read.
func (r *reader) readHead(p []byte) int {
	r.mu.Lock()
	head := r.head
	r.mu.Unlock()
	if r.pos >= int64(len(head)) {
		return 0
	}
	n := copy(p, head[r.pos:])
	r.pos += int64(n)
	if all := int64(len(head)); all < r.v.size {
		if r.pos > all/2 {
			r.ahead(1)
		}
		if r.pos == all {
			r.dropHead()
		}
	}
	return n
}

// readStretch reads from the first stretch of the queue. Each one that was read
// allows one more to be on its way.
func (r *reader) readStretch(p []byte) (int, error) {
	r.ahead(min(r.read+2, mostStretches+1))
	if len(r.stretches.queue) == 0 {
		r.ask(leastStretch, 0) // the budget has nothing; this much is always allowed
	}
	first := r.stretches.queue[0]
	<-first.done
	if first.err != nil {
		return 0, first.err
	}
	n := copy(p, first.data[r.pos-first.off:])
	r.pos += int64(n)
	if r.pos == first.end() {
		r.read++
		r.stretches.drop()
	}
	return n, nil
}

// ahead asks for stretches until the queue has most of them, or memory is short.
func (r *reader) ahead(most int) {
	for n := len(r.stretches.queue); n < most && r.asked < r.v.size; n++ {
		if r.whole != nil && n > 0 && !r.stretches.queue[n-1].there() {
			return // there is one response, and it is in use
		}
		size := roomFor(min(largeStretch, r.v.size-r.asked))
		if !r.s.reading.TryAcquire(size) {
			return
		}
		r.ask(size, size)
	}
}

// roomFor is the size of the smallest buffer that [memory] keeps for n bytes.
func roomFor(n int64) int64 {
	return max(firstBlock, int64(1)<<bits.Len64(uint64(n-1)))
}

// ask starts to fetch the next size bytes, for which held is charged.
func (r *reader) ask(size, held int64) {
	n := min(size, r.v.size-r.asked)
	p := &piece{off: r.asked, data: memory(size)[:n], held: held}
	r.asked += n
	r.stretches.ask(r.ctx, p, r.fetchStretch)
}

func (r *reader) fetchStretch(ctx context.Context, p *piece) error {
	st := r.whole
	if st == nil {
		st = &stream{s: r.s, v: &r.v}
	}
	err := st.read(ctx, p.data, p.off, p.end())
	if err != nil {
		st.close()
	}
	return err
}

// Close ends what is under way and gives all memory back. What still reads
// fails with fs.ErrClosed.
func (r *reader) Close() error {
	r.cancel(fs.ErrClosed)
	r.use.Lock()
	defer r.use.Unlock()
	if r.closed {
		return nil
	}
	r.closed = true
	r.flights.Wait()
	r.stretches.clear()
	if r.whole != nil {
		r.whole.close()
	}
	r.dropHead()
	r.dropChunks()
	return nil
}
