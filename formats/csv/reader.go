package csv

import (
	"bytes"
	"io"
	"strconv"

	"github.com/batchmill/batchmill/formats"
)

// reader is one object's records.
type reader struct {
	Dialect
	framer *formats.Framer
	schema formats.Schema
	types  []Type
	begun  bool
	err    error // sticky: the object cannot be read further
}

// NewReader reads one object of a job whose schema is s. An object that begins
// with another header than s.Header fails with a *HeaderError; one without any
// record needs no header. Next fails with an *OptionError when o's dialect is
// not valid.
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
		err:     o.Validate(),
	}
}

// Next implements formats.Reader.
func (r *reader) Next(b *formats.Batch, caps formats.Caps) error {
	if r.err == nil && !r.begun {
		r.begun = true
		r.err = r.skipHeader()
	}
	if r.err != nil {
		b.Reset()
		return r.err
	}
	if r.err = r.framer.Next(b, caps); r.err != nil {
		return r.err
	}
	b.Rows = r
	return nil
}

// skipHeader takes the header off the object and compares it with the job's.
func (r *reader) skipHeader() error {
	if r.schema.Header == nil {
		return nil
	}
	line, err := r.framer.Line()
	if err != nil {
		return err
	}
	got, _ := split(line)
	want, _ := split(r.schema.Header)
	if !bytes.Equal(got, want) {
		return &HeaderError{Want: cut(want), Got: cut(got)}
	}
	return nil
}

// Check implements formats.Reader: it counts fields, and looks into those that
// have a type.
func (r *reader) Check(b *formats.Batch) {
	if r.schema.Width > 0 {
		r.checkWidth(b)
	}
	if r.types != nil {
		r.checkTypes(b)
	}
}

func (r *reader) checkWidth(b *formats.Batch) {
	flaws := flawCursor{b.Flaws}
	var ragged []int32 // noted first, because a new flaw would move the old ones
	quote := r.nextQuote(b.Data, 0)
	for i, rec := range b.Recs {
		if quote < int(rec.Start) {
			quote = r.nextQuote(b.Data, int(rec.Start))
		}
		if r.fits(b.Data[rec.Start:rec.End], quote < int(rec.End)) || flaws.at(i) != nil {
			continue
		}
		ragged = append(ragged, int32(i))
	}
	for _, i := range ragged {
		body, _ := split(b.Record(int(i)))
		b.AddFlaw(int(i), formats.ReasonRagged, "%d fields where the others have %d; correct the record or accept it with --ragged",
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
// error is for one that cannot be that. Fields behind the last named column
// (--ragged) are named column_N, counted from 1.
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
		v, k := r.value(body[at:end], row), len(row.Values)
		if k < len(r.types) {
			var ok bool
			if v, ok = r.types[k].of(v); !ok {
				return r.misfit(k, v, ok)
			}
		}
		row.Values = append(row.Values, v)
		if end == len(body) {
			return nil
		}
		at = end
	}
}

func (r *reader) name(i int) string {
	if i < len(r.schema.Names) {
		return r.schema.Names[i]
	}
	return "column_" + strconv.Itoa(i+1)
}
