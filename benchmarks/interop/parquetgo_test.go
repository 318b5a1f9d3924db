package interop

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"testing"

	"github.com/parquet-go/parquet-go"
)

func openParquetGo(t *testing.T, path string) *parquet.File {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	f, err := parquet.OpenFile(bytes.NewReader(content), int64(len(content)))
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return f
}

// checkParquetGo compares every leaf value with its levels, and looks whether
// page indexes and bloom filters say what is there.
func checkParquetGo(t *testing.T, j joined) {
	in, out := openParquetGo(t, j.in), openParquetGo(t, j.out)
	was, is := leaves(t, in), leaves(t, out)
	if len(is) != len(was)+1 {
		t.Fatalf("%d leaf columns, were %d", len(is), len(was))
	}
	for i, name := range in.Schema().Columns() {
		want := was[i]
		if j.rows != nil {
			want = nil
			for _, row := range j.rows {
				want = append(want, was[i][row])
			}
		}
		if !slices.Equal(is[i], want) {
			t.Errorf("%s: other values", name)
		}
		if got := out.Schema().Columns()[i]; !slices.Equal(got, name) {
			t.Errorf("leaf column %d is %s, was %s", i, got, name)
		}
	}
	same(t, parquetGoAnswers(t, out), j.want)
	checkGroups(t, out)
	if j.spliced {
		checkCopied(t, in, out)
	}
	for _, kv := range in.Metadata().KeyValueMetadata {
		if v, ok := out.Lookup(kv.Key); !ok || v != kv.Value && kv.Key != "ARROW:schema" {
			t.Errorf("metadata %q is %q, was %q", kv.Key, v, kv.Value)
		}
	}
}

// leaves reads all leaf columns; each row is the text of its values and levels.
func leaves(t *testing.T, f *parquet.File) [][]string {
	t.Helper()
	columns := make([][]string, len(f.Schema().Columns()))
	for _, group := range f.RowGroups() {
		for i, chunk := range group.ColumnChunks() {
			for _, v := range chunkValues(t, chunk) {
				text := fmt.Sprintf("%d/%d/%x ", v.RepetitionLevel(), v.DefinitionLevel(), v.Bytes())
				if last := len(columns[i]) - 1; v.RepetitionLevel() > 0 {
					columns[i][last] += text
				} else {
					columns[i] = append(columns[i], text)
				}
			}
		}
	}
	return columns
}

func chunkValues(t *testing.T, chunk parquet.ColumnChunk) (all []parquet.Value) {
	t.Helper()
	eachPage(t, chunk, func(_ int, _ parquet.Page, values []parquet.Value) { all = append(all, values...) })
	return all
}

// eachPage calls look for every page, with values that stay good.
func eachPage(t *testing.T, chunk parquet.ColumnChunk, look func(i int, page parquet.Page, values []parquet.Value)) {
	t.Helper()
	pages := chunk.Pages()
	defer pages.Close()
	for i := 0; ; i++ {
		page, err := pages.ReadPage()
		if err == io.EOF {
			return
		}
		if err != nil {
			t.Fatalf("column %d, page %d: %v", chunk.Column(), i, err)
		}
		values := make([]parquet.Value, page.NumValues())
		if n, err := page.Values().ReadValues(values); n != len(values) || err != nil && err != io.EOF {
			t.Fatalf("column %d, page %d: %d of %d values, %v", chunk.Column(), i, n, len(values), err)
		}
		for k := range values {
			values[k] = values[k].Clone()
		}
		look(i, page, values)
		parquet.Release(page)
	}
}

func parquetGoAnswers(t *testing.T, f *parquet.File) (list []answer) {
	t.Helper()
	leaf, ok := f.Schema().Lookup("prediction")
	if !ok || leaf.Node.Type().Kind() != parquet.Double || !leaf.Node.Optional() {
		t.Fatalf("prediction is no optional double: %v", f.Schema())
	}
	for _, group := range f.RowGroups() {
		for _, v := range chunkValues(t, group.ColumnChunks()[leaf.ColumnIndex]) {
			if v.IsNull() {
				list = append(list, answer{null: true})
			} else {
				list = append(list, answer{value: v.Double()})
			}
		}
	}
	return list
}

// checkGroups looks at every chunk's page index and bloom filter.
func checkGroups(t *testing.T, f *parquet.File) {
	t.Helper()
	for g, group := range f.RowGroups() {
		for i, chunk := range group.ColumnChunks() {
			name := fmt.Sprintf("row group %d, column %s", g, f.Schema().Columns()[i])
			checkPages(t, name, chunk, group.NumRows())
			filter := chunk.BloomFilter()
			if filter == nil {
				continue
			}
			for _, v := range chunkValues(t, chunk) {
				if ok, err := filter.Check(v); !v.IsNull() && (!ok || err != nil) {
					t.Fatalf("%s: the bloom filter does not know %v, %v", name, v, err)
				}
			}
		}
	}
}

