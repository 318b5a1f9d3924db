package jsonl

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/batchmill/batchmill/formats"
)

// answersOf makes answers of texts of one form; "-" is none.
func answersOf(form formats.Form, texts ...string) *formats.Answers {
	a := new(formats.Answers)
	for _, text := range texts {
		if text == "-" {
			a.List = append(a.List, formats.Answer{})
			continue
		}
		start := len(a.Data)
		a.Data = append(a.Data, text...)
		a.List = append(a.List, formats.Answer{Start: uint32(start), End: uint32(len(a.Data)), Form: form})
	}
	return a
}

func newJoiner(t testing.TB, c JoinerConfig) formats.Joiner {
	t.Helper()
	j, err := NewJoiner(c)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

// joined is the output lines of one record each.
func joined(t testing.TB, c JoinerConfig, b *formats.Batch, a *formats.Answers, placeholders bool) []string {
	t.Helper()
	j := newJoiner(t, c)
	j.Check(b)
	out, n := j.Join(j.Begin(nil, nil, nil), b, a, nil, placeholders)
	lines := strings.SplitAfter(string(out), "\n")
	if n != len(lines)-1 || lines[n] != "" {
		t.Errorf("%q is not %d lines", out, n)
	}
	return lines[:len(lines)-1]
}

func TestJoinRecordAndAnswer(t *testing.T) {
	c := JoinerConfig{Input: true, Verbatim: true}
	for _, r := range []struct{ record, answer, want string }{
		{"{\"id\":10000000000000000999,\"p\":1.10}\n", "0.50", `{"id":10000000000000000999,"p":1.10,"prediction":0.50}`},
		{"{\"id\":007.0}\n", "-", `{"prediction":null}`}, // invalid
		{"{\"id\":7}\r\n", "-", `{"id":7,"prediction":null}`},
		{" { \"a\" : 1 } \r\n", "[1]", ` { "a" : 1 ,"prediction":[1]}`},
		{"{}\n", "1", `{"prediction":1}`},
		{"{ \t}", "1", "{ \t\"prediction\":1}"},
		{"{\"a\":{}}", "{\"b\":\r\n2}", `{"a":{},"prediction":{"b":  2}}`},
		{" [1, 2]\n", "1", `{"input":[1, 2],"prediction":1}`},
		{"\"x\"\r\n", "null", `{"input":"x","prediction":null}`},
		{"1.10", "-", `{"input":1.10,"prediction":null}`},
	} {
		got := joined(t, c, batchOf(t, r.record), answersOf(formats.JSONForm, r.answer), true)
		if len(got) != 1 || got[0] != r.want+"\n" {
			t.Errorf("%q: %q, want %q", r.record, got, r.want)
		}
	}
}

func TestJoinKeepsOrderAndLeavesOutWhatHasNoAnswer(t *testing.T) {
	text := "{\"a\":1}\nbad\n\n{\"a\":2}\n{\"a\":3}\n"
	a := answersOf(formats.JSONForm, "1", "-", "-", "3")
	c := JoinerConfig{Input: true, Verbatim: true, AnswerName: "y\""}
	want := []string{"{\"a\":1,\"y\\\"\":1}\n", "{\"a\":3,\"y\\\"\":3}\n"}
	if got := joined(t, c, batchOf(t, text), a, false); !slices.Equal(got, want) {
		t.Errorf("skip: %q, want %q", got, want)
	}
	want = []string{want[0], "{\"y\\\"\":null}\n", "{\"a\":2,\"y\\\"\":null}\n", want[1]}
	if got := joined(t, c, batchOf(t, text), a, true); !slices.Equal(got, want) {
		t.Errorf("placeholder: %q, want %q", got, want)
	}
	want = []string{"1\n", "null\n", "null\n", "3\n"}
	if got := joined(t, JoinerConfig{}, batchOf(t, text), a, true); !slices.Equal(got, want) {
		t.Errorf("none: %q, want %q", got, want)
	}
}

func TestJoinFindsKeyClashes(t *testing.T) {
	for record, clash := range map[string]bool{
		`{"prediction":1}`: true, `{"a":1,"pred\u0069ction":1}`: true, `{"\u0070rediction":null,"b":{}}`: true,
		`{"predictions":1}`: false, `{"a":"prediction"}`: false, `{"a":{"prediction":1}}`: false, `{"a":"\u0070rediction"}`: false,
		`{"a\\":"\"prediction\":1"}`: false, `["prediction"]`: false, `"prediction"`: false, `{}`: false, `{"Prediction":1}`: false,
	} {
		b := batchOf(t, record+"\n")
		newJoiner(t, JoinerConfig{Input: true, Verbatim: true}).Check(b)
		if got := len(b.Flaws) == 1 && b.Flaws[0].Reason == formats.ReasonKeyClash; got != clash || len(b.Flaws) > 1 {
			t.Errorf("%s: flaws %v, want a clash %v", record, b.Flaws, clash)
		}
		if clash {
			got := joined(t, JoinerConfig{Input: true, Verbatim: true}, b, answersOf(formats.JSONForm, "-"), true)
			if got[0] != "{\"prediction\":null}\n" {
				t.Errorf("%s: placeholder %q", record, got)
			}
		}
		newJoiner(t, JoinerConfig{Verbatim: true}).Check(b)
	}
	b := batchOf(t, "[1]\n{\"input\":1}\n{\"a\":1}\n{\"\ufffd\":1}\n")
	newJoiner(t, JoinerConfig{Input: true, Verbatim: true, AnswerName: "input"}).Check(b)
	if len(b.Flaws) != 2 || b.Flaws[1].Index != 1 {
		t.Errorf("answer named input: %v", b.Flaws)
	}
	newJoiner(t, JoinerConfig{Input: true, Verbatim: true, AnswerName: "\ufffd"}).Check(b)
	if f := b.Flaw(3); f == nil {
		t.Error("the key U+FFFD is the answer's name")
	}
}

// A record that lacks a key for the payload keeps that reason; its placeholder
// still must not have the answer's key twice.
func TestJoinPlaceholderOfARecordWithTwoFlaws(t *testing.T) {
	b := batchOf(t, "{\"prediction\":1}\n{\"a\":1}\n")
	e, _ := NewEncoder(EncoderConfig{Verbatim: true, Filter: Filter{"x"}})
	e.Check(b)
	got := joined(t, JoinerConfig{Input: true, Verbatim: true}, b, answersOf(formats.JSONForm, "-", "-"), true)
	if want := []string{"{\"prediction\":null}\n", "{\"a\":1,\"prediction\":null}\n"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestJoinTooLarge(t *testing.T) {
	var b formats.Batch
	r := NewReader(strings.NewReader(strings.Repeat("1", 100)+"\n"), Options{MaxRecord: 10})
	if err := r.Next(&b, many); err != nil {
		t.Fatal(err)
	}
	r.Check(&b)
	got := joined(t, JoinerConfig{Input: true, Verbatim: true}, &b, answersOf(formats.JSONForm, "-"), true)
	if got[0] != "{\"prediction\":null}\n" { // what is kept of it is a valid number
		t.Errorf("%q", got)
	}
}

func TestJoinOtherForms(t *testing.T) {
	for _, c := range []struct {
		form         formats.Form
		answer, want string
	}{
		{formats.CSVForm, `0.10`, `0.10`}, {formats.CSVForm, ``, `null`}, {formats.CSVForm, `""`, `""`}, {formats.CSVForm, `"7"`, `"7"`},
		{formats.CSVForm, `007`, `"007"`}, {formats.CSVForm, `a b`, `"a b"`}, {formats.CSVForm, "\"a,\"\"b\"\"\n\"", `"a,\"b\"\n"`},
		{formats.CSVForm, `1,,"x",y`, `[1,null,"x","y"]`}, {formats.CSVForm, `,`, `[null,null]`}, {formats.CSVForm, `"a",`, `["a",null]`},
		{formats.LineForm, `say "hi"`, `"say \"hi\""`}, {formats.LineForm, `1`, `"1"`}, {formats.LineForm, "\xff", `"\ufffd"`},
	} {
		a := answersOf(c.form, c.answer)
		newJoiner(t, JoinerConfig{}).Fit(a, nil, func(_ int, message string) { t.Errorf("%q: misfit: %s", c.answer, message) })
		if got := joined(t, JoinerConfig{}, batchOf(t, "1\n"), a, false); got[0] != c.want+"\n" {
			t.Errorf("%q: %s, want %s", c.answer, got, c.want)
		}
	}
}

func TestFitRefusesBrokenCSV(t *testing.T) {
	a := answersOf(formats.CSVForm, `a"b`, `"a`, `"a"b`, `1,"a""`, "1\n2", `ok,"x"`, "-", "\"x\",a\nb")
	var got []int
	j := newJoiner(t, JoinerConfig{})
	j.Fit(a, nil, func(i int, _ string) { got = append(got, i) })
	if want := []int{0, 1, 2, 3, 4, 7}; !slices.Equal(got, want) {
		t.Errorf("misfits %v, want %v", got, want)
	}
	if l := (formats.Layout{}); !j.Learn(&l, []byte("1,2"), formats.CSVForm) || l.Fields != 0 {
		t.Errorf("layout %+v, want none", l)
	}
}

func TestJoinFilter(t *testing.T) {
	c := JoinerConfig{Input: true, Verbatim: true, Filter: Filter{"b", "prediction"}}
	b := batchOf(t, "{\"a\":0,\"b\": [1] ,\"c\":2}\n{\"a\":1}\n[1]\n")
	got := joined(t, c, b, answersOf(formats.JSONForm, "9", "-", "-"), true)
	if want := []string{"{\"b\":[1],\"prediction\":9}\n", "{\"prediction\":null}\n", "{\"prediction\":null}\n"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if len(b.Flaws) != 2 || b.Flaws[0].Reason != formats.ReasonNoField || b.Flaws[1].Reason != formats.ReasonNoField {
		t.Errorf("flaws %v", b.Flaws)
	}
	c.Filter = Filter{"input"}
	if got := joined(t, c, batchOf(t, "[ 1 ]\n"), answersOf(formats.JSONForm, "9"), true); got[0] != "{\"input\":[ 1 ]}\n" {
		t.Errorf("%q", got)
	}
}

func TestJoinNoneFiltersTheAnswer(t *testing.T) {
	c := JoinerConfig{Filter: Filter{"s"}}
	a := answersOf(formats.JSONForm, "{\"t\":1,\"s\":[1,\n2]}", "-", `{"t":1}`, `[1]`)
	var misfits []int
	newJoiner(t, c).Fit(a, nil, func(i int, _ string) { misfits = append(misfits, i) })
	if !slices.Equal(misfits, []int{2, 3}) {
		t.Errorf("misfits %v", misfits)
	}
	a.List = a.List[:2]
	if got := joined(t, c, batchOf(t, "1\n2\n"), a, true); !slices.Equal(got, []string{"{\"s\":[1, 2]}\n", "null\n"}) {
		t.Errorf("%q", got)
	}
}

func TestJoinRows(t *testing.T) {
	c := JoinerConfig{Input: true, Schema: formats.Schema{Names: []string{"id", `q"`, "none"}}}
	a := answersOf(formats.JSONForm, "1", "2", "3", "-")
	want := []string{
		`{"id":10000000000000000999,"q\"":"a\"b\n","none":null,"prediction":1}` + "\n",
		`{"input":[true,{"a": 1}],"prediction":2}` + "\n", `{"input":"x","prediction":3}` + "\n", `{"prediction":null}` + "\n",
	}
	if got := joined(t, c, tableBatch(), a, true); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	c.Filter = Filter{"none"}
	if got := joined(t, c, tableBatch(), answersOf(formats.JSONForm, "1", "-", "-", "-"), false); got[0] != "{\"none\":null}\n" {
		t.Errorf("%q", got)
	}
}

func TestJoinerConfigIsChecked(t *testing.T) {
	names := formats.Schema{Names: []string{"a", "prediction"}}
	for i, c := range []JoinerConfig{
		{Input: true, Schema: names},
		{Input: true, Schema: formats.Schema{Names: []string{"a", "a"}}},
		{Input: true, AnswerName: "input"},
		{AnswerName: "\xff"},
		{Filter: Filter{}},
		{Input: true, Schema: formats.Schema{Names: []string{"a"}}, Filter: Filter{"z"}},
	} {
		if _, err := NewJoiner(c); err == nil {
			t.Errorf("configuration %d is taken", i)
		}
	}
	newJoiner(t, JoinerConfig{Schema: names})
	newJoiner(t, JoinerConfig{Input: true, Verbatim: true, Schema: names}) // each record is checked
}

func ExampleNewJoiner() {
	j, _ := NewJoiner(JoinerConfig{Input: true, Verbatim: true, AnswerName: "score"})
	b := &formats.Batch{First: 1, Data: []byte("{\"id\": 7.100}\n"), Recs: []formats.Span{{Start: 0, End: 14}}}
	a := &formats.Answers{Data: []byte("0.90"), List: []formats.Answer{{End: 4, Form: formats.JSONForm}}}
	out, n := j.Join(nil, b, a, nil, true)
	fmt.Printf("%d: %s", n, out)
	// Output: 1: {"id": 7.100,"score":0.90}
}
