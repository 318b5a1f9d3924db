package compress

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math"
)

// The limits of a Reader where its Limits are zero.
const (
	// DefaultWindow is the largest zstd window in bytes: what the zstd tool
	// itself reads unless told otherwise (--long=27).
	DefaultWindow = 128 << 20
	// DefaultRatio is how many bytes may come out for each compressed byte. A line
	// repeated for ever is 1,000:1 in gzip at the most, and was measured at
	// 12,000:1 in zstd and 22,000:1 in bzip2; a stream of zeros is 32,000:1 in
	// zstd and above 1,000,000:1 in bzip2.
	DefaultRatio = 25_000
	// DefaultFree is how many bytes may come out before the ratio counts.
	DefaultFree = 64 << 20
)

// Limits bound what a compressed stream can cost. A zero field means its default.
type Limits struct {
	Window int64 // largest zstd window, in bytes; the decoder holds one
	Ratio  int64 // bytes that may come out for each compressed byte
	Free   int64 // bytes that may come out before Ratio counts
}

func (l Limits) withDefaults() Limits {
	if l.Window <= 0 {
		l.Window = DefaultWindow
	}
	if l.Ratio <= 0 {
		l.Ratio = DefaultRatio
	}
	if l.Free <= 0 {
		l.Free = DefaultFree
	}
	return l
}

// most is how many bytes may come out of the first in compressed bytes.
func (l Limits) most(in int64) int64 {
	if in > 0 && l.Ratio > (math.MaxInt64-l.Free)/in {
		return math.MaxInt64
	}
	return l.Free + l.Ratio*in
}

// A CorruptError is compressed data that is damaged, cut off, followed by bytes
// that do not belong to it, or of a kind that is refused. errors.Is finds
// [io.ErrUnexpectedEOF] in a CorruptError when the data ends too early, never
// io.EOF.
type CorruptError struct {
	Codec  Codec
	Offset int64 // compressed bytes taken when the fault was seen; the fault is at or before Offset
	Err    error
}

func (e *CorruptError) Error() string {
	if errors.Is(e.Err, io.ErrUnexpectedEOF) {
		return fmt.Sprintf("the %s data is cut off: it ends at compressed byte %d, in the middle of a frame; copy or compress the file again", e.Codec, e.Offset)
	}
	return fmt.Sprintf("the %s data cannot be read at about compressed byte %d: %v; compress the file again, or copy it again if it was damaged", e.Codec, e.Offset, e.Err)
}

func (e *CorruptError) Unwrap() error { return e.Err }

// A RatioError is compressed data that expands more than [Limits] allow.
type RatioError struct {
	Codec  Codec
	Offset int64 // compressed bytes taken
	Ratio  int64 // what was allowed
}

func (e *RatioError) Error() string {
	return fmt.Sprintf("the %s data expands to more than %d times its size by compressed byte %d, which real data does not; if it is no bomb, decompress the file before the run", e.Codec, e.Ratio, e.Offset)
}

var errClosed = errors.New("use of a compressed stream after Close")

// A decoder yields the content of all frames of a stream, and io.EOF only at
// the end of a frame with nothing behind it.
type decoder struct {
	io.Reader
	free func() // gives back what the decoder holds; may be nil
}

// A Reader decompresses a stream of frames or members until its source ends.
//
// A source of no bytes at all is an empty object, as it is for text. Zeros
// behind the last gzip member are padding (tapes and gzip have them); any other
// bytes behind the last frame are corruption. A snappy stream has no end mark:
// nothing in the stream shows a cut between two chunks.
type Reader struct {
	codec  Codec
	limits Limits
	src    source
	buf    *bufio.Reader // nil for None, and before the first Read
	dec    decoder
	out    int64 // bytes given out
	err    error // final; no memory is held any more once err is set
}

