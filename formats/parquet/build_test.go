package parquet

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	pq "github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"

	"github.com/batchmill/batchmill/formats"
)

// A named field of a schema that keeps its fields' order, unlike pq.Group.
type named struct {
	name string
	node pq.Node
}

// file writes rows under a schema of these columns. Groups end where a row
// index of cuts stands.
func file(t testing.TB, columns []named, rows []pq.Row, cuts []int, options ...pq.WriterOption) []byte {
	t.Helper()
	group := pq.Group{}
	for i, c := range columns {
		group[fmt.Sprintf("%02d_%s", i, c.name)] = c.node // sorted, so in order
	}
	var out bytes.Buffer
	w := pq.NewWriter(&out, append(options, pq.NewSchema("test", group))...)
	for i, row := range rows {
		if slices.Contains(cuts, i) {
			if err := w.Flush(); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := w.WriteRows([]pq.Row{row}); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func open(t testing.TB, data []byte, o Options) *File {
	t.Helper()
	f, err := Open(bytes.NewReader(data), int64(len(data)), o)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// show is a value as the tests write it: its kind's letter and its text.
func show(v formats.Value) string {
	return string("_#?\"j"[v.Kind]) + string(v.Text)
}

// read reads all records, each as its values, joined by bars.
func read(f *File, need []int, caps formats.Caps) (records []string, err error) {
	var b formats.Batch
	var row formats.Row
	r := NewReader(f, f.Schema(), need)
	for {
		err := r.Next(&b, caps)
		if err == io.EOF && b.Len() == 0 {
			return records, nil
		}
		if err != nil {
			return records, err
		}
		if b.First != int64(len(records))+1 || b.Len() > caps.Records || b.Len() > 1 && b.Size() > caps.Bytes {
			return records, fmt.Errorf("batch %d+%d of %d bytes under %+v", b.First, b.Len(), b.Size(), caps)
		}
		r.Check(&b)
		for i := range b.Len() {
			text, err := record(&b, i, &row)
			if err != nil {
				return records, err
			}
			records = append(records, text)
		}
	}
}

func record(b *formats.Batch, i int, row *formats.Row) (string, error) {
	for _, flaw := range b.Flaws {
		if flaw.Index == i {
			return "!" + string(flaw.Reason), nil
		}
	}
	if err := b.Rows.Row(b, i, row); err != nil {
		return "", err
	}
	parts := make([]string, len(row.Values))
	for k, v := range row.Values {
		parts[k] = show(v)
	}
	return strings.Join(parts, "|"), nil
}

var wide = formats.Caps{Records: 1 << 20, Bytes: 1 << 30}

func mustRead(t testing.TB, data []byte) []string {
	t.Helper()
	records, err := read(open(t, data, Options{}), nil, wide)
	if err != nil {
		t.Fatal(err)
	}
	return records
}

// A rawPage is a page header and whatever bytes a test puts behind it.
type rawPage struct {
	header format.PageHeader
	body   []byte
}

// A rawFile is a file of one column and one row group, made byte by byte.
type rawFile struct {
	element format.SchemaElement
	codec   format.CompressionCodec
	pages   []rawPage
	rows    int64
	edit    func(*format.FileMetaData) // changes the footer
	wire    func([]byte) []byte        // changes the bytes of each page header and of the footer; nil leaves them
}

func marshal(v any) []byte {
	data, err := thrift.Marshal(new(thrift.CompactProtocol), v)
	if err != nil {
		panic(err)
	}
	return data
}

func (r rawFile) bytes() []byte {
	out := []byte(magic)
	if r.wire == nil {
		r.wire = func(b []byte) []byte { return b }
	}
	for _, p := range r.pages {
		out = append(append(out, r.wire(marshal(&p.header))...), p.body...)
	}
	r.element.Name = "x"
	chunk := format.ColumnMetaData{Type: r.element.Type.V, PathInSchema: []string{"x"}, Codec: r.codec, NumValues: r.rows,
		TotalCompressedSize: int64(len(out) - len(magic)), DataPageOffset: int64(len(magic))}
	meta := format.FileMetaData{Version: 1, NumRows: r.rows,
		Schema:    []format.SchemaElement{{Name: "root", NumChildren: thrift.New[int32](1)}, r.element},
		RowGroups: []format.RowGroup{{NumRows: r.rows, Columns: []format.ColumnChunk{{MetaData: chunk}}}}}
	if r.edit != nil {
		r.edit(&meta)
	}
	return withFooter(out, r.wire(marshal(&meta)))
}

func withFooter(body, footer []byte) []byte {
	out := append(body, footer...)
	out = binary.LittleEndian.AppendUint32(out, uint32(len(footer)))
	return append(out, magic...)
}

func required(kind format.Type) format.SchemaElement {
	return format.SchemaElement{Type: thrift.New(kind), RepetitionType: thrift.New(format.Required)}
}

func optional(kind format.Type) format.SchemaElement {
	return format.SchemaElement{Type: thrift.New(kind), RepetitionType: thrift.New(format.Optional)}
}

func repeated(kind format.Type) format.SchemaElement {
	return format.SchemaElement{Type: thrift.New(kind), RepetitionType: thrift.New(format.Repeated)}
}

// v1 is a data page of version 1.
func v1(n int, encoding format.Encoding, body []byte) rawPage {
	return rawPage{format.PageHeader{Type: format.DataPage, UncompressedPageSize: int32(len(body)), CompressedPageSize: int32(len(body)),
		DataPageHeader: thrift.New(format.DataPageHeader{NumValues: int32(n), Encoding: encoding,
			DefinitionLevelEncoding: format.RLE, RepetitionLevelEncoding: format.RLE})}, body}
}

// dictionary is a dictionary page.
func dictionary(n int, body []byte) rawPage {
	return rawPage{format.PageHeader{Type: format.DictionaryPage, UncompressedPageSize: int32(len(body)), CompressedPageSize: int32(len(body)),
		DictionaryPageHeader: thrift.New(format.DictionaryPageHeader{NumValues: int32(n), Encoding: format.Plain})}, body}
}

func int64s(values ...int64) (out []byte) {
	for _, v := range values {
		out = binary.LittleEndian.AppendUint64(out, uint64(v))
	}
	return out
}
