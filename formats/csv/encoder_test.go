package csv

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/batchmill/batchmill/formats"
)

func mustFilter(t testing.TB, text string) Filter {
	t.Helper()
	if text == "" {
		return nil
	}
	f, err := ParseFilter(text)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// load is in as one checked batch.
func load(t testing.TB, in string, o Options, s formats.Schema) *formats.Batch {
	t.Helper()
	r := NewReader(strings.NewReader(in), o, s)
	b := new(formats.Batch)
	if err := r.Next(b, formats.Caps{Records: 1 << 20, Bytes: 1 << 30}); err != nil {
		t.Fatal(err)
	}
	r.Check(b)
	return b
}

// good are the records without a flaw.
func good(b *formats.Batch) []int32 {
	var sel []int32
	for i := range b.Recs {
		if b.Flaw(i) == nil {
			sel = append(sel, int32(i))
		}
	}
	return sel
}

func TestEncodeVerbatim(t *testing.T) {
	for _, c := range []struct {
		name, in, filter, header, want string
		sel                            []int32
		copied                         bool
	}{
		{name: "slice", in: "1,2\r\n3,\"4\n\"\n5,6", sel: []int32{0, 1, 2}, want: "1,2\r\n3,\"4\n\"\n5,6"},
		{name: "part of it", in: "1,2\n3,4\n5,6\n", sel: []int32{1, 2}, want: "3,4\n5,6\n"},
		{name: "with a hole", in: "1,2\n3,4\n5,6", sel: []int32{0, 2}, want: "1,2\n5,6", copied: true},
		{name: "blank line between", in: "1,2\n\n3,4\n5,6\n", sel: []int32{0, 1, 2}, want: "1,2\n3,4\n5,6\n", copied: true},
		{name: "blank line elsewhere", in: "1,2\n\n3,4\n5,6\n", sel: []int32{1, 2}, want: "3,4\n5,6\n"},
		{name: "header", in: "1,2\n", header: "a,b\r\n", sel: []int32{0}, want: "a,b\r\n1,2\n", copied: true},
		{name: "header without line end", in: "1,2\n", header: "a,b", sel: []int32{0}, want: "a,b\n1,2\n", copied: true},
		{name: "filter", in: "1,\"2,\"\"\"\r\n3,4", filter: "1,0", header: "a,\"b\"\r\n", sel: []int32{0, 1}, want: "\"b\",a\r\n\"2,\"\"\",1\r\n4,3\n", copied: true},
		{name: "filter and a bare CR", in: "1\r,2\n", filter: "0", sel: []int32{0}, want: "\"1\r\"\n", copied: true},
		{name: "filter leaves one empty field", in: ",2\n3,4\n", filter: "0", sel: []int32{0, 1}, want: "\"\"\n3\n", copied: true},
	} {
		b := load(t, c.in, Options{}, formats.Schema{Width: 2})
		e, err := NewEncoder(EncoderConfig{Verbatim: true, Width: 2, Filter: mustFilter(t, c.filter), Header: []byte(c.header)})
		if err != nil {
			t.Fatal(err)
		}
		e.Check(b)
		got := e.Encode([]byte("old"), b, c.sel)
		want := c.want
		if c.copied {
			want = "old" + want
		} else if &got[0] != &b.Data[b.Recs[c.sel[0]].Start] {
			t.Errorf("%s: not a slice of the batch", c.name)
		}
		if string(got) != want {
			t.Errorf("%s: got %q, want %q", c.name, got, want)
		}
	}
}

// LF goes between records that are gathered when the one before has none.
func TestGatherSeparates(t *testing.T) {
	b := &formats.Batch{Data: []byte("1\n23"), Recs: []formats.Span{{Start: 0, End: 2}, {Start: 2, End: 3}, {Start: 3, End: 4}}}
	e, _ := NewEncoder(EncoderConfig{Verbatim: true, Width: 1, Header: []byte("h\n")})
	if got := string(e.Encode(nil, b, []int32{0, 1, 2})); got != "h\n1\n2\n3" {
		t.Errorf("got %q", got)
	}
}

func TestEncodeRaggedFilter(t *testing.T) {
	b := load(t, "1,2,3\n4\n5,6\n", Options{Ragged: true}, formats.Schema{})
	e, err := NewEncoder(EncoderConfig{Verbatim: true, Filter: mustFilter(t, "1")})
	if err != nil {
		t.Fatal(err)
	}
	e.Check(b)
	if len(b.Flaws) != 1 || b.Flaws[0].Index != 1 || b.Flaws[0].Reason != formats.ReasonNoField {
		t.Fatalf("flaws %v", b.Flaws)
	}
	if got := string(e.Encode(nil, b, good(b))); got != "2\n6\n" {
		t.Errorf("got %q", got)
	}
}

// rowList gives records by fields, as another format would.
type rowList []formats.Row

func (l rowList) Row(_ *formats.Batch, i int, r *formats.Row) error {
	r.Reset()
	r.Shape, r.Names, r.Values = l[i].Shape, append(r.Names, l[i].Names...), append(r.Values, l[i].Values...)
	return nil
}

func rowBatch(rows ...formats.Row) *formats.Batch {
	return &formats.Batch{First: 1, Recs: make([]formats.Span, len(rows)), Rows: rowList(rows)}
}

// object is a row of names and values in turn; values as val has them.
func object(text ...string) formats.Row {
	r := formats.Row{Shape: formats.Object}
	for i := 0; i < len(text); i += 2 {
		r.Names = append(r.Names, text[i])
		r.Values = append(r.Values, val(text[i+1]))
	}
	return r
}

func list(text ...string) formats.Row {
	r := formats.Row{Shape: formats.List}
	for _, s := range text {
		r.Values = append(r.Values, val(s))
	}
	return r
}

// val is a string if it begins with ', else by its first byte.
func val(s string) formats.Value {
	kinds := map[byte]formats.Kind{'n': formats.Null, 't': formats.Bool, '\'': formats.String, '[': formats.JSON, '{': formats.JSON}
	v := formats.Value{Kind: formats.Number, Text: []byte(s)}
	if k, ok := kinds[s[0]]; ok {
		v.Kind = k
	}
	switch v.Kind {
	case formats.String:
		v.Text = v.Text[1:]
	case formats.Null:
		v.Text = nil
	}
	return v
}

func TestEncodeRows(t *testing.T) {
	b := rowBatch(
		object("a", "10000000000000000999", "b", "'x"),
		object("b", "'p,q\"r\"", "a", "1.10"),
		object("b", "true"),
		object("a", "1", "c", "2"),
		object("a", "1", "a", "2"),
		list("1", "2"),
		object("a", "n", "b", `{"k":[1,"v"]}`),
		object("a", "'l1\nl2", "b", "' s "),
		object(),
	)
	e, err := NewEncoder(EncoderConfig{Names: []string{"a", "b"}, Header: HeaderLine(Dialect{}, []string{"a", "b"})})
	if err != nil {
		t.Fatal(err)
	}
	e.Check(b)
	var reasons []formats.Reason
	for _, f := range b.Flaws {
		reasons = append(reasons, f.Reason)
	}
	if !slices.Equal(good(b), []int32{0, 1, 2, 6, 7, 8}) || !slices.Equal(reasons, []formats.Reason{formats.ReasonNoColumn, formats.ReasonKeyClash, formats.ReasonRagged}) {
		t.Fatalf("flaws %v", b.Flaws)
	}
	want := "a,b\n10000000000000000999,x\n1.10,\"p,q\"\"r\"\"\"\n,true\n,\"{\"\"k\"\":[1,\"\"v\"\"]}\"\n\"l1\nl2\", s \n,\n"
	if got := string(e.Encode(nil, b, good(b))); got != want {
		t.Errorf("got %q\nwant %q", got, want)
	}
	one, err := NewEncoder(EncoderConfig{Names: []string{"a", "b"}, Filter: mustFilter(t, "b")})
	if err != nil {
		t.Fatal(err)
	}
	if got := string(one.Encode(nil, b, []int32{0, 8})); got != "x\n\"\"\n" {
		t.Errorf("filtered: %q", got)
	}
}

func TestEncodeLists(t *testing.T) {
	scalar := formats.Row{Shape: formats.Scalar, Values: []formats.Value{val("'text")}}
	b := rowBatch(list("1", "n"), list("1"), object("a", "1"), scalar)
	e, _ := NewEncoder(EncoderConfig{Width: 2})
	e.Check(b)
	if !slices.Equal(good(b), []int32{0}) || b.Flaws[0].Reason != formats.ReasonRagged || b.Flaws[1].Reason != formats.ReasonNoColumn {
		t.Errorf("flaws %v", b.Flaws)
	}
	if got := string(e.Encode(nil, b, good(b))); got != "1,\n" {
		t.Errorf("got %q", got)
	}
	b = rowBatch(list("1", "2"), scalar, list("n"))
	e, _ = NewEncoder(EncoderConfig{Filter: mustFilter(t, "0")})
	e.Check(b)
	if got := string(e.Encode(nil, b, good(b))); got != "1\ntext\n\"\"\n" {
		t.Errorf("got %q", got)
	}
	e, _ = NewEncoder(EncoderConfig{Filter: mustFilter(t, "1")})
	if e.Check(b); len(b.Flaws) != 2 || b.Flaws[0].Reason != formats.ReasonNoField {
		t.Errorf("flaws %v", b.Flaws)
	}
}

func TestNewEncoderRefuses(t *testing.T) {
	var want *OptionError
	for _, c := range []EncoderConfig{
		{Dialect: Dialect{Delimiter: '"'}},
		{Names: []string{"a"}, Filter: mustFilter(t, "b")},
		{Width: 2, Verbatim: true, Filter: mustFilter(t, "2")},
		{Verbatim: true, Filter: mustFilter(t, "-1")},
	} {
		if _, err := NewEncoder(c); !errors.As(err, &want) {
			t.Errorf("%+v: error %v", c, err)
		}
	}
}
