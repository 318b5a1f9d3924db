package codec

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"

	"github.com/batchmill/batchmill/formats"
	"github.com/batchmill/batchmill/formats/charset"
	"github.com/batchmill/batchmill/formats/compress"
	"github.com/batchmill/batchmill/transform/job"
)

// encodings are how the job's text objects are stored.
type encodings struct {
	named  *charset.Encoding // by --encoding; nil where each object's first bytes decide
	mu     sync.Mutex
	marked map[string]int // objects that were opened, by what their byte order marks said
}

// nameEncoding takes --encoding.
func (c *Codec) nameEncoding() (err error) {
	if c.spec.Encoding != "" && c.In == FormatParquet {
		return job.Usagef("leave it out", "--encoding is for text, and the input is %s", c.In)
	}
	c.encodings.named, err = findEncoding(c.spec)
	return err
}

// findEncoding is the encoding that --encoding names; nil without.
func findEncoding(s *job.Spec) (*charset.Encoding, error) {
	if s.Encoding == "" {
		return nil, nil
	}
	e, err := charset.Find(s.Encoding)
	if err != nil {
		return nil, job.Usagef("docs/formats.md says which names are known", "--encoding: %w", err)
	}
	return e, nil
}

// text is the object's text as UTF-8, decompressed where it is said to be compressed. Decompressed
// text is buffered, for readers read small pieces. First bytes that disagree are a read error.
func (c *Codec) text(in Input, src io.Reader) *charset.Reader {
	p, plain := packingOf(c.spec, in), src
	switch {
	case p.err != nil:
		plain = &judged{began: true, err: p.err}
	case p.codec == compress.None:
		plain = &judged{src: src, judge: p.judgeText}
	default:
		plain = bufio.NewReaderSize(&judged{src: p.unpack(c.spec, src), judge: p.judgeText}, 64<<10)
	}
	return charset.NewReader(plain, c.encodings.named, int(c.spec.MaxRecord+c.spec.Memory/4)+1<<20)
}

// decoded reads an object through src: its batches know how they are stored.
type decoded struct {
	formats.Reader
	src  *charset.Reader
	told func(*charset.Reader) // called once the encoding is known; nil after that
}

// Next implements formats.Reader. Offsets count in the stored object.
func (d *decoded) Next(b *formats.Batch, caps formats.Caps) error {
	err := d.Reader.Next(b, caps)
	if d.told != nil {
		d.told(d.src)
		d.told = nil
	}
	var read *formats.ReadError
	switch {
	case err == nil:
		d.src.Locate(b)
	case errors.As(err, &read):
		return &formats.ReadError{Offset: d.src.Stored(read.Offset), Err: read.Err}
	}
	return err
}

// Check implements formats.Reader.
func (d *decoded) Check(b *formats.Batch) {
	d.src.Check(b)
	d.Reader.Check(b)
}

// headerError makes a header that is not of its encoding a failure of the configuration.
func headerError(err error) error {
	if err == nil {
		return nil
	}
	return job.Usagef("", "%w", err)
}

// note counts an object by its byte order mark.
func (e *encodings) note(src *charset.Reader) {
	enc, marked := src.Encoding()
	if !marked {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.marked == nil {
		e.marked = map[string]int{}
	}
	e.marked[enc.String()]++
}

// Found is what was found out about a job's objects, and no flag has said.
type Found struct {
	Encodings []string // in what encodings text was found so far, beside UTF-8
	// Header is yes or no for CSV with and without headers, and empty for other formats. HeaderWhy
	// is what showed that; empty where a flag said it.
	Header, HeaderWhy string
}

// Found tells what was found out so far.
func (c *Codec) Found() Found {
	f := Found{Encodings: c.encodings.told()}
	if c.In == FormatCSV {
		f.Header, f.HeaderWhy = "no", c.schema.Why
		if c.schema.Header != nil {
			f.Header = "yes"
		}
	}
	return f
}

// told says in what encodings text was found so far, beside UTF-8; nil for none.
func (e *encodings) told() (told []string) {
	if named := e.named; named != nil {
		told = append(told, "text is read as "+named.String())
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(e.marked)) {
		objects := "objects"
		if e.marked[name] == 1 {
			objects = "object"
		}
		told = append(told, fmt.Sprintf("%d %s decoded from %s, by the byte order mark", e.marked[name], objects, name))
	}
	return told
}
