package compress

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// FrameSize is how many bytes of content a frame holds; the last frame of a
// stream holds what is left. FrameSize shapes the bytes of every compressed
// output: another value would break the resuming of jobs that are under way.
const FrameSize = 1 << 20

// ErrReadOnly says that a codec can be read but not written.
var ErrReadOnly = errors.New("this compression can be read but not written")

// An encoder appends frames to dst. The appended bytes depend on the frame's
// content alone, not on what the encoder compressed before.
type encoder interface {
	encode(dst *bytes.Buffer, frame []byte) error
}

// A press holds what compressing frames takes. Presses are recycled, because
// an encoder costs more to make than a small object costs to compress.
type press struct {
	enc encoder
	in  []byte       // content of the frame that is not full yet
	out bytes.Buffer // a compressed frame
}

var presses [len(specs)]sync.Pool

func getPress(c Codec) (*press, error) {
	if p, ok := presses[c].Get().(*press); ok {
		return p, nil
	}
	enc, err := specs[c].make()
	return &press{enc: enc}, err
}

// A writer gathers content until a frame is full, and compresses it at once.
// So the encoders never see how the content came.
type writer struct {
	w     io.Writer
	codec Codec
	press *press // nil before the first frame is begun, and after Close
	any   bool   // a frame was written
	done  bool   // Close was called
	err   error  // final
}

// NewWriter compresses to w what is written to it. The bytes that w gets are a
// function of the content alone, however calls of Write cut the content; no
// content at all still makes a valid file. Each frame goes to w in one call.
// Close writes what is left and does not close w. After an error every call
// returns the error; a codec that cannot be written has [ErrReadOnly] from the
// start.
//
// From the first Write to Close a writer holds up to 2.5 MiB of content and
// frame, and an encoder: about 1 MiB for gzip, 3 MiB for zstd, half a MiB for
// the other codecs. With None bytes go through as they come.
func NewWriter(w io.Writer, c Codec) io.WriteCloser {
	z := &writer{w: w, codec: c}
	if !c.CanWrite() {
		z.err = fmt.Errorf("%s: %w; use one of %s", c, ErrReadOnly, strings.Join(Names(), ", "))
	}
	return z
}

func (z *writer) Write(p []byte) (int, error) {
	if z.err != nil {
		return 0, z.err
	}
	if z.codec == None {
		return z.send(p)
	}
	if !z.begin() {
		return 0, z.err
	}
	for rest := p; len(rest) > 0; {
		n := z.add(rest)
		if z.err != nil {
			return len(p) - len(rest), z.err
		}
		rest = rest[n:]
	}
	return len(p), nil
}

// begin takes a press if the writer has none.
func (z *writer) begin() bool {
	if z.press == nil {
		z.press, z.err = getPress(z.codec)
	}
	return z.err == nil
}

// add takes bytes from the beginning of p, at most up to the end of a frame.
// A whole frame that stands in p is not copied.
func (z *writer) add(p []byte) int {
	in := z.press.in
	n := min(FrameSize-len(in), len(p))
	if n == FrameSize {
		z.frame(p[:n])
		return n
	}
	if in = append(in, p[:n]...); len(in) == FrameSize {
		z.frame(in)
		in = in[:0]
	}
	z.press.in = in
	return n
}

// frame compresses content and writes the frame; z.err is the outcome.
func (z *writer) frame(content []byte) {
	z.any = true
	out := &z.press.out
	out.Reset()
	if err := z.press.enc.encode(out, content); err != nil {
		z.err = fmt.Errorf("compressing with %s: %w", z.codec, err)
		return
	}
	z.send(out.Bytes())
}

func (z *writer) send(p []byte) (int, error) {
	n, err := z.w.Write(p)
	if err == nil && n < len(p) {
		err = io.ErrShortWrite
	}
	z.err = err
	return n, err
}

func (z *writer) Close() error {
	if !z.done {
		z.done = true
		z.finish()
	}
	if z.err == errClosed {
		return nil
	}
	return z.err
}

// finish writes the last frame and gives the press back. After an error the
// encoder may be in the middle of something, and is left to the collector.
func (z *writer) finish() {
	if z.err == nil && z.codec != None && z.begin() {
		if len(z.press.in) > 0 || !z.any {
			z.frame(z.press.in)
		}
	}
	if z.err == nil {
		z.err = errClosed
		if z.press != nil {
			z.press.in = z.press.in[:0]
			presses[z.codec].Put(z.press)
		}
	}
	z.press = nil
}

// A resettable stream makes a frame of what is written to it between Reset and Close.
type resettable interface {
	io.WriteCloser
	Reset(io.Writer)
}

type streamEncoder struct{ resettable }

func (e streamEncoder) encode(dst *bytes.Buffer, frame []byte) error {
	e.Reset(dst)
	if _, err := e.Write(frame); err != nil {
		return err
	}
	return e.Close()
}

type gzipEncoder struct{ *gzip.Writer }

func makeGzip() (encoder, error) { return gzipEncoder{gzip.NewWriter(nil)}, nil }

// The header holds no name, no system, and no time: that is 0 in the format,
// but the library writes a zero [time.Time] as a day in 2042.
func (e gzipEncoder) encode(dst *bytes.Buffer, frame []byte) error {
	e.Reset(dst)
	e.ModTime = time.Unix(0, 0)
	if _, err := e.Write(frame); err != nil {
		return err
	}
	return e.Close()
}

// Blocks of 256 KiB are enough for a compressor that looks back 64 KiB, and
// spare readers and writers memory.
func makeLz4() (encoder, error) {
	z := lz4.NewWriter(nil)
	err := z.Apply(lz4.ConcurrencyOption(1), lz4.BlockSizeOption(lz4.Block256Kb), lz4.ChecksumOption(true))
	return streamEncoder{z}, err
}

type snappyEncoder struct{ streamEncoder }

func makeSnappy() (encoder, error) {
	z := s2.NewWriter(nil, s2.WriterSnappyCompat(), s2.WriterConcurrency(1), s2.WriterBlockSize(64<<10))
	return snappyEncoder{streamEncoder{z}}, nil
}

// snappyID begins every stream; the library leaves it out of an empty stream.
const snappyID = "\xff\x06\x00\x00sNaPpY"

func (e snappyEncoder) encode(dst *bytes.Buffer, frame []byte) error {
	if len(frame) == 0 {
		dst.WriteString(snappyID)
		return nil
	}
	return e.streamEncoder.encode(dst, frame)
}

type zstdEncoder struct{ *zstd.Encoder }

// A window larger than a frame would only cost memory, here and in readers.
func makeZstd() (encoder, error) {
	z, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(FrameSize),
		zstd.WithZeroFrames(true), zstd.WithEncoderCRC(true))
	return zstdEncoder{z}, err
}

// encode writes a stream of one frame. EncodeAll would do, but for a channel in
// it, which ties a recycled encoder to where it was used first: to the bubble
// of one test in virtual time.
func (e zstdEncoder) encode(dst *bytes.Buffer, frame []byte) error {
	e.ResetContentSize(dst, int64(len(frame)))
	if _, err := e.Write(frame); err != nil {
		return err
	}
	return e.Close()
}
