package parquet

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	pq "github.com/parquet-go/parquet-go"

	"github.com/batchmill/batchmill/formats"
)

// mixed is a file of many shapes, and its records as the tests show them,
// rendered here from the numbers they were made of.
func mixed(t testing.TB, rng *rand.Rand, rows int, options ...pq.WriterOption) (data []byte, want []string) {
	columns := []named{
		{"id", pq.Int(64)},
		{"x", pq.Optional(pq.Leaf(pq.DoubleType))},
		{"s", pq.Encoded(pq.Optional(pq.String()), &pq.RLEDictionary)},
		{"list", pq.List(pq.Optional(pq.Int(32)))},
		{"point", pq.Optional(pq.Group{"a": pq.Int(32), "b": pq.Optional(pq.String())})},
		{"t", pq.Repeated(pq.String())},
	}
	var all []pq.Row
	var cuts []int
	for i := range rows {
		row := pq.Row{pq.Int64Value(int64(i)).Level(0, 0, 0)}
		parts := []string{"#" + strconv.Itoa(i)}
		add := func(text string, values ...pq.Value) {
			row, parts = append(row, values...), append(parts, text)
		}
		if x := rng.IntN(100); x < 10 {
			add("_", pq.Value{}.Level(0, 0, 1))
		} else {
			add("#"+strconv.Itoa(x), pq.DoubleValue(float64(x)).Level(0, 1, 1))
		}
		if s := strings.Repeat("s", rng.IntN(9)); s == "" {
			add("_", pq.Value{}.Level(0, 0, 2))
		} else {
			add("\""+s, pq.ByteArrayValue([]byte(s)).Level(0, 1, 2))
		}
		for _, some := range []func(*rand.Rand) (string, []pq.Value){someList, somePoint, someStrings} {
			text, values := some(rng)
			add(text, values...)
		}
		all, want = append(all, row), append(want, strings.Join(parts, "|"))
		if rng.IntN(200) == 0 {
			cuts = append(cuts, i)
		}
	}
	return file(t, columns, all, cuts, options...), want
}

// someList is a list of integers and nulls in column 3.
func someList(rng *rand.Rand) (string, []pq.Value) {
	n := rng.IntN(6)
	if n == 0 {
		return "j[]", []pq.Value{pq.Value{}.Level(0, 0, 3)}
	}
	var values []pq.Value
	var parts []string
	for k := range n {
		v, text := pq.Int32Value(int32(k)).Level(min(k, 1), 2, 3), strconv.Itoa(k)
		if rng.IntN(4) == 0 {
			v, text = pq.Value{}.Level(min(k, 1), 1, 3), "null"
		}
		values, parts = append(values, v), append(parts, text)
	}
	return "j[" + strings.Join(parts, ",") + "]", values
}

// somePoint is an optional group in columns 4 and 5.
func somePoint(rng *rand.Rand) (string, []pq.Value) {
	a := pq.Int32Value(5).Level(0, 1, 4)
	switch rng.IntN(3) {
	case 0:
		return "_", []pq.Value{pq.Value{}.Level(0, 0, 4), pq.Value{}.Level(0, 0, 5)}
	case 1:
		return `j{"a":5,"b":null}`, []pq.Value{a, pq.Value{}.Level(0, 1, 5)}
	}
	return `j{"a":5,"b":"\""}`, []pq.Value{a, pq.ByteArrayValue([]byte(`"`)).Level(0, 2, 5)}
}

// someStrings is a repeated field in column 6.
func someStrings(rng *rand.Rand) (string, []pq.Value) {
	n := rng.IntN(40) - 30
	if n <= 0 {
		return "j[]", []pq.Value{pq.Value{}.Level(0, 0, 6)}
	}
	var values []pq.Value
	for k := range n {
		values = append(values, pq.ByteArrayValue([]byte("t")).Level(min(k, 1), 1, 6))
	}
	return "j[" + strings.TrimSuffix(strings.Repeat(`"t",`, n), ",") + "]", values
}

