package parquet

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"slices"

	pq "github.com/parquet-go/parquet-go"
	wire "github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"

	"github.com/batchmill/batchmill/formats"
	"github.com/batchmill/batchmill/formats/parquet/thrift"
)

const (
	magic          = "PAR1"
	encryptedMagic = "PARE"
	tailSize       = 8 // the footer's length and the magic
)

// A File is an opened Parquet file: its footer, decoded and checked. A File does
// not change, and many goroutines may use a File at once as far as its source
// allows.
type File struct {
	src     io.ReaderAt
	o       Options
	meta    *format.FileMetaData
	footer  int64 // where the footer begins; chunks end before it
	columns []topColumn
	leaves  []leaf
	groups  []RowGroup
}

// A RowGroup says where a row group stands.
type RowGroup struct {
	First  int64 // number of its first row in the file, from 1
	Rows   int64
	Offset int64 // where its first chunk begins, in bytes of the file
}

// Open reads the footer of the file of size bytes that src holds. Open checks
// all that the footer says about places and sizes; pages are checked when they
// are read. The error is an *EncryptedError, a *FormatError, or a read error
// of src as a *formats.ReadError. The file keeps src.
func Open(src io.ReaderAt, size int64, o Options) (f *File, err error) {
	defer guard(&err)
	f = &File{src: src, o: o.orDefault(), meta: new(format.FileMetaData)}
	footer, err := f.readFooter(size)
	if err != nil {
		return nil, err
	}
	fail := func(format string, args ...any) (*File, error) {
		return nil, &FormatError{Offset: f.footer, Message: fmt.Sprintf(format, args...)}
	}
	n, cost, err := measure(footer)
	switch {
	case err != nil:
		return fail("the footer %v", err)
	case cost > int64(f.o.MaxFooter):
		return fail("the footer takes about %d bytes of memory, more than %d", cost, f.o.MaxFooter)
	}
	if err := f.decode(footer[:n]); err != nil {
		return fail("the footer is broken: %v", err)
	}
	if f.meta.EncryptionAlgorithm.Value != nil {
		return nil, &EncryptedError{}
	}
	if n != len(footer) {
		return fail("%d bytes behind the footer's end", len(footer)-n)
	}
	if f.columns, f.leaves, err = readTree(f.meta.Schema); err != nil {
		return fail("%v", err)
	}
	return f, f.readGroups()
}

// unread are the parts of a footer that nothing here looks at: keys and values,
// orders, page counts, histograms and the bounds of shapes on a map.
// parquet-go would refuse a file for a key without a value.
var unread = thrift.Cut{5: nil, 7: nil, 4: {4: nil, 1: {3: {8: nil, 13: nil, 16: nil, 17: nil}}}}

func (f *File) decode(footer []byte) error {
	footer, err := thrift.Without(footer, unread)
	if err != nil {
		return err
	}
	return unmarshal(footer, f.meta)
}

// readFooter finds the footer by the file's last bytes and reads it.
func (f *File) readFooter(size int64) ([]byte, error) {
	if size < int64(len(magic)+tailSize) {
		return nil, &FormatError{Message: fmt.Sprintf("%d bytes are too short for a Parquet file", size)}
	}
	var head [len(magic)]byte
	var tail [tailSize]byte
	if err := readAt(f.src, head[:], 0); err != nil {
		return nil, err
	}
	if err := readAt(f.src, tail[:], size-tailSize); err != nil {
		return nil, err
	}
	switch end := string(tail[4:]); {
	case end == encryptedMagic:
		return nil, &EncryptedError{}
	case end != magic:
		return nil, &FormatError{Offset: size - 4, Message: fmt.Sprintf("ends in %q, not in %q: no Parquet file, or one cut short", end, magic)}
	case string(head[:]) != magic:
		return nil, &FormatError{Message: fmt.Sprintf("begins with %q, not with %q: no Parquet file", head[:], magic)}
	}
	n := int64(binary.LittleEndian.Uint32(tail[:]))
	if f.footer = size - tailSize - n; f.footer < int64(len(magic)) {
		return nil, &FormatError{Offset: size - tailSize, Message: fmt.Sprintf("a footer of %d bytes in a file of %d", n, size)}
	}
	if n > int64(f.o.MaxFooter) {
		return nil, &FormatError{Offset: size - tailSize, Message: fmt.Sprintf("a footer of %d bytes, more than %d", n, f.o.MaxFooter)}
	}
	footer := make([]byte, n)
	return footer, readAt(f.src, footer, f.footer)
}

// readGroups checks what the footer says about row groups and their chunks.
func (f *File) readGroups() error {
	rows := int64(0)
	for i := range f.meta.RowGroups {
		g := &f.meta.RowGroups[i]
		if g.NumRows < 0 || g.NumRows > math.MaxInt64-rows {
			return &FormatError{Offset: f.footer, Message: fmt.Sprintf("row group %d has %d rows", i+1, g.NumRows)}
		}
		if len(g.Columns) != len(f.leaves) {
			return &FormatError{Offset: f.footer, Message: fmt.Sprintf("row group %d has %d chunks for %d columns", i+1, len(g.Columns), len(f.leaves))}
		}
		group := RowGroup{First: rows + 1, Rows: g.NumRows, Offset: f.footer}
		for j := range g.Columns {
			if err := f.checkChunk(&g.Columns[j], &f.leaves[j], g.NumRows); err != nil {
				return err
			}
			group.Offset = min(group.Offset, chunkStart(&g.Columns[j].MetaData))
		}
		f.groups = append(f.groups, group)
		rows += g.NumRows
	}
	if rows != f.meta.NumRows {
		return &FormatError{Offset: f.footer, Message: fmt.Sprintf("the footer tells of %d rows, its row groups of %d", f.meta.NumRows, rows)}
	}
	return nil
}

