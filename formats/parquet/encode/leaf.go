package encode

import (
	"encoding/binary"
	"math"

	pq "github.com/parquet-go/parquet-go"

	"github.com/batchmill/batchmill/formats"
)

const (
	// A page ends with the row that fills it: pageRows rows, or pageBytes of
	// values before encoding.
	pageRows  = 1 << 15
	pageBytes = 256 << 10
	// valuesAtOnce is how many values are handed over together.
	valuesAtOnce = 1024
	// neverFull keeps parquet-go from ending pages by itself, which would
	// make their ends depend on how values are handed over.
	neverFull = 1 << 30
)

// A leaf writes one column and decides where its pages end, row by row.
type leaf struct {
	w      *pq.ColumnWriter
	column int
	typ    formats.Type
	values []pq.Value // not handed over yet; values may alias the part
	rows   int        // of the page
	bytes  int
}

// leavesOf are the leaves of a file: of columns, or of any schema without columns.
func leavesOf(w *pq.GenericWriter[any], columns []formats.Column) []leaf {
	var leaves []leaf
	for k, c := range w.ColumnWriters() {
		leaves = append(leaves, leaf{w: c, column: k})
		if columns != nil {
			leaves[k].typ = columns[k].Type
		}
	}
	return leaves
}

// put adds a row: its value as parts have values, or null. The result is the
// number of bytes that the row counts for.
func (f *leaf) put(value []byte, present bool) (int, error) {
	size := len(value)
	switch {
	case !present:
		f.values = append(f.values, pq.NullValue().Level(0, 0, f.column))
	case f.typ == formats.Doubles:
		f.putList(value)
	default:
		f.values = append(f.values, valueOf(f.typ, value).Level(0, 1, f.column))
	}
	return size, f.endRow(size)
}

// putList adds a list. Its levels are 0 for null, 1 for an empty list, and 3
// for an element.
func (f *leaf) putList(value []byte) {
	if len(value) == 0 {
		f.values = append(f.values, pq.NullValue().Level(0, 1, f.column))
	}
	for at := 0; at < len(value); at += 8 {
		repeats := 1
		if at == 0 {
			repeats = 0
		}
		f.values = append(f.values, valueOf(formats.Double, value[at:at+8]).Level(repeats, 3, f.column))
	}
}

// valueOf is a value of a part.
func valueOf(t formats.Type, value []byte) pq.Value {
	switch t {
	case formats.Integer:
		return pq.Int64Value(int64(binary.LittleEndian.Uint64(value)))
	case formats.Double:
		return pq.DoubleValue(math.Float64frombits(binary.LittleEndian.Uint64(value)))
	case formats.Boolean:
		return pq.BooleanValue(value[0] != 0)
	}
	return pq.ByteArrayValue(value)
}

// endRow ends a row of size bytes, and the page if the page is full.
func (f *leaf) endRow(size int) error {
	f.rows++
	f.bytes += size
	switch {
	case f.rows >= pageRows || f.bytes >= pageBytes:
		return f.endPage()
	case len(f.values) >= valuesAtOnce:
		return f.handOver()
	}
	return nil
}

// handOver gives parquet-go the values, which it copies.
func (f *leaf) handOver() error {
	if len(f.values) == 0 {
		return nil
	}
	_, err := f.w.WriteRowValues(f.values)
	f.values = f.values[:0]
	return err
}

func (f *leaf) endPage() error {
	f.rows, f.bytes = 0, 0
	if err := f.handOver(); err != nil {
		return err
	}
	return f.w.Flush()
}

// A columnReader takes the values of a part's column in order.
type columnReader struct {
	columnPart
	row int
}

func (r *columnReader) next() (value []byte, present bool) {
	present = bit(r.present, r.row)
	r.row++
	if !present {
		return nil, false
	}
	n := 8
	switch r.typ {
	case formats.Integer, formats.Double:
	case formats.Boolean:
		n = 1
	default:
		n = int(binary.LittleEndian.Uint32(r.lengths))
		r.lengths = r.lengths[4:]
	}
	value, r.data = r.data[:n:n], r.data[n:]
	return value, true
}

// readers are the columns of p from their first rows. Columns that are not the
// file's are an error.
func (p *part) readers(dst []columnReader, columns []formats.Column) ([]columnReader, error) {
	if len(p.columns) != len(columns) {
		return nil, errPart
	}
	for k, c := range p.columns {
		if c.typ != columns[k].Type {
			return nil, errPart
		}
		dst = append(dst, columnReader{columnPart: c})
	}
	return dst, nil
}
