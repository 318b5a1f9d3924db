// Package lines reads and writes opaque lines of text: text/plain,
// text/libsvm and the like. A record is a line that is not empty; nothing
// looks inside it, so there is nothing to join and nothing to filter.
package lines

import (
	"bytes"
	"io"

	"github.com/batchmill/batchmill/formats"
)

// cutter ends records at LF. A line end alone is no record.
type cutter struct{}

func (cutter) Cut(data []byte, edge formats.Edge) formats.Cut {
	n := bytes.IndexByte(data, '\n') + 1
	if n == 0 {
		if edge != formats.EOF {
			return formats.Cut{}
		}
		n = len(data)
	}
	return formats.Cut{N: n, Blank: len(trimEnd(data[:n])) == 0}
}

// trimEnd is line without its LF or CRLF. A CR without LF is text, but for the
// very last line of an object, where the CR is what is left of a line end.
func trimEnd(line []byte) []byte {
	line = bytes.TrimSuffix(line, []byte("\n"))
	return bytes.TrimSuffix(line, []byte("\r"))
}

type reader struct{ framer *formats.Framer }

// NewReader reads the lines of one object from r, which it does not close.
// maxRecord is the longest line in bytes, line end included; 0 means
// [formats.DefaultMaxRecord].
func NewReader(r io.Reader, maxRecord int) formats.Reader {
	return &reader{formats.NewFramer(r, cutter{}, maxRecord)}
}

func (r *reader) Next(b *formats.Batch, caps formats.Caps) error {
	err := r.framer.Next(b, caps)
	b.Rows = rows{}
	return err
}

// Check finds nothing: any bytes make a line.
func (r *reader) Check(*formats.Batch) {}

// rows shows a line as one value without a name.
type rows struct{}

func (rows) Row(b *formats.Batch, i int, r *formats.Row) error {
	r.Reset()
	r.Values = append(r.Values, formats.Value{Kind: formats.String, Text: trimEnd(b.Record(i))})
	return nil
}