// checkPages holds a chunk's page index, if it has one, against its pages.
func checkPages(t *testing.T, name string, chunk parquet.ColumnChunk, rows int64) {
	t.Helper()
	columns, err := chunk.ColumnIndex()
	offsets, err2 := chunk.OffsetIndex()
	if errors.Is(err, parquet.ErrMissingColumnIndex) || errors.Is(err2, parquet.ErrMissingOffsetIndex) {
		return
	}
	if err != nil || err2 != nil {
		t.Fatalf("%s: %v, %v", name, err, err2)
	}
	first := int64(0)
	eachPage(t, chunk, func(i int, page parquet.Page, values []parquet.Value) {
		if i >= columns.NumPages() || i >= offsets.NumPages() || offsets.FirstRowIndex(i) != first {
			t.Fatalf("%s: page %d begins with row %d; the index has another", name, i, first)
		}
		checkBounds(t, fmt.Sprintf("%s, page %d", name, i), chunk.Type(), columns, i, values)
		checkSeek(t, name, chunk, first, values[0])
		first += page.NumRows()
	})
	if first != rows {
		t.Errorf("%s: pages of %d rows, want %d", name, first, rows)
	}
}

// checkBounds looks whether every value lies between what the index says, and
// whether it counts the nulls.
func checkBounds(t *testing.T, name string, kind parquet.Type, index parquet.ColumnIndex, i int, values []parquet.Value) {
	t.Helper()
	nulls := int64(0)
	for _, v := range values {
		switch {
		case v.IsNull():
			nulls++
		case v.Kind() == parquet.Double && math.IsNaN(v.Double()) || unordered(kind):
		case kind.Compare(v, index.MinValue(i)) < 0 || kind.Compare(v, index.MaxValue(i)) > 0:
			t.Fatalf("%s: %v is not between %v and %v", name, v, index.MinValue(i), index.MaxValue(i))
		}
	}
	if index.NullCount(i) != nulls || index.NullPage(i) != (nulls == int64(len(values))) {
		t.Errorf("%s: %d nulls, the index says %d", name, nulls, index.NullCount(i))
	}
}

// unordered is true for FLOAT16, which parquet-go opens as two plain bytes and
// would compare as such.
func unordered(kind parquet.Type) bool {
	return kind.Kind() == parquet.FixedLenByteArray && kind.Length() == 2
}

// checkSeek reads a row by the offset index.
func checkSeek(t *testing.T, name string, chunk parquet.ColumnChunk, row int64, want parquet.Value) {
	t.Helper()
	pages := chunk.Pages()
	defer pages.Close()
	if err := pages.SeekToRow(row); err != nil {
		t.Fatalf("%s: seek to row %d: %v", name, row, err)
	}
	page, err := pages.ReadPage()
	if err != nil {
		t.Fatalf("%s: read row %d: %v", name, row, err)
	}
	defer parquet.Release(page)
	got := make([]parquet.Value, 1)
	if n, err := page.Values().ReadValues(got); n != 1 || err != nil && err != io.EOF || !parquet.DeepEqual(got[0], want) && fmt.Sprint(got[0]) != fmt.Sprint(want) {
		t.Fatalf("%s: row %d is %v, want %v (%v)", name, row, got[0], want, err)
	}
}

// checkCopied looks whether the output has what the input had beside values:
// sizes, encodings, statistics, bloom filters, indexes, sorting.
func checkCopied(t *testing.T, in, out *parquet.File) {
	t.Helper()
	was, is := in.Metadata().RowGroups, out.Metadata().RowGroups
	if len(was) != len(is) {
		t.Fatalf("%d row groups, were %d", len(is), len(was))
	}
	for g := range was {
		if fmt.Sprint(is[g].SortingColumns) != fmt.Sprint(was[g].SortingColumns) {
			t.Errorf("row group %d is sorted by %v, was by %v", g, is[g].SortingColumns, was[g].SortingColumns)
		}
		for i := range was[g].Columns {
			before, after := was[g].Columns[i].MetaData, is[g].Columns[i].MetaData
			name := fmt.Sprintf("row group %d, column %v", g, before.PathInSchema)
			for what, pair := range map[string][2]any{
				"codec":        {before.Codec, after.Codec},
				"encodings":    {before.Encoding, after.Encoding},
				"size":         {before.TotalCompressedSize, after.TotalCompressedSize},
				"bytes":        {before.TotalUncompressedSize, after.TotalUncompressedSize},
				"values":       {before.NumValues, after.NumValues},
				"statistics":   {before.Statistics, after.Statistics},
				"bloom filter": {before.BloomFilterOffset > 0, after.BloomFilterOffset > 0},
				"column index": {was[g].Columns[i].ColumnIndexLength, is[g].Columns[i].ColumnIndexLength},
				"offset index": {was[g].Columns[i].OffsetIndexOffset > 0, is[g].Columns[i].OffsetIndexOffset > 0},
			} {
				if a, b := fmt.Sprintf("%v", pair[0]), fmt.Sprintf("%v", pair[1]); a != b {
					t.Errorf("%s: %s is %s, was %s", name, what, b, a)
				}
			}
		}
	}
}
