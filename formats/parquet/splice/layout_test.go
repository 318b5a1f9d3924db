package splice

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"
)

type small struct {
	A int64  `parquet:"a"`
	B string `parquet:"b,dict"`
	C int32  `parquet:"c"`
}

func makeSmall(i int) small {
	return small{A: int64(i), B: fmt.Sprint("b", i%3), C: int32(-i)}
}

type other struct {
	D string `parquet:"d"`
}

func makeOther(i int) other { return other{D: fmt.Sprint("d", i)} }

func TestKeep(t *testing.T) {
	in := write(t, makeSmall, []int{50, 60})
	add := write(t, makeOther, []int{50, 60})
	out := join(t, nil, Columns{open(t, in), []int{2, 0}}, Columns{open(t, add), nil})
	sameFile(t, out, func(g int) int { return g }, []origin{{in, 2}, {in, 0}, {add, 0}})
	if got := fmt.Sprint(open(t, out).Names()); got != "[c a d]" {
		t.Error(got)
	}
	out = join(t, nil, Columns{open(t, in), []int{}}, Columns{open(t, add), nil})
	sameFile(t, out, func(g int) int { return g }, []origin{{add, 0}})
}

// TestTakeSchema splices a file under the schema elements of another's columns,
// and refuses columns that are not the same.
func TestTakeSchema(t *testing.T) {
	type noted struct {
		C int32 `parquet:"c,date"`
		A int64 `parquet:"a,timestamp(microsecond)"`
	}
	in := open(t, write(t, makeSmall, []int{5}))
	again := open(t, write(t, func(i int) noted { return noted{int32(-i), int64(i)} }, []int{5}))
	w, err := NewWriter(io.Discard, Config{Schema: []Columns{{in, []int{2, 0}}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.RowGroup(Part{File: again}); err == nil || !strings.Contains(err.Error(), `"c" is not what the schema has`) {
		t.Errorf("before: %v", err)
	}
	if err := again.TakeSchema(in, []int{2, 0}); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(w.RowGroup(Part{File: again}), w.Close()); err != nil {
		t.Error(err)
	}
	deep := open(t, write(t, makeRecord, []int{5}))
	for keep, want := range map[*[]int]string{{2}: "2 columns cannot have the schema of 1", {2, 9}: "no column 9", {2, -1}: "no column -1"} {
		if err := again.TakeSchema(in, *keep); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%d: %v, want %q", *keep, err, want)
		}
	}
	lists := slices.IndexFunc(deep.columns, func(c column) bool { return c.leaves > 1 })
	if err := again.TakeSchema(deep, []int{lists, 0}); err == nil || !strings.Contains(err.Error(), "leaves here and") {
		t.Errorf("other leaves: %v", err)
	}
}

// Row groups of several files, in any order and more than once.
func TestMerge(t *testing.T) {
	files := [][]byte{write(t, makeSmall, []int{40, 50}), write(t, makeSmall, []int{60})}
	add := write(t, makeOther, []int{50, 60, 40})
	first, second, more := open(t, files[0]), open(t, files[1]), open(t, add)
	var out bytes.Buffer
	w, err := NewWriter(&out, Config{Schema: []Columns{{File: first}, {File: more}}})
	if err != nil {
		t.Fatal(err)
	}
	err = errors.Join(
		w.RowGroup(Part{File: first, Group: 1}, Part{File: more, Group: 0}),
		w.RowGroup(Part{File: second, Group: 0, Keep: []int{0, 1}}, Part{File: second, Keep: []int{2}}, Part{File: more, Group: 1}),
		w.RowGroup(Part{File: first, Group: 0}, Part{File: more, Group: 2}),
		w.RowGroup(Part{File: first, Group: 0}, Part{File: more, Group: 2}),
		w.Close())
	if err != nil {
		t.Fatal(err)
	}
	from := []struct {
		file  []byte
		group int
		more  int
	}{{files[0], 1, 0}, {files[1], 0, 1}, {files[0], 0, 2}, {files[0], 0, 2}}
	for g, rg := range openPQ(t, out.Bytes()).RowGroups() {
		was := openPQ(t, from[g].file).RowGroups()[from[g].group].ColumnChunks()
		was = append(was, openPQ(t, add).RowGroups()[from[g].more].ColumnChunks()...)
		for i, c := range rg.ColumnChunks() {
			sameChunk(t, fmt.Sprintf("row group %d, column %d", g, i), c, was[i], rg.NumRows())
		}
	}
	if n := open(t, out.Bytes()).NumRows(); n != 190 {
		t.Errorf("%d rows", n)
	}
}

func TestNoRowGroups(t *testing.T) {
	out := join(t, nil, Columns{File: open(t, write(t, makeSmall, nil))}, Columns{File: open(t, write(t, makeAnswer, nil))})
	f := openPQ(t, out)
	if f.NumRows() != 0 || len(f.RowGroups()) != 0 || len(f.Root().Columns()) != 6 {
		t.Errorf("%d rows, %d row groups, %v", f.NumRows(), len(f.RowGroups()), f.Root().Columns())
	}
}

func TestEmptyRowGroup(t *testing.T) {
	b := write(t, makeSmall, []int{5, 5})
	m := footerOf(t, b)
	empty := &m.RowGroups[0]
	empty.NumRows, empty.TotalByteSize, empty.TotalCompressedSize, m.NumRows = 0, 0, 0, 5
	for i, c := range empty.Columns {
		empty.Columns[i] = format.ColumnChunk{MetaData: format.ColumnMetaData{
			Type: c.MetaData.Type, Encoding: c.MetaData.Encoding, PathInSchema: c.MetaData.PathInSchema, Codec: c.MetaData.Codec,
		}}
	}
	out := join(t, nil, Columns{File: open(t, withFooter(t, b, m))})
	got := footerOf(t, out)
	if got.RowGroups[0].NumRows != 0 || got.RowGroups[1].NumRows != 5 || got.NumRows != 5 {
		t.Errorf("%+v", got)
	}
	for _, c := range got.RowGroups[0].Columns {
		if c.MetaData.DataPageOffset != 4 || c.MetaData.TotalCompressedSize != 0 {
			t.Errorf("%+v", c.MetaData)
		}
	}
}

func TestSorting(t *testing.T) {
	b := write(t, makeRecord, []int{9}, parquet.SortingWriterConfig(parquet.SortingColumns(
		parquet.Ascending("id"), parquet.NullsFirst(parquet.Descending("where", "y")), parquet.Ascending("flag"))))
	add := write(t, makeOther, []int{9}, parquet.SortingWriterConfig(parquet.SortingColumns(parquet.Ascending("d"))))
	for _, tc := range []struct {
		keep []int
		want string
	}{
		{nil, "[{0 false false} {4 true true} {10 false false}]"},
		{[]int{7, 3, 0}, "[{3 false false} {2 true true} {0 false false}]"},
		{[]int{7, 0}, "[{1 false false}]"},
		{[]int{3, 7}, "[{3 false false}]"}, // the other file's
		{[]int{}, "[{0 false false}]"},
	} {
		out := join(t, nil, Columns{open(t, b), tc.keep}, Columns{File: open(t, add)})
		if got := fmt.Sprint(footerOf(t, out).RowGroups[0].SortingColumns); got != tc.want {
			t.Errorf("keep %v: sorted by %s, want %s", tc.keep, got, tc.want)
		}
	}
}

func TestEdits(t *testing.T) {
	b := write(t, makeSmall, []int{1})
	m := footerOf(t, b)
	m.KeyValueMetadata = []format.KeyValue{{Key: "x", Value: "1"}, {Key: "ARROW:schema", Value: "old"}, {Key: "x", Value: "2"}, {Key: "z"}}
	b = withFooter(t, b, m)
	for _, tc := range []struct {
		edits []Edit
		want  string
	}{
		{nil, "x=1 ARROW:schema=old x=2 z="},
		{[]Edit{{Key: "ARROW:schema", Value: "new"}, {Key: "more", Value: "m"}}, "x=1 ARROW:schema=new x=2 z= more=m"},
		{[]Edit{{Key: "x", Value: "9"}}, "x=9 ARROW:schema=old z="},
		{[]Edit{{Key: "x", Remove: true}, {Key: "none", Remove: true}}, "ARROW:schema=old z="},
		{[]Edit{{Key: "n", Value: "1"}, {Key: "z", Value: "1"}, {Key: "n", Value: "2"}, {Key: "z", Value: "2"}}, "x=1 ARROW:schema=old x=2 z=2 n=2"},
		{[]Edit{{Key: "x", Remove: true}, {Key: "z", Remove: true}, {Key: "ARROW:schema", Remove: true}}, ""},
	} {
		var got []string
		for k, v := range open(t, join(t, tc.edits, Columns{File: open(t, b)})).KeyValues() {
			got = append(got, k+"="+v)
		}
		if s := strings.Join(got, " "); s != tc.want {
			t.Errorf("%v: %s, want %s", tc.edits, s, tc.want)
		}
	}
}

func TestMisuse(t *testing.T) {
	a, b := open(t, write(t, makeSmall, []int{5, 6})), open(t, write(t, makeOther, []int{5, 5}))
	for _, tc := range []struct {
		cfg  []Columns
		want string
	}{
		{nil, "Config.Schema is empty"},
		{[]Columns{{}}, "no file"},
		{[]Columns{{File: a}, {}}, "no file"},
		{[]Columns{{File: a, Keep: []int{3}}}, "no column 3"},
		{[]Columns{{File: a, Keep: []int{-1}}}, "no column -1"},
		{[]Columns{{File: a, Keep: []int{}}}, "keep at least one"},
		{[]Columns{{File: a, Keep: []int{1, 1}}}, `"b"`},
		{[]Columns{{File: a}, {File: b}, {File: a, Keep: []int{2}}}, `"c"`},
	} {
		if _, err := NewWriter(nil, Config{Schema: tc.cfg}); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%v: error %v, want %q", tc.cfg, err, tc.want)
		}
	}
	_, err := NewWriter(nil, Config{Schema: []Columns{{File: a}, {File: a}}})
	if clash := (*ClashError)(nil); !errors.As(err, &clash) || clash.Name != "a" {
		t.Error(err)
	}

	var out bytes.Buffer
	w, _ := NewWriter(&out, Config{Schema: []Columns{{File: a}, {File: b}}})
	good := []Part{{File: a}, {File: b}}
	for want, parts := range map[string][]Part{
		"part 1: no row group 2":             {{File: a}, {File: b, Group: 2}},
		"part 0: no row group 0":             {{}},
		"have 3 of the schema's 4":           {{File: a}},
		"have 0 of the schema's 4":           nil,
		"part 1 has 5 rows":                  {{File: a, Group: 1}, {File: b}},
		`column "d" is not what`:             {{File: b}, {File: a}},
		`column "b" is not what`:             {{File: a, Keep: []int{1, 0, 2}}, {File: b}},
		`part 2: column "a" is not what the`: append(slices.Clone(good), Part{File: a}),
		"part 1: no column 7":                {{File: a}, {File: b, Keep: []int{7}}},
	} {
		if err := w.RowGroup(parts...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
	// Nothing was written, and the writer goes on.
	if err := errors.Join(w.RowGroup(good...), w.Close()); err != nil {
		t.Fatal(err)
	}
	if openPQ(t, out.Bytes()).NumRows() != 5 {
		t.Error("not 5 rows")
	}
	if w.RowGroup(good...) != errClosed || w.Close() != errClosed {
		t.Error("a closed writer goes on")
	}
}
