package jsonl

import (
	"maps"
	"testing"

	"github.com/batchmill/batchmill/formats"
)

// table is an input of another format: rows by hand.
type table []formats.Row

func (t table) Row(_ *formats.Batch, i int, r *formats.Row) error {
	r.Reset()
	if t[i].Values == nil {
		return &formats.SyntaxError{Message: "damaged"}
	}
	r.Shape, r.Names, r.Values = t[i].Shape, append(r.Names, t[i].Names...), append(r.Values, t[i].Values...)
	return nil
}

func value(kind formats.Kind, text string) formats.Value {
	return formats.Value{Kind: kind, Text: []byte(text)}
}

// tableBatch has an object, a list, a scalar, and a row that cannot be read.
func tableBatch() *formats.Batch {
	return &formats.Batch{First: 1, Recs: make([]formats.Span, 4), Rows: table{
		{Shape: formats.Object, Names: []string{"id", `q"`, "none"}, Values: []formats.Value{
			value(formats.Number, "10000000000000000999"), value(formats.String, "a\"b\n"), value(formats.Null, "")}},
		{Shape: formats.List, Values: []formats.Value{value(formats.Bool, "true"), value(formats.JSON, "{\"a\":\n1}")}},
		{Shape: formats.Scalar, Values: []formats.Value{value(formats.String, "x")}},
		{},
	}}
}

func encoded(t *testing.T, c EncoderConfig, b *formats.Batch, sel ...int32) string {
	t.Helper()
	e, err := NewEncoder(c)
	if err != nil {
		t.Fatal(err)
	}
	return string(e.Encode([]byte{}, b, sel))
}

func TestEncodeVerbatim(t *testing.T) {
	dense := batchOf(t, "{\"a\":1.10}\r\n [2]\n3")
	gaps := batchOf(t, "1\r\n\n\n2\n3")
	if !gaps.Gaps {
		t.Fatal("the batch should have gaps")
	}
	for _, c := range []struct {
		b    *formats.Batch
		wrap Wrap
		sel  []int32
		want string
	}{
		{dense, WrapLines, []int32{0, 1, 2}, "{\"a\":1.10}\r\n [2]\n3"},
		{dense, WrapLines, []int32{1}, " [2]\n"},
		{dense, WrapLines, []int32{0, 2}, "{\"a\":1.10}\n3\n"},
		{dense, WrapArray, []int32{0, 1, 2}, "[{\"a\":1.10}, [2],3]"},
		{dense, WrapInstances, []int32{0, 2}, "{\"instances\":[{\"a\":1.10},3]}"},
		{gaps, WrapLines, []int32{0, 1, 2}, "1\n2\n3\n"},
		{gaps, WrapArray, []int32{0, 1, 2}, "[1,2,3]"},
	} {
		if got := encoded(t, EncoderConfig{Wrap: c.wrap, Verbatim: true}, c.b, c.sel...); got != c.want {
			t.Errorf("wrap %d, %v: %q, want %q", c.wrap, c.sel, got, c.want)
		}
	}
}

func TestEncodeVerbatimDoesNotCopy(t *testing.T) {
	b := batchOf(t, "1\n2\n3\n")
	e, _ := NewEncoder(EncoderConfig{Verbatim: true})
	if got := e.Encode(nil, b, []int32{1, 2}); &got[0] != &b.Data[2] {
		t.Error("a payload that stands in the arena was copied")
	}
}

