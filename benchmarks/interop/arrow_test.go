package interop

import (
	"context"
	"os"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"
)

// readArrow reads a whole file with arrow-go, which takes types from
// ARROW:schema where there is one.
func readArrow(t *testing.T, path string) arrow.Table {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r, err := file.NewParquetReader(f)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	reader, err := pqarrow.NewFileReader(r, pqarrow.ArrowReadProperties{BatchSize: 1 << 16}, memory.DefaultAllocator)
	if err != nil {
		t.Fatal(err)
	}
	table, err := reader.ReadTable(context.Background())
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return table
}

// checkArrow compares the old columns' types and values, and the answers.
func checkArrow(t *testing.T, j joined) {
	in, out := readArrow(t, j.in), readArrow(t, j.out)
	n := int(in.NumCols())
	if int(out.NumCols()) != n+1 || int(out.NumRows()) != len(j.want) {
		t.Fatalf("%d columns and %d rows, want %d and %d", out.NumCols(), out.NumRows(), n+1, len(j.want))
	}
	for i := range n {
		before, after := in.Schema().Field(i), out.Schema().Field(i)
		if !after.Equal(before) {
			t.Errorf("field %d is %v, was %v", i, after, before)
		}
		was, is := whole(t, in.Column(i), j.rows), whole(t, out.Column(i), nil)
		if row := firstDifference(was, is); row >= 0 {
			t.Errorf("%s: row %d is %s, was %s", before.Name, row, is.ValueStr(row), was.ValueStr(row))
		}
	}
	last := out.Schema().Field(n)
	if last.Name != "prediction" || last.Type.ID() != arrow.FLOAT64 || !last.Nullable {
		t.Errorf("the new field is %v", last)
	}
	same(t, arrowAnswers(t, out.Column(n)), j.want)
	kept := out.Schema().Metadata()
	for i, key := range in.Schema().Metadata().Keys() {
		if v, ok := kept.GetValue(key); !ok || v != in.Schema().Metadata().Values()[i] {
			t.Errorf("metadata %q is %q, was %q", key, v, in.Schema().Metadata().Values()[i])
		}
	}
}

// whole is a column as one array, all of it or the named rows.
func whole(t *testing.T, c *arrow.Column, rows []int) arrow.Array {
	t.Helper()
	all, err := array.Concatenate(c.Data().Chunks(), memory.DefaultAllocator)
	if err != nil {
		t.Fatalf("%s: %v", c.Name(), err)
	}
	if rows == nil {
		return all
	}
	var parts []arrow.Array
	for _, row := range rows {
		parts = append(parts, array.NewSlice(all, int64(row), int64(row+1)))
	}
	some, err := array.Concatenate(parts, memory.DefaultAllocator)
	if err != nil {
		t.Fatalf("%s: %v", c.Name(), err)
	}
	return some
}

// firstDifference is the first row that differs, -1 when there is none. What
// stands at which place of a dictionary does not matter, and NaN is NaN.
func firstDifference(a, b arrow.Array) int {
	if a.Len() != b.Len() {
		return min(a.Len(), b.Len())
	}
	for i := range a.Len() {
		if a.IsNull(i) != b.IsNull(i) || a.ValueStr(i) != b.ValueStr(i) {
			return i
		}
	}
	if a.DataType().ID() != arrow.DICTIONARY && !array.ApproxEqual(a, b, array.WithNaNsEqual(true), array.WithAbsTolerance(0)) {
		return 0
	}
	return -1
}

func arrowAnswers(t *testing.T, c *arrow.Column) []answer {
	t.Helper()
	values, ok := whole(t, c, nil).(*array.Float64)
	if !ok {
		t.Fatalf("predictions are %v", c.DataType())
	}
	list := make([]answer, values.Len())
	for i := range list {
		if list[i].null = values.IsNull(i); !list[i].null {
			list[i].value = values.Value(i)
		}
	}
	return list
}
