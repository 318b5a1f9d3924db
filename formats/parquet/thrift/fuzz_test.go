package thrift

import (
	"bytes"
	"testing"

	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
)

// FuzzMeasure holds Measure against another reader: what it takes for a struct,
// parquet-go does too, to the same byte; and any beginning of it is truncated
// and nothing else, for page headers are read piece by piece.
func FuzzMeasure(f *testing.F) {
	for _, v := range []any{
		&format.FileMetaData{Version: 1, NumRows: 3, Schema: []format.SchemaElement{{Name: "root", NumChildren: thrift.New[int32](1)}, {Name: "a"}},
			RowGroups: []format.RowGroup{{Columns: []format.ColumnChunk{{FileOffset: 4}}, NumRows: 3}}},
		&format.PageHeader{Type: format.DataPage, CompressedPageSize: 7, DataPageHeader: thrift.New(format.DataPageHeader{NumValues: 3})},
	} {
		data, err := thrift.Marshal(new(thrift.CompactProtocol), v)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add([]byte{0x11, 0x12, 0x13, 9, 0x14, 2, 0x17, 1, 2, 3, 4, 5, 6, 7, 8, 0x18, 1, 'a', 0x05, 0x80, 0x01, 2, 0, 'x'})
	f.Add([]byte{0x1b, 1, 0x89, 1, 'k', 0x21, 1, 2, 0x1b, 0, 0x1a, 0x2c, 0x1c, 0, 0, 0, 0x19, 0, 0})
	f.Add(append(append([]byte{0x1d}, make([]byte, 16)...), 0))
	f.Fuzz(func(t *testing.T, data []byte) {
		n, elements, err := Measure(data, func(_, _ Kind, _ int) int64 { return 1 })
		if err != nil {
			return
		}
		if n > len(data) || elements > int64(n) {
			t.Fatalf("%d bytes of %d, with %d elements", n, len(data), elements)
		}
		r := NewReader(data)
		if raw := r.Skip(Struct); r.Err() == nil && !bytes.Equal(raw, data[:n]) {
			t.Fatalf("skipped % x of % x", raw, data[:n])
		}
		var none struct{}
		var compact thrift.CompactProtocol
		behind := compact.NewReaderFromBytes(data)
		if err := thrift.NewDecoder(behind).Decode(&none); err != nil || behind.BytesRead() != n {
			t.Fatalf("%d bytes, and %d to parquet-go: %v", n, behind.BytesRead(), err)
		}
		for k := range min(n, 200) {
			if _, _, err := Measure(data[:k], nil); err != ErrTruncated {
				t.Fatalf("%d of %d bytes: %v", k, n, err)
			}
		}
	})
}
