package corpus

import (
	"io"

	"github.com/parquet-go/parquet-go"
)

// RowGroup is how many rows a row group of a Parquet corpus has; the last has
// what is left.
const RowGroup = 250_000

// writeParquet writes the records that the text formats hold, with a few values
// null in the last two numbers and in note: id as INT64, the numbers as DOUBLE,
// the strings with a dictionary, all compressed with snappy.
func writeParquet(w io.Writer, s Spec, m *maker) error {
	file := parquet.NewGenericWriter[any](w, schema(),
		parquet.Compression(&parquet.Snappy),
		parquet.MaxRowsPerRowGroup(RowGroup),
		// Without a name of our own the library writes its version, which
		// differs between a program and a test of it.
		parquet.CreatedBy("batchmill benchmarks", "1", "corpus"))
	rows := make([]parquet.Row, 0, 512)
	for id := int64(1); id <= s.Records; id++ {
		rows = rows[:len(rows)+1]
		last := &rows[len(rows)-1]
		*last = m.appendRow((*last)[:0], id)
		if len(rows) < cap(rows) && id < s.Records {
			continue
		}
		if _, err := file.WriteRows(rows); err != nil {
			return err
		}
		rows = rows[:0]
	}
	return file.Close()
}

// schema has the columns in alphabetic order, as parquet.Group puts them, which
// is the order of Columns.
func schema() *parquet.Schema {
	group := parquet.Group{}
	for i, name := range Columns() {
		node := parquet.Leaf(parquet.DoubleType)
		if i == 0 {
			node = parquet.Leaf(parquet.Int64Type)
		} else if i > Numbers {
			node = parquet.Encoded(parquet.String(), &parquet.RLEDictionary)
		}
		if nullable(i) {
			node = parquet.Optional(node)
		}
		group[name] = node
	}
	return parquet.NewSchema("records", group)
}

// nullable tells whether column i may hold nulls.
func nullable(i int) bool { return i == Numbers-1 || i == Numbers || i == Numbers+2 }

// appendRow draws from the source as appendCSV does.
func (m *maker) appendRow(row parquet.Row, id int64) parquet.Row {
	row = appendValue(row, parquet.Int64Value(id), false)
	for range Numbers {
		bits := m.source.Uint64()
		row = appendValue(row, parquet.DoubleValue(number(bits)), bits>>2&63 == 0)
	}
	bits := m.source.Uint64()
	row = appendValue(row, parquet.ByteArrayValue([]byte(names[bits&15])), false)
	return appendValue(row, parquet.ByteArrayValue(appendNote(nil, bits)), bits>>24&255 == 0)
}

// appendValue puts null in place of v where the column may hold one. The bits
// that ask for it are such that nothing else of the record depends on: they
// hit one number in 64 and one note in 256.
func appendValue(row parquet.Row, v parquet.Value, null bool) parquet.Row {
	column, level := len(row), 0
	if nullable(column) && null {
		v = parquet.NullValue()
	} else if nullable(column) {
		level = 1
	}
	return append(row, v.Level(0, level, column))
}

func appendNote(dst []byte, bits uint64) []byte {
	dst = appendWords(dst, bits)
	if twoLines(bits) {
		dst = append(dst, "\n\"seen\" twice, "...)
		dst = appendWords(dst, bits>>8)
	}
	return dst
}

// number is what appendNumber writes. Both the digits and 1000 are exact, so
// the quotient is the float64 nearest to the decimal.
func number(bits uint64) float64 {
	n := float64((bits>>8)%1000*1000+(bits>>32)%1000) / 1000
	if bits&3 == 0 {
		return -n
	}
	return n
}
