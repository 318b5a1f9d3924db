package encode

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	pq "github.com/parquet-go/parquet-go"

	"github.com/batchmill/batchmill/formats"
	"github.com/batchmill/batchmill/formats/parquet"
)

var everyType = []formats.Column{
	{Name: "i", Type: formats.Integer}, {Name: "d", Type: formats.Double}, {Name: "b", Type: formats.Boolean},
	{Name: "s", Type: formats.Text}, {Name: "l", Type: formats.Doubles}, {Name: "j", Type: formats.Nested},
}

// randomRows are rows of everyType; a null is a value that says so.
func randomRows(random *rand.Rand, n, long int) [][]parsed {
	rows := make([][]parsed, n)
	for i := range rows {
		text := fmt.Sprintf("text %d", random.IntN(1<<random.IntN(20)))
		if random.IntN(50) == 0 {
			text = strings.Repeat(text, 1+random.IntN(long))
		}
		rows[i] = []parsed{{number: random.Uint64()}, {number: uint64(i)}, {number: uint64(random.IntN(2))},
			{bytes: []byte(text)}, {bytes: make([]byte, 8*random.IntN(5))}, {bytes: fmt.Appendf(nil, `{"n":%d}`, random.IntN(100))}}
		for k := range rows[i] {
			rows[i][k].null = random.IntN(10) == 0
		}
	}
	return rows
}

// partsOf are the rows as parts of random sizes.
func partsOf(random *rand.Rand, rows [][]parsed, most int) [][]byte {
	var parts [][]byte
	for len(rows) > 0 {
		n := min(1+random.IntN(most), len(rows))
		w := new(builder)
		w.begin(n, false, everyType)
		for i, row := range rows[:n] {
			w.next(i)
			for k := range row {
				w.add(k, &row[k])
			}
		}
		parts = append(parts, w.appendPart(nil))
		rows = rows[n:]
	}
	return parts
}

// The same rows make the same bytes, however they fell into parts and writes.
func TestWriterByPosition(t *testing.T) {
	for seed := range uint64(10) {
		random := rand.New(rand.NewPCG(seed, 7))
		rows := randomRows(random, random.IntN(6000), 3000)
		c := WriterConfig{Columns: everyType, RowGroup: 1 + random.IntN(4000), Codec: Codecs[seed%5]}
		want := fileOf(t, c, partsOf(random, rows, len(rows)+1)...)
		for range 3 {
			parts := partsOf(random, rows, 1+random.IntN(2000))
			for len(parts) > 1 && random.IntN(2) == 0 {
				parts = append([][]byte{slices.Concat(parts[0], parts[1])}, parts[2:]...)
			}
			if got := fileOf(t, c, parts...); !bytes.Equal(got, want) {
				t.Fatalf("seed %d: %d bytes and other ones than %d in one part", seed, len(got), len(want))
			}
		}
		checkRows(t, want, rows, c.RowGroup)
	}
}

// checkRows holds the file's rows and row groups against what was written.
func checkRows(t *testing.T, file []byte, rows [][]parsed, most int) {
	t.Helper()
	f, err := pq.OpenFile(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		t.Fatal(err)
	}
	left := len(rows)
	for k, g := range f.RowGroups() {
		if want := min(most, left); int(g.NumRows()) != want {
			t.Errorf("row group %d has %d rows, want %d", k, g.NumRows(), want)
		}
		left -= int(g.NumRows())
	}
	got := readRows(t, file)
	if len(got) != len(rows) {
		t.Fatalf("%d rows, want %d", len(got), len(rows))
	}
	for i, row := range rows {
		var want strings.Builder
		if writeRow(&want, rowOf(row)); got[i] != want.String() {
			t.Fatalf("row %d: got %.200s, want %.200s", i, got[i], want.String())
		}
	}
}

