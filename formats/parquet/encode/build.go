package encode

import (
	"encoding/binary"
	"sync"

	"github.com/batchmill/batchmill/formats"
	"github.com/batchmill/batchmill/formats/fields"
)

// A builder gathers the rows of one part, column by column.
type builder struct {
	records int    // of the batch
	kept    []byte // a bit for each record, where parts say which have a row
	marks   bool   // marks are written
	rows    int
	columns []columnBuilder

	// Memory for one record's work.
	row    formats.Row
	slots  []int         // where each column's value stands in row, -1 where it is missing
	answer fields.Values // by the layout's columns
	p      parsed
}

// A columnBuilder holds a column's values: a bit for each row that has a
// value, lengths where the type has lengths, and the bytes.
type columnBuilder struct {
	typ     formats.Type
	present []byte
	lengths []byte
	data    []byte
}

var builders = sync.Pool{New: func() any { return new(builder) }}

// begin empties the builder for a part of the columns given.
func (w *builder) begin(records int, marks bool, columns ...[]formats.Column) {
	w.records, w.marks, w.rows = records, marks, 0
	w.kept = w.kept[:0]
	w.columns = w.columns[:0]
	for _, list := range columns {
		for _, c := range list {
			w.column(c.Type)
		}
	}
	if marks {
		for range (records + 7) / 8 {
			w.kept = append(w.kept, 0)
		}
	}
}

func (w *builder) column(typ formats.Type) {
	if n := len(w.columns); n < cap(w.columns) {
		w.columns = w.columns[:n+1]
	} else {
		w.columns = append(w.columns, columnBuilder{})
	}
	c := &w.columns[len(w.columns)-1]
	*c = columnBuilder{typ: typ, present: c.present[:0], lengths: c.lengths[:0], data: c.data[:0]}
}

// next begins the row of record i. A column that gets no value in the row is null there.
func (w *builder) next(i int) {
	if w.marks {
		w.kept[i/8] |= 1 << (i % 8)
	}
	if w.rows%8 == 0 {
		for k := range w.columns {
			w.columns[k].present = append(w.columns[k].present, 0)
		}
	}
	w.rows++
}

// add gives column k of the row that was begun last its value.
func (w *builder) add(k int, p *parsed) {
	if p.null {
		return
	}
	c, at := &w.columns[k], w.rows-1
	c.present[at/8] |= 1 << (at % 8)
	switch c.typ {
	case formats.Integer, formats.Double:
		c.data = binary.LittleEndian.AppendUint64(c.data, p.number)
	case formats.Boolean:
		c.data = append(c.data, byte(p.number))
	default:
		c.lengths = binary.LittleEndian.AppendUint32(c.lengths, uint32(len(p.bytes)))
		c.data = append(c.data, p.bytes...)
	}
}

// appendPart appends what was gathered as one part.
func (w *builder) appendPart(dst []byte) []byte {
	start := len(dst)
	var flags byte
	if w.marks {
		flags = flagKept
	}
	dst = append(dst, 0, 0, 0, 0, 0, 0, 0, 0, flags)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(w.records))
	dst = binary.LittleEndian.AppendUint32(dst, uint32(w.rows))
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(w.columns)))
	dst = append(dst, w.kept...)
	for k := range w.columns {
		c := &w.columns[k]
		dst = append(dst, codes[c.typ])
		dst = binary.LittleEndian.AppendUint64(dst, uint64(len(c.lengths)))
		dst = binary.LittleEndian.AppendUint64(dst, uint64(len(c.data)))
		dst = append(append(append(dst, c.present...), c.lengths...), c.data...)
	}
	binary.LittleEndian.PutUint64(dst[start:], uint64(len(dst)-start))
	return dst
}
