package encode

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	pq "github.com/parquet-go/parquet-go"

	"github.com/batchmill/batchmill/formats"
	"github.com/batchmill/batchmill/formats/parquet"
	"github.com/batchmill/batchmill/formats/parquet/arrow"
	"github.com/batchmill/batchmill/formats/parquet/splice"
)

type nested struct {
	A string             `parquet:"a,optional"`
	B []int32            `parquet:"b,list"`
	M map[string]float64 `parquet:"m"`
}

type sourceRow struct {
	ID    int64    `parquet:"id"`
	Name  string   `parquet:"name,dict"`
	Score *float32 `parquet:"score,optional"`
	N     nested   `parquet:"n"`
	Raw   []byte   `parquet:"raw,zstd"`
	Fixed [16]byte `parquet:"fixed,uuid"`
	Flag  bool     `parquet:"flag"`
	Price int32    `parquet:"price,decimal(2:9)"`
	Time  int64    `parquet:"time,timestamp(microsecond)"`
	Tags  []string `parquet:"tags"`
}

// sourceFile has row groups of the sizes given.
func sourceFile(t testing.TB, random *rand.Rand, sizes ...int) []byte {
	t.Helper()
	var dst bytes.Buffer
	w := pq.NewGenericWriter[sourceRow](&dst, pq.PageBufferSize(2000), pq.KeyValueMetadata("mine", "kept"),
		pq.BloomFilters(pq.SplitBlockFilter(10, "name")))
	id := int64(0)
	for _, n := range sizes {
		for range n {
			id++
			row := sourceRow{ID: id, Name: fmt.Sprint("name ", id%7), Raw: make([]byte, random.IntN(20)), Flag: id%3 == 0,
				Price: int32(id * 11), Time: id * 1e9, N: nested{A: strings.Repeat("a", int(id%3))}}
			if random.IntN(3) > 0 {
				f := float32(id) / 3
				row.Score = &f
			}
			for range random.IntN(4) {
				row.N.B = append(row.N.B, int32(random.IntN(100)))
				row.Tags = append(row.Tags, fmt.Sprint(random.IntN(9)))
			}
			if random.IntN(2) == 0 {
				row.N.M = map[string]float64{"x": float64(id)}
			}
			row.Fixed[3] = byte(id)
			if _, err := w.Write([]sourceRow{row}); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return dst.Bytes()
}

// cells are the rows of a file, as text for each top-level column.
func cells(t testing.TB, file []byte) [][]string {
	t.Helper()
	f, err := pq.OpenFile(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		t.Fatal(err)
	}
	var top []int
	for k, c := range f.Root().Columns() {
		for range leafCount(c) {
			top = append(top, k)
		}
	}
	all := [][]string{}
	for _, g := range f.RowGroups() {
		rows := g.Rows()
		for {
			var room [1]pq.Row
			n, err := rows.ReadRows(room[:])
			if n == 1 {
				row := make([]string, len(f.Root().Columns()))
				for _, v := range room[0] {
					row[top[v.Column()]] += fmt.Sprintf("%d:%d:%q ", v.RepetitionLevel(), v.DefinitionLevel(), v.String())
				}
				all = append(all, row)
			}
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if err := rows.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// spill is a Spill in memory that counts.
type spill struct {
	bytes.Reader
	data   []byte
	closed *int
}

func (s *spill) Write(b []byte) (int, error) { s.data = append(s.data, b...); return len(b), nil }
func (s *spill) ReadAt(b []byte, at int64) (int, error) {
	return bytes.NewReader(s.data).ReadAt(b, at)
}
func (s *spill) Close() error { *s.closed++; s.data = nil; return nil }

// A spliceCase is a job over one source file.
type spliceCase struct {
	file    []byte
	keep    []int
	columns []formats.Column
	kept    []bool // by record; shorter than the file with --limit
	memory  int
}

var answerColumns = []formats.Column{{Name: "prediction_label", Type: formats.Text}, {Name: "prediction_score", Type: formats.Double}}

// parts are the case's records in batches of random sizes.
func (c *spliceCase) parts(t testing.TB, random *rand.Rand) [][]byte {
	t.Helper()
	j, err := NewJoiner(JoinerConfig{Spliced: true, AnswerTypes: []string{"label=string", "score=double"}})
	if err != nil {
		t.Fatal(err)
	}
	l := layoutOf(j, new(formats.Answers))
	if c.columns == nil {
		l = &formats.Layout{Fields: 1}
	}
	var parts [][]byte
	for at := 0; at < len(c.kept); {
		n := min(1+random.IntN(50), len(c.kept)-at)
		var texts []string
		for i := at; i < at+n; i++ {
			texts = append(texts, "-")
			if c.kept[i] {
				texts[i-at] = fmt.Sprintf("label %d,%d.5", i%5, i)
			}
		}
		part, rows := j.Join(nil, &formats.Batch{Recs: make([]formats.Span, n)}, answersOf(formats.CSVForm, texts...), l, false)
		if want := n - count(texts, "-"); rows != want {
			t.Fatalf("%d rows, want %d", rows, want)
		}
		parts = append(parts, part)
		at += n
	}
	return parts
}

func count(texts []string, text string) int {
	n := 0
	for _, t := range texts {
		if t == text {
			n++
		}
	}
	return n
}

func (c *spliceCase) run(t testing.TB, random *rand.Rand) (file []byte, spills int) {
	t.Helper()
	source, err := splice.Open(bytes.NewReader(c.file), int64(len(c.file)))
	if err != nil {
		t.Fatal(err)
	}
	input, err := parquet.Open(bytes.NewReader(c.file), int64(len(c.file)), parquet.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var dst bytes.Buffer
	opened, closed := 0, 0
	w, err := NewSplicedWriter(&dst, SplicedConfig{Source: source, Input: input,
		Keep: c.keep, Columns: c.columns, Memory: c.memory, KeyValue: []KeyValue{{"batchmill", "1"}},
		Spill: func() (Spill, error) { opened++; return &spill{closed: &closed}, nil }})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range c.parts(t, random) {
		if _, err := w.Write(p); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if opened != closed {
		t.Errorf("%d spills opened, %d closed", opened, closed)
	}
	return dst.Bytes(), opened
}

// want are the rows of the output, from those of the source.
func (c *spliceCase) want(t testing.TB) [][]string {
	t.Helper()
	all := [][]string{}
	for i, row := range cells(t, c.file) {
		if i >= len(c.kept) || !c.kept[i] {
			continue
		}
		out := row
		if c.keep != nil {
			out = nil
			for _, k := range c.keep {
				out = append(out, row[k])
			}
		}
		if c.columns != nil {
			out = append(slices.Clone(out), fmt.Sprintf("0:1:%q ", fmt.Sprint("label ", i%5)), fmt.Sprintf("0:1:%q ", fmt.Sprint(float64(i)+0.5)))
		}
		all = append(all, out)
	}
	return all
}

func TestSpliced(t *testing.T) {
	keepAll := func(n int) []bool { return slices.Repeat([]bool{true}, n) }
	leftOut := func(n int, out ...int) []bool {
		kept := keepAll(n)
		for _, i := range out {
			kept[i] = false
		}
		return kept
	}
	tests := []struct {
		name   string
		sizes  []int
		keep   []int
		kept   []bool
		groups []int64
		none   bool
	}{
		{name: "all", sizes: []int{40, 1, 60}, kept: keepAll(101), groups: []int64{40, 1, 60}},
		{name: "one left out", sizes: []int{40, 1, 60}, kept: leftOut(101, 50), groups: []int64{40, 1, 59}},
		{name: "a group left out", sizes: []int{40, 1, 60}, kept: leftOut(101, 40), groups: []int64{40, 60}},
		{name: "ends left out", sizes: []int{40, 1, 60}, kept: leftOut(101, 0, 39, 41, 100), groups: []int64{38, 1, 58}},
		{name: "limit", sizes: []int{40, 1, 60}, kept: keepAll(50), groups: []int64{40, 1, 9}},
		{name: "limit at a group's end", sizes: []int{40, 1, 60}, kept: keepAll(40), groups: []int64{40}},
		{name: "nothing kept", sizes: []int{3}, kept: make([]bool, 3)},
		{name: "no records", sizes: []int{3}},
		{name: "no groups"},
		{name: "columns picked", sizes: []int{40, 60}, keep: []int{9, 3, 0}, kept: leftOut(100, 50), groups: []int64{40, 59}},
		{name: "answers alone", sizes: []int{40, 60}, keep: []int{}, kept: leftOut(100, 50), groups: []int64{40, 59}},
		{name: "no answers", sizes: []int{40, 60}, none: true, kept: leftOut(100, 50), groups: []int64{40, 59}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			random := rand.New(rand.NewPCG(1, 2))
			c := spliceCase{file: sourceFile(t, random, test.sizes...), keep: test.keep, kept: test.kept, columns: answerColumns}
			if test.none {
				c.columns = nil
			}
			out, _ := c.run(t, random)
			if got, want := cells(t, out), c.want(t); fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("got\n%v\nwant\n%v", got, want)
			}
			f, err := pq.OpenFile(bytes.NewReader(out), int64(len(out)))
			if err != nil {
				t.Fatal(err)
			}
			var groups []int64
			for _, g := range f.RowGroups() {
				groups = append(groups, g.NumRows())
			}
			if !slices.Equal(groups, test.groups) {
				t.Errorf("row groups of %v rows, want %v", groups, test.groups)
			}
			for key, want := range map[string]string{"mine": "kept", "batchmill": "1"} {
				if got, _ := f.Lookup(key); got != want {
					t.Errorf("metadata %s is %q, want %q", key, got, want)
				}
			}
		})
	}
}

// However records fall into batches, and whether memory has room or not, the
// bytes are the same.
func TestSplicedByPosition(t *testing.T) {
	for seed := range uint64(16) {
		random := rand.New(rand.NewPCG(seed, 3))
		sizes := []int{1 + random.IntN(300), 1 + random.IntN(30), 1 + random.IntN(500)}
		c := spliceCase{file: sourceFile(t, random, sizes...), columns: answerColumns}
		for range sizes[0] + sizes[1] + sizes[2] - random.IntN(2)*random.IntN(100) {
			c.kept = append(c.kept, seed%4 == 0 || random.IntN(50) > 0)
		}
		first, spilled := c.run(t, random)
		if spilled != 0 {
			t.Fatalf("%d spills within %d bytes", spilled, DefaultMemory)
		}
		if got, want := cells(t, first), c.want(t); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Fatalf("seed %d: got\n%v\nwant\n%v", seed, got, want)
		}
		c.memory = 1 + random.IntN(20000)
		again, _ := c.run(t, random)
		if !bytes.Equal(first, again) {
			t.Fatalf("seed %d: other batches or less memory make other bytes", seed)
		}
		c.memory = 1
		if _, spilled := c.run(t, random); spilled == 0 {
			t.Fatal("nothing was spilled")
		}
	}
}

func TestSplicedTooManyRecords(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	c := spliceCase{file: sourceFile(t, random, 3), columns: answerColumns, kept: []bool{true, true, true, true}}
	source, err := splice.Open(bytes.NewReader(c.file), int64(len(c.file)))
	if err != nil {
		t.Fatal(err)
	}
	w, err := NewSplicedWriter(io.Discard, SplicedConfig{Source: source, Columns: c.columns})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range c.parts(t, random) {
		if _, err = w.Write(p); err != nil {
			break
		}
	}
	if err == nil || err.Error() != "more records than the 3 rows of the input" || !errors.Is(w.Close(), err) {
		t.Errorf("got %v", err)
	}
}

func leafCount(n pq.Node) int {
	if n.Leaf() {
		return 1
	}
	count := 0
	for _, f := range n.Fields() {
		count += leafCount(f)
	}
	return count
}

// Arrow's schema gets the answers' columns, and is dropped where it is not that
// of the file.
func TestSplicedArrowSchema(t *testing.T) {
	value, err := os.ReadFile("../arrow/testdata/small.txt")
	if err != nil {
		t.Fatal(err)
	}
	schema := strings.TrimSpace(string(value))
	names, err := arrow.Fields(schema)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		names, want []string
	}{
		{names, append(slices.Clone(names), "prediction_label", "prediction_score")},
		{append(slices.Clone(names), "more"), nil},
	} {
		var columns []formats.Column
		for _, name := range test.names {
			columns = append(columns, formats.Column{Name: name, Type: formats.Integer})
		}
		c := spliceCase{columns: answerColumns, kept: []bool{true, true, false},
			file: fileOf(t, WriterConfig{Columns: columns, KeyValue: []KeyValue{{arrow.Key, schema}}}, integers(3, columns))}
		out, _ := c.run(t, rand.New(rand.NewPCG(1, 2)))
		f, err := pq.OpenFile(bytes.NewReader(out), int64(len(out)))
		if err != nil {
			t.Fatal(err)
		}
		extended, _ := f.Lookup(arrow.Key)
		got, _ := arrow.Fields(extended)
		if !slices.Equal(got, test.want) || f.NumRows() != 2 {
			t.Errorf("%d rows, fields %q, want %q", f.NumRows(), got, test.want)
		}
	}
}

// integers is a part of n rows.
func integers(n int, columns []formats.Column) []byte {
	w := new(builder)
	w.begin(n, false, columns)
	for i := range n {
		w.next(i)
		for k := range columns {
			w.add(k, &parsed{number: uint64(i)})
		}
	}
	return w.appendPart(nil)
}
