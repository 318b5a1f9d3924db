package splice

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/bloom"
	wire "github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
)

type point struct {
	X float32 `parquet:"x,gzip"`
	Y *string `parquet:"y,optional,dict"`
}

// record has columns of most kinds, nested ones in the middle.
type record struct {
	ID    int64            `parquet:"id,delta"`
	Name  string           `parquet:"name,dict,zstd"`
	Tags  []string         `parquet:"tags,list"`
	Where point            `parquet:"where"`
	Trail []point          `parquet:"trail"`
	Props map[string]int64 `parquet:"props"`
	Score *float64         `parquet:"score,optional"`
	Flag  bool             `parquet:"flag"`
	Key   [16]byte         `parquet:"key,uuid,brotli"`
	Raw   []byte           `parquet:"raw,snappy"`
}

type answer struct {
	Prediction *float64  `parquet:"prediction,optional"`
	Vector     []float64 `parquet:"vector,list"`
	Label      string    `parquet:"label,dict,snappy"`
}

func makeRecord(i int) record {
	text := fmt.Sprintf("y%d", i%7)
	r := record{
		ID: int64(i), Name: fmt.Sprintf("name-%d", i%13), Flag: i%3 == 0, Raw: fmt.Appendf(nil, "raw %d", i*i),
		Where: point{X: float32(i) / 3}, Key: [16]byte{byte(i), byte(i >> 8), 15: 1},
	}
	if i%2 == 0 {
		r.Where.Y = &text
		r.Props = map[string]int64{"p": int64(i), "q": -1}
	}
	for k := range i % 4 {
		r.Tags = append(r.Tags, fmt.Sprint(k, i))
		r.Trail = append(r.Trail, point{X: float32(k), Y: &text})
	}
	if i%5 != 0 {
		v := float64(i) * 1.5
		r.Score = &v
	}
	return r
}

func makeAnswer(i int) answer {
	a := answer{Label: fmt.Sprintf("class %d", i%3), Vector: make([]float64, i%3)}
	if i%4 != 0 {
		v := 1 / float64(i)
		a.Prediction = &v
	}
	return a
}

