package payload

import (
	"encoding/binary"
	"math"
	"math/bits"
	"sync"

	pq "github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
)

// magic begins and ends every Parquet file.
const magic = "PAR1"

// pageBytes is the size in bytes at which a page ends, with the row that
// reaches it. Readers hold whole pages, and the sizes of pages have 31 bits.
const pageBytes = 1 << 20

// A writer makes a file of one row group, by the format's description at
// https://github.com/apache/parquet-format. Its pages are of version 1, with
// PLAIN values and without compression, which every reader can read.
type writer struct {
	dst    []byte
	base   int // where the file begins in dst
	schema []format.SchemaElement
	group  format.RowGroup
	// Memory that the next file uses again.
	values []pq.Value // of the current chunk
	body   []byte     // of the current page
	levels []uint8
}

var writers = sync.Pool{New: func() any { return new(writer) }}

// begin begins a file behind dst.
func begin(dst []byte, columns int) *writer {
	w := writers.Get().(*writer)
	w.dst, w.base, w.group = append(dst, magic...), len(dst), format.RowGroup{}
	root := format.SchemaElement{Name: "schema", NumChildren: thrift.New(int32(columns))}
	w.schema = append(w.schema[:0], root)
	return w
}

// chunk appends the values of the next leaf, with their levels.
func (w *writer) chunk(l *leaf, values []pq.Value) {
	start, n := len(w.dst), int64(len(values))
	for len(values) > 0 {
		end := pageEnd(values)
		w.page(l, values[:end])
		values = values[end:]
	}
	size := int64(len(w.dst) - start)
	w.group.TotalByteSize += size
	w.group.Columns = append(w.group.Columns, format.ColumnChunk{MetaData: format.ColumnMetaData{
		Type: l.kind, Encoding: []format.Encoding{format.Plain, format.RLE}, PathInSchema: l.path,
		Codec: format.Uncompressed, NumValues: n,
		TotalUncompressedSize: size, TotalCompressedSize: size, DataPageOffset: int64(start - w.base),
	}})
}

// pageEnd is how many of values go into the next page: whole rows.
func pageEnd(values []pq.Value) int {
	size := 0
	for i := range values {
		if size >= pageBytes && values[i].RepetitionLevel() == 0 {
			return i
		}
		size += 8 // no less than what levels and a number take
		if k := values[i].Kind(); k == pq.ByteArray || k == pq.FixedLenByteArray {
			size += len(values[i].ByteArray())
		}
	}
	return len(values)
}

func (w *writer) page(l *leaf, values []pq.Value) {
	w.body = w.body[:0]
	if l.rep > 0 {
		w.levels = w.levels[:0]
		for i := range values {
			w.levels = append(w.levels, uint8(values[i].RepetitionLevel()))
		}
		w.body = appendLevels(w.body, w.levels, l.rep)
	}
	if l.def > 0 {
		w.levels = w.levels[:0]
		for i := range values {
			w.levels = append(w.levels, uint8(values[i].DefinitionLevel()))
		}
		w.body = appendLevels(w.body, w.levels, l.def)
	}
	w.body = appendPlain(w.body, l, values)
	size := int32(len(w.body))
	w.marshal(&format.PageHeader{
		Type: format.DataPage, UncompressedPageSize: size, CompressedPageSize: size,
		DataPageHeader: thrift.New(format.DataPageHeader{
			NumValues: int32(len(values)), Encoding: format.Plain,
			DefinitionLevelEncoding: format.RLE, RepetitionLevelEncoding: format.RLE,
		}),
	})
	w.dst = append(w.dst, w.body...)
}

// marshal appends a structure of the format. Every structure made here can be marshalled.
func (w *writer) marshal(v any) {
	data, err := thrift.Marshal(new(thrift.CompactProtocol), v)
	if err != nil {
		panic("a Parquet structure cannot be written: " + err.Error())
	}
	w.dst = append(w.dst, data...)
}

