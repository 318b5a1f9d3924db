package charset

import (
	"fmt"
	"io"
	"unicode/utf8"

	"github.com/batchmill/batchmill/formats"
)

// blockSize is how many stored bytes are decoded at a time.
const blockSize = 16 << 10

// A Reader reads a stored object as UTF-8. Memory is bounded: beside a block, a Reader
// keeps the text that was read and not yet asked about by Stored, as far as keep allows.
type Reader struct {
	src   io.Reader
	named *Encoding
	keep  int

	begun  bool
	enc    *Encoding // nil until the first bytes are read
	marked bool
	raw    []byte // read and not decoded
	err    error  // behind raw
	given  int    // of the newest block

	blocks []block // from at on; the last is the newest
	gone   int     // of blocks, the first ones, whose text is forgotten
	kept   int     // bytes of text in blocks
	at     int64   // where the first block begins, in decoded bytes
	stored int64   // the same in stored bytes
	free   [][]byte
}

// A block is text that was decoded in one step.
type block struct {
	text   []byte // nil once forgotten
	size   int    // of text
	stored int    // bytes
}

// NewReader reads src, whose encoding is named, or nil to be decided by its first bytes.
// keep bounds the memory in bytes: at least the longest record and a batch, for offsets
// to be exact.
func NewReader(src io.Reader, named *Encoding, keep int) *Reader {
	return &Reader{src: src, named: named, keep: keep}
}

// Read implements io.Reader.
func (r *Reader) Read(p []byte) (int, error) {
	if !r.begun {
		r.begin()
	}
	if r.enc == nil {
		return 0, r.err
	}
	if r.enc.Identity() {
		if len(r.raw) > 0 {
			n := copy(p, r.raw)
			r.raw = r.raw[n:]
			return n, nil
		}
		if r.err != nil {
			return 0, r.err
		}
		return r.src.Read(p)
	}
	if n := r.give(p); n > 0 {
		return n, nil
	}
	if r.err != nil && len(r.raw) == 0 {
		return 0, r.err
	}
	r.decode()
	return r.give(p), nil
}

// give copies from the newest block what was not given yet.
func (r *Reader) give(p []byte) int {
	last := len(r.blocks) - 1
	if last < 0 {
		return 0
	}
	n := copy(p, r.blocks[last].text[r.given:])
	r.given += n
	return n
}

// begin reads the first bytes and decides the encoding.
func (r *Reader) begin() {
	r.begun = true
	r.raw = make([]byte, 0, HeadLen)
	for range mostTries {
		if len(r.raw) == HeadLen || r.err != nil {
			break
		}
		var n int
		n, r.err = r.src.Read(r.raw[len(r.raw):HeadLen])
		r.raw = r.raw[:len(r.raw)+n]
	}
	enc, marked, err := decide(r.raw, r.named)
	if err != nil && (r.err == nil || r.err == io.EOF) { // a read error tells more
		r.err = err
	}
	r.enc, r.marked = enc, marked
}

// mostTries is how many reads of a few bytes, or none, make up a head.
const mostTries = HeadLen

// decode reads and decodes the next block.
func (r *Reader) decode() {
	if cap(r.raw) < blockSize {
		r.raw = append(make([]byte, 0, blockSize), r.raw...)
	}
	if r.err == nil {
		var n int
		n, r.err = r.src.Read(r.raw[len(r.raw):blockSize])
		r.raw = r.raw[:len(r.raw)+n]
	}
	var room []byte
	if n := len(r.free); n > 0 {
		room, r.free = r.free[n-1], r.free[:n-1]
	}
	// After a failed read no end is known, and what is left is no whole character.
	text, n := r.enc.scheme.decode(room[:0], r.raw, r.err == io.EOF)
	if r.err != nil && r.err != io.EOF && n < len(r.raw) {
		r.raw = r.raw[:n]
	}
	r.raw = r.raw[:copy(r.raw, r.raw[n:])]
	r.forget()
	r.blocks = append(r.blocks, block{text, len(text), n})
	r.kept, r.given = r.kept+len(text), 0
}

// forget drops the oldest texts over keep; what is left of them are their sizes.
func (r *Reader) forget() {
	for ; r.gone < len(r.blocks) && r.kept > r.keep; r.gone++ {
		r.recycle(&r.blocks[r.gone])
	}
}

func (r *Reader) recycle(b *block) {
	r.kept -= b.size
	if len(r.free) < 4 {
		r.free = append(r.free, b.text)
	}
	b.text = nil
}

// Stored is where, in the stored object, the text begins that Read has given from byte
// off on. Calls come with growing off; what lies before the last one is forgotten.
func (r *Reader) Stored(off int64) int64 {
	if r.enc == nil || r.enc.Identity() {
		return off
	}
	for len(r.blocks) > 1 && r.at+int64(r.blocks[0].size) <= off {
		b := &r.blocks[0]
		r.at, r.stored = r.at+int64(b.size), r.stored+int64(b.stored)
		if r.gone == 0 {
			r.recycle(b)
		}
		r.gone = max(0, r.gone-1)
		r.blocks = r.blocks[1:]
	}
	if len(r.blocks) == 0 || r.gone > 0 || off <= r.at {
		return r.stored
	}
	return r.stored + r.enc.scheme.width(r.blocks[0].text[:min(off-r.at, int64(r.blocks[0].size))])
}

// Encoding is what the object is read as, and whether its byte order mark has said so;
// nil before the first Read.
func (r *Reader) Encoding() (e *Encoding, marked bool) { return r.enc, r.marked }

// checks tells whether text has to be of the encoding: one was named, or seen.
func (r *Reader) checks() bool { return r.enc != nil && (r.named != nil || r.enc.scheme != nil) }

// Locate makes the offset of a batch that was just read count in the stored object.
func (r *Reader) Locate(b *formats.Batch) {
	b.Offset = r.Stored(b.Offset)
	if r.enc != nil && r.enc.scheme != nil {
		b.Stored = stored{r.enc.scheme}
	}
}

// Check adds a flaw for every record that holds bytes which the encoding has no text
// for. Check comes before all other checks: a record keeps its first flaw, and no output
// may hold an escape.
func (r *Reader) Check(b *formats.Batch) {
	if !r.checks() || utf8.Valid(b.Data) {
		return
	}
	for i := range b.Recs {
		rec := b.Record(i)
		at := formats.NotUTF8(rec)
		if at < 0 || b.Flaw(i) != nil {
			continue
		}
		c, width := rec[at], int64(at)
		if was, ok := escaped(rec[at:]); ok && r.enc.scheme != nil {
			c, width = was, r.enc.scheme.width(rec[:at])
		}
		b.AddFlaw(i, formats.ReasonEncoding, "%sbyte %d of the stored record (0x%02x) is not %s; correct the record, or name its encoding with --encoding",
			formats.ColumnNotUTF8(b, i), width+1, c, r.enc)
	}
}

// CheckHeader says what is wrong with a header line, "" if nothing.
func (r *Reader) CheckHeader(line []byte) error {
	at := formats.NotUTF8(line)
	if at < 0 || !r.checks() {
		return nil
	}
	width := int64(at)
	if r.enc.scheme != nil {
		width = r.enc.scheme.width(line[:at])
	}
	return fmt.Errorf("byte %d of its header line is not %s; correct it, or name its encoding with --encoding", width+1, r.enc)
}