// TestBatches cuts random files by random caps, and the records are the same.
func TestBatches(t *testing.T) {
	for seed := range uint64(40) {
		rng := rand.New(rand.NewPCG(seed, 1))
		data, want := mixed(t, rng, rng.IntN(700), pq.PageBufferSize(1+rng.IntN(3000)), pq.DataPageVersion(1+rng.IntN(2)))
		caps := formats.Caps{Records: 1 + rng.IntN(300), Bytes: 1 + rng.IntN(20000)}
		got, err := read(open(t, data, Options{}), nil, caps)
		if err != nil || !slices.Equal(got, want) {
			t.Fatalf("seed %d: %v: %d records, want %d; first difference: %s", seed, err, len(got), len(want), difference(got, want))
		}
	}
}

func difference(got, want []string) string {
	for i := range min(len(got), len(want)) {
		if got[i] != want[i] {
			return fmt.Sprintf("record %d: got %s, want %s", i+1, got[i], want[i])
		}
	}
	return "none"
}

func TestProjection(t *testing.T) {
	data, want := mixed(t, rand.New(rand.NewPCG(7, 7)), 300)
	f := open(t, data, Options{})
	for _, need := range [][]int{{}, {0}, {3, 1}, {4, 2, 4}, {5}, {99}} {
		got, err := read(f, need, formats.Caps{Records: 70, Bytes: 1 << 20})
		if err != nil || len(got) != len(want) {
			t.Fatalf("need %v: %d records, %v", need, len(got), err)
		}
		for i := range want {
			parts := strings.Split(want[i], "|")
			for k := range parts {
				if !slices.Contains(need, k) {
					parts[k] = "_"
				}
			}
			if text := strings.Join(parts, "|"); got[i] != text {
				t.Fatalf("need %v: record %d: got %s, want %s", need, i+1, got[i], text)
			}
		}
	}
}

// TestRowNeed asks a row for some of the decoded values.
func TestRowNeed(t *testing.T) {
	data, want := mixed(t, rand.New(rand.NewPCG(7, 7)), 3)
	f := open(t, data, Options{})
	var b formats.Batch
	if err := NewReader(f, f.Schema(), nil).Next(&b, wide); err != nil {
		t.Fatal(err)
	}
	row := formats.Row{Need: []bool{false, true, false, true}}
	for i := range b.Len() {
		got, err := record(&b, i, &row)
		parts := strings.Split(want[i], "|")
		if text := "_|" + parts[1] + "|_|" + parts[3] + "|_|_"; err != nil || got != text {
			t.Errorf("record %d: got %s, %v, want %s", i+1, got, err, text)
		}
	}
	if want := []string{"00_id", "01_x", "02_s", "03_list", "04_point", "05_t"}; !slices.Equal(row.Names, want) || row.Shape != formats.Object {
		t.Errorf("names %q, shape %d", row.Names, row.Shape)
	}
}

// TestBatchesStayGood looks at each batch again when all are read, and uses
// their memory a second time.
func TestBatchesStayGood(t *testing.T) {
	data, want := mixed(t, rand.New(rand.NewPCG(3, 3)), 600, pq.PageBufferSize(500))
	f := open(t, data, Options{})
	batches := make([]formats.Batch, 60)
	for round := range 2 {
		r := NewReader(f, f.Schema(), nil)
		for i := range batches {
			if err := r.Next(&batches[i], formats.Caps{Records: 10, Bytes: 1 << 20}); err != nil {
				t.Fatal(err)
			}
		}
		for i := range want {
			var row formats.Row
			if got, err := record(&batches[i/10], i%10, &row); err != nil || got != want[i] {
				t.Fatalf("round %d: record %d: got %s, %v, want %s", round, i+1, got, err, want[i])
			}
		}
	}
}