func TestEncodeRows(t *testing.T) {
	b := tableBatch()
	e, _ := NewEncoder(EncoderConfig{Wrap: WrapArray})
	e.Check(b)
	if len(b.Flaws) != 1 || b.Flaws[0].Index != 3 {
		t.Errorf("flaws %v, want one for the row that cannot be read", b.Flaws)
	}
	want := `[{"id":10000000000000000999,"q\"":"a\"b\n","none":null},[true,{"a": 1}],"x"]`
	if got := string(e.Encode(nil, b, []int32{0, 1, 2})); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	want = `{"none":null}` + "\n"
	if got := encoded(t, EncoderConfig{Filter: Filter{"none"}}, b, 0); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestEncodeFilter(t *testing.T) {
	b := batchOf(t, "{\"b\": 1.10 ,\"x\":0,\"\\u0061\":[ 2 ]}\n{\"a\":1}\n[1]\nbad\n{\"a\":{},\"b\":7}\n")
	e, err := NewEncoder(EncoderConfig{Verbatim: true, Filter: Filter{"a", "b"}})
	if err != nil {
		t.Fatal(err)
	}
	e.Check(b)
	want := map[int]formats.Reason{1: formats.ReasonNoField, 2: formats.ReasonNoField, 3: formats.ReasonInvalid}
	for _, f := range b.Flaws {
		if want[f.Index] != f.Reason {
			t.Errorf("record %d: %s", f.Index, f.Reason)
		}
		delete(want, f.Index)
	}
	if len(want) > 0 {
		t.Errorf("no flaw for %v", want)
	}
	out := "{\"b\":1.10,\"\\u0061\":[ 2 ]}\n{\"a\":{},\"b\":7}\n"
	if got := string(e.Encode(nil, b, []int32{0, 4})); got != out {
		t.Errorf("%q, want %q", got, out)
	}
}

func TestEncodeFilterOnRows(t *testing.T) {
	b := tableBatch()
	e, _ := NewEncoder(EncoderConfig{Filter: Filter{"id", "other"}})
	e.Check(b)
	for i, reason := range []formats.Reason{formats.ReasonNoField, formats.ReasonNoField, formats.ReasonNoField, formats.ReasonInvalid} {
		if f := b.Flaw(i); f == nil || f.Reason != reason {
			t.Errorf("row %d: %v, want %s", i, f, reason)
		}
	}
}

func TestEncoderConfigIsChecked(t *testing.T) {
	for _, c := range []EncoderConfig{{Wrap: WrapSplit + 1}, {Filter: Filter{}},
		{Wrap: WrapSplit, Names: []string{"a", "a"}}, {Wrap: WrapSplit, Names: []string{"a"}, Filter: Filter{"b"}}, {Fixed: true, Names: []string{"a"}, Filter: Filter{"a", "b"}}} {
		if _, err := NewEncoder(c); err == nil {
			t.Errorf("%v is taken", c)
		}
	}
}

func TestEncodeSplit(t *testing.T) {
	names := []string{"none", "id", `q"`}
	for _, c := range []struct {
		config EncoderConfig
		sel    []int32
		want   string
	}{
		{EncoderConfig{Names: names}, []int32{0},
			`{"dataframe_split":{"columns":["none","id","q\""],"data":[[null,10000000000000000999,"a\"b\n"]]}}`},
		{EncoderConfig{Names: names, Filter: Filter{"id"}}, []int32{0, 0}, `{"dataframe_split":{"columns":["id"],"data":[[10000000000000000999],[10000000000000000999]]}}`},
		{EncoderConfig{Names: append(names, "missing")}, []int32{0},
			`{"dataframe_split":{"columns":["none","id","q\"","missing"],"data":[[null,10000000000000000999,"a\"b\n",null]]}}`},
		{EncoderConfig{}, []int32{1, 2}, `{"dataframe_split":{"data":[[true,{"a": 1}],["x"]]}}`},
	} {
		c.config.Wrap = WrapSplit
		if got := encoded(t, c.config, tableBatch(), c.sel...); got != c.want {
			t.Errorf("%v: %s, want %s", c.config, got, c.want)
		}
	}
}

func TestSplitChecksKeys(t *testing.T) {
	flaws := func(c EncoderConfig) map[int]formats.Reason {
		c.Wrap = WrapSplit
		e, err := NewEncoder(c)
		if err != nil {
			t.Fatal(err)
		}
		b := tableBatch()
		e.Check(b)
		found := map[int]formats.Reason{}
		for _, f := range b.Flaws {
			found[f.Index] = f.Reason
		}
		return found
	}
	rest := map[int]formats.Reason{1: formats.ReasonRagged, 2: formats.ReasonRagged, 3: formats.ReasonInvalid}
	if got := flaws(EncoderConfig{Names: []string{"id", `q"`, "none", "more"}, Filter: Filter{"id"}}); !maps.Equal(got, rest) {
		t.Errorf("flaws %v, want %v", got, rest)
	}
	rest[0] = formats.ReasonNoColumn
	if got := flaws(EncoderConfig{Names: []string{"id"}}); !maps.Equal(got, rest) {
		t.Errorf("flaws %v, want %v", got, rest)
	}
	lists := map[int]formats.Reason{0: formats.ReasonRagged, 3: formats.ReasonInvalid}
	if got := flaws(EncoderConfig{}); !maps.Equal(got, lists) {
		t.Errorf("flaws without names %v, want %v", got, lists)
	}
}
