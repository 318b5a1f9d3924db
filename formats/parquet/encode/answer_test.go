package encode

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/batchmill/batchmill/formats"
	"github.com/batchmill/batchmill/formats/fields"
)

func newJoiner(t testing.TB, c JoinerConfig) formats.Joiner {
	t.Helper()
	j, err := NewJoiner(c)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

func TestLearn(t *testing.T) {
	const csv, json, line = formats.CSVForm, formats.JSONForm, formats.LineForm
	tests := []struct {
		name    string
		form    formats.Form
		answers []string
		types   string
		want    string // fields, columns, answers looked at
	}{
		{"a number", csv, []string{"0.5", "x"}, "", "1 [{prediction double}] 1"},
		{"text", csv, []string{"cat", "0.5"}, "", "1 [{prediction string}] 1"},
		{"a quoted number", csv, []string{`"5"`}, "", "1 [{prediction string}] 1"},
		{"fields", csv, []string{`cat,0.5,`, `dog,1,"x"`}, "", "3 [{prediction_1 string} {prediction_2 double} {prediction_3 string}] 2"},
		{"empty first", csv, []string{"", "", "5"}, "", "1 [{prediction double}] 3"},
		{"another width while learning", csv, []string{",", "x", "1,2"}, "", "2 [{prediction_1 double} {prediction_2 double}] 3"},
		{"no answers", csv, nil, "", "1 [{prediction double}] 0"},
		{"only empty ones", csv, []string{"", ""}, "", "1 [{prediction double}] 2"},
		{"lines", line, []string{"1,2"}, "", "1 [{prediction string}] 1"},
		{"NaN first", csv, []string{"nan", "inf", "0.5"}, "", "1 [{prediction double}] 3"},
		{"NaN, then text", csv, []string{"nan", "cat"}, "", "1 [{prediction string}] 2"},
		{"NaN alone", csv, []string{"nan"}, "", "1 [{prediction double}] 1"},
		{"NaN in JSON first", json, []string{`"NaN"`, "1"}, "", "1 [{prediction double}] 2"},
		{"NaN in a list", json, []string{`["NaN",1]`}, "", "1 [{prediction list}] 1"},
		{"a wide integer", csv, []string{"9007199254740993"}, "", "1 [{prediction integer}] 1"},
		{"a wider integer", csv, []string{"10000000000000000999"}, "", "1 [{prediction double}] 1"},
		{"wide integers in a list", json, []string{"[9007199254740993]"}, "", "1 [{prediction json}] 1"},
		{"JSON number", json, []string{" 5 "}, "", "1 [{prediction double}] 1"},
		{"JSON boolean", json, []string{"true"}, "", "1 [{prediction boolean}] 1"},
		{"JSON string", json, []string{`"5"`}, "", "1 [{prediction string}] 1"},
		{"numbers", json, []string{`[1, 2.5]`}, "", "1 [{prediction list}] 1"},
		{"no numbers", json, []string{`[1, "x"]`}, "", "1 [{prediction json}] 1"},
		{"null, then an object", json, []string{"null", "{}", `{"a":1}`}, "", "0 [{prediction_a double}] 3"},
		{"only null", json, []string{"null"}, "", "1 [{prediction double}] 1"},
		{"object", json, []string{`{"label":"x","p":[0.5],"more":{"a":1},"":true}`}, "",
			"0 [{prediction_label string} {prediction_p list} {prediction_more json} {prediction_ boolean}] 1"},
		{"a key twice", json, []string{`{"a":1,"a":2}`, `{"b":1}`}, "", "0 [{prediction_b double}] 2"},
		{"object with a null", json, []string{`{"a":null,"b":1}`, `{"b":2,"c":3}`, `{"a":"x"}`}, "", "0 [{prediction_a string} {prediction_b double}] 3"},
		{"declared", json, []string{"x"}, "double", "1 [{prediction double}] 0"},
		{"declared fields", json, nil, "string integer", "2 [{prediction_1 string} {prediction_2 integer}] 0"},
		{"declared names", json, nil, "label=string score=double", "2 [{prediction_label string} {prediction_score double}] 0"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			l := layoutOf(newJoiner(t, JoinerConfig{AnswerTypes: strings.Fields(test.types)}), answersOf(test.form, test.answers...))
			if got := fmt.Sprint(l.Fields, l.Columns, l.Seen); got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
}

// Learning ends after a number of answers, whatever they hold.
func TestLearnEnds(t *testing.T) {
	j, l := newJoiner(t, JoinerConfig{}), new(formats.Layout)
	for n := 1; ; n++ {
		if settled := j.Learn(l, []byte("null"), formats.JSONForm); settled != (n == fields.LearnAnswers) {
			t.Fatalf("settled after %d answers: %v", n, settled)
		} else if settled {
			break
		}
	}
	if got := fmt.Sprint(*l); got != "{1 [{prediction double}] 1000 false}" {
		t.Errorf("got %s", got)
	}
}

func TestMisfits(t *testing.T) {
	const csv, json, line = formats.CSVForm, formats.JSONForm, formats.LineForm
	const by, declared = "(settled by the first answers; --answer-type decides otherwise)", "(as --answer-type says)"
	tests := []struct {
		name   string
		first  string
		form   formats.Form
		answer string
		types  string
		want   string
	}{
		{"text for a double", "1", csv, "abc", "", `the answer is "abc", and the column prediction holds double ` + by},
		{"a quoted number", "1", csv, `"5"`, "", `the answer is "5", and the column prediction holds double ` + by},
		{"not a number", "1", csv, "NaN", "", ""},
		{"infinite", "1", csv, "-Inf", "", ""},
		{"NaN in JSON", "1", json, `"NaN"`, "", ""},
		{"no spelling of NaN", "1", csv, "nans", "", `the answer is "nans", and the column prediction holds double ` + by},
		{"NaN for an integer", "", csv, "nan", "integer", `the answer is "nan", and the column prediction holds integer ` + declared},
		{"NaN for a declared double", "", csv, "nan", "double", ""},
		{"NaN for a boolean", "true", json, `"NaN"`, "", `the answer is "NaN", and the column prediction holds boolean ` + by},
		{"a wide integer", "1", csv, "10000000000000000999", "", `the answer is 10000000000000000999, and the column prediction holds double ` + by},
		{"2^53 + 1", "1", json, "9007199254740993", "", `the answer is 9007199254740993, and the column prediction holds double ` + by},
		{"2^53", "1", json, "9007199254740992", "", ""},
		{"2^63 as C writes it", "1", json, "9223372036854775808", "", ""},
		{"2^63 as JavaScript writes it", "1", json, "9223372036854776000", "", ""},
		{"a wide number with a point", "1", json, "10000000000000000999.0", "", ""},
		{"a wide number with an exponent", "1", json, "10000000000000000999e0", "", ""},
		{"a wide integer, declared", "", json, "10000000000000000999", "double", ""},
		{"a fraction for wide integers", "9007199254740993", json, "0.5", "", `the answer is 0.5, and the column prediction holds integer ` + by},
		{"out of range", "1", csv, "1e999", "", `the answer is 1e999, and the column prediction holds double ` + by},
		{"rounding is fine", "1", csv, "0.12345678901234567890", "", ""},
		{"null is fine", "1", csv, "", "", ""},
		{"a number as text", "x", csv, "5", "", ""},
		{"no UTF-8", "x", csv, "\xe9", "", `the answer is "\xe9", and the column prediction holds string ` + by},
		{"more fields", "1,2", csv, "1,2,3", "", "the answer has 3 fields, and there are 2 columns for them " + by},
		{"a field", "1,2", csv, "1,x", "", `the answer's field 2 is "x", and the column prediction_2 holds double ` + by},
		{"no CSV", "x", csv, `"x`, "", "the answer is not a CSV record: a quote stands where none may, or is not closed"},
		{"quotes", "x,y", csv, `"a,""b""",`, "", ""},
		{"string for a number", `5`, json, `"5"`, "", `the answer is "5", and the column prediction holds double ` + by},
		{"number for a string", `"x"`, json, `5`, "", `the answer is 5, and the column prediction holds string ` + by},
		{"null", `"x"`, json, `null`, "", ""},
		{"list with null", `[1]`, json, `[1,null]`, "", `the answer is [1,null], and the column prediction holds list ` + by},
		{"list rounds", `[1]`, json, `[0.12345678901234567890,"NaN","-Infinity"]`, "", ""},
		{"a list of wide integers", `[1]`, json, `[10000000000000000999]`, "", `the answer is [10000000000000000999], and the column prediction holds list ` + by},
		{"object for a list", `[1]`, json, `{"a":1}`, "", `the answer is {\"a\":1}, and the column prediction holds list ` + by},
		{"anything is JSON", `[{}]`, json, `"x"`, "", ""},
		{"a field of an object", `{"score":1}`, json, `{"score":"abc"}`, "", `the answer's field score is "abc", and the column prediction_score holds double ` + by},
		{"an unknown key", `{"score":1}`, json, `{"score":1,"more":2}`, "", `the answer's field more is no column ` + by},
		{"a key twice", `{"score":1}`, json, `{"score":1,"score":2}`, "", `the answer has the field score twice; only one can go into its column`},
		{"a missing key", `{"score":1,"label":"x"}`, json, `{"label":"y"}`, "", ""},
		{"no object", `{"score":1}`, json, `1`, "", "the answer is no JSON object, and the columns are the keys of one"},
		{"CSV for an object", `{"score":1}`, csv, `1`, "", "the answer is no JSON object, and the columns are the keys of one"},
		{"an object for fields", "", json, `{"a":1}`, "double string", "the answer is a JSON object, and there are 2 columns without keys " + declared},
		{"an array for fields", "", json, `[1,"x"]`, "double string", ""},
		{"a line for fields", "", line, `x`, "double string", "the answer has 1 fields, and there are 2 columns for them " + declared},
		{"declared integer", "", csv, "1.5", "integer", "the answer is 1.5, and the column prediction holds integer " + declared},
		{"declared integer in quotes", "", csv, `"7"`, "integer", ""},
		{"declared double is text", "", csv, "x", "double", `the answer is "x", and the column prediction holds double ` + declared},
		{"declared string", "", json, "5", "string", ""},
		{"declared names, by place", "", csv, "x,1", "label=string score=double", ""},
		{"declared names, by key", "", json, `{"score":1}`, "label=string score=double", ""},
		{"declared names, another type", "", json, `{"score":true}`, "label=string score=double",
			`the answer's field score is true, and the column prediction_score holds double ` + declared},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			form := test.form
			if strings.HasPrefix(test.first, "{") {
				form = json
			}
			j := newJoiner(t, JoinerConfig{AnswerTypes: strings.Fields(test.types)})
			l := layoutOf(j, answersOf(form, test.first))
			got := ""
			j.Fit(answersOf(test.form, "-", test.answer), l, func(i int, message string) { got += fmt.Sprint(i, ": ", message) })
			if want := "1: " + test.want; got != want && (got != "" || test.want != "") {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	}
}

func TestAnswerValues(t *testing.T) {
	b, _ := csvBatch(t, "a\nb\nc\nd\n", false)
	tests := []struct {
		name    string
		form    formats.Form
		answers []string
		c       JoinerConfig
		want    string
	}{
		{"skipped", formats.CSVForm, []string{"1", "-", "2", "-"}, JoinerConfig{}, "prediction:DOUBLE \n1\n2\n"},
		{"fields", formats.CSVForm, []string{`"a,""b""",1`, ",", "x,2", "-"}, JoinerConfig{AnswerName: "p"},
			"p_1:STRING p_2:DOUBLE \na,\"b\"|1\nnull|null\nx|2\n"},
		{"integers", formats.CSVForm, []string{"9223372036854775807", `"-5"`, "", "-"}, JoinerConfig{AnswerTypes: []string{"integer"}},
			"prediction:INT(64,true) \n9223372036854775807\n-5\nnull\n"},
		{"lists", formats.JSONForm, []string{"[1,2]", "[]", "null", "[3]"}, JoinerConfig{},
			"prediction:LIST<list.element DOUBLE> \n1,2\nnull@1\nnull\n3\n"},
		{"JSON", formats.JSONForm, []string{`[ "x" ]`, `"\u00e9\n"`, "null", "1.10"}, JoinerConfig{},
			"prediction:JSON \n[ \"x\" ]\n\"é\\n\"\nnull\n1.10\n"},
		{"lines", formats.LineForm, []string{"1,2", "", "x", "-"}, JoinerConfig{}, "prediction:STRING \n1,2\n\nx\n"},
		{"filtered", formats.JSONForm, []string{`{"a":1,"b":"x"}`, `{"b":"y"}`, "{}", "null"}, JoinerConfig{Filter: []string{"prediction_b"}},
			"prediction_b:STRING \nx\ny\nnull\nnull\n"},
		{"declared list in CSV", formats.CSVForm, []string{`"[1,2]"`, "", "-", "-"}, JoinerConfig{AnswerTypes: []string{"list"}},
			"prediction:LIST<list.element DOUBLE> \n1,2\nnull\n"},
		{"declared JSON in CSV", formats.CSVForm, []string{`"{""a"": null}"`, "5", "null", "-"}, JoinerConfig{AnswerTypes: []string{"json"}},
			"prediction:JSON \n{\"a\": null}\n5\nnull\n"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			file, misfits := joined(t, test.c, b, answersOf(test.form, test.answers...), false)
			if got := table(t, file); got != test.want || misfits != nil {
				t.Errorf("got\n%swant\n%s%q", got, test.want, misfits)
			}
		})
	}
}

func TestJoinerConfigErrors(t *testing.T) {
	records := &Records{Columns: []formats.Column{{Name: "id", Type: formats.Integer}, {Name: "prediction_old", Type: formats.Text}}}
	tests := []struct {
		name string
		c    JoinerConfig
		want string
	}{
		{"a name like the answers'", JoinerConfig{Records: records},
			`--answer-name: the input has a column "prediction_old", and the answer's columns are called "prediction" or begin with "prediction_"; choose another with --answer-name, or write the answers alone with --join none`},
		{"declared, so it does not clash", JoinerConfig{Records: records, AnswerTypes: []string{"double"}}, ""},
		{"declared and clashes", JoinerConfig{Records: records, AnswerTypes: []string{"old=double"}},
			`--answer-name: the input has a column "prediction_old", and the answer's columns are called "prediction" or begin with "prediction_"; choose another with --answer-name, or write the answers alone with --join none`},
		{"another answer name", JoinerConfig{Records: records, AnswerName: "p"}, ""},
		{"copied chunks", JoinerConfig{Spliced: true, Names: []string{"p"}, AnswerName: "p"},
			`--answer-name: the input has a column "p", and the answer's columns are called "p" or begin with "p_"; choose another with --answer-name, or write the answers alone with --join none`},
		{"names twice", JoinerConfig{Spliced: true, Names: []string{"a", "a"}},
			`--join: the input has two columns "a", and a Parquet file can have one; rename one`},
		{"an unknown type", JoinerConfig{AnswerTypes: []string{"float"}},
			`--answer-type: "float": "float" is no type; use integer, double, boolean, string, list or json`},
		{"named and not", JoinerConfig{AnswerTypes: []string{"a=double", "string"}},
			`--answer-type: some types have names and some have none; write all as NAME=TYPE, or all as TYPE`},
		{"an empty filter", JoinerConfig{Filter: []string{}}, `--output-filter: it names no column; leave it out to keep all`},
		{"an unknown column", JoinerConfig{Records: records, AnswerName: "p", Filter: []string{"x"}},
			`--output-filter: no column "x"; there are "id", "prediction_old" (2 columns), and the answer's, "p"`},
		{"a column twice", JoinerConfig{Records: records, AnswerName: "p", Filter: []string{"id", "id"}},
			`--output-filter: it names "id" twice; a Parquet file has one column of a name`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := NewJoiner(test.c)
			var config *ConfigError
			if err == nil && test.want == "" {
				return
			}
			if err == nil || err.Error() != test.want || !errors.As(err, &config) {
				t.Errorf("got  %v\nwant %s", err, test.want)
			}
		})
	}
}

// A filter that names what the answers turn out not to have rejects them all.
func TestFilterNamesNoAnswer(t *testing.T) {
	j := newJoiner(t, JoinerConfig{Filter: []string{"prediction_x"}})
	a := answersOf(formats.JSONForm, `{"y":1}`, "-", `{"y":2}`)
	var got []string
	j.Fit(a, layoutOf(j, a), func(i int, message string) { got = append(got, fmt.Sprint(i, " ", message)) })
	const why = `the output filter names "prediction_x", and the answers have no such column; there are "prediction_y" (1 columns)`
	if want := []string{"0 " + why, "2 " + why}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
