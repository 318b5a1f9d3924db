package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go"

	"github.com/batchmill/batchmill/benchmarks/corpus"
)

type valuesRow struct {
	ID     int64    `parquet:"id"`
	Number *float64 `parquet:"number"`
	Text   string   `parquet:"text"`
}

func writeRows(t *testing.T, rows []valuesRow, options ...parquet.WriterOption) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "rows.parquet")
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	writer := parquet.NewGenericWriter[valuesRow](f, options...)
	if _, err := writer.Write(rows); err != nil {
		t.Fatal(err)
	}
	if err := writer.Close(); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestSameValues(t *testing.T) {
	zero, one := 0.0, 1.0
	rows := []valuesRow{{1, &one, "ab"}, {2, nil, "c"}, {3, &zero, ""}}
	reference := writeRows(t, rows)
	cut := writeRows(t, rows, parquet.MaxRowsPerRowGroup(2), parquet.Compression(&parquet.Zstd), parquet.DataPageVersion(1))
	if err := sameOutput(corpus.Parquet, reference, cut); err != nil {
		t.Errorf("the same values in another file: %v", err)
	}
	if err := sameOutput(corpus.CSV, reference, cut); err == nil {
		t.Error("two files of other bytes were taken for the same text")
	}
	tests := []struct {
		name, column string
		rows         []valuesRow
	}{
		{"other number", "number", []valuesRow{{1, &zero, "ab"}, {2, nil, "c"}, {3, &zero, ""}}},
		{"zero for null", "number", []valuesRow{{1, &one, "ab"}, {2, &zero, "c"}, {3, &zero, ""}}},
		{"other order", "number", []valuesRow{{1, &one, "ab"}, {2, &zero, "c"}, {3, nil, ""}}},
		{"text moved on", "text", []valuesRow{{1, &one, "a"}, {2, nil, "bc"}, {3, &zero, ""}}},
		{"a row less", "id", rows[:2]},
	}
	for _, test := range tests {
		err := sameValues(reference, writeRows(t, test.rows))
		if err == nil || !strings.Contains(err.Error(), "["+test.column+"]") {
			t.Errorf("%s: got %v, want a difference in %s", test.name, err, test.column)
		}
	}
}

func TestSameValuesNeedsTheSameColumns(t *testing.T) {
	type less struct {
		ID int64 `parquet:"id"`
	}
	whole := writeRows(t, []valuesRow{{ID: 1}})
	short := filepath.Join(t.TempDir(), "short.parquet")
	if err := parquet.WriteFile(short, []less{{1}}); err != nil {
		t.Fatal(err)
	}
	for _, pair := range [][2]string{{whole, short}, {short, whole}} {
		if err := sameValues(pair[0], pair[1]); err == nil || !strings.Contains(err.Error(), "[number]") {
			t.Errorf("got %v, want a difference in number", err)
		}
	}
	if err := sameValues(whole, short+"er"); err == nil {
		t.Error("a file that is not there went unnoticed")
	}
}
