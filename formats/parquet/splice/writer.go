// Package splice makes Parquet files out of column chunks of other Parquet
// files. The chunks' encoded, compressed bytes are copied and no value is
// decoded; only what says where something stands is made anew. The format is
// that of https://github.com/apache/parquet-format.
//
//	in, err := splice.Open(input, size)      // the file with the records
//	out, err := splice.Open(answers, size)   // a column more, the same rows
//	w, err := splice.NewWriter(dst, splice.Config{Schema: []splice.Columns{{File: in}, {File: out}}})
//	err = w.RowGroup(splice.Part{File: in, Group: 0}, splice.Part{File: out, Group: 0})
//	err = w.Close()
package splice

import (
	"errors"
	"fmt"
	"io"

	"github.com/batchmill/batchmill/formats/parquet/thrift"
)

// pieceSize is the memory in bytes that data passes through.
const pieceSize = 1 << 20

// Config says what a file's columns are.
type Config struct {
	// Schema is the columns in order; two columns of one name are a *ClashError.
	// The first File is the base: the output has its version, the name of its
	// root, its metadata and its CreatedBy. Readers decide by CreatedBy whether
	// they can trust statistics that old writers got wrong, and most of the chunks
	// are the base's.
	Schema []Columns
	// Edits change the base's keys and values, in this order. A key that
	// describes the columns, as ARROW:schema does, has to be edited where
	// columns are added or left out.
	Edits []Edit
}

// Columns are columns of the top level of a file, by their places, in the
// order given. A nil Keep is all columns.
type Columns struct {
	File *File
	Keep []int
}

// An Edit sets a key of the metadata: where the key stands, or else at the end.
type Edit struct {
	Key, Value string
	Remove     bool // removes the key instead
}

// A Part is columns of one row group of a file.
type Part struct {
	File  *File
	Group int
	Keep  []int // as in Columns
}

// A Writer writes one Parquet file, front to back. After an error that came
// while it wrote, the output is of no use and the error comes back from every
// later call. A Writer keeps in memory what it copied of footers and offset
// indexes, and the column indexes of files other than the base.
type Writer struct {
	dst     io.Writer
	at      int64 // bytes written
	err     error
	base    *File
	columns []column
	leaves  int
	orders  [][]byte // as in File
	keys    []byte   // the list of keys and values; nil without any
	groups  []groupRecord
	rows    int64
	piece   []byte
	// unindexed: a chunk's page index is broken, so the file will have none.
	unindexed bool
	spans     [][]byte // scratch
}

// NewWriter begins a file, and writes nothing before the first row group.
func NewWriter(dst io.Writer, cfg Config) (*Writer, error) {
	if len(cfg.Schema) == 0 {
		return nil, errors.New("no file to take columns from: Config.Schema is empty")
	}
	w := &Writer{dst: dst, base: cfg.Schema[0].File}
	names := make(map[string]bool)
	for _, s := range cfg.Schema {
		picked, err := s.pick()
		if err != nil {
			return nil, err
		}
		for _, col := range picked {
			if names[col.name] {
				return nil, &ClashError{Name: col.name}
			}
			names[col.name] = true
			w.addColumn(s.File, col)
		}
	}
	if len(w.columns) == 0 {
		return nil, errors.New("no column is left: keep at least one")
	}
	var err error
	w.keys, err = editKeys(w.base, cfg.Edits)
	return w, err
}

// addColumn adds a column to the schema. Where the base has no ColumnOrders
// the output has none, so that readers take the base's old statistics as they
// did. Where the base has ColumnOrders, each leaf has its file's, or
// TYPE_ORDER: all writers give TYPE_ORDER to all types, even to types without
// an order. See distrust for the statistics of such a column.
func (w *Writer) addColumn(f *File, col column) {
	for i := range col.leaves {
		if w.base.orders == nil {
			break
		}
		order := f.order(col.first + i)
		if order == nil {
			order = typeOrder
		}
		w.orders = append(w.orders, order)
	}
	col.first = w.leaves
	w.leaves += col.leaves
	w.columns = append(w.columns, col)
}