// end appends the footer and returns dst with the file. w must not be used again.
func (w *writer) end(rows int) []byte {
	w.group.NumRows, w.group.TotalCompressedSize = int64(rows), w.group.TotalByteSize
	w.group.FileOffset = int64(len(magic))
	start := len(w.dst)
	w.marshal(&format.FileMetaData{
		Version: 1, Schema: w.schema, NumRows: int64(rows),
		RowGroups: []format.RowGroup{w.group}, CreatedBy: "batchmill",
	})
	w.dst = binary.LittleEndian.AppendUint32(w.dst, uint32(len(w.dst)-start))
	dst := append(w.dst, magic...)
	clear(w.schema)
	w.dst, w.group = nil, format.RowGroup{}
	writers.Put(w)
	return dst
}

// appendLevels appends levels in the RLE and bit-packing hybrid, their length
// before them: either as runs of equal levels or packed, as takes less.
func appendLevels(dst []byte, levels []uint8, most uint8) []byte {
	start := len(dst)
	dst = append(dst, 0, 0, 0, 0)
	width := bits.Len8(most)
	groups := (len(levels) + 7) / 8
	limit := start + 4 + groups*width
	for i := 0; i < len(levels) && len(dst) <= limit; {
		from := i
		for i < len(levels) && levels[i] == levels[from] {
			i++
		}
		dst = append(binary.AppendUvarint(dst, uint64(i-from)<<1), levels[from])
	}
	if len(dst) > limit {
		dst = binary.AppendUvarint(dst[:start+4], uint64(groups)<<1|1)
		dst = appendPacked(dst, levels, width)
	}
	binary.LittleEndian.PutUint32(dst[start:], uint32(len(dst)-start-4))
	return dst
}

// appendPacked appends levels with width bits each, the lowest first, filled
// up with zeros to a multiple of eight levels.
func appendPacked(dst []byte, levels []uint8, width int) []byte {
	for len(levels) > 0 {
		var group uint64
		n := min(len(levels), 8)
		for i, level := range levels[:n] {
			group |= uint64(level) << (i * width)
		}
		var all [8]byte
		binary.LittleEndian.PutUint64(all[:], group)
		dst = append(dst, all[:width]...)
		levels = levels[n:]
	}
	return dst
}

// appendPlain appends the values that are not null in the PLAIN encoding.
func appendPlain(dst []byte, l *leaf, values []pq.Value) []byte {
	if l.kind == format.Boolean {
		return appendBits(dst, values)
	}
	for i := range values {
		v := &values[i]
		switch v.Kind() {
		case pq.Int32:
			dst = binary.LittleEndian.AppendUint32(dst, uint32(v.Int32()))
		case pq.Int64:
			dst = binary.LittleEndian.AppendUint64(dst, uint64(v.Int64()))
		case pq.Int96:
			for _, word := range v.Int96() {
				dst = binary.LittleEndian.AppendUint32(dst, word)
			}
		case pq.Float:
			dst = binary.LittleEndian.AppendUint32(dst, math.Float32bits(v.Float()))
		case pq.Double:
			dst = binary.LittleEndian.AppendUint64(dst, math.Float64bits(v.Double()))
		case pq.ByteArray:
			dst = binary.LittleEndian.AppendUint32(dst, uint32(len(v.ByteArray())))
			dst = append(dst, v.ByteArray()...)
		case pq.FixedLenByteArray:
			dst = append(dst, v.ByteArray()...)
		}
	}
	return dst
}

// appendBits appends booleans, the first in the lowest bit.
func appendBits(dst []byte, values []pq.Value) []byte {
	n := 0
	for i := range values {
		if values[i].IsNull() {
			continue
		}
		if n%8 == 0 {
			dst = append(dst, 0)
		}
		if values[i].Boolean() {
			dst[len(dst)-1] |= 1 << (n % 8)
		}
		n++
	}
	return dst
}
