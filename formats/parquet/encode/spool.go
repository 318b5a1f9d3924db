package encode

import (
	"errors"
	"fmt"
	"io"
)

// A Spill holds bytes that memory has no room for. Bytes are read back by
// their offset. Close gives the room back; nothing is read after Close.
type Spill interface {
	io.Writer
	io.ReaderAt
	io.Closer
}

// DefaultMemory is how many bytes a spliced writer holds in memory before bytes are spilled.
const DefaultMemory = 16 << 20

// A spool gives out buffers that share one bound of memory and one spill. A
// spool is a pq.BufferPool. A buffer that was put back gives its memory back;
// its spilled bytes are gone with the spill.
type spool struct {
	left  int                   // memory that may be taken yet
	open  func() (Spill, error) // nil: nothing spills
	spill Spill
	end   int64 // of the spill
}

// Bounds of a piece in memory, in bytes.
const (
	leastPiece = 4 << 10
	mostPiece  = 256 << 10
)

// close closes the spill. The spool can be used again; its buffers cannot.
func (s *spool) close() error {
	if s.spill == nil {
		return nil
	}
	err := s.spill.Close()
	s.spill, s.end = nil, 0
	return err
}

// GetBuffer implements pq.BufferPool.
func (s *spool) GetBuffer() io.ReadWriteSeeker { return &buffer{spool: s} }

// PutBuffer implements pq.BufferPool.
func (s *spool) PutBuffer(b io.ReadWriteSeeker) {
	if b, ours := b.(*buffer); ours {
		b.release()
	}
}

// A buffer is bytes that are written once, front to back, and read afterwards.
type buffer struct {
	spool  *spool
	pieces []piece
	size   int64
	at     int64 // where Read goes on
}

// A piece is bytes in memory, or n bytes of the spill from offset at.
type piece struct {
	start  int64 // in the buffer
	memory []byte
	at, n  int64
}

func (p *piece) size() int64 { return int64(len(p.memory)) + p.n }

func (b *buffer) release() {
	for _, p := range b.pieces {
		b.spool.left += cap(p.memory)
	}
	b.pieces, b.size, b.at = nil, 0, 0
}

// Write appends data, to the spill where memory has no room.
func (b *buffer) Write(data []byte) (int, error) {
	written := 0
	for written < len(data) {
		room := b.room(len(data) - written)
		if room == nil {
			n, err := b.spillOver(data[written:])
			return written + n, err
		}
		n := min(cap(room.memory)-len(room.memory), len(data)-written)
		room.memory = append(room.memory, data[written:written+n]...)
		written += n
		b.size += int64(n)
	}
	return written, nil
}

// room is a piece of memory that is not full, nil where there is none left.
// Pieces grow, for there may be a buffer for each of very many columns.
func (b *buffer) room(want int) *piece {
	size := leastPiece
	if n := len(b.pieces); n > 0 {
		last := &b.pieces[n-1]
		if len(last.memory) < cap(last.memory) {
			return last
		}
		size = max(size, min(2*cap(last.memory), mostPiece))
	}
	size = max(size, min(want, mostPiece))
	if b.spool.open != nil && size > b.spool.left {
		return nil
	}
	b.spool.left -= size
	b.pieces = append(b.pieces, piece{start: b.size, memory: make([]byte, 0, size)})
	return &b.pieces[len(b.pieces)-1]
}

func (b *buffer) spillOver(data []byte) (int, error) {
	s := b.spool
	if s.spill == nil {
		spill, err := s.open()
		if err != nil {
			return 0, fmt.Errorf("make room for answers: %w", err)
		}
		s.spill = spill
	}
	n, err := s.spill.Write(data)
	if n < len(data) && err == nil {
		err = io.ErrShortWrite
	}
	if err != nil {
		return n, fmt.Errorf("set answers aside: %w", err)
	}
	last := len(b.pieces) - 1
	if last >= 0 && b.pieces[last].n > 0 && b.pieces[last].at+b.pieces[last].n == s.end {
		b.pieces[last].n += int64(n)
	} else {
		b.pieces = append(b.pieces, piece{start: b.size, at: s.end, n: int64(n)})
	}
	s.end += int64(n)
	b.size += int64(n)
	return n, nil
}

// ReadAt implements io.ReaderAt.
func (b *buffer) ReadAt(dst []byte, at int64) (int, error) {
	if at < 0 {
		return 0, errors.New("a negative offset")
	}
	read := 0
	for k := b.find(at); k < len(b.pieces) && read < len(dst); k++ {
		p := &b.pieces[k]
		skip := at + int64(read) - p.start
		if p.n == 0 {
			read += copy(dst[read:], p.memory[skip:])
			continue
		}
		want := min(int64(len(dst)-read), p.n-skip)
		n, err := b.spool.spill.ReadAt(dst[read:read+int(want)], p.at+skip)
		read += n
		if int64(n) < want {
			if err == nil || err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return read, fmt.Errorf("read answers that were set aside: %w", err)
		}
	}
	if read < len(dst) {
		return read, io.EOF
	}
	return read, nil
}

// find is the first piece that ends behind at.
func (b *buffer) find(at int64) int {
	low, high := 0, len(b.pieces)
	for low < high {
		middle := (low + high) / 2
		if p := &b.pieces[middle]; p.start+p.size() > at {
			high = middle
		} else {
			low = middle + 1
		}
	}
	return low
}

// Read implements io.Reader.
func (b *buffer) Read(dst []byte) (int, error) {
	if b.at >= b.size {
		return 0, io.EOF
	}
	n, err := b.ReadAt(dst, b.at)
	b.at += int64(n)
	if err == io.EOF && n > 0 {
		err = nil
	}
	return n, err
}

// Seek implements io.Seeker, for Read.
func (b *buffer) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += b.at
	case io.SeekEnd:
		offset += b.size
	}
	if offset < 0 {
		return 0, errors.New("a seek before the beginning")
	}
	b.at = offset
	return offset, nil
}