// chunkStart is where a chunk begins: at its dictionary, if the footer knows
// of a dictionary.
func chunkStart(m *format.ColumnMetaData) int64 {
	if m.DictionaryPageOffset > 0 && m.DictionaryPageOffset < m.DataPageOffset {
		return m.DictionaryPageOffset
	}
	return m.DataPageOffset
}

func (f *File) checkChunk(c *format.ColumnChunk, l *leaf, rows int64) error {
	fail := func(format string, args ...any) error {
		return &FormatError{Offset: f.footer, Column: l.path, Message: fmt.Sprintf(format, args...)}
	}
	m := &c.MetaData
	start := chunkStart(m)
	switch {
	case c.CryptoMetadata.Value != nil || len(c.EncryptedColumnMetadata) > 0:
		return &EncryptedError{Column: l.path}
	case c.FilePath != "":
		return fail("its values stand in another file, %.200q", c.FilePath)
	case m.Type != l.kind:
		return fail("a chunk of %s for a column of %s", m.Type, l.kind)
	case rows == 0:
		return nil // nothing will be read
	case m.NumValues < rows:
		return fail("a chunk of %d values for %d rows", m.NumValues, rows)
	case l.maxRep == 0 && m.NumValues != rows:
		return fail("a chunk of %d values for %d rows", m.NumValues, rows)
	case start < int64(len(magic)) || start > f.footer || m.TotalCompressedSize < 0 || m.TotalCompressedSize > f.footer-start:
		return fail("a chunk of %d bytes at byte %d does not fit before the footer at %d", m.TotalCompressedSize, start, f.footer)
	case m.DataPageOffset > start+m.TotalCompressedSize:
		return fail("pages at byte %d, behind their chunk's end at %d", m.DataPageOffset, start+m.TotalCompressedSize)
	}
	return nil
}

// Sniff learns the schema of the file of size bytes that src holds. Errors are
// those of [Open].
func Sniff(src io.ReaderAt, size int64, o Options) (Schema, error) {
	f, err := Open(src, size, o)
	if err != nil {
		return Schema{}, err
	}
	return f.Schema(), nil
}

// Schema is the file's schema, made anew by each call.
func (f *File) Schema() Schema {
	s := Schema{Schema: formats.Schema{Names: make([]string, len(f.columns)), Width: len(f.columns)},
		Types: make([]string, len(f.columns))}
	for i, c := range f.columns {
		s.Names[i], s.Types[i] = c.name, c.typ
	}
	return s
}

// NumRows is how many rows the file has, by its footer.
func (f *File) NumRows() int64 { return f.meta.NumRows }

// RowGroups are the file's row groups in order, the file's own slice.
func (f *File) RowGroups() []RowGroup { return f.groups }

// Metadata is the footer, checked by [Open], without its keys and values, orders
// and histograms. The footer is the file's own, and must not be changed.
func (f *File) Metadata() *format.FileMetaData { return f.meta }

// Elements are the schema elements of top-level column i: the column's
// element, and all elements below, in order. The slice is the file's own.
func (f *File) Elements(i int) []format.SchemaElement { return f.columns[i].elements }

// Leaves is the range [first, end) of top-level column i among all leaves.
func (f *File) Leaves(i int) (first, end int) { return f.columns[i].first, f.columns[i].end }

// unmarshal decodes the struct that data is. The content of v may alias data.
func unmarshal(data []byte, v any) error {
	var compact wire.CompactProtocol
	return wire.NewDecoder(compact.NewReaderFromBytes(data)).Decode(v)
}

func isUnknown(e *format.SchemaElement) bool {
	_, unknown := e.LogicalType.Value.(*format.NullType)
	return unknown
}

// Message is the schema as parquet-go has it, for writing. Its fields are the
// top-level columns. Encodings and codecs are unset. Annotations that
// parquet-go does not know, as FLOAT16, are lost.
func (f *File) Message() (schema *pq.Schema, err error) {
	defer guard(&err)
	bare := format.FileMetaData{Version: 1, Schema: slices.Clone(f.meta.Schema)}
	bare.Schema[0].Type.Valid = false // the root's own type means nothing, and parquet-go refuses a root with a type
	for i := range bare.Schema {
		// A column of nulls alone: parquet-go would write the column without its physical type.
		if e := &bare.Schema[i]; isUnknown(e) {
			e.LogicalType = format.LogicalType{}
		}
	}
	footer, err := wire.Marshal(new(wire.CompactProtocol), &bare)
	if err != nil {
		return nil, &FormatError{Offset: f.footer, Message: fmt.Sprintf("the schema cannot be written: %v", err)}
	}
	data := append([]byte(magic), footer...)
	data = binary.LittleEndian.AppendUint32(data, uint32(len(footer)))
	data = append(data, magic...)
	file, err := pq.OpenFile(bytes.NewReader(data), int64(len(data)), pq.SkipPageIndex(true), pq.SkipBloomFilters(true))
	if err != nil {
		return nil, &FormatError{Offset: f.footer, Message: fmt.Sprintf("the schema cannot be used: %v", err)}
	}
	return file.Schema(), nil
}
