package corpus

import (
	"bytes"
	"encoding/csv"
	"io"
	"math"
	"strconv"
	"testing"

	"github.com/parquet-go/parquet-go"
)

func open(t *testing.T, data []byte) *parquet.File {
	t.Helper()
	file, err := parquet.OpenFile(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// Rows of a Parquet corpus are the records of the CSV corpus, but for nulls.
func TestParquetHoldsTheSameValues(t *testing.T) {
	const records = 3000
	rows, err := csv.NewReader(bytes.NewReader(generate(t, Spec{Format: CSV, Records: records, Seed: 3}))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	data := generate(t, Spec{Format: Parquet, Records: records, Seed: 3})
	reader := parquet.NewGenericReader[any](open(t, data))
	defer func() { _ = reader.Close() }()
	nulls, got := 0, make([]parquet.Row, records)
	n, err := reader.ReadRows(got)
	if n != records || err != nil && err != io.EOF {
		t.Fatalf("%d rows, %v", n, err)
	}
	for i, row := range got {
		if len(row) != len(Columns()) {
			t.Fatalf("row %d has %d values", i+1, len(row))
		}
		for j, value := range row {
			if value.IsNull() && nullable(j) {
				nulls++
			} else if !same(value, rows[i+1][j]) {
				t.Fatalf("row %d, %s: csv %q, parquet %v", i+1, Columns()[j], rows[i+1][j], value)
			}
		}
	}
	if nulls < 50 || nulls > 200 {
		t.Errorf("%d nulls, want about 105", nulls)
	}
}

func same(value parquet.Value, text string) bool {
	switch value.Kind() {
	case parquet.Int64:
		return strconv.FormatInt(value.Int64(), 10) == text
	case parquet.Double:
		want, err := strconv.ParseFloat(text, 64)
		return err == nil && math.Float64bits(value.Double()) == math.Float64bits(want)
	default:
		return string(value.ByteArray()) == text
	}
}

func TestParquetShape(t *testing.T) {
	const records = RowGroup + 100
	data := generate(t, Spec{Format: Parquet, Records: records, Seed: 1})
	file := open(t, data)
	for i, group := range file.Metadata().RowGroups {
		if want := []int64{RowGroup, 100}[i]; group.NumRows != want {
			t.Errorf("row group %d has %d rows, want %d", i, group.NumRows, want)
		}
	}
	for i, path := range file.Schema().Columns() {
		if len(path) != 1 || path[0] != Columns()[i] {
			t.Errorf("column %d is %q, want %q", i, path, Columns()[i])
		}
	}
	if mean := len(data) / records; mean < 100 || mean > 125 {
		t.Errorf("a record has %d bytes, want about 112", mean)
	}
}

func TestParquetComesOutTheSame(t *testing.T) {
	one := generate(t, Spec{Format: Parquet, Records: 2000, Seed: 1})
	if !bytes.Equal(one, generate(t, Spec{Format: Parquet, Records: 2000, Seed: 1})) {
		t.Error("one spec gave two files")
	}
	if bytes.Equal(one, generate(t, Spec{Format: Parquet, Records: 2000, Seed: 2})) {
		t.Error("two seeds gave one file")
	}
}
