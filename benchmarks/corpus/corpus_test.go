package corpus

import (
	"bytes"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

func generate(t testing.TB, s Spec) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := Write(&b, s); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// Figures can be compared over time only while the corpus stays what it is. If
// this fails, the corpus changed: every figure in the results needs a new run.
func TestBytesNeverChange(t *testing.T) {
	want := map[Format]string{
		CSV:   "399c61ba7fb79122b64deb92297c26d653484b4c6db7761f5f3459ed716bc23d",
		JSONL: "a3d7e40c238cb9232a6e9f8784e2a8b485a8477bec22c469e632feeeb70e8ab7",
	}
	for format, sum := range want {
		got := sha256.Sum256(generate(t, Spec{Format: format, Records: 5000, Seed: 1}))
		if hex.EncodeToString(got[:]) != sum {
			t.Errorf("%s: sha256 is %x, want %s", format, got, sum)
		}
	}
}

func TestSeedAndLength(t *testing.T) {
	for _, format := range []Format{CSV, JSONL} {
		long := generate(t, Spec{Format: format, Records: 400, Seed: 7})
		if !bytes.HasPrefix(long, generate(t, Spec{Format: format, Records: 150, Seed: 7})) {
			t.Errorf("%s: a shorter corpus is not the beginning of a longer one", format)
		}
		if bytes.Equal(long, generate(t, Spec{Format: format, Records: 400, Seed: 8})) {
			t.Errorf("%s: two seeds gave the same bytes", format)
		}
	}
}

func TestCSVIsWhatItSays(t *testing.T) {
	const records = 20_000
	data := generate(t, Spec{Format: CSV, Records: records, Seed: 1})
	rows, err := csv.NewReader(bytes.NewReader(data)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	if len(rows) != records+1 || !slices.Equal(rows[0], Columns()) {
		t.Fatalf("%d rows with header %q", len(rows), rows[0])
	}
	newlines := 0
	for i, row := range rows[1:] {
		if row[0] != strconv.Itoa(i+1) {
			t.Fatalf("row %d has id %s", i+1, row[0])
		}
		for _, field := range row[1 : Numbers+1] {
			if !json.Valid([]byte(field)) {
				t.Fatalf("row %d: %q is no number", i+1, field)
			}
		}
		if strings.Contains(row[len(row)-1], "\n") {
			newlines++
		}
	}
	if share := float64(newlines) / records; share < 0.008 || share > 0.012 {
		t.Errorf("%.2f%% of the records hold a newline, want about 1%%", 100*share)
	}
	if mean := len(data) / records; mean < 180 || mean > 200 {
		t.Errorf("a record has %d bytes, want about 190", mean)
	}
}

// The plain program writes through encoding/csv and encoding/json. Its output
// can equal the floor's only if the corpus stands as they would write it.
func TestSurvivesTheStandardLibrary(t *testing.T) {
	data := generate(t, Spec{Format: CSV, Records: 3000, Seed: 2})
	rows, err := csv.NewReader(bytes.NewReader(data)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var again bytes.Buffer
	if err := csv.NewWriter(&again).WriteAll(rows); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(again.Bytes(), data) {
		t.Error("encoding/csv writes the corpus differently")
	}
	lines := generate(t, Spec{Format: JSONL, Records: 3000, Seed: 2})
	for i, line := range bytes.SplitAfter(lines, []byte("\n"))[:3000] {
		var fields map[string]json.RawMessage
		if err := json.Unmarshal(line, &fields); err != nil {
			t.Fatalf("line %d: %v", i+1, err)
		}
		back, err := json.Marshal(fields)
		if err != nil || string(back) != strings.TrimSuffix(string(line), "\n") {
			t.Fatalf("line %d: %s came back as %s (%v)", i+1, line, back, err)
		}
	}
}

func TestBothFormatsHoldTheSameValues(t *testing.T) {
	rows, err := csv.NewReader(bytes.NewReader(generate(t, Spec{Format: CSV, Records: 500, Seed: 3}))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	decoder := json.NewDecoder(bytes.NewReader(generate(t, Spec{Format: JSONL, Records: 500, Seed: 3})))
	decoder.UseNumber()
	for n, row := range rows[1:] {
		var fields map[string]any
		if err := decoder.Decode(&fields); err != nil {
			t.Fatal(err)
		}
		for i, name := range Columns() {
			value, isText := fields[name].(string)
			if !isText {
				value = fields[name].(json.Number).String()
			}
			if value != row[i] {
				t.Fatalf("record %d, %s: csv %q, json %q", n+1, name, row[i], value)
			}
		}
	}
	if err := decoder.Decode(new(any)); err != io.EOF {
		t.Errorf("after the last record: %v", err)
	}
}

func TestRefusals(t *testing.T) {
	for _, s := range []Spec{{Format: "orc"}, {}, {Format: CSV, Records: -1}, {Format: Parquet, Records: -1}} {
		if err := Write(io.Discard, s); err == nil {
			t.Errorf("%+v was accepted", s)
		}
	}
}

type full struct{ room int }

func (f *full) Write(p []byte) (int, error) {
	if f.room -= len(p); f.room < 0 {
		return 0, errors.New("no room")
	}
	return len(p), nil
}

func TestWriteErrorsComeBack(t *testing.T) {
	for _, format := range []Format{CSV, Parquet} {
		for _, room := range []int{0, flushAt + 4096} {
			if err := Write(&full{room: room}, Spec{Format: format, Records: 5000}); err == nil {
				t.Errorf("%s, room for %d bytes: no error", format, room)
			}
		}
	}
}

func TestWriteFile(t *testing.T) {
	name := filepath.Join(t.TempDir(), "c.csv")
	spec := Spec{Format: CSV, Records: 10, Seed: 1}
	if err := WriteFile(name, spec); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(name); err != nil || !bytes.Equal(got, generate(t, spec)) {
		t.Errorf("the file is not the corpus (%v)", err)
	}
	if err := WriteFile(name+"2", Spec{}); err == nil {
		t.Error("a wrong spec was accepted")
	}
	if left, _ := filepath.Glob(name + "*"); len(left) != 1 {
		t.Errorf("left behind: %q", left)
	}
}

func BenchmarkWrite(b *testing.B) {
	for _, format := range []Format{CSV, JSONL, Parquet} {
		b.Run(string(format), func(b *testing.B) {
			spec := Spec{Format: format, Records: 10_000, Seed: 1}
			b.SetBytes(int64(len(generate(b, spec))))
			for b.Loop() {
				_ = Write(io.Discard, spec)
			}
		})
	}
}