// write makes a file with a row group for each size in groups.
func write[T any](t testing.TB, row func(int) T, groups []int, options ...parquet.WriterOption) []byte {
	t.Helper()
	var out bytes.Buffer
	options = append([]parquet.WriterOption{parquet.PageBufferSize(600), parquet.DataPageStatistics(true)}, options...)
	w := parquet.NewGenericWriter[T](&out, options...)
	i := 0
	for _, n := range groups {
		for range n {
			if _, err := w.Write([]T{row(i)}); err != nil {
				t.Fatal(err)
			}
			i++
		}
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func filters(columns ...string) parquet.WriterOption {
	var list []parquet.BloomFilterColumn
	for _, c := range columns {
		list = append(list, parquet.SplitBlockFilter(10, c))
	}
	return parquet.BloomFilters(list...)
}

func open(t testing.TB, b []byte) *File {
	t.Helper()
	f, err := Open(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func openPQ(t testing.TB, b []byte) *parquet.File {
	t.Helper()
	f, err := parquet.OpenFile(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// join writes all row groups of base, beside those of the others.
func join(t testing.TB, edits []Edit, base Columns, others ...Columns) []byte {
	t.Helper()
	var out bytes.Buffer
	all := append([]Columns{base}, others...)
	w, err := NewWriter(&out, Config{Schema: all, Edits: edits})
	if err != nil {
		t.Fatal(err)
	}
	for g := range base.File.NumGroups() {
		var parts []Part
		for _, c := range all {
			parts = append(parts, Part{File: c.File, Group: g, Keep: c.Keep})
		}
		if err := w.RowGroup(parts...); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if w.Written() != int64(out.Len()) {
		t.Fatalf("%d bytes written, %d counted", out.Len(), w.Written())
	}
	return out.Bytes()
}

// footerOf decodes a footer with the library's decoder.
func footerOf(t testing.TB, b []byte) *format.FileMetaData {
	t.Helper()
	n := int(binary.LittleEndian.Uint32(b[len(b)-8:]))
	var m format.FileMetaData
	if err := wire.Unmarshal(new(wire.CompactProtocol), b[len(b)-8-n:len(b)-8], &m); err != nil {
		t.Fatal(err)
	}
	return &m
}

// withFooter is the file b with another footer.
func withFooter(t testing.TB, b []byte, m *format.FileMetaData) []byte {
	t.Helper()
	footer, err := wire.Marshal(new(wire.CompactProtocol), m)
	if err != nil {
		t.Fatal(err)
	}
	n := int(binary.LittleEndian.Uint32(b[len(b)-8:]))
	out := append(bytes.Clone(b[:len(b)-8-n]), footer...)
	return append(binary.LittleEndian.AppendUint32(out, uint32(len(footer))), magic...)
}

// values reads a chunk from a row on.
func values(t testing.TB, c parquet.ColumnChunk, row int64) []parquet.Value {
	t.Helper()
	pages := c.Pages()
	defer pages.Close()
	if row > 0 {
		if err := pages.SeekToRow(row); err != nil {
			t.Fatal(err)
		}
	}
	var out []parquet.Value
	for {
		p, err := pages.ReadPage()
		if err != nil {
			return out
		}
		buf := make([]parquet.Value, p.NumValues())
		n, _ := p.Values().ReadValues(buf)
		if int64(n) != p.NumValues() {
			t.Fatalf("%d of %d values", n, p.NumValues())
		}
		for _, v := range buf {
			out = append(out, v.Clone())
		}
		parquet.Release(p)
	}
}

func sameValues(t testing.TB, what string, got, want []parquet.Value) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d values, want %d", what, len(got), len(want))
	}
	for i, v := range want {
		g := got[i]
		if !parquet.Equal(g, v) || g.RepetitionLevel() != v.RepetitionLevel() || g.DefinitionLevel() != v.DefinitionLevel() {
			t.Fatalf("%s: value %d is %+v, want %+v", what, i, g, v)
		}
	}
}

// sameChunk holds a chunk of the output against the one it was copied from:
// values, values from a row in the middle, page index, bloom filter.
func sameChunk(t testing.TB, what string, got, want parquet.ColumnChunk, rows int64) {
	t.Helper()
	all := values(t, want, 0)
	sameValues(t, what, values(t, got, 0), all)
	for range min(rows, 3) {
		row := rand.Int64N(rows)
		sameValues(t, fmt.Sprintf("%s from row %d", what, row), values(t, got, row), values(t, want, row))
	}
	sameIndexes(t, what, got, want)
	was, is := want.BloomFilter(), got.BloomFilter()
	if (was == nil) != (is == nil) {
		t.Fatalf("%s: bloom filter %v, want %v", what, is, was)
	}
	if is == nil {
		return
	}
	for _, v := range all {
		if ok, err := is.Check(v); !v.IsNull() && (!ok || err != nil) {
			t.Fatalf("%s: the bloom filter does not know %v: %v", what, v, err)
		}
	}
	if was.Size() != is.Size() || is.Size() < bloom.BlockSize {
		t.Fatalf("%s: bloom filter of %d bytes, want %d", what, is.Size(), was.Size())
	}
}

func sameIndexes(t testing.TB, what string, got, want parquet.ColumnChunk) {
	t.Helper()
	was, err1 := want.ColumnIndex()
	is, err2 := got.ColumnIndex()
	if (err1 == nil) != (err2 == nil) {
		t.Fatalf("%s: column index: %v, want %v", what, err2, err1)
	}
	for i := 0; err1 == nil && i < was.NumPages(); i++ {
		if !parquet.Equal(was.MinValue(i), is.MinValue(i)) || !parquet.Equal(was.MaxValue(i), is.MaxValue(i)) ||
			was.NullCount(i) != is.NullCount(i) || was.NullPage(i) != is.NullPage(i) {
			t.Fatalf("%s: page %d has other bounds", what, i)
		}
	}
	from, err1 := want.OffsetIndex()
	to, err2 := got.OffsetIndex()
	if (err1 == nil) != (err2 == nil) || err1 == nil && from.NumPages() != to.NumPages() {
		t.Fatalf("%s: offset index: %v, want %v", what, err2, err1)
	}
	for i := 0; err1 == nil && i < from.NumPages(); i++ {
		if from.FirstRowIndex(i) != to.FirstRowIndex(i) || from.CompressedPageSize(i) != to.CompressedPageSize(i) ||
			from.Offset(i)-from.Offset(0) != to.Offset(i)-to.Offset(0) {
			t.Fatalf("%s: page %d moved wrongly", what, i)
		}
	}
}

// origin says where a leaf of the output was.
type origin struct {
	file []byte
	leaf int
}

// sameFile holds every chunk of the output against its origin: bytes, and all
// that readers can get from it.
func sameFile(t testing.TB, out []byte, group func(g int) int, leaves []origin) {
	t.Helper()
	got := openPQ(t, out)
	gotMeta := footerOf(t, out)
	for g, rg := range got.RowGroups() {
		for i, c := range rg.ColumnChunks() {
			from := leaves[i]
			was := openPQ(t, from.file).RowGroups()[group(g)]
			what := fmt.Sprintf("row group %d, column %d", g, i)
			sameChunk(t, what, c, was.ColumnChunks()[from.leaf], was.NumRows())
			a := &footerOf(t, from.file).RowGroups[group(g)].Columns[from.leaf].MetaData
			b := &gotMeta.RowGroups[g].Columns[i].MetaData
			if !bytes.Equal(chunkBytes(from.file, a), chunkBytes(out, b)) {
				t.Fatalf("%s: other bytes", what)
			}
			moved := *a
			moved.DataPageOffset, moved.DictionaryPageOffset = b.DataPageOffset, b.DictionaryPageOffset
			moved.BloomFilterOffset, moved.BloomFilterLength = b.BloomFilterOffset, b.BloomFilterLength
			if x, y := fmt.Sprintf("%+v", moved), fmt.Sprintf("%+v", *b); x != y {
				t.Fatalf("%s:\n%s\nwant\n%s", what, y, x)
			}
		}
	}
}

func chunkBytes(file []byte, m *format.ColumnMetaData) []byte {
	at := m.DataPageOffset
	if m.DictionaryPageOffset > 0 && m.DictionaryPageOffset < at {
		at = m.DictionaryPageOffset
	}
	return file[at : at+m.TotalCompressedSize]
}

func TestJoin(t *testing.T) {
	groups := []int{300, 1, 77}
	in := write(t, makeRecord, groups, filters("id", "name", "where.y"), parquet.KeyValueMetadata("k", "v"),
		parquet.SortingWriterConfig(parquet.SortingColumns(parquet.Ascending("id"))))
	add := write(t, makeAnswer, groups, filters("label"))
	out := join(t, []Edit{{Key: "lineage", Value: "1"}}, Columns{File: open(t, in)}, Columns{File: open(t, add)})

	var leaves []origin
	for i := range openPQ(t, in).RowGroups()[0].ColumnChunks() {
		leaves = append(leaves, origin{in, i})
	}
	for i := range openPQ(t, add).RowGroups()[0].ColumnChunks() {
		leaves = append(leaves, origin{add, i})
	}
	sameFile(t, out, func(g int) int { return g }, leaves)
	wholeRows(t, out, in, add, 378)

	f := open(t, out)
	if got := fmt.Sprint(f.Names()); got != "[id name tags where trail props score flag key raw prediction vector label]" {
		t.Error(got)
	}
	m := footerOf(t, out)
	if m.NumRows != 378 || len(m.RowGroups) != 3 || len(m.ColumnOrders) != len(leaves) || m.CreatedBy != footerOf(t, in).CreatedBy {
		t.Errorf("%+v", m)
	}
	for i, rg := range m.RowGroups {
		if rg.NumRows != int64(groups[i]) || int(rg.Ordinal) != i || rg.FileOffset != rg.Columns[0].MetaData.DataPageOffset {
			t.Errorf("row group %d: %d rows, ordinal %d, offset %d", i, rg.NumRows, rg.Ordinal, rg.FileOffset)
		}
		var plain, packed int64
		for _, c := range rg.Columns {
			plain += c.MetaData.TotalUncompressedSize
			packed += c.MetaData.TotalCompressedSize
		}
		if plain != rg.TotalByteSize || packed != rg.TotalCompressedSize {
			t.Errorf("row group %d: sizes %d and %d, want %d and %d", i, rg.TotalByteSize, rg.TotalCompressedSize, plain, packed)
		}
	}
}

// wholeRows reads an output of record and answer by rows, and the two files
// that it was made of.
func wholeRows(t *testing.T, out, in, add []byte, rows int) {
	t.Helper()
	if got, want := plain(readRows[record](t, out, rows)), plain(readRows[record](t, in, rows)); got != want {
		t.Errorf("records\n%s\nwant\n%s", got, want)
	}
	if got, want := plain(readRows[answer](t, out, rows)), plain(readRows[answer](t, add, rows)); got != want {
		t.Errorf("answers\n%s\nwant\n%s", got, want)
	}
}

func readRows[T any](t *testing.T, file []byte, rows int) []T {
	t.Helper()
	r := parquet.NewGenericReader[T](bytes.NewReader(file))
	defer r.Close()
	got := make([]T, rows+1)
	if n, _ := r.Read(got); n != rows {
		t.Fatalf("%d rows, want %d", n, rows)
	}
	return got[:rows]
}
