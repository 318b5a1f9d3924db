package s3

import (
	"io"
	"io/fs"

	"golang.org/x/sync/errgroup"

	"github.com/batchmill/batchmill/internal/caught"
)

const (
	// Reads at any place go through chunks of chunkSize bytes, of which a reader
	// has mostChunks; ownChunks of them it may have without the budget.
	chunkSize  = 64 << 10
	mostChunks = 512
	ownChunks  = 16
	// firstChunks are fetched where nothing is known about what will be read
	// next, mostAhead where reads have followed each other for a while.
	firstChunks = 4
	mostAhead   = 32
	// directRead is the size from which a read goes past the chunks.
	directRead = 1 << 20
	// staleChunk is how many reads ago a chunk was of use that still has unread
	// bytes and may all the same make room.
	staleChunk = 4 * mostChunks
)

// A chunk is an aligned part of the object, on its way or there.
type chunk struct {
	index int64
	data  []byte
	held  int64         // what the budget was charged for it
	ready chan struct{} // closed when data is there, or err
	err   error

	refs  int   // who fills it or copies from it
	used  int64 // when it was read last, in reads of the reader
	seen  bool  // it was read, not only fetched ahead
	spent bool  // it was read to its end
	run   int   // how many chunks before it were read one after another
}

// chunks are what a reader keeps for reads at any place. They make few large
// requests of many small reads: Parquet's footer, and the pages of many columns,
// each read in order, by turns.
//
// A chunk makes room when it was read to its end, or long ago. When none is,
// there are more streams of reads than chunks, and a chunk taken from one would be
// fetched again at once; then reads go past the chunks, for what they want and no
// more. So that it does not come to that, nobody fetches more at a time than a
// quarter of what is free: n streams get a share of 1/(n+4) each.
type chunks struct {
	at    map[int64]*chunk
	spent []*chunk // those of them that were read to their end, in that order
	now   int64    // reads so far
	own   int      // chunks that the budget does not cover
	short bool     // the budget had nothing when it was last asked
}

// share is how many chunks may be fetched beyond what is wanted now.
func (c *chunks) share() int {
	free := len(c.spent)
	if !c.short {
		free += mostChunks - len(c.at)
	}
	return free / 4
}

// ReadAt implements io.ReaderAt, for many goroutines at once.
func (r *reader) ReadAt(p []byte, off int64) (int, error) {
	r.use.RLock()
	defer r.use.RUnlock()
	switch {
	case r.closed:
		return 0, r.fail(fs.ErrClosed)
	case off < 0:
		return 0, r.fail(fs.ErrInvalid)
	case len(p) == 0:
		return 0, nil
	case off >= r.v.size:
		return 0, io.EOF
	}
	want := p[:min(int64(len(p)), r.v.size-off)]
	n, err := r.readAt(want, off)
	switch {
	case err != nil:
		return n, r.fail(err)
	case n < len(p):
		return n, io.EOF
	}
	return n, nil
}

// readAt fills p, which ends inside the object.
func (r *reader) readAt(p []byte, off int64) (n int, err error) {
	for n < len(p) {
		at := off + int64(n)
		if m := r.copyHead(p[n:], at); m > 0 {
			n += m
			continue
		}
		c := r.chunk(at, int64(len(p)-n))
		if c == nil {
			if err := r.direct(p[n:], at); err != nil {
				return n, err
			}
			return len(p), nil
		}
		<-c.ready
		if c.err == nil {
			n += copy(p[n:], c.data[at-c.index*chunkSize:])
		}
		if err := r.leave(c, off+int64(n)); err != nil {
			return n, err
		}
	}
	return n, nil
}

// copyHead copies from the object's beginning, while Read has left it there.
func (r *reader) copyHead(p []byte, off int64) int {
	r.mu.Lock()
	head := r.head
	r.mu.Unlock()
	if off >= int64(len(head)) {
		return 0
	}
	return copy(p, head[off:])
}

// direct fetches p from off on, past the chunks, in parallel where it is large.
func (r *reader) direct(p []byte, off int64) error {
	g, ctx := errgroup.WithContext(r.ctx)
	g.SetLimit(mostStretches)
	for len(p) > 0 {
		part, at := p[:min(len(p), largeStretch)], off
		p, off = p[len(part):], off+int64(len(part))
		fetch := func() error {
			st := &stream{s: r.s, v: &r.v}
			defer st.close()
			return st.read(ctx, part, at, at+int64(len(part)))
		}
		caught.Go(g, fetch)
	}
	return g.Wait()
}

// chunk is the chunk that holds byte off, of n that are wanted, and the caller
// must leave it. It is nil where the caller should read past the chunks.
func (r *reader) chunk(off, n int64) *chunk {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.chunks.now++
	i := off / chunkSize
	c := r.chunks.at[i]
	if c == nil {
		if n >= directRead {
			return nil
		}
		r.load(i, (off+n-1)/chunkSize)
		if c = r.chunks.at[i]; c == nil {
			return nil
		}
	}
	c.refs++
	c.used = r.chunks.now
	r.follow(c)
	return c
}