func TestRowGroups(t *testing.T) {
	var rows []pq.Row
	for i := range 10 {
		rows = append(rows, pq.Row{pq.Int64Value(int64(i)).Level(0, 0, 0)})
	}
	f := open(t, file(t, []named{{"a", pq.Int(64)}}, rows, []int{4, 7}), Options{})
	groups := f.RowGroups()
	if len(groups) != 3 || groups[0].First != 1 || groups[1].First != 5 || groups[2].First != 8 || groups[2].Rows != 3 {
		t.Fatalf("groups %+v", groups)
	}
	r := NewReader(f, f.Schema(), nil)
	var b formats.Batch
	for _, want := range []struct {
		first, offset int64
		n             int
	}{{1, groups[0].Offset, 3}, {4, groups[0].Offset, 3}, {7, groups[1].Offset, 3}, {10, groups[2].Offset, 1}} {
		if err := r.Next(&b, formats.Caps{Records: 3, Bytes: 1 << 20}); err != nil {
			t.Fatal(err)
		}
		if b.First != want.first || b.Offset != want.offset || b.Len() != want.n || b.Size() != 8*want.n {
			t.Errorf("batch %d+%d at %d of %d bytes, want %+v", b.First, b.Len(), b.Offset, b.Size(), want)
		}
	}
	if err := r.Next(&b, wide); err != io.EOF || b.Len() != 0 || b.Size() != 0 {
		t.Errorf("at the end: %v, %d records", err, b.Len())
	}
}

func TestZeroRows(t *testing.T) {
	data := file(t, []named{{"a", pq.Int(64)}, {"b", pq.List(pq.String())}}, nil, nil)
	if got := mustRead(t, data); len(got) != 0 {
		t.Errorf("got %q", got)
	}
	s, err := Sniff(bytes.NewReader(data), int64(len(data)), Options{})
	if err != nil || !slices.Equal(s.Names, []string{"00_a", "01_b"}) || s.Width != 2 || s.Header != nil {
		t.Errorf("schema %+v, %v", s, err)
	}
}

// TestTooLarge has records over the maximum between others: a long string, and
// a list that goes on over many pages.
func TestTooLarge(t *testing.T) {
	columns := []named{{"s", pq.String()}, {"l", pq.Repeated(pq.Int(64))}}
	list := func(n int) (values []pq.Value) {
		for k := range n {
			values = append(values, pq.Int64Value(1).Level(min(k, 1), 1, 1))
		}
		return values
	}
	str := func(n int) pq.Value { return pq.ByteArrayValue(bytes.Repeat([]byte("x"), n)).Level(0, 0, 0) }
	rows := []pq.Row{append(pq.Row{str(1)}, list(1)...), append(pq.Row{str(5000)}, list(1)...), append(pq.Row{str(2)}, list(2)...),
		append(pq.Row{str(3)}, list(5000)...), append(pq.Row{str(4)}, list(1)...)}
	for _, size := range []int{100, 1 << 20} {
		f := open(t, file(t, columns, rows, nil, pq.PageBufferSize(size)), Options{MaxRecord: 1000})
		got, err := read(f, nil, formats.Caps{Records: 3, Bytes: 100})
		want := []string{`"x|j[1]`, "!too_large", `"xx|j[1,1]`, "!too_large", `"xxxx|j[1]`}
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("pages of %d: got %q, %v", size, got, err)
		}
	}
}

// TestNotItsType flags values that are not what their type says.
func TestNotItsType(t *testing.T) {
	columns := []named{{"s", pq.Optional(pq.String())}, {"l", pq.Repeated(pq.String())}}
	bad, good := pq.ByteArrayValue([]byte("\xff")), pq.ByteArrayValue([]byte("ok"))
	rows := []pq.Row{{good.Level(0, 1, 0), good.Level(0, 1, 1)}, {bad.Level(0, 1, 0), good.Level(0, 1, 1)},
		{pq.Value{}.Level(0, 0, 0), good.Level(0, 1, 1), bad.Level(1, 1, 1)}}
	want := []string{`"ok|j["ok"]`, "!not_unicode", "!not_unicode"}
	if got := mustRead(t, file(t, columns, rows, nil)); !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}

