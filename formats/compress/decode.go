package compress

import (
	"bufio"
	"compress/bzip2"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

var (
	errBehind = errors.New("bytes behind the end of the compressed data that do not belong to it")
	errLegacy = errors.New("an lz4 frame of the legacy kind, which has no end mark, so that nobody could tell whether it is whole")
)

// members reads gzip members one after another. The library can read several
// members too, but knows no padding, and says io.EOF where a member's header is
// cut.
type members struct {
	buf *bufio.Reader
	z   gzip.Reader
	any bool // a member was seen
	in  bool // and is not at its end
}

func beginGzip(buf *bufio.Reader, _ Limits) (decoder, error) {
	return decoder{Reader: &members{buf: buf}}, nil
}

func (m *members) Read(p []byte) (int, error) {
	for {
		if !m.in {
			if err := m.next(); err != nil {
				return 0, err
			}
		}
		n, err := m.z.Read(p)
		if err == io.EOF {
			m.in, err = false, nil
		}
		if n > 0 || err != nil {
			return n, err
		}
	}
}

// next begins a member; io.EOF says that there is none.
func (m *members) next() error {
	b, err := m.buf.Peek(1)
	if err != nil {
		return err
	}
	switch {
	case m.any && b[0] == 0:
		return m.padding()
	case m.any && b[0] != 0x1f:
		return errBehind
	}
	if err := m.z.Reset(m.buf); err != nil {
		return noEOF(err)
	}
	m.z.Multistream(false)
	m.any, m.in = true, true
	return nil
}

// padding reads zeros up to the end.
func (m *members) padding() error {
	for {
		if b, err := m.buf.ReadByte(); err != nil {
			return err
		} else if b != 0 {
			return errBehind
		}
	}
}

func noEOF(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// A windowed zstd decoder says in words what a frame asks too much of.
type windowed struct {
	*zstd.Decoder
	max int64
}

func beginZstd(buf *bufio.Reader, l Limits) (decoder, error) {
	z, err := zstd.NewReader(buf, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxWindow(uint64(max(l.Window, zstd.MinWindowSize))))
	if err != nil {
		return decoder{}, err
	}
	return decoder{Reader: windowed{z, l.Window}, free: z.Close}, nil
}

func (w windowed) Read(p []byte) (int, error) {
	n, err := w.Decoder.Read(p)
	if errors.Is(err, zstd.ErrWindowSizeExceeded) || errors.Is(err, zstd.ErrDecoderSizeExceeded) {
		err = fmt.Errorf("a frame with a window above the %d bytes that are allowed (compress it without --long, or raise --memory): %w", w.max, err)
	}
	return n, err
}

// Blocks of framed snappy hold at most 64 KiB, so nothing larger is allocated.
func beginSnappy(buf *bufio.Reader, _ Limits) (decoder, error) {
	return decoder{Reader: s2.NewReader(buf, s2.ReaderMaxBlockSize(64<<10))}, nil
}

// lz4Legacy is the magic number of a legacy frame.
const lz4Legacy = 0x184C2102

func beginLz4(buf *bufio.Reader, _ Limits) (decoder, error) {
	if b, err := buf.Peek(4); err == nil && binary.LittleEndian.Uint32(b) == lz4Legacy {
		return decoder{}, errLegacy
	}
	z := lz4.NewReader(buf)
	if err := z.Apply(lz4.ConcurrencyOption(1)); err != nil {
		return decoder{}, err
	}
	return decoder{Reader: z, free: func() { z.Reset(nil) }}, nil
}

func beginBzip2(buf *bufio.Reader, _ Limits) (decoder, error) {
	return decoder{Reader: bzip2.NewReader(buf)}, nil
}
