package interop

import (
	"database/sql"
	"fmt"
	"strings"
	"testing"

	_ "github.com/duckdb/duckdb-go/v2" // the driver
)

// duck is a database in memory. Times with a zone are shown in UTC.
func duck(t *testing.T) *sql.DB {
	t.Helper()
	db, err := sql.Open("duckdb", "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	db.SetMaxOpenConns(1) // what is set holds for one connection
	do(t, db, "SET TimeZone = 'UTC'")
	do(t, db, "SET threads = 2")
	return db
}

func do(t *testing.T, db *sql.DB, query string) {
	t.Helper()
	if _, err := db.Exec(query); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
}

// texts runs a query whose columns are texts, and returns its rows. A null is <null>.
func texts(t *testing.T, db *sql.DB, query string) [][]string {
	t.Helper()
	rows, err := db.Query(query)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	defer rows.Close()
	names, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	var list [][]string
	for rows.Next() {
		cells, into := make([]sql.NullString, len(names)), make([]any, len(names))
		for i := range cells {
			into[i] = &cells[i]
		}
		if err := rows.Scan(into...); err != nil {
			t.Fatalf("%s: %v", query, err)
		}
		row := make([]string, len(cells))
		for i, c := range cells {
			if row[i] = c.String; !c.Valid {
				row[i] = "<null>"
			}
		}
		list = append(list, row)
	}
	if err := rows.Err(); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return list
}

func count(t *testing.T, db *sql.DB, query string) (n int) {
	t.Helper()
	if err := db.QueryRow(query).Scan(&n); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return n
}

func quoted(name string) string  { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }
func literal(text string) string { return `'` + strings.ReplaceAll(text, `'`, `''`) + `'` }

// A field is a column of a file as DuckDB sees it.
type field struct{ name, kind string }

func fields(t *testing.T, db *sql.DB, path string) (list []field) {
	t.Helper()
	for _, row := range texts(t, db, "SELECT column_name, column_type FROM (DESCRIBE FROM read_parquet("+literal(path)+"))") {
		list = append(list, field{row[0], row[1]})
	}
	return list
}

// checkDuckDB compares types and values, then asks for values in ways that use
// statistics, page indexes and bloom filters.
func checkDuckDB(t *testing.T, j joined) {
	db := duck(t)
	was, is := fields(t, db, j.in), fields(t, db, j.out)
	if fmt.Sprint(is) != fmt.Sprint(append(was, field{"prediction", "DOUBLE"})) {
		t.Fatalf("columns %v, were %v", is, was)
	}
	load(t, db, "before", j.in, j.rows)
	load(t, db, "after", j.out, nil)
	if n := count(t, db, "SELECT count(*) FROM after"); n != len(j.want) {
		t.Fatalf("%d rows, want %d", n, len(j.want))
	}
	for _, f := range was {
		name := quoted(f.name)
		n := count(t, db, fmt.Sprintf("SELECT count(*) FROM before b FULL JOIN after a USING (row_in_file) WHERE a.%s IS DISTINCT FROM b.%s", name, name))
		if n != 0 {
			t.Errorf("%s: %d values differ", f.name, n)
		}
	}
	same(t, duckAnswers(t, db), j.want)
	checkFilters(t, db, j.out, is)
}

// load reads a file, or some rows of it, into a table, numbered from 0.
func load(t *testing.T, db *sql.DB, table, path string, rows []int) {
	t.Helper()
	where := ""
	if rows != nil {
		where = "WHERE file_row_number IN (" + strings.Trim(strings.ReplaceAll(fmt.Sprint(rows), " ", ","), "[]") + ")"
	}
	do(t, db, fmt.Sprintf(`CREATE TABLE %s AS SELECT * EXCLUDE (file_row_number),
		row_number() OVER (ORDER BY file_row_number) - 1 AS row_in_file
		FROM read_parquet(%s, file_row_number = true) %s`, table, literal(path), where))
}

func duckAnswers(t *testing.T, db *sql.DB) (list []answer) {
	t.Helper()
	rows, err := db.Query("SELECT prediction FROM after ORDER BY row_in_file")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var v sql.NullFloat64
		if err := rows.Scan(&v); err != nil {
			t.Fatal(err)
		}
		list = append(list, answer{v.Float64, !v.Valid})
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return list
}

// nestedType is true for what DuckDB has no statistics of.
func nestedType(kind string) bool {
	return strings.HasSuffix(kind, "]") || strings.HasPrefix(kind, "STRUCT") || strings.HasPrefix(kind, "MAP")
}

// present is about six of the column's values as text, least and greatest among them.
func present(t *testing.T, db *sql.DB, f field) (list []string) {
	t.Helper()
	rows := texts(t, db, fmt.Sprintf(`WITH d AS (SELECT %[1]s AS v, row_number() OVER (ORDER BY %[1]s) AS k, count(*) OVER () AS n
		FROM (SELECT DISTINCT %[1]s FROM after WHERE %[1]s IS NOT NULL))
		SELECT CAST(v AS VARCHAR) FROM d WHERE k = 1 OR k = n OR k %% greatest(1, n // 4) = 0 ORDER BY k`, quoted(f.name)))
	for _, row := range rows {
		if row[0] != "nan" { // statistics leave it out, and DuckDB asks them for it
			list = append(list, row[0])
		}
	}
	return list
}

// filtered are the columns that have a bloom filter.
func filtered(t *testing.T, db *sql.DB, path string) map[string]bool {
	t.Helper()
	names := map[string]bool{}
	for _, row := range texts(t, db, "SELECT DISTINCT path_in_schema FROM parquet_metadata("+literal(path)+") WHERE bloom_filter_offset IS NOT NULL") {
		names[row[0]] = true
	}
	return names
}

// checkFilters asks for the values of each column in ways that statistics, page
// indexes and bloom filters may answer.
func checkFilters(t *testing.T, db *sql.DB, path string, list []field) {
	t.Helper()
	blooms := filtered(t, db, path)
	for _, f := range list {
		values := []string(nil)
		// DuckDB v1.5.0 finds no BLOB by a bloom filter, not even in files of its own.
		if !nestedType(f.kind) && !(f.kind == "BLOB" && blooms[f.name]) {
			values = present(t, db, f)
		}
		checkCounts(t, db, path, f, values)
		if blooms[f.name] {
			checkBloom(t, db, path, f, values)
		}
	}
}

// checkCounts asks the file, and a table that was loaded from it, how many rows
// have a value, or lie above it. The file may leave out row groups and pages by
// what it says about them; the table cannot.
func checkCounts(t *testing.T, db *sql.DB, path string, f field, values []string) {
	t.Helper()
	name, from := quoted(f.name), "read_parquet("+literal(path)+")"
	conditions := []string{name + " IS NULL", name + " IS NOT NULL"}
	for _, v := range values {
		value := fmt.Sprintf("CAST(%s AS %s)", literal(v), f.kind)
		conditions = append(conditions, name+" = "+value, name+" > "+value)
	}
	for _, c := range conditions {
		got := count(t, db, "SELECT count(*) FROM "+from+" WHERE "+c)
		want := count(t, db, "SELECT count(*) FROM after WHERE "+c)
		if got != want || strings.Contains(c, " = ") && got == 0 {
			t.Errorf("%s: the file finds %d rows, there are %d", c, got, want)
		}
	}
}

// checkBloom asks DuckDB's own probe: of the row groups at least one must be
// left, since the value is there.
func checkBloom(t *testing.T, db *sql.DB, path string, f field, values []string) {
	t.Helper()
	for _, v := range values {
		excluded := texts(t, db, fmt.Sprintf("SELECT CAST(bloom_filter_excludes AS VARCHAR) FROM parquet_bloom_probe(%s, %s, CAST(%s AS %s))",
			literal(path), literal(f.name), literal(v), f.kind))
		if !strings.Contains(fmt.Sprint(excluded), "false") {
			t.Errorf("%s: every row group's bloom filter excludes %q, which is there: %v", f.name, v, excluded)
		}
	}
}
