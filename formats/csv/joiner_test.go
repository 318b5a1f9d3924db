package csv

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/batchmill/batchmill/formats"
)

// answers are a batch's answers; "" is none, and a first byte tells the form.
func answers(text ...string) *formats.Answers {
	a := new(formats.Answers)
	forms := map[byte]formats.Form{'c': formats.CSVForm, 'j': formats.JSONForm, 'l': formats.LineForm}
	for _, s := range text {
		if s == "" {
			a.List = append(a.List, formats.Answer{})
			continue
		}
		start := uint32(len(a.Data))
		a.Data = append(a.Data, s[1:]...)
		a.List = append(a.List, formats.Answer{Start: start, End: uint32(len(a.Data)), Form: forms[s[0]]})
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

var named = formats.Schema{Names: []string{"id", "na,me"}, Width: 2, Header: []byte("id,\"na,me\"\r\n")}

func TestJoin(t *testing.T) {
	const in = "1,\"a\n\"\r\n2,\"x\"y\n3\n10000000000000000999,1.10\n5,007"
	all := answers("c0.5", "", "", "", "c\"p,q\"")
	for _, c := range []struct {
		name    string
		config  JoinerConfig
		answers *formats.Answers
		width   int
		skip    bool
		want    string
	}{
		{"verbatim", JoinerConfig{Input: true, Verbatim: true, Schema: named}, all, 1, false,
			"id,\"na,me\",prediction\r\n1,\"a\n\",0.5\r\n,,\n,,\n10000000000000000999,1.10,\n5,007,\"p,q\"\n"},
		{"skip", JoinerConfig{Input: true, Verbatim: true, Schema: named}, all, 1, true,
			"id,\"na,me\",prediction\r\n1,\"a\n\",0.5\r\n5,007,\"p,q\"\n"},
		{"no header, wider", JoinerConfig{Input: true, Verbatim: true, Schema: formats.Schema{Width: 2}}, answers("c1,2", "", "", "j[1.50,null]", "j[\"\\u0061,\",{\"k\":\"v\"}]"), 2, false,
			"1,\"a\n\",1,2\r\n,,,\n,,,\n10000000000000000999,1.10,1.50,\n5,007,\"a,\",\"{\"\"k\"\":\"\"v\"\"}\"\n"},
		{"answers alone", JoinerConfig{Schema: named}, all, 1, false, "prediction\n0.5\n\"\"\n\"\"\n\"\"\n\"p,q\"\n"},
		{"answers alone, wider", JoinerConfig{Schema: named, AnswerName: "a b"}, answers("c1,2", "", "", "", "c3,4"), 2, false,
			"a b_1,a b_2\n1,2\n,\n,\n,\n3,4\n"},
		{"null alone", JoinerConfig{}, answers("jnull", "", "", "", "l a,b"), 1, true, "\"\"\n\" a,b\"\n"},
		{"through rows", JoinerConfig{Input: true, Schema: named}, all, 1, false,
			"id,\"na,me\",prediction\n1,\"a\n\",0.5\n,,\n,,\n10000000000000000999,1.10,\n5,007,\"p,q\"\n"},
		{"output filter", JoinerConfig{Input: true, Verbatim: true, Schema: named, Filter: mustFilter(t, "prediction,id")}, all, 1, false,
			"prediction,id\r\n0.5,1\r\n,\n,\n,10000000000000000999\n\"p,q\",5\n"},
		{"output filter, wider", JoinerConfig{Input: true, Verbatim: true, Schema: named, Filter: mustFilter(t, "-1,prediction,0")}, answers("c7,8", "", "", "", "c9,\"\""), 2, true,
			"prediction_2,prediction_1,prediction_2,id\r\n8,7,8,1\r\n\"\",9,\"\",5\n"},
		{"output filter leaves one empty field", JoinerConfig{Filter: mustFilter(t, "1")}, answers("c7,", "", "", "", "c7,8"), 2, false,
			"\"\"\n\"\"\n\"\"\n\"\"\n8\n"},
		{"width not known", JoinerConfig{Input: true, Verbatim: true, Schema: named}, answers("", "", "", "", ""), 0, false,
			"id,\"na,me\",prediction\r\n1,\"a\n\",\r\n,,\n,,\n10000000000000000999,1.10,\n5,007,\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := load(t, in, Options{}, formats.Schema{Width: 2, Names: c.config.Schema.Names})
			j := newJoiner(t, c.config)
			j.Check(b)
			j.Fit(c.answers, fieldsOf(max(c.width, 1)), func(i int, m string) { t.Errorf("misfit %d: %s", i, m) })
			got, n := j.Join(j.Begin(nil, fieldsOf(c.width), nil), b, c.answers, fieldsOf(c.width), !c.skip)
			if string(got) != c.want {
				t.Errorf("\n got %q\nwant %q", got, c.want)
			}
			wrote := b.Len()
			if c.skip {
				wrote = 2
			}
			if n != wrote {
				t.Errorf("says %d records, wrote %d", n, wrote)
			}
		})
	}
}

func TestJoinTooLargeAndFlawedWithoutWidth(t *testing.T) {
	b := load(t, strings.Repeat("x", 100)+"\r\n1\n", Options{MaxRecord: 10}, formats.Schema{Width: 3})
	j := newJoiner(t, JoinerConfig{Input: true, Verbatim: true, Schema: formats.Schema{Width: 3}})
	if got, _ := j.Join(nil, b, answers(""), fieldsOf(2), true); string(got) != ",,,,\n" {
		t.Errorf("got %q", got)
	}
	b = load(t, "\"x\n1,2\n", Options{Ragged: true}, formats.Schema{})
	j = newJoiner(t, JoinerConfig{Input: true, Verbatim: true})
	if got, _ := j.Join(nil, b, answers("", "c7"), fieldsOf(1), true); string(got) != ",\n1,2,7\n" {
		t.Errorf("got %q", got)
	}
}

// A record with a flaw that is not its bytes' stands for itself.
func TestJoinKeepsRecordsWithoutFilteredField(t *testing.T) {
	b := load(t, "a,b\n1,2\n3\n", Options{Ragged: true}, formats.Schema{Names: []string{"a", "b"}, Header: []byte("a,b\n")})
	s := formats.Schema{Names: []string{"a", "b"}, Header: []byte("a,b\n")}
	j := newJoiner(t, JoinerConfig{Input: true, Verbatim: true, Schema: s, Filter: mustFilter(t, "b,prediction")})
	if j.Check(b); len(b.Flaws) != 1 || b.Flaws[0].Reason != formats.ReasonNoField {
		t.Fatalf("flaws %v", b.Flaws)
	}
	if got, _ := j.Join(j.Begin(nil, fieldsOf(1), nil), b, answers("c7", ""), fieldsOf(1), true); string(got) != "b,prediction\n2,7\n,\n" {
		t.Errorf("got %q", got)
	}
	j = newJoiner(t, JoinerConfig{Input: true, Verbatim: true, Schema: s})
	if got, _ := j.Join(nil, b, answers("c7", ""), fieldsOf(1), true); string(got) != "1,2,7\n3,\n" {
		t.Errorf("got %q", got)
	}
}

func TestJoinRowsOfOtherFormats(t *testing.T) {
	s := formats.Schema{Names: []string{"a", "b"}, Width: 2}
	b := rowBatch(object("b", "'x\"", "a", "1.10"), object("z", "1"), object("a", "1", "a", "2"), object())
	j := newJoiner(t, JoinerConfig{Input: true, Schema: s})
	if j.Check(b); !slices.Equal(good(b), []int32{0, 3}) {
		t.Fatalf("flaws %v", b.Flaws)
	}
	got, n := j.Join(j.Begin(nil, fieldsOf(1), nil), b, answers("jtrue", "", "", "j\"q\\\"\\n\""), fieldsOf(1), true)
	if want := "a,b,prediction\n1.10,\"x\"\"\",true\n,,\n,,\n,,\"q\"\"\n\"\n"; string(got) != want || n != 4 {
		t.Errorf("got %q", got)
	}
	empty := newJoiner(t, JoinerConfig{Input: true, Schema: formats.Schema{Names: []string{}}})
	if got, _ := empty.Join(empty.Begin(nil, fieldsOf(1), nil), rowBatch(object()), answers("c1"), fieldsOf(1), true); string(got) != "prediction\n1\n" {
		t.Errorf("no columns: %q", got)
	}
}

func TestWidthAndFit(t *testing.T) {
	j := newJoiner(t, JoinerConfig{})
	for text, want := range map[string]int{
		"c1": 1, "c1,2": 2, "c\"a,b\",2,": 3, "c": 1, "l1,2": 1, "l": 1,
		"j1": 1, "jnull": 0, "j{}": 0, "j [ ] ": 1, "j[1]": 1, "j [1,[2,3],\"a,b\"]": 3, "j{\"a\":[1,2]}": 0, "j\"[1,2]\"": 1,
	} {
		a := answers(text)
		if got := learned(j, a.Bytes(0), a.List[0].Form); got != want {
			t.Errorf("%s: %d fields, want %d", text, got, want)
		}
	}
	var found []int
	j.Fit(answers("c1", "c1,2,3", "", "j[1,2]", "c\"1,2\""), fieldsOf(1), func(i int, m string) {
		if found = append(found, i); i == 1 && m != "3 fields where the job's first answer has 1" {
			t.Errorf("message %q", m)
		}
	})
	if !slices.Equal(found, []int{1, 3}) {
		t.Errorf("misfits %v", found)
	}
	narrow := newJoiner(t, JoinerConfig{Filter: mustFilter(t, "prediction_2")})
	misfits := 0
	narrow.Fit(answers("c1", ""), fieldsOf(1), func(int, string) { misfits++ })
	narrow.Fit(answers("c1,2"), fieldsOf(2), func(int, string) { misfits += 100 })
	if misfits != 1 {
		t.Errorf("%d misfits for a filter that an answer of one field cannot serve", misfits)
	}
}

func TestNewJoinerRefuses(t *testing.T) {
	clash := func(names ...string) formats.Schema { return formats.Schema{Names: names, Width: len(names)} }
	var want *OptionError
	for _, c := range []JoinerConfig{
		{Input: true, Schema: clash("a", "prediction")},
		{Input: true, Schema: clash("prediction_12")},
		{Input: true, Schema: clash("score"), AnswerName: "score"},
		{Input: true, Schema: clash("prediction_x"), Keys: true},
		{Input: true, Schema: clash("a", "score"), AnswerColumns: []string{"class", "score"}},
		{Input: true, Schema: clash("a"), AnswerColumns: []string{"score"}, Filter: mustFilter(t, "prediction_1")},
		{Input: true, Schema: clash("a"), Filter: mustFilter(t, "b")},
		{Input: true, Verbatim: true, Filter: mustFilter(t, "0")},
		{Filter: mustFilter(t, "a")},
		{Dialect: Dialect{Quote: ','}},
	} {
		if _, err := NewJoiner(c); !errors.As(err, &want) {
			t.Errorf("%+v: error %v", c, err)
		}
	}
	for _, c := range []JoinerConfig{
		{Schema: clash("prediction")},
		{Input: true, Schema: clash("prediction", "prediction_1"), AnswerColumns: []string{"score"}, Filter: mustFilter(t, "prediction,score")},
		{Input: true, Schema: clash("a"), Keys: true, Filter: mustFilter(t, "prediction_x")},
		{Input: true, Schema: clash("predictions", "prediction_", "prediction_x", "Prediction")},
		{Input: true, Schema: clash("a"), Filter: mustFilter(t, "prediction_3,a,5")},
	} {
		if _, err := NewJoiner(c); err != nil {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

// fields is the layout of answers with n fields.
func fieldsOf(n int) *formats.Layout { return &formats.Layout{Fields: n} }

// learned is the number of fields that a job's first answer gives all of them.
func learned(j formats.Joiner, answer []byte, form formats.Form) int {
	var l formats.Layout
	j.Learn(&l, answer, form)
	return l.Fields
}

// TestObjectsBecomeColumns: what the first answers show, and what fits no more after that.
func TestObjectsBecomeColumns(t *testing.T) {
	named, lone := formats.Schema{Names: []string{"id", "prediction_old"}, Width: 2}, formats.Schema{Names: []string{"id"}, Width: 1}
	for _, c := range []struct {
		first, answer, want string
		config              JoinerConfig
	}{
		{`j{"b":"x,y","a":[1]}`, `j{"a":{"k":1},"b":null}`, "prediction_b,prediction_a\n,\"{\"\"k\"\":1}\"\n", JoinerConfig{Schema: lone}},
		{`j{"b":1}`, `j{"c":1}`, "! the answer's field c is no column (settled by the job's first answer; --answer-columns picks others)", JoinerConfig{Schema: lone}},
		{`j{"b":1}`, "c1", "! the answer is no JSON object, and the columns are the keys of one", JoinerConfig{Schema: lone}},
		{"c1", `j{"b":1}`, "! the answer is a JSON object, and the job's first answer is none", JoinerConfig{Schema: lone}},
		{"j[1,2]", `j{"b":1}`, "! the answer is a JSON object, and the job's first answer is none", JoinerConfig{Schema: lone}},
		{"j[1,2,3]", "j{}", "prediction_1,prediction_2,prediction_3\n,,\n", JoinerConfig{Schema: lone}},
		{"j[1,2,3]", "jnull", "prediction_1,prediction_2,prediction_3\n,,\n", JoinerConfig{Schema: lone}},
		{"j[1,2]", "j{}", "id,prediction_1,prediction_2\ns,,\n", JoinerConfig{Input: true, Verbatim: true, Schema: lone}},
		{"j[1,2]", "j {} ", "prediction_2,id\n,s\n", JoinerConfig{Input: true, Verbatim: true, Schema: lone, Filter: mustFilter(t, "prediction_2,id")}},
		{"j1", "j{}", "id,prediction\ns,\n", JoinerConfig{Input: true, Verbatim: true, Schema: lone}},
		{"c1,2", "jnull", "id,prediction_1,prediction_2\ns,,\n", JoinerConfig{Input: true, Verbatim: true, Schema: lone}},
		{`j{"old":1}`, `j{"old":2}`, `! the answer's column "prediction_old" would be called as a column of the input; choose other names with --answer-name or --answer-columns, or write the answers alone with --join none`, JoinerConfig{Input: true, Schema: named}},
		{`j{"new":1}`, `j{"new":2}`, "id,prediction_old,prediction_new\ns,s,2\n", JoinerConfig{Input: true, Verbatim: true, Schema: named}},
		{`j{"x":1,"y":2}`, `j{"x":3,"y":4}`, "prediction_y,id\n4,s\n", JoinerConfig{Input: true, Verbatim: true, Schema: lone, Keys: true, Filter: mustFilter(t, "prediction_y,id")}},
		{`j{"x":1}`, `j{"x":3}`, `! filter`, JoinerConfig{Input: true, Schema: lone, Keys: true, Filter: mustFilter(t, "prediction_y")}},
	} {
		j := newJoiner(t, c.config)
		width := c.config.Schema.Width
		b := load(t, strings.Repeat(",s", width)[1:]+"\n", Options{}, formats.Schema{Width: width})
		var l formats.Layout
		first, a := answers(c.first), answers(c.answer)
		if !j.Learn(&l, first.Bytes(0), first.List[0].Form) {
			t.Fatalf("%s fixes nothing", c.first)
		}
		got := ""
		j.Fit(a, &l, func(_ int, m string) { got = "! " + m })
		if got == "" {
			text, _ := j.Join(j.Begin(nil, &l, nil), b, a, &l, true)
			got = string(text)
		}
		if got != c.want && (c.want != "! filter" || !strings.Contains(got, "prediction_y")) {
			t.Errorf("%s after %s:\n got %q\nwant %q", c.answer, c.first, got, c.want)
		}
	}
}
