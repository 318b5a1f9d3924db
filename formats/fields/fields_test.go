package fields

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/batchmill/batchmill/formats"
	"github.com/batchmill/batchmill/formats/json"
)

const (
	csvForm, jsonForm, lineForm = formats.CSVForm, formats.JSONForm, formats.LineForm
)

// TestTable is the table of the documentation: what an answer's columns are called, and their values.
func TestTable(t *testing.T) {
	for _, c := range []struct {
		given, first string
		form         formats.Form
		answer, want string // the answer "" is the first again
	}{
		{"", `{"class":"a","score":0.9}`, jsonForm, "", `prediction_class="a" prediction_score=0.9`},
		{"", `{"class":"a","score":0.9}`, jsonForm, `{"score":1}`, `prediction_class=null prediction_score=1`},
		{"", `{"class":"a","score":0.9}`, jsonForm, `null`, `prediction_class=null prediction_score=null`},
		{"", `{"class":"a","score":0.9}`, jsonForm, ` {} `, `prediction_class=null prediction_score=null`},
		{"", `{"class":"a","score":0.9}`, jsonForm, `{"score":1,"more":2}`, `! the answer's field more is no column (here)`},
		{"", `{"class":"a","score":0.9}`, jsonForm, `{"score":1,"sc\u006fre":2}`, `! the answer has the field score twice; only one can go into its column`},
		{"", `{"class":"a","score":0.9}`, jsonForm, `["a",0.9]`, `! the answer is no JSON object, and the columns are the keys of one`},
		{"", `{"class":"a","score":0.9}`, csvForm, `a,0.9`, `! the answer is no JSON object, and the columns are the keys of one`},
		{"", `{"a":{"b":[1]},"":true}`, jsonForm, "", `prediction_a={"b":[1]} prediction_=true`},
		{"", `a,0.9`, csvForm, "", `prediction_1="a" prediction_2=0.9`},
		{"", `a,0.9`, csvForm, `"b,""c",`, `prediction_1="b,\"c" prediction_2=null`},
		{"", `a,0.9`, csvForm, `a`, `! the answer has 1 fields, and there are 2 columns for them (here)`},
		{"", `0.9`, csvForm, "", `prediction=0.9`},
		{"", `0.9`, jsonForm, "", `prediction=0.9`},
		{"", `["a",0.9]`, jsonForm, "", `prediction=["a",0.9]`},
		{"", `a,b`, lineForm, "", `prediction="a,b"`},
		{"class,score", `{"score":0.9,"more":1,"class":"a"}`, jsonForm, "", `class="a" score=0.9`},
		{"class,score", `{"class":"a"}`, jsonForm, "", `! the answer has no field "score", which --answer-columns names`},
		{"class,score", `{}`, jsonForm, "", `! the answer has no field "class", which --answer-columns names`},
		{"class,score", `{"class":1,"class":2,"score":3}`, jsonForm, "", `! the answer has the field class twice; only one can go into its column`},
		{"class,score", `{"class":null,"score":3}`, jsonForm, "", `class=null score=3`},
		{"class,score", `null`, jsonForm, "", `class=null score=null`},
		{"class,score", `["a",[1,2]]`, jsonForm, "", `class="a" score=[1,2]`},
		{"class,score", `["a"]`, jsonForm, "", `! the answer has 1 fields, and --answer-columns names 2`},
		{"class,score", `a,0.9`, csvForm, "", `class="a" score=0.9`},
		{"class,score", `a,0.9,b`, csvForm, "", `! the answer has 3 fields, and --answer-columns names 2`},
		{"class,score", `0.9`, jsonForm, "", `! the answer has 1 fields, and --answer-columns names 2`},
		{"class,score", `a`, lineForm, "", `! the answer has 1 fields, and --answer-columns names 2`},
		{"score", `0.9`, jsonForm, "", `score=0.9`},
		{"score", `[0.9]`, jsonForm, "", `score=[0.9]`},
		{"score", `[]`, jsonForm, "", `score=[]`},
		{"score", `{"score":0.9,"class":"a"}`, jsonForm, "", `score=0.9`},
		{"score", `0.9`, csvForm, "", `score=0.9`},
		{"score", `a,b`, csvForm, "", `! the answer has 2 fields, and --answer-columns names 1`},
		{"score", `a,b`, lineForm, "", `score="a,b"`},
	} {
		n := Names{}
		if c.given != "" {
			n.Columns = strings.Split(c.given, ",")
		}
		var l formats.Layout
		n.Shape(&l, []byte(c.first), shapeForm(c.given, c.first, c.form))
		answer := c.answer
		if answer == "" {
			answer = c.first
		}
		var v Values
		got := ""
		if why := n.Table(&l, false, "here").Place(&v, []byte(answer), c.form); why != "" {
			got = "! " + why
		} else {
			for k, column := range l.Columns {
				got += " " + column.Name + "=" + show(v.List[k])
			}
		}
		if got = strings.TrimPrefix(got, " "); got != c.want {
			t.Errorf("%s, after %s by %q:\n got %s\nwant %s", answer, c.first, c.given, got, c.want)
		}
	}
}

