package formats

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"sync"
)

// Edge tells a [Cutter] why it sees no more bytes.
type Edge uint8

const (
	More Edge = iota // more bytes can be had by returning 0
	Full             // the record has reached the maximum; no more will be shown
	EOF              // the object ends here
)

// A Cut is what a Cutter found at the beginning of data.
type Cut struct {
	// N is the number of bytes that the record takes, line end included. 0 asks
	// for more bytes, or says under Full that no line ends within them.
	N int
	// Blank: these bytes are no record (a blank line).
	Blank bool
	// Skip: these bytes are no record but a line that is passed over (a comment). Under
	// Full, with N 0, its end is not seen yet.
	Skip bool
	// Flaw is set when the record is known to be bad, with a Message.
	Flaw    Reason
	Message string
}

// A Cutter finds where the record that begins data ends. A Cutter keeps no data. Under
// More a Cutter may ask for more bytes and is called again with the same bytes and more
// behind them; under Full and EOF it has to decide. data is never empty.
type Cutter interface {
	Cut(data []byte, edge Edge) Cut
}

// A LineCutter is a Cutter of records that are mostly lines. Plain saves the
// Framer a call of Cut for each line.
type LineCutter interface {
	Cutter
	// Plain is how many bytes at the beginning of data hold nothing special:
	// each line that ends within them, and begins with more than white space,
	// is a record without a flaw that Cut would see.
	Plain(data []byte) int
}

// readSize is the size of a read from an object, in bytes: large enough that
// system calls do not show in a profile, small beside any memory budget.
const readSize = 256 << 10

// maxSpan bounds records and batches, because a [Span] counts in 32 bits.
const maxSpan = 1<<31 - 1

// keptOfTooLarge is how many bytes of a record over the maximum are kept for its reject.
const keptOfTooLarge = 64 << 10

// A Framer fills batches from a stream of text records. Every byte of the
// stream is copied once, from the read buffer into the batch's arena; the
// buffer grows only for a record that does not fit, up to the maximum.
type Framer struct {
	src   io.Reader
	cut   Cutter
	max   int    // longest record, bytes, line end included
	buf   []byte // buf[pos:end] is read and not yet cut
	pos   int
	end   int
	off   int64 // where buf[pos] stands in the object
	next  int64 // number of the next record
	err   error // why no more bytes come: io.EOF or a read error
	begun bool
	lines LineCutter // cut, if it is one
	plain int        // lines that end before buf[plain] are plain; -1 when not known
	blank int64      // blank lines that no batch has told yet
	skips int64      // lines passed over that no batch has told yet
}

// buffers are read buffers of readSize bytes. A job of many small objects would
// otherwise spend its time clearing new ones.
var buffers = sync.Pool{New: func() any { return new([readSize]byte) }}

// NewFramer frames src from the beginning of an object. maxRecord is the
// longest record in bytes, line end included; 0 means [DefaultMaxRecord].
func NewFramer(src io.Reader, cut Cutter, maxRecord int) *Framer {
	if maxRecord <= 0 {
		maxRecord = DefaultMaxRecord
	}
	f := &Framer{src: src, cut: cut, max: min(maxRecord, maxSpan), next: 1, plain: -1}
	f.lines, _ = cut.(LineCutter)
	return f
}

// A ReadError is a source that failed before its end. A ReadError is never
// taken for io.EOF, not even when the source wrapped io.EOF.
type ReadError struct {
	Offset int64 // how many bytes of the object could be read
	Err    error
}

func (e *ReadError) Error() string { return fmt.Sprintf("byte %d: read: %v", e.Offset, e.Err) }

