package interop

import (
	"database/sql"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/parquet-go/parquet-go"
)

const textRows = 700

// A record of the text inputs, by its fields' text; a null is <null>.
type textRecord struct{ id, x, ok, name, zip, big, list, extra string }

func newTextRecord(i int) textRecord {
	r := textRecord{id: strconv.Itoa(i), x: strconv.FormatFloat(float64(i)+0.25, 'f', -1, 64), ok: strconv.FormatBool(i%2 == 0),
		name: fmt.Sprintf("n\u00e4me \"%d\", with\na line break", i), zip: fmt.Sprintf("%05d", i),
		big: fmt.Sprintf("10000000000000000%03d", i), list: fmt.Sprintf("[%d,0.5]", i), extra: fmt.Sprintf(`{"k": [%d, 1.10]}`, i)}
	if i%11 == 3 {
		r.x = "<null>"
	}
	return r
}

// The columns that CSV and JSON Lines become, with their types in DuckDB.
var (
	csvFields   = []field{{"id", "BIGINT"}, {"x", "DOUBLE"}, {"ok", "VARCHAR"}, {"name", "VARCHAR"}, {"zip", "VARCHAR"}, {"big", "VARCHAR"}, {"prediction", "DOUBLE"}}
	jsonlFields = []field{{"id", "BIGINT"}, {"x", "DOUBLE"}, {"ok", "BOOLEAN"}, {"name", "VARCHAR"}, {"zip", "VARCHAR"}, {"big", "JSON"},
		{"list", "DOUBLE[]"}, {"extra", "JSON"}, {"prediction", "DOUBLE"}}
)

func TestFromCSV(t *testing.T) {
	var in strings.Builder
	w := csv.NewWriter(&in)
	_ = w.Write([]string{"id", "x", "ok", "name", "zip", "big"}) // a strings.Builder does not fail
	var cells [][]string
	var want []answer
	for i := range textRows {
		r := newTextRecord(i)
		_ = w.Write([]string{r.id, strings.TrimPrefix(r.x, "<null>"), r.ok, r.name, r.zip, r.big})
		cells = append(cells, []string{r.id, r.x, r.ok, r.name, r.zip, r.big})
		want = append(want, answer{value: score(r.id, r.x, r.ok, r.name, r.zip, r.big)})
	}
	w.Flush()
	out := join(t, write(t, "text.csv", []byte(in.String())), 0, "--header", "yes")
	checkText(t, out, csvFields, cells, want)
}

func TestFromJSONLines(t *testing.T) {
	var in strings.Builder
	var cells [][]string
	var want []answer
	for i := range textRows {
		r := newTextRecord(i)
		name, err := json.Marshal(r.name)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&in, `{"id":%s,"x":%s,"ok":%s,"name":%s,"zip":%q,"big":%s,"list":%s,"extra":%s}`+"\n",
			r.id, strings.Trim(r.x, "<>"), r.ok, name, r.zip, r.big, r.list, r.extra)
		cells = append(cells, []string{r.id, r.x, r.ok, r.name, r.zip, r.big, r.list, r.extra})
		want = append(want, answer{value: score(r.id, r.x, "", r.name, r.zip, r.big, r.id, "0.5", r.id, "1.10")})
	}
	out := join(t, write(t, "text.jsonl", []byte(in.String())), 0)
	checkText(t, out, jsonlFields, cells, want)
}

// checkText reads the output three times.
func checkText(t *testing.T, out string, types []field, cells [][]string, want []answer) {
	t.Helper()
	width := len(types) - 1
	t.Run("duckdb", func(t *testing.T) {
		db := duck(t)
		if got := fields(t, db, out); !reflect.DeepEqual(got, types) {
			t.Fatalf("columns %v, want %v", got, types)
		}
		load(t, db, "after", out, nil)
		sameCells(t, duckCells(t, db, types[:width]), cells)
		same(t, duckAnswers(t, db), want)
		checkFilters(t, db, out, types)
	})
	t.Run("arrow", func(t *testing.T) {
		table := readArrow(t, out)
		if n := int(table.NumCols()); n != len(types) {
			t.Fatalf("%d columns, want %d", n, len(types))
		}
		columns := make([]func(int) string, width)
		for i := range columns {
			values := whole(t, table.Column(i), nil)
			columns[i] = func(row int) string { return arrowCell(values, row) }
		}
		sameCells(t, rowsOf(len(cells), columns), cells)
		same(t, arrowAnswers(t, table.Column(width)), want)
	})
	t.Run("parquet-go", func(t *testing.T) {
		f := openParquetGo(t, out)
		sameCells(t, goCells(t, f, types[:width]), cells)
		same(t, parquetGoAnswers(t, f), want)
		checkGroups(t, f)
	})
}

func sameCells(t *testing.T, got, want [][]string) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d rows, want %d", len(got), len(want))
	}
	for i := range want {
		if !slices.Equal(got[i], want[i]) {
			t.Fatalf("row %d is %q, want %q", i, got[i], want[i])
		}
	}
}

func rowsOf(n int, columns []func(int) string) [][]string {
	rows := make([][]string, n)
	for i := range rows {
		for _, c := range columns {
			rows[i] = append(rows[i], c(i))
		}
	}
	return rows
}

// duckCells shows lists as their JSON, without spaces.
func duckCells(t *testing.T, db *sql.DB, types []field) [][]string {
	t.Helper()
	var list []string
	for _, f := range types {
		cell := "CAST(" + quoted(f.name) + " AS VARCHAR)"
		if nestedType(f.kind) {
			cell = "replace(replace(" + cell + ", ' ', ''), '.0,', ',')"
		}
		list = append(list, cell)
	}
	return texts(t, db, "SELECT "+strings.Join(list, ", ")+" FROM after ORDER BY row_in_file")
}

func arrowCell(values arrow.Array, row int) string {
	if values.IsNull(row) {
		return "<null>"
	}
	switch v := values.(type) {
	case *array.Float64:
		return strconv.FormatFloat(v.Value(row), 'f', -1, 64)
	case *array.Binary: // what arrow-go takes JSON for
		return string(v.Value(row))
	case array.ExtensionArray: // or this
		return arrowCell(v.Storage(), row)
	}
	return values.ValueStr(row)
}

// goCells puts a row's values of a leaf together, in brackets where they are a list.
func goCells(t *testing.T, f *parquet.File, types []field) [][]string {
	t.Helper()
	rows := make([][]string, f.NumRows())
	for i, kind := range types {
		row := -1
		for _, group := range f.RowGroups() {
			for _, v := range chunkValues(t, group.ColumnChunks()[i]) {
				if v.RepetitionLevel() > 0 {
					rows[row][i] = strings.TrimSuffix(rows[row][i], "]") + "," + goCell(v) + "]"
					continue
				}
				row++
				cell := goCell(v)
				if nestedType(kind.kind) {
					cell = "[" + cell + "]"
				}
				rows[row] = append(rows[row], cell)
			}
		}
	}
	return rows
}

func goCell(v parquet.Value) string {
	switch {
	case v.IsNull():
		return "<null>"
	case v.Kind() == parquet.Double:
		return strconv.FormatFloat(v.Double(), 'f', -1, 64)
	}
	return v.String()
}
