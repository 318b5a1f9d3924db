package floor

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/parquet-go/parquet-go"
)

var errShort = errors.New("a column ends before its row group does")

// A table gives the rows of a Parquet file by column, from front to back.
type table struct {
	groups  []parquet.RowGroup // not begun yet
	columns []column           // of the row group at hand
	left    int                // rows of it not taken yet
	row     int                // the number of rows taken from the file
}

// A column is one column chunk of the row group at hand. Of its page it holds
// what has not been taken, one of the three by the column's type.
type column struct {
	kind    parquet.Kind
	pages   parquet.Pages
	page    parquet.Page
	rows    int
	levels  []byte // 1 for a value and 0 for null, a row; nil where nulls cannot be
	ints    []int64
	doubles []float64
	indexes []int32 // of words
	words   [][]byte
}

// cells are a column's values for the rows of a batch. Nulls have a level only.
type cells struct {
	kind    parquet.Kind
	levels  []byte
	ints    []int64
	doubles []float64
	words   [][]byte // fields of CSV
}

// rows are consecutive rows of a table. The memory is used again.
type rows struct {
	first, n int
	columns  []cells
}

// next replaces b by the next n rows, by fewer at the end of a row group, and
// returns io.EOF after the last.
func (t *table) next(b *rows, n int) error {
	for t.left == 0 {
		if err := t.nextGroup(); err != nil {
			return err
		}
	}
	b.first, b.n = t.row, min(n, t.left)
	if b.columns == nil {
		b.columns = make([]cells, len(t.columns))
	}
	for i := range t.columns {
		if err := t.columns[i].read(&b.columns[i], b.n); err != nil {
			return fmt.Errorf("column %d: %w", i+1, err)
		}
	}
	t.row, t.left = t.row+b.n, t.left-b.n
	return nil
}

func (t *table) nextGroup() error {
	t.close()
	if len(t.groups) == 0 {
		return io.EOF
	}
	group := t.groups[0]
	t.groups, t.left = t.groups[1:], int(group.NumRows())
	for _, chunk := range group.ColumnChunks() {
		t.columns = append(t.columns, column{kind: chunk.Type().Kind(), pages: chunk.Pages()})
	}
	return nil
}

// close gives the memory of the row group at hand back.
func (t *table) close() {
	for i := range t.columns {
		parquet.Release(t.columns[i].page)
		_ = t.columns[i].pages.Close() // it was only read
	}
	t.columns = t.columns[:0]
}

// read replaces dst by the next n rows of c.
func (c *column) read(dst *cells, n int) error {
	*dst = cells{c.kind, dst.levels[:0], dst.ints[:0], dst.doubles[:0], dst.words[:0]}
	for n > 0 {
		if c.rows == 0 {
			if err := c.nextPage(); err != nil {
				return err
			}
		}
		some := min(n, c.rows)
		c.take(dst, some)
		n -= some
	}
	return nil
}

// take appends n rows of the page to dst.
func (c *column) take(dst *cells, n int) {
	values := n
	if c.levels != nil {
		values = bytes.Count(c.levels[:n], []byte{1})
		dst.levels = append(dst.levels, c.levels[:n]...)
		c.levels = c.levels[n:]
	}
	switch c.kind {
	case parquet.Int64:
		dst.ints = append(dst.ints, c.ints[:values]...)
		c.ints = c.ints[values:]
	case parquet.Double:
		dst.doubles = append(dst.doubles, c.doubles[:values]...)
		c.doubles = c.doubles[values:]
	default:
		for _, index := range c.indexes[:values] {
			dst.words = append(dst.words, c.words[index])
		}
		c.indexes = c.indexes[values:]
	}
	c.rows -= n
}

func (c *column) nextPage() error {
	parquet.Release(c.page)
	var err error
	if c.page, err = c.pages.ReadPage(); err == io.EOF {
		err = errShort
	}
	if err != nil {
		return err
	}
	c.rows, c.levels = int(c.page.NumRows()), nil
	if levels := c.page.DefinitionLevels(); len(levels) > 0 {
		c.levels = levels
	}
	data, dictionary := c.page.Data(), c.page.Dictionary()
	switch {
	case c.kind == parquet.Int64 && dictionary == nil:
		c.ints = data.Int64()
	case c.kind == parquet.Double && dictionary == nil:
		c.doubles = data.Double()
	case c.kind == parquet.ByteArray && dictionary != nil:
		c.indexes = data.Int32()
		if c.words == nil {
			c.words = fields(dictionary)
		}
	default:
		return errors.New("not of the kind that the corpus has: plain INT64 or DOUBLE, or BYTE_ARRAY with a dictionary")
	}
	return nil
}

// fields writes each word of a dictionary once as a field of CSV.
func fields(dictionary parquet.Dictionary) [][]byte {
	words := make([][]byte, dictionary.Len())
	for i := range words {
		word := dictionary.Index(int32(i)).String()
		if strings.ContainsAny(word, "\",\r\n") {
			word = `"` + strings.ReplaceAll(word, `"`, `""`) + `"`
		}
		words[i] = []byte(word)
	}
	return words
}

// appendCSV appends the rows as records of CSV, null as an empty field. Columns
// are looked at row by row; at has how many values of each were used.
func (b *rows) appendCSV(dst []byte) []byte {
	at := make([]int, len(b.columns))
	for row := range b.n {
		for i := range b.columns {
			c := &b.columns[i]
			if c.levels == nil || c.levels[row] == 1 {
				switch c.kind {
				case parquet.Int64:
					dst = strconv.AppendInt(dst, c.ints[at[i]], 10)
				case parquet.Double:
					dst = strconv.AppendFloat(dst, c.doubles[at[i]], 'f', -1, 64)
				default:
					dst = append(dst, c.words[at[i]]...)
				}
				at[i]++
			}
			dst = append(dst, ',')
		}
		dst[len(dst)-1] = '\n'
	}
	return dst
}