func TestMatch(t *testing.T) {
	schema := func(columns ...named) Schema { return open(t, file(t, columns, nil, nil), Options{}).Schema() }
	first := schema(named{"a", pq.Int(64)}, named{"b", pq.List(pq.String())})
	tests := []struct {
		s      Schema
		column string
	}{
		{schema(named{"a", pq.Optional(pq.Int(64))}, named{"b", pq.List(pq.Optional(pq.String()))}), ""},
		{schema(named{"a", pq.Int(32)}, named{"b", pq.List(pq.String())}), "00_a"},
		{schema(named{"a", pq.Int(64)}, named{"b", pq.List(pq.Enum())}), "01_b"},
		{schema(named{"a", pq.Int(64)}, named{"b", pq.Repeated(pq.String())}), "01_b"},
		{schema(named{"a", pq.Int(64)}), "01_b"},
		{schema(named{"a", pq.Int(64)}, named{"c", pq.List(pq.String())}), "01_b"},
		{schema(named{"a", pq.Int(64)}, named{"b", pq.List(pq.String())}, named{"c", pq.Int(8)}), "02_c"},
	}
	for i, test := range tests {
		err := test.s.Match(first)
		var mismatch *SchemaError
		if errors.As(err, &mismatch); (err == nil) != (test.column == "") || err != nil && mismatch.Column != test.column {
			t.Errorf("case %d: %v, want column %q", i, err, test.column)
		}
	}
	f := open(t, file(t, []named{{"a", pq.Int(32)}}, nil, nil), Options{})
	var mismatch *SchemaError
	if err := NewReader(f, first, nil).Next(new(formats.Batch), wide); !errors.As(err, &mismatch) {
		t.Errorf("the reader: %v", err)
	}
}

// TestAppendValues holds the boxed values against those that were written.
func TestAppendValues(t *testing.T) {
	columns := []named{{"a", pq.Int(64)}, {"b", pq.Repeated(pq.String())}}
	s := pq.ByteArrayValue([]byte("s"))
	rows := []pq.Row{{pq.Int64Value(1).Level(0, 0, 0), pq.Value{}.Level(0, 0, 1)}, {pq.Int64Value(2).Level(0, 0, 0), s.Level(0, 1, 1), s.Level(1, 1, 1)}}
	f := open(t, file(t, columns, rows, nil), Options{})
	var b formats.Batch
	if err := NewReader(f, f.Schema(), []int{1}).Next(&b, wide); err != nil {
		t.Fatal(err)
	}
	got, ok := AppendValues(nil, &b, 1, []int32{1, 0})
	if want := "[C:1 D:1 R:0 V:s C:1 D:1 R:1 V:s C:1 D:0 R:0 V:<null>]"; !ok || fmt.Sprintf("%+v", got) != want {
		t.Errorf("got %+v", got)
	}
	if _, ok := AppendValues(nil, &b, 0, []int32{0}); ok {
		t.Error("a column that was not decoded has values")
	}
	if FileOf(&b) != f || FileOf(new(formats.Batch)) != nil {
		t.Error("the batch's file")
	}
}

// A failing source fails within a range of offsets.
type failing struct {
	data     []byte
	from, to int64
	err      error
}

func (f failing) ReadAt(p []byte, off int64) (int, error) {
	if off+int64(len(p)) > f.from && off < f.to {
		return 0, f.err
	}
	return bytes.NewReader(f.data).ReadAt(p, off)
}

func TestReadErrors(t *testing.T) {
	data, want := mixed(t, rand.New(rand.NewPCG(9, 9)), 4000, pq.PageBufferSize(2000))
	broken := errors.New("the disk is gone")
	for _, cause := range []error{broken, io.EOF, fmt.Errorf("wrapped: %w", io.EOF)} {
		f := open(t, data, Options{})
		f.src = failing{data, int64(len(data)) / 2, f.footer, cause}
		got, err := read(f, nil, formats.Caps{Records: 50, Bytes: 1 << 20})
		if len(got) == 0 || !slices.Equal(got, want[:len(got)]) {
			t.Errorf("%v: %d records: %s", cause, len(got), difference(got, want))
		}
		var failed *formats.ReadError
		var format *FormatError
		if !errors.As(err, &failed) || errors.As(err, &format) || errors.Is(err, io.EOF) || cause == broken && !errors.Is(err, broken) {
			t.Errorf("%v: got %v", cause, err)
		}
		_, err = Open(failing{data, 0, int64(len(data)), cause}, int64(len(data)), Options{})
		if !errors.As(err, &failed) || errors.Is(err, io.EOF) {
			t.Errorf("%v: opening: %v", cause, err)
		}
	}
}