// Unwrap is the source's error, or io.ErrUnexpectedEOF where that holds an io.EOF.
func (e *ReadError) Unwrap() error {
	if errors.Is(e.Err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return e.Err
}

// ErrCROnly says that an object's lines end in CR alone.
var ErrCROnly = errors.New("its lines end in CR alone, which would make it one record; convert them, for example with: tr '\\r' '\\n'")

// Next fills b as [Reader.Next] promises, but for Rows, which Next leaves alone.
func (f *Framer) Next(b *Batch, caps Caps) error {
	b.Reset()
	err := f.batch(b, caps)
	b.Blank, f.blank = f.blank, 0
	b.Skipped, f.skips = f.skips, 0
	return err
}

// batch is Next, but for the lines that are no records.
func (f *Framer) batch(b *Batch, caps Caps) error {
	b.First = f.next
	caps.Bytes = min(caps.Bytes, maxSpan)
	start := f.pos // buf[start:pos] is cut and not yet in b.Data
	var failed error
	for failed == nil {
		if f.plainLines(b, start, caps); b.Len() > 0 && b.Len() >= caps.Records {
			break
		}
		c, ok := f.look(b, &start)
		if !ok {
			failed = f.err
			break
		}
		record := !c.Blank && !c.Skip
		if c.N == 0 && !record && b.Len() == 0 { // a comment over the maximum
			f.pass(c)
			failed = f.skipLine(&start)
			continue
		}
		if c.N == 0 {
			if b.Len() == 0 {
				failed = f.takeTooLarge(b, &start)
			}
			break // a record too large travels alone
		}
		if record && b.Len() > 0 && (b.Len() >= caps.Records || f.size(b, start)+c.N > caps.Bytes) {
			break
		}
		if !record && b.Len() == 0 { // leading lines that are no records stay out of the arena
			f.pass(c)
			f.take(c.N)
			start = f.pos
			continue
		}
		f.add(b, start, c)
		if b.Len() >= caps.Records || f.size(b, start) >= caps.Bytes {
			break
		}
	}
	b.Data = append(b.Data, f.buf[start:f.pos]...)
	if b.Len() > 0 {
		f.trim(b)
		f.next += int64(b.Len())
		return nil // a failure comes again with the next call
	}
	f.release()
	return failed
}

// plainLines takes the records that are whole lines and nothing else, as many
// as stand in the buffer and fit. Records that plainLines leaves go through
// look.
func (f *Framer) plainLines(b *Batch, start int, caps Caps) {
	if f.lines == nil || !f.begun {
		return
	}
	if f.plain < f.pos { // the last special line is behind
		f.plain = f.pos + f.lines.Plain(f.buf[f.pos:f.end])
	}
	size := f.size(b, start)
	data := f.buf[f.pos:max(f.pos, min(f.plain, f.pos+caps.Bytes-size))]
	at, first := 0, b.Len()
	for len(b.Recs) < caps.Records {
		n := bytes.IndexByte(data[at:], '\n') + 1
		if n == 0 || n > f.max || data[at] <= ' ' {
			break
		}
		b.Recs = append(b.Recs, Span{uint32(size + at), uint32(size + at + n)})
		at += n
	}
	switch {
	case at == 0:
		return
	case first == 0:
		b.Offset = f.off
	case int(b.Recs[first-1].End) != size:
		b.Gaps = true
	}
	f.take(at)
}

// release gives the read buffer back once no more records come. Nothing
// aliases the buffer: batches hold copies.
func (f *Framer) release() {
	if len(f.buf) == readSize {
		buffers.Put((*[readSize]byte)(f.buf))
	}
	f.buf, f.pos, f.end, f.plain = nil, 0, 0, -1
}

// size is how many bytes the batch has so far.
func (f *Framer) size(b *Batch, start int) int { return len(b.Data) + f.pos - start }

func (f *Framer) take(n int) {
	f.pos += n
	f.off += int64(n)
}

// add takes c, a record or a line that is none, into b.
func (f *Framer) add(b *Batch, start int, c Cut) {
	at := f.size(b, start)
	if b.Len() == 0 {
		b.Offset = f.off
	}
	f.take(c.N)
	if f.pass(c) {
		return
	}
	if last := b.Len() - 1; last >= 0 && int(b.Recs[last].End) != at {
		b.Gaps = true
	}
	if c.Flaw != "" {
		b.AddFlaw(b.Len(), c.Flaw, "%s", c.Message)
	}
	b.Recs = append(b.Recs, Span{uint32(at), uint32(at + c.N)})
}

// trim drops the lines behind the last record.
func (f *Framer) trim(b *Batch) { b.Data = b.Data[:b.Recs[b.Len()-1].End] }

// look finds the next record, reading as much as the record needs; false means
// the end of what can be read. A Cut of no bytes is a record over the maximum.
func (f *Framer) look(b *Batch, start *int) (Cut, bool) {
	for {
		if data := f.buf[f.pos:f.end]; len(data) > 0 {
			edge := More
			switch {
			case len(data) > f.max:
				edge, data = Full, data[:f.max]
			case f.err == io.EOF:
				edge = EOF
			}
			c := f.cut.Cut(data, edge)
			if c.N == 0 && edge == EOF {
				c.N = len(data) // no cutter can make the last bytes vanish
			}
			if c.N > 0 || edge == Full {
				return c, true
			}
		}
		if f.err != nil {
			return Cut{}, false
		}
		f.fill(b, start)
		if !f.begun {
			f.begin()
			*start = f.pos
		}
	}
}

// fill reads until there is as much again as the record has so far, so that
// looking at a long record again and again stays linear; the first fill takes
// what the buffer holds. Records that are cut already move into b first.
func (f *Framer) fill(b *Batch, start *int) {
	b.Data = append(b.Data, f.buf[*start:f.pos]...)
	have := copy(f.buf, f.buf[f.pos:f.end])
	f.plain = -1
	f.pos, f.end, *start = 0, have, 0
	f.grow(max(readSize, min(2*have, f.max+1)), have)
	want := min(2*have+1, len(f.buf))
	if !f.begun {
		want = len(f.buf)
	}
	for f.end < want && f.err == nil {
		f.read()
	}
}

// grow makes room for size bytes and keeps the first have of them.
func (f *Framer) grow(size, have int) {
	switch {
	case f.buf == nil:
		f.buf = buffers.Get().(*[readSize]byte)[:]
	case size > len(f.buf):
		f.buf = append(make([]byte, 0, size), f.buf[:have]...)[:size]
	}
}

// read reads once, behind buf[:end]. A failure that is not the end becomes a
// *ReadError; bytes that come with a failure count.
func (f *Framer) read() {
	for range 100 {
		n, err := f.src.Read(f.buf[f.end:])
		f.end += n
		if err != nil {
			f.fail(err)
		}
		if n > 0 || err != nil {
			return
		}
	}
	f.fail(io.ErrNoProgress)
}

func (f *Framer) fail(err error) {
	f.err = err
	if err != io.EOF {
		f.err = &ReadError{Offset: f.off + int64(f.end-f.pos), Err: err}
	}
}

// begin skips a byte order mark at the beginning of the object, and refuses an
// object of CR-only lines.
func (f *Framer) begin() {
	f.begun = true
	if bytes.HasPrefix(f.buf[:f.end], []byte("\xef\xbb\xbf")) {
		f.take(3)
	}
	readable := f.err == nil || f.err == io.EOF // a read error tells more
	if readable && crOnly(f.buf[f.pos:f.end]) {
		f.err, f.end = ErrCROnly, f.pos
	}
}

// crOnly tells whether block has CR line ends, outside quotes, and no LF.
func crOnly(block []byte) bool {
	if bytes.IndexByte(block, '\n') >= 0 {
		return false
	}
	quoted := false
	for i, c := range block {
		switch {
		case c == '"':
			quoted = !quoted
		case c == '\r' && !quoted && i < len(block)-1:
			return true
		}
	}
	return false
}

// Line takes one line off the stream as it stands, line end included, before the first
// batch: a header. cut decides where the line ends. The line counts as no record.
func (f *Framer) Line() ([]byte, error) {
	var b Batch
	if err := f.batch(&b, Caps{Records: 1, Bytes: 1}); err != nil {
		return nil, err
	}
	f.next = 1
	if len(b.Flaws) > 0 {
		return nil, fmt.Errorf("header line: %s", b.Flaws[0].Message)
	}
	return b.Data, nil
}
