package csv

import (
	"bytes"
	"io"
	"slices"
	"strconv"

	"github.com/batchmill/batchmill/formats"
)

// reader is one object's records.
type reader struct {
	Dialect
	framer *formats.Framer
	schema formats.Schema
	types  []Type
	skip   int    // lines before the header
	null   string // what a field without quotes says that has no value; "" for none
	end    []byte // of the header line
	begun  bool
	err    error // sticky: the object cannot be read further
}

// NewReader reads one object of a job whose schema is s. An object that begins
// with another header than s.Header fails with a *HeaderError; an object
// without any record needs no header. Next fails with an *OptionError when o's
// dialect is not valid.
func NewReader(r io.Reader, o Options, s formats.Schema) formats.Reader {
	d := o.orDefault()
	if o.Ragged {
		s.Width = 0
	}
	return &reader{
		Dialect: d,
		framer:  formats.NewFramer(r, &cutter{d}, o.MaxRecord),
		schema:  s,
		types:   o.Types,
		skip:    o.SkipRows,
		null:    o.Null,
		err:     o.Validate(),
	}
}

// Next implements formats.Reader.
func (r *reader) Next(b *formats.Batch, caps formats.Caps) error {
	if r.err == nil && !r.begun {
		r.begun = true
		if r.err = r.begin(); r.err == io.EOF {
			r.err = nil // the framer says so again, with the blank lines that it has seen
		}
	}
	if r.err != nil {
		b.Reset()
		return r.err
	}
	r.err = r.framer.Next(b, caps)
	b.HeaderEnd = r.end
	if r.err != nil {
		return r.err
	}
	b.Rows = r
	return nil
}

// begin takes the lines before the header off the object, and the header, which begin
// compares with the job's.
func (r *reader) begin() error {
	if err := r.framer.SkipLines(r.skip); err != nil {
		return err
	}
	if r.schema.Header == nil {
		return nil
	}
	line, err := r.framer.Line()
	if err != nil {
		return err
	}
	got, end := split(line)
	r.end = end
	want, _ := split(r.schema.Header)
	if !bytes.Equal(got, want) {
		return &HeaderError{Want: cut(want), Got: cut(got)}
	}
	return nil
}

// Check implements formats.Reader: Check counts fields, and looks into the
// fields that have a type.
func (r *reader) Check(b *formats.Batch) {
	if r.schema.Width > 0 {
		r.checkWidth(b)
	}
	if r.types != nil {
		r.checkTypes(b)
	}
}

func (r *reader) checkWidth(b *formats.Batch) {
	quote := r.nextQuote(b.Data, 0)
	for i, rec := range b.Recs {
		if quote < int(rec.Start) {
			quote = r.nextQuote(b.Data, int(rec.Start))
		}
		if r.fits(b.Data[rec.Start:rec.End], quote < int(rec.End)) || b.Flaw(i) != nil {
			continue
		}
		body, _ := split(b.Record(i))
		b.AddFlaw(i, formats.ReasonRagged, "%d fields where the others have %d; correct the record or accept it with --ragged",
			r.count(body), r.schema.Width)
	}
}

// nextQuote is the index of the first quote at or after data[i], or a number
// past all data. A batch without quotes is searched once.
func (r *reader) nextQuote(data []byte, i int) int {
	if q := bytes.IndexByte(data[i:], r.Quote); q >= 0 {
		return i + q
	}
	return len(data) + 1
}

// fits tells whether rec has the schema's number of fields.
func (r *reader) fits(rec []byte, quotes bool) bool {
	if quotes {
		return r.count(rec) == r.schema.Width
	}
	return bytes.Count(rec, []byte{r.Delimiter})+1 == r.schema.Width
}

// Row implements formats.Rows. A field is what its column's [Type] says; the
// error is for a field that cannot be that type. Fields behind the last named
// column (--ragged) are named column_N, counted from 1.
func (r *reader) Row(b *formats.Batch, i int, row *formats.Row) error {
	row.Reset()
	row.Shape = formats.List
	if r.schema.Names != nil {
		row.Shape = formats.Object
	}
	body, _ := split(b.Record(i))
	for at := 0; ; at++ {
		end := r.fieldEnd(body, at)
		if row.Shape == formats.Object {
			row.Names = append(row.Names, r.name(len(row.Values)))
		}
		k := len(row.Values)
		v, ok := r.typed(k, body[at:end], row)
		if !ok {
			return r.misfit(k, v, ok)
		}
		row.Values = append(row.Values, v)
		if end == len(body) {
			return nil
		}
		at = end
	}
}

// typed is field k by its column's type, and whether the field can be that. What says
// that there is no value is null in a column of any type.
func (r *reader) typed(k int, field []byte, row *formats.Row) (v formats.Value, ok bool) {
	switch {
	case r.null != "" && string(r.bare(field)) == r.null:
		return formats.Value{Kind: formats.Null}, true
	case k < len(r.types):
		return r.types[k].of(r.value(field, row))
	}
	return r.value(field, row), true
}

// name is what field i is called. A name that the header has already is not given twice.
func (r *reader) name(i int) string {
	if i < len(r.schema.Names) {
		return r.schema.Names[i]
	}
	name := "column_" + strconv.Itoa(i+1)
	for slices.Contains(r.schema.Names, name) {
		name += "_"
	}
	return name
}
