// Package jsonl reads and writes JSON Lines, and JSON as hosts speak it. A
// record is one JSON value on a line; its bytes pass through as they stood.
//
// Every record is checked to be valid, once, in [formats.Reader.Check]. What
// runs later trusts that, and looks into a record only as far as it must: a
// join reads the two ends of an object, and its keys only where the answer's
// name may be among them.
package jsonl

import (
	"bytes"
	"io"
	"slices"
	"unicode/utf8"

	"github.com/batchmill/batchmill/formats"
	"github.com/batchmill/batchmill/formats/json"
)

// DefaultMaxRecord is the longest record, in bytes, when Options name none.
const DefaultMaxRecord = 16 << 20

// Options say how JSON Lines are read.
type Options struct {
	// MaxRecord is the longest record in bytes, line end included; 0 means
	// [DefaultMaxRecord].
	MaxRecord int
}

// cutter ends records at LF. White space alone is no record.
type cutter struct{}

func (cutter) Cut(data []byte, edge formats.Edge) formats.Cut {
	n := bytes.IndexByte(data, '\n') + 1
	if n == 0 {
		if edge != formats.EOF {
			return formats.Cut{}
		}
		n = len(data)
	}
	span := json.Trim(data[:n])
	return formats.Cut{N: n, Blank: span.Start == span.End}
}

// Plain implements formats.LineCutter: no line is special.
func (cutter) Plain(data []byte) int { return len(data) }

type reader struct{ framer *formats.Framer }

// NewReader reads the JSON Lines of one object from r, which it does not close.
func NewReader(r io.Reader, o Options) formats.Reader {
	if o.MaxRecord <= 0 {
		o.MaxRecord = DefaultMaxRecord
	}
	return &reader{formats.NewFramer(r, cutter{}, o.MaxRecord)}
}

func (r *reader) Next(b *formats.Batch, caps formats.Caps) error {
	err := r.framer.Next(b, caps)
	b.Rows = rows{}
	return err
}

func (r *reader) Check(b *formats.Batch) {
	for i := range good(b) {
		if err := json.Valid(b.Record(i)); err != nil {
			b.AddFlaw(i, formats.ReasonInvalid, "%v", err)
		}
	}
}

// Sniff learns the schema from the first valid record of r: an object's keys,
// or how many elements an array has; 1 for a scalar. An object without a valid
// record has the zero Schema. It reads no further than that record's block.
func Sniff(r io.Reader, o Options) (formats.Schema, error) {
	var b formats.Batch
	var row formats.Row
	in := NewReader(r, o)
	for {
		err := in.Next(&b, formats.Caps{Records: 1, Bytes: 1})
		if err == io.EOF {
			return formats.Schema{}, nil
		}
		if err != nil {
			return formats.Schema{}, err
		}
		if in.Check(&b); len(b.Flaws) > 0 {
			continue
		}
		if err := (rows{}).Row(&b, 0, &row); err != nil {
			return formats.Schema{}, err
		}
		if row.Shape != formats.Object {
			return formats.Schema{Width: len(row.Values)}, nil
		}
		return formats.Schema{Names: distinct(row.Names)}, nil
	}
}

// distinct is names without those that stand there before; never nil.
func distinct(names []string) []string {
	seen := make(map[string]bool, len(names))
	out := make([]string, 0, len(names))
	for _, name := range names {
		if !seen[name] {
			out = append(out, name)
		}
		seen[name] = true
	}
	return slices.Clip(out)
}

// rows shows the records of a batch of JSON Lines by fields.
type rows struct{}

func (rows) Row(b *formats.Batch, i int, r *formats.Row) error {
	r.Reset()
	data := trim(b.Record(i))
	if len(data) == 0 {
		return &formats.SyntaxError{Message: "an empty record"}
	}
	switch data[0] {
	case '{':
		r.Shape = formats.Object
		for key, value := range json.Members(data) {
			addName(r, data[key.Start:key.End])
			addValue(r, data[value.Start:value.End])
		}
	case '[':
		r.Shape = formats.List
		for value := range json.Elements(data) {
			addValue(r, data[value.Start:value.End])
		}
	default:
		addValue(r, data)
	}
	return nil
}

// addName appends a key's text. Records tend to have the keys of the one
// before, so a name that stood at the same place is used again, not made anew.
func addName(r *formats.Row, lit []byte) {
	kept, n := len(r.Buf), len(r.Names)
	r.Buf = json.Unquote(r.Buf, lit)
	text := r.Buf[kept:]
	r.Buf = r.Buf[:kept]
	if n < cap(r.Names) {
		if old := r.Names[:n+1][n]; old == string(text) {
			r.Names = r.Names[:n+1]
			return
		}
	}
	r.Names = append(r.Names, string(text))
}

func addValue(r *formats.Row, value []byte) {
	v := formats.Value{Kind: json.KindOf(value), Text: value}
	switch v.Kind {
	case formats.Null:
		v.Text = nil
	case formats.String:
		v.Text = value[1 : len(value)-1]
		if bytes.IndexByte(v.Text, '\\') >= 0 || !utf8.Valid(v.Text) {
			start := len(r.Buf)
			r.Buf = json.Unquote(r.Buf, value)
			v.Text = r.Buf[start:len(r.Buf):len(r.Buf)]
		}
	}
	r.Values = append(r.Values, v)
}