// shapeForm is the form of the first answer: an object is JSON, whatever comes after it.
func shapeForm(given, first string, form formats.Form) formats.Form {
	if given == "" && strings.HasPrefix(first, "{") {
		return jsonForm
	}
	return form
}

func valid(text string) bool {
	return json.Valid([]byte(text)) == nil && json.Unicode([]byte(text)) == nil
}

func show(v formats.Value) string {
	switch v.Kind {
	case formats.Null:
		return "null"
	case formats.String:
		return fmt.Sprintf("%q", v.Text)
	}
	return string(v.Text)
}

func TestMay(t *testing.T) {
	for _, c := range []struct {
		name       string
		keys, want bool
	}{
		{"prediction", false, true}, {"prediction_1", false, true}, {"prediction_x", false, false}, {"prediction_x", true, true},
		{"prediction_", true, true}, {"prediction_", false, false}, {"predictions", true, false}, {"score", true, false},
	} {
		if got := (Names{}).May(c.name, c.keys); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
	if n := (Names{Columns: []string{"score"}}); n.May("prediction", true) || !n.May("score", false) {
		t.Error("given names are all the names")
	}
}

// FuzzPlace: whatever an answer is, it has a value for every column or a reason, the same each time.
func FuzzPlace(f *testing.F) {
	for _, s := range []string{`{"a":1}`, `["x",2]`, `a,"b`, `null`, `{"a":1,"a":2}`, `"é"`} {
		f.Add(s, `1`, byte(0))
		f.Add(`{"a":null}`, s, byte(1))
	}
	f.Fuzz(func(t *testing.T, first, second string, given byte) {
		n := Names{Columns: [][]string{nil, {"a"}, {"b", "a"}}[given%3]}
		for _, form := range []formats.Form{csvForm, jsonForm, lineForm} {
			if form == jsonForm && !(valid(first) && valid(second)) {
				continue
			}
			var l formats.Layout
			if n.Shape(&l, []byte(first), form); l.Columns == nil {
				continue
			}
			table := n.Table(&l, false, "here")
			var v, w Values
			why := table.Place(&v, []byte(second), form)
			if again := table.Place(&w, []byte(second), form); why != again {
				t.Fatalf("%q and then %q", why, again)
			}
			if why == "" && (len(v.List) != len(table.Columns) || !slices.EqualFunc(v.List, w.List, same)) {
				t.Fatalf("%d values for %d columns", len(v.List), len(table.Columns))
			}
			if why := table.Place(&v, []byte(first), form); why != "" && n.Columns == nil {
				t.Fatalf("%q does not have its own columns: %s", first, why)
			}
		}
	})
}

func same(a, b formats.Value) bool { return a.Kind == b.Kind && string(a.Text) == string(b.Text) }
