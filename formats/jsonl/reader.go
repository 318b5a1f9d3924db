// Package jsonl reads and writes JSON Lines, and JSON as hosts speak it. A
// record is one JSON value on a line; its bytes pass through as they stood.
//
// Every record is checked to be valid and Unicode, once, in [formats.Reader.Check].
// Encoders and joiners trust the check, and look into a record only as far as
// they must: a join reads the two ends of an object, and its keys only where
// the answer's name may be among them.
package jsonl

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"unicode/utf8"

	"github.com/batchmill/batchmill/formats"
	"github.com/batchmill/batchmill/formats/json"
)

// Options say how JSON Lines are read.
type Options struct {
	// MaxRecord is the longest record in bytes, line end included; 0 means
	// [formats.DefaultMaxRecord].
	MaxRecord int
	// Documents: an object may be one JSON array. The first bytes tell; then its elements are the records.
	Documents bool
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

type reader struct {
	doc    *document
	framer *formats.Framer
}

// NewReader reads the JSON Lines of one object from r, which it does not close. An object that
// is another JSON document is refused, unless it is an array and o has Documents.
func NewReader(r io.Reader, o Options) formats.Reader {
	doc := &document{src: r, documents: o.Documents}
	return &reader{doc, formats.NewFramer(doc, cutter{}, o.MaxRecord)}
}

func (r *reader) Next(b *formats.Batch, caps formats.Caps) error {
	err := r.framer.Next(b, caps)
	b.Rows = rows{}
	if r.doc.array != nil {
		trimElements(b)
		b.Blank = 0 // there are no lines
	}
	return err
}

// trimElements takes the white space before elements of an array out of their records.
func trimElements(b *formats.Batch) {
	for i := range b.Recs {
		space := json.Trim(b.Record(i)).Start
		if space == 0 || b.Flaw(i) != nil {
			continue
		}
		b.Recs[i].Start += space
		b.Gaps = b.Gaps || i > 0
	}
}

func (r *reader) Check(b *formats.Batch) {
	for i := range b.Recs {
		if b.Flaw(i) != nil {
			continue
		}
		if err := json.Valid(b.Record(i)); err != nil {
			b.AddFlaw(i, formats.ReasonInvalid, "%v", err)
		}
	}
	if !json.IsUnicode(b.Data) {
		checkUnicode(b)
	}
}

// checkUnicode adds a flaw for every valid record that is not Unicode.
func checkUnicode(b *formats.Batch) {
	for i := range b.Recs {
		var wrong *formats.SyntaxError
		if b.Flaw(i) != nil || !errors.As(json.Unicode(b.Record(i)), &wrong) {
			continue
		}
		cure := "correct the record"
		if !utf8.Valid(b.Record(i)) {
			cure = formats.CureNotUTF8
		}
		b.AddFlaw(i, formats.ReasonUnicode, "%sbyte %d: %s; %s", columnAt(b.Record(i), wrong.Offset), wrong.Offset+1, wrong.Message, cure)
	}
}

// columnAt names, for a message, the top-level key of rec whose member holds the byte at
// an offset. The bytes of a message's column are counted from the record's beginning.
func columnAt(rec []byte, at int64) string {
	span := json.Trim(rec)
	if !isObject(rec[span.Start:span.End]) {
		return ""
	}
	for key, value := range json.Members(rec) {
		if at < int64(value.End) {
			return "column " + quote(string(json.Unquote(nil, rec[key.Start:key.End]))) + ": "
		}
	}
	return ""
}

// Sniff learns the schema from the first valid record of r: an object's keys,
// or how many elements an array has; 1 for a scalar. An object without a valid
// record has the zero Schema. Sniff reads no further than that record's block.
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

// distinct is names without repeated names; never nil.
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

// addName appends a key's text. Records tend to have the keys of the record
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
		if bytes.IndexByte(v.Text, '\\') >= 0 {
			start := len(r.Buf)
			r.Buf = json.Unquote(r.Buf, value)
			v.Text = r.Buf[start:len(r.Buf):len(r.Buf)]
		}
	}
	r.Values = append(r.Values, v)
}
