package s3

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"sort"
	"sync"

	"github.com/batchmill/batchmill/transform/store"
)

// Segments are fetched in pieces, so that memory does not depend on how large
// they are.
const (
	logPieceSize = 2 << 20 // bytes, at most
	logPieces    = 32      // in memory or under way at a time, and at most
	logAhead     = 16 << 20
)

// logReader reads a log's segments as one. A queue of pieces that follow each
// other stands for where it reads: a read that goes on where the last one
// ended fills it up, and any other one begins a new queue.
type logReader struct {
	s      *Store
	name   string
	log    string // what its segments say
	ctx    context.Context
	stop   context.CancelFunc
	base   int64    // number of the first segment
	tags   []string // of the segments
	starts []int64  // where they begin, in the log
	size   int64    // of the log

	mu    sync.Mutex // one read at a time
	pos   int64      // of Read
	next  int64      // where the last read ended
	queue []*logPiece
	over  bool
}

// logPiece is a part of one segment, and a goroutine until done is closed.
type logPiece struct {
	segment int
	from    int64 // in the segment
	off     int64 // in the log
	held    int64 // of the store's budget for reading
	cancel  context.CancelFunc
	done    chan struct{}
	data    []byte // to be read when done is closed
	err     error
}

func newLogReader(ctx context.Context, s *Store, name string, t *table) *logReader {
	r := &logReader{s: s, name: name, log: t.log, base: t.base, size: t.size}
	r.ctx, r.stop = context.WithCancel(ctx)
	at := int64(0)
	for _, g := range t.segments {
		r.tags = append(r.tags, g.etag)
		r.starts = append(r.starts, at)
		at += g.size
	}
	return r
}

// Read reads on from where the last Read ended.
func (r *logReader) Read(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.pos == r.size && !r.over {
		return 0, io.EOF
	}
	n, err := r.readAt(p, r.pos)
	r.pos += int64(n)
	if n > 0 && err == io.EOF {
		err = nil
	}
	return n, err
}

// ReadAt reads at any place. It is quick where places follow each other.
func (r *logReader) ReadAt(p []byte, off int64) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if off < 0 {
		return 0, r.failed(errors.New("a place before the beginning"))
	}
	return r.readAt(p, off)
}

func (r *logReader) readAt(p []byte, off int64) (n int, err error) {
	if r.over {
		return 0, r.failed(fs.ErrClosed)
	}
	for n < len(p) {
		at := off + int64(n)
		if at >= r.size {
			return n, io.EOF
		}
		x := r.piece(at)
		<-x.done // soon after the context's end, at the latest
		if x.err != nil {
			return n, r.failed(x.err)
		}
		n += copy(p[n:], x.data[at-x.off:])
		r.next = off + int64(n)
	}
	return n, nil
}

func (r *logReader) failed(err error) error { return wrap("read", r.s.URI(r.name), err) }

// piece returns the piece that holds byte at of the log, and sees to those behind it.
func (r *logReader) piece(at int64) *logPiece {
	for len(r.queue) > 0 && !r.queue[0].holds(at) {
		r.drop()
	}
	if len(r.queue) == 0 {
		x := r.cut(at)
		_ = r.charge(x) // or it is beyond the budget: who reads must not wait for others who do
		r.start(x)
	}
	for end := r.end(); at == r.next && end < r.size && len(r.queue) < logPieces; end = r.end() {
		x := r.cut(end)
		if x.off+int64(cap(x.data))-r.queue[0].off > logAhead || !r.charge(x) {
			recycle(x.data)
			break
		}
		r.start(x)
	}
	return r.queue[0]
}

func (x *logPiece) holds(at int64) bool { return x.off <= at && at < x.off+int64(len(x.data)) }

// end is where the queue ends, in the log.
func (r *logReader) end() int64 {
	x := r.queue[len(r.queue)-1]
	return x.off + int64(len(x.data))
}

// cut finds the piece that holds byte at of the log. Empty segments hold none.
func (r *logReader) cut(at int64) *logPiece {
	i := sort.Search(len(r.starts), func(i int) bool { return r.starts[i] > at }) - 1
	end := r.size
	if i+1 < len(r.starts) {
		end = r.starts[i+1]
	}
	from := (at - r.starts[i]) / logPieceSize * logPieceSize
	off := r.starts[i] + from
	size := min(logPieceSize, end-off)
	return &logPiece{segment: i, from: from, off: off, data: memory(roomFor(size))[:size], done: make(chan struct{})}
}

// charge takes what the piece holds of the store's budget, if there is as much.
func (r *logReader) charge(x *logPiece) bool {
	size := int64(cap(x.data))
	if r.s.reading.TryAcquire(size) {
		x.held = size
	}
	return x.held > 0
}

func (r *logReader) start(x *logPiece) {
	ctx, cancel := context.WithCancel(r.ctx)
	x.cancel = cancel
	r.queue = append(r.queue, x)
	go func() { // drop waits for it
		defer close(x.done)
		x.err = r.fetch(ctx, x)
	}()
}

// drop forgets the first piece.
func (r *logReader) drop() {
	x := r.queue[0]
	x.cancel()
	<-x.done
	r.s.reading.Release(x.held)
	recycle(x.data)
	r.queue[0] = nil
	r.queue = r.queue[1:]
}

// fetch reads a piece of the segment that was listed, and of no other version of it.
func (r *logReader) fetch(ctx context.Context, x *logPiece) error {
	name := segmentName(r.name, r.base+int64(x.segment))
	end := r.size
	if x.segment+1 < len(r.starts) {
		end = r.starts[x.segment+1]
	}
	v := version{key: r.s.key(name), uri: r.s.URI(name), etag: r.tags[x.segment], size: end - r.starts[x.segment]}
	st := &stream{s: r.s, v: &v}
	defer st.close()
	err := st.read(ctx, x.data, x.from, x.from+int64(len(x.data)))
	if errors.Is(err, ErrChanged) || isMissing(err) {
		return r.gone(ctx, v.uri)
	}
	return err
}

// gone is what it means that a segment is not there any more: another run
// removed the log or began it anew, or it is damaged.
func (r *logReader) gone(ctx context.Context, uri string) error {
	t, err := r.s.findLog(ctx, r.name)
	switch {
	case errors.Is(err, fs.ErrNotExist), err == nil && t.log != r.log:
		return store.ErrGrown
	case err != nil:
		return err
	}
	return &DamageError{uri, "this segment of the log changed, or went, while it was read"}
}

// Close ends what is under way and waits for it.
func (r *logReader) Close() error {
	r.stop()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.over {
		return r.failed(fs.ErrClosed)
	}
	r.over = true
	for len(r.queue) > 0 {
		r.drop()
	}
	return nil
}

var _ store.Reader = (*logReader)(nil)
