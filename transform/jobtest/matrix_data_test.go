package jobtest

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	pq "github.com/parquet-go/parquet-go"

	"github.com/batchmill/batchmill/formats/compress"
	"github.com/batchmill/batchmill/transform/codec"
	"github.com/batchmill/batchmill/transform/store"
)

// matrixRecord is a record of the matrix as Parquet stores it. The text
// formats have the same fields, as their texts.
type matrixRecord struct {
	ID    int64     `parquet:"id"`
	X     float64   `parquet:"x"`
	Name  string    `parquet:"name"`
	OK    bool      `parquet:"ok"`
	Note  *string   `parquet:"note,optional"`
	At    time.Time `parquet:"at,timestamp(microsecond)"`
	Price int64     `parquet:"price,decimal(2:12)"`
	Big   uint64    `parquet:"big"`
	Tags  []float64 `parquet:"tags,list"`
}

var matrixColumns = []string{"id", "x", "name", "ok", "note", "at", "price", "big", "tags"}

// poisonID is the record that hosts refuse in the cases that have one.
const poisonID = 104

// matrixObjects are two objects of seven records.
func matrixObjects() [][]matrixRecord {
	names := []string{`plain`, `a,"b"`, "two\nlines", "ü 文", `{"j":1}`, " spaced ", `\u0041\`}
	notes := []*string{nil, new("007"), nil, new("null"), new("1.e5"), new("true"), nil}
	objects := make([][]matrixRecord, 2)
	for i := range 14 {
		k := i % 7
		r := matrixRecord{ID: int64(i/7+1)*100 + int64(k) + 1, X: float64(k*k)/8 - 1.5, Name: names[k], OK: k%3 == 0, Note: notes[k],
			At: time.Date(2024, 2, 28+k, 13, 45, 0, k*500_000_000/6_000*1_000, time.UTC), Price: int64(k*110 - 205), Big: uint64(k), Tags: []float64{}}
		if k%2 == 1 {
			r.Big = 10000000000000000999
		}
		for n := range k % 3 {
			r.Tags = append(r.Tags, float64(n)+0.25)
		}
		objects[i/7] = append(objects[i/7], r)
	}
	return objects
}

// A cell is a value as a reader without knowledge of the job sees it.
type cell struct {
	kind byte // '0' null, 'n' number, 's' string, 'b' boolean, 'j' array or object; 't' text without a type
	text string
}

func (c cell) String() string { return string(c.kind) + c.text }

// cells are the record's values by column: exact texts, with all of their types.
func (r *matrixRecord) cells() map[string]cell {
	tags, _ := json.Marshal(r.Tags)
	m := map[string]cell{
		"id": {'n', strconv.FormatInt(r.ID, 10)}, "x": {'n', strconv.FormatFloat(r.X, 'f', -1, 64)},
		"name": {'s', r.Name}, "ok": {'b', strconv.FormatBool(r.OK)}, "note": {kind: '0'},
		"at": {'s', r.At.Format("2006-01-02T15:04:05.999999Z07:00")}, "price": {'n', hundredths(r.Price)},
		"big": {'n', strconv.FormatUint(r.Big, 10)}, "tags": {'j', string(tags)},
	}
	if r.Note != nil {
		m["note"] = cell{'s', *r.Note}
	}
	return m
}

func hundredths(n int64) string {
	sign := ""
	if n < 0 {
		sign, n = "-", -n
	}
	return fmt.Sprintf("%s%d.%02d", sign, n/100, n%100)
}

// line is the record where the input is opaque lines.
func (r *matrixRecord) line() string {
	return fmt.Sprintf("%d %v %s", r.ID, r.X, strings.ReplaceAll(r.Name, "\n", " "))
}

// asRead is what a job sees of the record's cells in an input of a format.
func (r *matrixRecord) asRead(in string) map[string]cell {
	m := r.cells()
	if in == codec.FormatCSV { // only numbers and empty fields tell their type
		for _, name := range []string{"ok", "tags"} {
			m[name] = cell{'s', m[name].text}
		}
	}
	return m
}

// renderObject writes an object's records in a format.
func renderObject(t testing.TB, format string, records []matrixRecord) []byte {
	var b bytes.Buffer
	switch format {
	case codec.FormatParquet:
		return parquetFile(t, records, pq.MaxRowsPerRowGroup(4))
	case codec.FormatCSV:
		w := csv.NewWriter(&b)
		_ = w.Write(matrixColumns)
		for i := range records {
			_ = w.Write(fieldsOf(&records[i]))
		}
		w.Flush()
	case codec.FormatJSONL:
		for i := range records {
			b.WriteString(objectOf(&records[i]) + "\n")
		}
	default:
		for i := range records {
			b.WriteString(records[i].line() + "\n")
		}
	}
	return b.Bytes()
}

func fieldsOf(r *matrixRecord) (fields []string) {
	for _, name := range matrixColumns {
		fields = append(fields, r.cells()[name].text)
	}
	return fields
}

func objectOf(r *matrixRecord) string {
	var members []string
	for _, name := range matrixColumns {
		members = append(members, strconv.Quote(name)+":"+jsonOf(r.cells()[name]))
	}
	return "{" + strings.Join(members, ",") + "}"
}

// jsonOf is a cell as a JSON value.
func jsonOf(c cell) string {
	switch c.kind {
	case '0':
		return "null"
	case 's', 't':
		text, _ := json.Marshal(c.text)
		return string(text)
	}
	return c.text
}

// parquetFile is a Parquet file of these rows.
func parquetFile[T any](t testing.TB, rows []T, options ...pq.WriterOption) []byte {
	t.Helper()
	var b bytes.Buffer
	w := pq.NewGenericWriter[T](&b, options...)
	if _, err := w.Write(rows); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

var matrixExtension = map[string]string{codec.FormatCSV: ".csv", codec.FormatJSONL: ".jsonl", codec.FormatLines: ".txt", codec.FormatParquet: ".parquet"}

// matrixInputs are the two objects in every format, and the text formats in
// every compression that can be written.
func matrixInputs(t testing.TB) map[[2]string]*store.Memory {
	inputs := map[[2]string]*store.Memory{}
	for _, in := range matrixFormats {
		for _, packing := range matrixPackings {
			packed, ok := compress.ByName(packing)
			if !ok || in == codec.FormatParquet && packing != "none" {
				continue
			}
			m := store.NewMemory()
			for i, records := range matrixObjects() {
				text := renderObject(t, in, records)
				if packing != "none" {
					text = pack(packed, text)
				}
				if err := m.Put(objectName(i)+matrixExtension[in]+packed.Ext(), text); err != nil {
					t.Fatal(err)
				}
			}
			inputs[[2]string{in, packing}] = m
		}
	}
	return inputs
}

func objectName(i int) string { return [...]string{"a/p0", "b/p1"}[i] }