// readRows are a file's rows as writeRow has them. Our own reader takes them:
// parquet-go v0.32.0 reads zeros where an LZ4 page is not a third of its size.
func readRows(t *testing.T, file []byte) []string {
	t.Helper()
	f, err := parquet.Open(bytes.NewReader(file), int64(len(file)), parquet.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var rows []string
	var b formats.Batch
	for r := parquet.NewReader(f, f.Schema(), nil); ; {
		err := r.Next(&b, formats.Caps{Records: 1000, Bytes: 64 << 20})
		if err == io.EOF {
			return rows
		}
		if err != nil {
			t.Fatal(err)
		}
		for i := range b.Recs {
			var row pq.Row
			for k := range everyType {
				row, _ = parquet.AppendValues(row, &b, k, []int32{int32(i)})
			}
			var text strings.Builder
			writeRow(&text, row)
			rows = append(rows, text.String())
		}
	}
}

// rowOf is a row as parquet-go has it.
func rowOf(row []parsed) pq.Row {
	var out pq.Row
	for k, p := range row {
		switch c := everyType[k]; {
		case p.null:
			out = append(out, pq.NullValue().Level(0, 0, k))
		case c.Type == formats.Integer:
			out = append(out, pq.Int64Value(int64(p.number)).Level(0, 1, k))
		case c.Type == formats.Double:
			out = append(out, pq.DoubleValue(floatOf(p.number)).Level(0, 1, k))
		case c.Type == formats.Boolean:
			out = append(out, pq.BooleanValue(p.number == 1).Level(0, 1, k))
		case c.Type == formats.Doubles && len(p.bytes) == 0:
			out = append(out, pq.NullValue().Level(0, 1, k))
		case c.Type == formats.Doubles:
			for at := range len(p.bytes) / 8 {
				out = append(out, pq.DoubleValue(0).Level(min(at, 1), 3, k))
			}
		default:
			out = append(out, pq.ByteArrayValue(p.bytes).Level(0, 1, k))
		}
	}
	return out
}

// A row group ends early where its values get large.
func TestWriterGroupBytes(t *testing.T) {
	w := new(builder)
	w.begin(70, false, everyType[3:4])
	text := parsed{bytes: bytes.Repeat([]byte("x"), 1<<20)}
	for i := range 70 {
		w.next(i)
		w.add(0, &text)
	}
	file := fileOf(t, WriterConfig{Columns: everyType[3:4]}, w.appendPart(nil))
	f, err := pq.OpenFile(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		t.Fatal(err)
	}
	var sizes []int64
	for _, g := range f.RowGroups() {
		sizes = append(sizes, g.NumRows())
	}
	if !slices.Equal(sizes, []int64{64, 6}) {
		t.Errorf("row groups of %v rows", sizes)
	}
}

func TestWriterNoRows(t *testing.T) {
	file := fileOf(t, WriterConfig{Columns: everyType})
	want := "i:INT(64,true) d:DOUBLE b:BOOLEAN s:STRING l:LIST<list.element DOUBLE> j:JSON \n"
	if got := table(t, file); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestWriterRefusesOtherParts(t *testing.T) {
	good := partsOf(rand.New(rand.NewPCG(1, 1)), randomRows(rand.New(rand.NewPCG(1, 1)), 5, 1), 9)[0]
	for name, c := range map[string]struct {
		columns []formats.Column
		part    []byte
	}{
		"fewer columns": {everyType[:5], good},
		"other columns": {append(slices.Clone(everyType[:5]), everyType[0]), good},
		"cut":           {everyType, good[:len(good)-1]},
		"too much":      {everyType, append(slices.Clone(good), 1)},
	} {
		w, err := NewWriter(io.Discard, WriterConfig{Columns: c.columns})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(c.part); err != errPart {
			t.Errorf("%s: %v", name, err)
		}
		if err := w.Close(); err != errPart {
			t.Errorf("%s: close: %v", name, err)
		}
	}
}

// No bytes make a part that panics or takes more memory than it is worth, and
// what is read as a part is written as rows.
func FuzzPart(f *testing.F) {
	random := rand.New(rand.NewPCG(9, 9))
	f.Add(partsOf(random, randomRows(random, 20, 3), 30)[0])
	w := new(builder)
	w.begin(9, true, everyType)
	w.next(3)
	f.Add(w.appendPart(nil))
	f.Fuzz(func(t *testing.T, data []byte) {
		var p part
		rest, err := p.next(data)
		if err != nil {
			return
		}
		if len(rest) >= len(data) || p.rows > 8*len(data) && len(p.columns) > 0 {
			t.Fatalf("%d rows, %d bytes left of %d", p.rows, len(rest), len(data))
		}
		for _, c := range p.columns {
			r := columnReader{columnPart: c}
			for range p.rows {
				r.next()
			}
			if len(r.data) > 0 || len(r.lengths) > 0 {
				t.Fatalf("%d bytes and %d lengths are left of a column", len(r.data), len(r.lengths))
			}
		}
	})
}

func floatOf(bits uint64) float64 { return math.Float64frombits(bits) }
