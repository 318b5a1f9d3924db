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

// logReader reads a log's segments as one. Its queue of pieces stands for where it
// reads: a read that goes on where the last one ended fills the queue up, and any
// other read begins a new one.
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

	mu     sync.Mutex // one read at a time
	pos    int64      // of Read
	next   int64      // where the last read ended
	pieces pieces     // each is a part of one segment
	over   bool
}

func newLogReader(ctx context.Context, s *Store, name string, t *table) *logReader {
	r := &logReader{s: s, name: name, log: t.log, base: t.base, size: t.size, pieces: pieces{budget: s.reading}}
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
func (r *logReader) piece(at int64) *piece {
	q := &r.pieces
	for len(q.queue) > 0 && (at < q.queue[0].off || at >= q.queue[0].end()) {
		q.drop()
	}
	if len(q.queue) == 0 {
		x := r.cut(at)
		_ = r.charge(x) // or it is beyond the budget: who reads must not wait for others who do
		q.ask(r.ctx, x, r.fetch)
	}
	for end := q.end(); at == r.next && end < r.size && len(q.queue) < logPieces; end = q.end() {
		x := r.cut(end)
		if x.off+int64(cap(x.data))-q.queue[0].off > logAhead || !r.charge(x) {
			recycle(x.data)
			break
		}
		q.ask(r.ctx, x, r.fetch)
	}
	return q.queue[0]
}

// segment is that which holds byte at of the log, and where it begins and ends there.
// Empty segments hold none.
func (r *logReader) segment(at int64) (i int, begin, end int64) {
	i = sort.Search(len(r.starts), func(i int) bool { return r.starts[i] > at }) - 1
	if i+1 == len(r.starts) {
		return i, r.starts[i], r.size
	}
	return i, r.starts[i], r.starts[i+1]
}

// cut makes the piece that holds byte at of the log.
func (r *logReader) cut(at int64) *piece {
	_, begin, end := r.segment(at)
	off := at - (at-begin)%logPieceSize
	size := min(logPieceSize, end-off)
	return &piece{off: off, data: memory(roomFor(size))[:size]}
}

// charge takes what the piece holds of the store's budget, if there is as much.
func (r *logReader) charge(x *piece) bool {
	size := int64(cap(x.data))
	if r.s.reading.TryAcquire(size) {
		x.held = size
	}
	return x.held > 0
}

// fetch reads a piece of the segment that was listed, and of no other version of it.
func (r *logReader) fetch(ctx context.Context, x *piece) error {
	i, begin, end := r.segment(x.off)
	name := segmentName(r.name, r.base+int64(i))
	v := version{key: r.s.key(name), uri: r.s.URI(name), etag: r.tags[i], size: end - begin}
	st := &stream{s: r.s, v: &v}
	defer st.close()
	err := st.read(ctx, x.data, x.off-begin, x.end()-begin)
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

// Stat is the log as it was when it was opened: its segments are pinned.
func (r *logReader) Stat() (store.Info, error) {
	return store.Info{Name: r.name, Size: r.size}, nil
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
	r.pieces.clear()
	return nil
}

var _ store.Reader = (*logReader)(nil)
