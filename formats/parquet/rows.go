package parquet

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"

	pq "github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/deprecated"
	"github.com/parquet-go/parquet-go/format"

	"github.com/batchmill/batchmill/formats"
	"github.com/batchmill/batchmill/formats/parquet/text"
)

// rows shows the records of batches by fields. All batches of a file share one
// rows, of which only the pool changes.
type rows struct {
	file   *File
	names  []string
	fields []field // the decoded top-level columns, by place
	cells  []int   // for each top-level column its place in fields, or -1
	leaves []int   // the decoded leaves, by place: what columns.leaves holds
	at     []int   // for each leaf of the file its place in leaves, or -1

	emptyCost int // memory of a row without any bytes of variable length
	fixedCost int // the same where no row takes more; else 0

	boxes sync.Pool // of *boxes
}

// A field is a decoded top-level column.
type field struct {
	*topColumn
	top int // its place in the schema
	at  int // the place of its first leaf in columns.leaves
}

// boxes is memory for the values of a nested column.
type boxes struct {
	values []pq.Value
	leaves [][]pq.Value
}

// Row implements formats.Rows. The record comes by names, all top-level
// columns in order; columns that are not decoded or not in r.Need are Null.
func (s *rows) Row(b *formats.Batch, i int, r *formats.Row) error {
	r.Reset()
	c, ok := b.Columns.(*columns)
	if !ok || i >= c.rows {
		return errNoColumns
	}
	r.Shape = formats.Object
	r.Names = append(r.Names, s.names...)
	r.Values = slices.Grow(r.Values, len(s.names))[:len(s.names)]
	clear(r.Values)
	for k := range s.fields {
		f := &s.fields[k]
		if r.Need != nil && (f.top >= len(r.Need) || !r.Need[f.top]) {
			continue
		}
		v := &r.Values[f.top]
		start := len(r.Buf)
		if f.nested == nil {
			r.Buf, v.Kind = f.append(r.Buf, &c.leaves[f.at], i, &s.file.leaves[f.first])
		} else {
			var err error
			if r.Buf, v.Kind, err = s.appendNested(r.Buf, c, f, i); err != nil {
				return fmt.Errorf("column %q: %w", f.name, err)
			}
		}
		v.Text = r.Buf[start:len(r.Buf):len(r.Buf)] // right also when Buf moves: nothing writes there again
	}
	return nil
}

// append appends the text of row i's value.
func (f *field) append(dst []byte, c *column, i int, l *leaf) ([]byte, formats.Kind) {
	if l.maxDef > 0 && c.def[i] != l.maxDef {
		return dst, formats.Null
	}
	switch l.kind {
	case format.Boolean:
		return f.leaf.Bool(dst, c.data[i] != 0)
	case format.Int32:
		return f.leaf.Int32(dst, int32(binary.LittleEndian.Uint32(c.data[i*4:])))
	case format.Int64:
		return f.leaf.Int64(dst, int64(binary.LittleEndian.Uint64(c.data[i*8:])))
	case format.Int96:
		return f.leaf.Int96(dst, int96(c.data[i*12:]))
	case format.Float:
		return f.leaf.Float(dst, math.Float32frombits(binary.LittleEndian.Uint32(c.data[i*4:])))
	case format.Double:
		return f.leaf.Double(dst, math.Float64frombits(binary.LittleEndian.Uint64(c.data[i*8:])))
	}
	return f.leaf.Bytes(dst, c.bytes(i, l))
}

func int96(p []byte) deprecated.Int96 {
	return deprecated.Int96{binary.LittleEndian.Uint32(p), binary.LittleEndian.Uint32(p[4:]), binary.LittleEndian.Uint32(p[8:])}
}

// bytes is the byte array in slot i.
func (c *column) bytes(i int, l *leaf) []byte {
	if l.width > 0 {
		return c.data[i*l.width : (i+1)*l.width : (i+1)*l.width]
	}
	return c.data[c.start(i):c.ends[i]:c.ends[i]]
}

// appendNested appends row i of a nested column as JSON. A panic over levels
// that contradict each other becomes an error.
func (s *rows) appendNested(dst []byte, c *columns, f *field, i int) (out []byte, kind formats.Kind, err error) {
	defer guard(&err)
	x, _ := s.boxes.Get().(*boxes)
	if x == nil {
		x = new(boxes)
	}
	defer s.boxes.Put(x)
	x.values, x.leaves = x.values[:0], x.leaves[:0]
	for l := f.first; l < f.end; l++ {
		from := len(x.values)
		x.values = s.file.leaves[l].box(x.values, &c.leaves[f.at+l-f.first], i, l)
		x.leaves = append(x.leaves, x.values[from:len(x.values):len(x.values)])
	}
	defer clear(x.values) // the values point into the batch
	return f.nested.Append(dst, x.leaves)
}