// NewReader reads what r holds, compressed by c. NewReader takes no memory and
// reads nothing before the first Read. From the first Read on the Reader holds
// 64 KiB and what the codec needs: a window for zstd, up to 8 MiB for lz4, 4
// MiB for bzip2, less for the other codecs.
func NewReader(r io.Reader, c Codec, l Limits) *Reader {
	return &Reader{codec: c, limits: l.withDefaults(), src: source{r: r}}
}

// Read implements [io.Reader]. Bytes that Read returned before a
// [*CorruptError] may be wrong, for checksums stand at the end of frames. An
// error of the source comes back wrapped; only the source's own io.EOF at the
// end of a frame is io.EOF. Every error is final.
func (r *Reader) Read(p []byte) (int, error) {
	if r.err != nil || len(p) == 0 {
		return 0, r.err
	}
	n, err := r.read(p)
	r.out += int64(n)
	if over := r.out - r.limits.most(r.Offset()); over > 0 && r.codec != None {
		over = min(over, int64(n))
		r.end(&RatioError{Codec: r.codec, Offset: r.Offset(), Ratio: r.limits.Ratio})
		return n - int(over), r.err
	}
	if err != nil {
		r.end(r.explain(err))
	}
	return n, r.err
}

func (r *Reader) read(p []byte) (int, error) {
	if r.dec.Reader == nil {
		if err := r.begin(); err != nil {
			return 0, err
		}
	}
	return r.dec.Read(p)
}

// begin makes the decoder, unless the source is empty.
func (r *Reader) begin() (err error) {
	if r.codec == None {
		r.dec.Reader = &r.src
		return nil
	}
	r.buf = bufio.NewReaderSize(&r.src, 64<<10)
	if _, err := r.buf.Peek(1); err != nil {
		return err
	}
	r.dec, err = specs[r.codec].begin(r.buf, r.limits)
	return err
}

// explain makes of a decoder's error what Read promises. Decoders mistake
// kinds of errors now and then, so the source is asked first.
func (r *Reader) explain(err error) error {
	at := r.Offset()
	switch ended := r.src.err == io.EOF; {
	case r.src.err != nil && !ended:
		if r.codec == None {
			return fmt.Errorf("reading at byte %d: %w", at, r.src.err)
		}
		return fmt.Errorf("reading the %s data at about compressed byte %d: %w", r.codec, at, r.src.err)
	case err == io.EOF && ended && at == r.src.n:
		return io.EOF
	case err == io.EOF:
		err = errBehind
	case ended:
		err = io.ErrUnexpectedEOF
	}
	return &CorruptError{Codec: r.codec, Offset: at, Err: err}
}

// Offset is how many bytes of the source are used up, not counting bytes that
// are only read ahead. Offset stays after the end and after Close.
func (r *Reader) Offset() int64 {
	if r.buf == nil {
		return r.src.n
	}
	return r.src.n - int64(r.buf.Buffered())
}

func (r *Reader) end(err error) {
	if r.err = err; r.dec.free != nil {
		r.dec.free()
	}
	r.dec = decoder{}
	if r.buf != nil {
		r.src.n -= int64(r.buf.Buffered())
		r.buf = nil
	}
}

// Close gives back the memory that is held and does not close the source.
// Close need not be called: at the end and after an error no memory is held,
// and no goroutine ever runs. The error is always nil.
func (r *Reader) Close() error {
	r.end(errClosed)
	return nil
}

// A source counts the bytes read and keeps the first error. A source tells an
// error, io.EOF too, only to a call that wants bytes behind the last byte. So
// err is set just when a decoder asked for more than there was.
type source struct {
	r    io.Reader
	n    int64 // bytes read
	last error // how r ended
	err  error // what was told of that
}

// patience is how often a source may return nothing and no error in a row.
const patience = 100

func (s *source) Read(p []byte) (int, error) {
	for tries := 0; s.last == nil && tries < patience; tries++ {
		var n int
		if n, s.last = s.r.Read(p); n > 0 {
			s.n += int64(n)
			return n, nil
		}
	}
	if s.last == nil {
		s.last = io.ErrNoProgress
	}
	s.err = s.last
	return 0, s.err
}