// leave gives up a chunk that was read up to byte end of the object.
func (r *reader) leave(c *chunk, end int64) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	c.refs--
	if !c.spent && c.err == nil && end == c.index*chunkSize+int64(len(c.data)) {
		c.spent = true
		r.chunks.spent = append(r.chunks.spent, c)
	}
	return c.err
}

// follow sees whether c is read behind its neighbour, and if so fetches
// ahead: the more, the longer that goes on. The caller holds r.mu.
func (r *reader) follow(c *chunk) {
	if !c.seen {
		c.seen = true
		if before := r.chunks.at[c.index-1]; before != nil && before.seen {
			c.run = before.run + 1
		}
	}
	if c.run == 0 {
		return
	}
	most := int64(min(firstChunks<<min(c.run-1, 10), mostAhead, r.chunks.share()))
	last := min(c.index+most, r.lastChunk())
	// It fetches by half of what it may: few requests, and never none on its way.
	if next := c.index + (most+1)/2; next <= last && r.chunks.at[next] == nil {
		r.fetch(c.index+1, last)
	}
}

func (r *reader) lastChunk() int64 { return (r.v.size - 1) / chunkSize }

// load begins to fetch the chunks from first to last, where first is missing,
// and some around them. The caller holds r.mu.
func (r *reader) load(first, last int64) {
	more := int64(min(firstChunks, r.chunks.share()))
	final := r.lastChunk()
	if first == final { // a footer, or its end
		r.fetch(max(0, min(first, final-more+1)), final)
	}
	r.fetch(first, min(max(last, first+more-1), final))
}

// fetch begins to fetch the chunks from first to last that are missing, as far
// as they follow each other and there is room. The caller holds r.mu.
func (r *reader) fetch(first, last int64) {
	for first <= last && r.chunks.at[first] != nil {
		first++
	}
	var list []*chunk
	for i := first; i <= last && r.chunks.at[i] == nil; i++ {
		c := r.room(i)
		if c == nil {
			break
		}
		r.chunks.at[i] = c
		list = append(list, c)
	}
	if len(list) > 0 {
		caught.In(&r.flights, func() { r.fill(list) })
	}
}

// fill fetches chunks that follow each other by one request.
func (r *reader) fill(list []*chunk) {
	final := list[len(list)-1]
	end := final.index*chunkSize + int64(len(final.data))
	st := &stream{s: r.s, v: &r.v}
	defer st.close()
	var err error
	for _, c := range list {
		if err == nil {
			err = caught.Err(func() error { return st.read(r.ctx, c.data, c.index*chunkSize, end) })
		}
		r.settle(c, err)
	}
}

// settle tells those who wait for a chunk. A failed one is forgotten, so that
// the next read tries again.
func (r *reader) settle(c *chunk, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	c.err = err
	c.refs--
	if err != nil {
		delete(r.chunks.at, c.index)
		r.free(c)
		c.data = nil
	}
	close(c.ready)
}

// room makes a chunk that is to be filled, or returns nil. The caller holds r.mu.
func (r *reader) room(index int64) *chunk {
	if len(r.chunks.at) < mostChunks {
		if r.chunks.short = !r.s.reading.TryAcquire(chunkSize); !r.chunks.short {
			return r.newChunk(index, chunkSize)
		}
		if r.chunks.own < ownChunks {
			return r.newChunk(index, 0)
		}
	}
	old := r.oldest()
	if old == nil {
		return nil
	}
	delete(r.chunks.at, old.index)
	if old.held == 0 {
		r.chunks.own--
	}
	recycle(old.data)
	return r.newChunk(index, old.held) // its charge goes over to the new one
}

// newChunk is a chunk with one reference, its filler's. The caller holds r.mu.
func (r *reader) newChunk(index, held int64) *chunk {
	if held == 0 {
		r.chunks.own++
	}
	n := min(chunkSize, r.v.size-index*chunkSize)
	return &chunk{
		index: index, data: memory(chunkSize)[:n], held: held, ready: make(chan struct{}), refs: 1,
		used: r.chunks.now,
	}
}

// oldest takes the chunk that makes room: the first that was read to its end,
// or else the one that was used longest ago, if that is long. The caller holds r.mu.
func (r *reader) oldest() *chunk {
	for range r.chunks.spent {
		c := r.chunks.spent[0]
		r.chunks.spent = r.chunks.spent[1:]
		if c.refs == 0 {
			return c
		}
		r.chunks.spent = append(r.chunks.spent, c)
	}
	var old *chunk
	for _, c := range r.chunks.at {
		if c.refs == 0 && r.chunks.now-c.used > staleChunk && (old == nil || c.used < old.used) {
			old = c
		}
	}
	return old
}

// free gives a chunk's memory back. The caller holds r.mu.
func (r *reader) free(c *chunk) {
	if c.held == 0 {
		r.chunks.own--
	}
	r.giveHeld(&c.held, 0)
	recycle(c.data)
}

// dropChunks gives all memory of the chunks back, when nobody uses them any more.
func (r *reader) dropChunks() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range r.chunks.at {
		r.free(c)
	}
	clear(r.chunks.at)
	r.chunks.spent = nil
}
