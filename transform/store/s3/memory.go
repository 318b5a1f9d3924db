package s3

import (
	"math/bits"
	"sync"
)

// An object's buffer begins with 64 KiB and doubles until it holds a part, so
// that many small objects are cheap.
const firstBlock = 64 << 10

// blocks keeps memory for the next buffer: of 64 KiB, 128 KiB, and so on to
// 8 MiB. The collector frees what nobody takes for a while.
var blocks [8]sync.Pool

// A block is an object's memory for bytes that wait to be sent.
type block struct {
	b      []byte
	charge int64 // what the store's budget was charged for it: its capacity, or less
}

// class tells which of the pools has blocks of size bytes, if one does.
func class(size int64) (int, bool) {
	if size < firstBlock || size&(size-1) != 0 {
		return 0, false
	}
	c := bits.TrailingZeros64(uint64(size / firstBlock))
	return c, c < len(blocks)
}

// memory is size bytes of capacity, charged to nobody.
func memory(size int64) []byte {
	if c, ok := class(size); ok {
		if b, ok := blocks[c].Get().(*[]byte); ok {
			return (*b)[:0]
		}
	}
	return make([]byte, 0, size)
}

// take makes a block of size bytes if the budget has that much left. It never
// waits: objects that wait for each other's memory could wait for ever.
func (s *Store) take(size int64) (block, bool) {
	if !s.writing.TryAcquire(size) {
		return block{}, false
	}
	return block{memory(size), size}, true
}

// grow gives the block size bytes of capacity and keeps what it holds. What
// the budget cannot cover stays uncharged.
func (s *Store) grow(old block, size int64) block {
	next := block{memory(size), old.charge}
	if s.writing.TryAcquire(size - old.charge) {
		next.charge = size
	}
	next.b = append(next.b, old.b...)
	recycle(old.b)
	return next
}

// give takes a block back. Nothing may use its memory any more.
func (s *Store) give(b block) {
	s.writing.Release(b.charge)
	recycle(b.b)
}

func recycle(b []byte) {
	if c, ok := class(int64(cap(b))); ok {
		blocks[c].Put(&b)
	}
}