// pick is the columns that are kept.
func (s Columns) pick() ([]column, error) {
	if s.File == nil {
		return nil, errors.New("no file to take columns from")
	}
	if s.Keep == nil {
		return s.File.columns, nil
	}
	picked := make([]column, 0, len(s.Keep))
	for _, i := range s.Keep {
		if i < 0 || i >= len(s.File.columns) {
			return nil, fmt.Errorf("no column %d in a file with %d columns", i, len(s.File.columns))
		}
		picked = append(picked, s.File.columns[i])
	}
	return picked, nil
}

// editKeys is the list of the file's keys and values, changed by edits.
func editKeys(f *File, edits []Edit) ([]byte, error) {
	var out []byte
	count := 0
	put := func(raw []byte) { out, count = append(out, raw...), count+1 }
	done := make([]bool, len(edits))
	c := f.meta.list(fileKeyValues)
	for range c.ListOf(thrift.Struct) {
		start := c.Offset()
		kv := c.message(&keyValueShape)
		if c.Err() != nil {
			break
		}
		i := lastEdit(edits, string(kv.text(keyValueKey)))
		switch {
		case i < 0:
			put(c.From(start))
		case !done[i] && !edits[i].Remove:
			put(edits[i].append(nil))
		}
		if i >= 0 {
			done[i] = true
		}
	}
	if err := c.err("the key-value metadata"); err != nil {
		return nil, err
	}
	for i, e := range edits {
		if !done[i] && !e.Remove && lastEdit(edits, e.Key) == i {
			put(e.append(nil))
		}
	}
	if count == 0 {
		return nil, nil
	}
	return append(thrift.AppendList(nil, thrift.Struct, count), out...), nil
}

// lastEdit is the last edit of a key: a later edit wins.
func lastEdit(edits []Edit, key string) int {
	for i := len(edits) - 1; i >= 0; i-- {
		if edits[i].Key == key {
			return i
		}
	}
	return -1
}

func (e Edit) append(dst []byte) []byte {
	m := message{shape: &keyValueShape}
	m.setText(keyValueKey, e.Key)
	m.setText(keyValueValue, e.Value)
	return m.append(dst)
}

// Written is the number of bytes written so far.
func (w *Writer) Written() int64 { return w.at }

// fail makes err the writer's last word.
func (w *Writer) fail(err error) error {
	w.err = err
	return err
}

// A Taker is a destination that may take bytes of a file from where they are,
// so that the bytes need not be sent: WriteFrom is Write(b), where b are the
// bytes at off of src.
type Taker interface {
	WriteFrom(b []byte, src io.ReaderAt, off int64) (int, error)
}

func (w *Writer) write(b []byte) error {
	n, err := w.dst.Write(b)
	return w.wrote(b, n, err)
}

// wrote takes what a Write of b said.
func (w *Writer) wrote(b []byte, n int, err error) error {
	w.at += int64(n)
	if err == nil && n < len(b) {
		err = io.ErrShortWrite
	}
	if err != nil {
		return fmt.Errorf("write at offset %d: %w", w.at, err)
	}
	return nil
}

// copy copies a part of a file and returns where the copy stands. A part that
// cannot be read whole is an error.
func (w *Writer) copy(f *File, e extent) (at int64, err error) {
	if w.piece == nil {
		w.piece = make([]byte, pieceSize)
	}
	at = w.at
	for e.n > 0 {
		piece := w.piece[:min(e.n, pieceSize)]
		if err := f.readAt(piece, e.at); err != nil {
			return 0, err
		}
		if err := w.take(f, piece, e.at); err != nil {
			return 0, err
		}
		e.at += int64(len(piece))
		e.n -= int64(len(piece))
	}
	return at, nil
}

// take writes the piece that stands at off of f.
func (w *Writer) take(f *File, piece []byte, off int64) error {
	t, ok := w.dst.(Taker)
	if !ok {
		return w.write(piece)
	}
	n, err := t.WriteFrom(piece, f.src, off)
	return w.wrote(piece, n, err)
}