// box appends row i's values with their levels. The values alias the column.
func (l *leaf) box(dst []pq.Value, c *column, i, index int) []pq.Value {
	from, to := c.slots(i, l)
	for ; from < to; from++ {
		var v pq.Value
		rep, def := 0, int(l.maxDef)
		if l.maxDef > 0 {
			def = int(c.def[from])
		}
		if l.maxRep > 0 {
			rep = int(c.rep[from])
		}
		if def == int(l.maxDef) {
			v = l.value(c, from)
		}
		dst = append(dst, v.Level(rep, def, index))
	}
	return dst
}

func (l *leaf) value(c *column, i int) pq.Value {
	switch l.kind {
	case format.Boolean:
		return pq.BooleanValue(c.data[i] != 0)
	case format.Int32:
		return pq.Int32Value(int32(binary.LittleEndian.Uint32(c.data[i*4:])))
	case format.Int64:
		return pq.Int64Value(int64(binary.LittleEndian.Uint64(c.data[i*8:])))
	case format.Int96:
		return pq.Int96Value(int96(c.data[i*12:]))
	case format.Float:
		return pq.FloatValue(math.Float32frombits(binary.LittleEndian.Uint32(c.data[i*4:])))
	case format.Double:
		return pq.DoubleValue(math.Float64frombits(binary.LittleEndian.Uint64(c.data[i*8:])))
	case format.ByteArray:
		return pq.ByteArrayValue(c.bytes(i, l))
	}
	return pq.FixedLenByteArrayValue(c.bytes(i, l))
}

// AppendValues appends the values of one leaf column of b's records sel, with
// their levels, to dst. leaf is its place among all leaves of the file. The
// values alias b and end with its next use. The result is false where b holds
// no Parquet columns, or that leaf was not decoded.
func AppendValues(dst []pq.Value, b *formats.Batch, leaf int, sel []int32) ([]pq.Value, bool) {
	s, ok := b.Rows.(*rows)
	c, decoded := b.Columns.(*columns)
	if !ok || !decoded || leaf < 0 || leaf >= len(s.at) || s.at[leaf] < 0 {
		return dst, false
	}
	for _, i := range sel {
		dst = s.file.leaves[leaf].box(dst, &c.leaves[s.at[leaf]], int(i), leaf)
	}
	return dst, true
}

// FileOf is the file that b's records come from, nil when the records are none
// of this package's.
func FileOf(b *formats.Batch) *File {
	if s, ok := b.Rows.(*rows); ok {
		return s.file
	}
	return nil
}

// check adds the flaws that the decoded values show.
func (s *rows) check(b *formats.Batch, most int) {
	c, ok := b.Columns.(*columns)
	if !ok {
		return
	}
	for _, row := range c.large {
		b.AddFlaw(row.index, formats.ReasonTooLarge, "its values take %d bytes, more than %d; raise --max-record", row.size, most)
	}
	for k := range s.fields {
		f := &s.fields[k]
		switch {
		case f.nested != nil:
			s.checkNested(b, c, f, most)
		case f.leaf.Checks():
			f.checkLeaf(b, &c.leaves[f.at], c.rows, &s.file.leaves[f.first])
		}
	}
}

func (f *field) checkLeaf(b *formats.Batch, c *column, n int, l *leaf) {
	if l.kind != format.ByteArray && l.kind != format.FixedLenByteArray {
		return
	}
	for i := range n {
		if l.maxDef > 0 && c.def[i] != l.maxDef || f.leaf.Valid(c.bytes(i, l)) {
			continue
		}
		if why := f.leaf.NotUnicode(c.bytes(i, l)); why != "" {
			b.AddFlaw(i, formats.ReasonUnicode, "column %.100q: %s; correct the value, or store the column as bytes, without the type %s", f.name, why, f.typ)
			continue
		}
		b.AddFlaw(i, formats.ReasonType, "column %q: a value that is not what its type says (%s)", f.name, f.typ)
	}
}

// checkNested renders every row, and forgets the text. Names of groups stand
// in the text once for each instance, so the text's size is bounded before.
func (s *rows) checkNested(b *formats.Batch, c *columns, f *field, most int) {
	flawed := map[int]bool{}
	for _, row := range c.large {
		flawed[row.index] = true
	}
	var shown []byte
	for i := range c.rows {
		if flawed[i] {
			continue
		}
		names := 0
		for l := f.first; l < f.end; l++ {
			from, to := c.leaves[f.at+l-f.first].slots(i, &s.file.leaves[l])
			names += (to - from) * len(s.file.leaves[l].path)
		}
		if names > 4*most {
			b.AddFlaw(i, formats.ReasonTooLarge, "column %q: up to %d bytes of names in its text, more than %d; raise --max-record", f.name, names, 4*most)
			continue
		}
		var err error
		if shown, _, err = s.appendNested(shown[:0], c, f, i); err != nil {
			reason := formats.ReasonType
			if value := (*text.ValueError)(nil); errors.As(err, &value) && value.Unicode {
				reason = formats.ReasonUnicode
			}
			b.AddFlaw(i, reason, "column %q: %v", f.name, err)
		}
	}
}
