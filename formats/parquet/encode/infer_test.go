package encode

import (
	"errors"
	"fmt"
	"math/big"
	"math/rand/v2"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/batchmill/batchmill/formats"
)

func TestInferCSV(t *testing.T) {
	tests := []struct {
		name   string
		fields []string
		want   formats.Type
	}{
		{"integers", []string{"1", "-2", "0"}, formats.Integer},
		{"integers and nulls", []string{"", "7", ""}, formats.Integer},
		{"the largest integers", []string{"9223372036854775807", "-9223372036854775808"}, formats.Integer},
		{"beyond integers, a double keeps it", []string{"10000000000000000000"}, formats.Double},
		{"2^63 has other digits as a double", []string{"9223372036854775808"}, formats.Text},
		{"beyond both", []string{"10000000000000000999"}, formats.Text},
		{"leading zeros", []string{"007"}, formats.Text},
		{"a plus", []string{"1", "+1"}, formats.Text},
		{"minus zero", []string{"1", "-0"}, formats.Double},
		{"doubles", []string{"0.1", "1.10", "1e3", "5"}, formats.Double},
		{"too many digits", []string{"0.12345678901234567890"}, formats.Text},
		{"out of range", []string{"1e999"}, formats.Text},
		{"underflow", []string{"1e-999"}, formats.Text},
		{"only nulls", []string{"", ""}, formats.Text},
		{"booleans stay text", []string{"true", "false"}, formats.Text},
		{"a quoted number is text", []string{`"1"`}, formats.Text},
		{"a quoted empty field is no null", []string{"1", `""`}, formats.Text},
		{"a list stays text", []string{`"[1,2]"`}, formats.Text},
		{"mixed", []string{"1", "x"}, formats.Text},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			text := "name,other\n"
			for _, f := range test.fields {
				text += f + ",x\n"
			}
			b, schema := csvBatch(t, text, true)
			got := Infer(b, schema, true)
			want := Records{Columns: []formats.Column{{Name: "name", Type: test.want}, {Name: "other", Type: formats.Text}}, Text: true}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("got %v, want %v", got, want)
			}
		})
	}
}

func TestInferCSVNames(t *testing.T) {
	b, schema := csvBatch(t, ",a\n1,x\n", true)
	if got := fmt.Sprint(Infer(b, schema, true).Columns); got != "[{column_1 integer} {a string}]" {
		t.Errorf("got %s", got)
	}
	b, schema = csvBatch(t, "1,x\n2,3,4\n5,y\n", false)
	if got := fmt.Sprint(Infer(b, schema, true).Columns); got != "[{column_1 integer} {column_2 string}]" {
		t.Errorf("got %s: flawed records count", got)
	}
}

func TestInferJSON(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"kinds", `{"i":1,"d":0.5,"b":true,"s":"x"}`, "[{i integer} {d double} {b boolean} {s string}]"},
		{"keys in order of appearance", "{\"b\":1}\n{\"a\":2,\"b\":3}\n", "[{b integer} {a integer}]"},
		{"null", `{"a":null}`, "[{a json}]"},
		{"null and a value", "{\"a\":null}\n{\"a\":false}\n", "[{a boolean}]"},
		{"integer and double", "{\"a\":1}\n{\"a\":1.5}\n", "[{a double}]"},
		{"integer out of range", `{"a":10000000000000000999}`, "[{a json}]"},
		{"number and string", "{\"a\":1}\n{\"a\":\"1\"}\n", "[{a json}]"},
		{"list", "{\"a\":[1,2.5]}\n{\"a\":[]}\n", "[{a list}]"},
		{"list with null", `{"a":[1,null]}`, "[{a json}]"},
		{"list that doubles do not keep", `{"a":[10000000000000000999]}`, "[{a json}]"},
		{"list of strings", `{"a":["x"]}`, "[{a json}]"},
		{"object", `{"a":{"x":1}}`, "[{a json}]"},
		{"list and object", "{\"a\":[1]}\n{\"a\":{}}\n", "[{a json}]"},
		{"invalid records are passed over", "{\"a\":1}\n{\"a\n{\"a\":2}\n", "[{a integer}]"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			b, schema := jsonBatch(t, test.text)
			r := Infer(b, schema, false)
			if got := fmt.Sprint(r.Columns); got != test.want || r.Whole || r.Text {
				t.Errorf("got %s %v, want %s", got, r, test.want)
			}
		})
	}
	for _, text := range []string{"[1,2]", "5", "{\"a\":1}\n\"x\"\n"} {
		b, schema := jsonBatch(t, text)
		if r := Infer(b, schema, false); fmt.Sprint(r.Columns) != "[{input json}]" || !r.Whole {
			t.Errorf("%s: got %v", text, r)
		}
	}
}

func TestResolve(t *testing.T) {
	r := Records{Columns: []formats.Column{{Name: "a", Type: formats.Integer}, {Name: "b=c", Type: formats.Text}}, Text: true}
	tests := []struct {
		settings string
		want     string // columns and declared ones, or the error
	}{
		{"", "[{a integer} {b=c string}] []"},
		{"a=string", "[{a string} {b=c string}] [a]"},
		{"a=number b=c=int64", "[{a double} {b=c integer}] [a b=c]"},
		{"a=list b=c=json a=list", "[{a list} {b=c json}] [a b=c a]"},
		{"a=boolean", "[{a boolean} {b=c string}] [a]"},
		{"a", `--column-type: "a" has no type; write NAME=TYPE, as in zip=string`},
		{"a=float", `--column-type: "a=float": "float" is no type; use integer, double, boolean, string, list or json`},
		{"x=json", `--column-type: "x=json": no column "x"; there are "a", "b=c" (2 columns)`},
		{"a=json a=string", `--column-type: "a=string": column "a" is declared json by another setting; keep one of them`},
	}
	for _, test := range tests {
		got, err := Resolve(r, strings.Fields(test.settings))
		text := fmt.Sprint(got.Columns, " ", got.Declared)
		if err != nil {
			text = err.Error()
		}
		var config *ConfigError
		if text != test.want || err != nil && !errors.As(err, &config) {
			t.Errorf("%s: got %s, want %s", test.settings, text, test.want)
		}
	}
	if r.Columns[0].Type != formats.Integer {
		t.Error("Resolve has changed its argument")
	}
}

// A double keeps a number if and only if its shortest decimal is that number.
func TestKeeps(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	texts := []string{"0", "-0", "0.0", "0e5", "1e308", "1e309", "5e-324", "2e-324", "1e-400", "0.1", "1.10", "100000000000000000000000", "1e22", "1e23",
		"10000000000000000999", "0.12345678901234567890", "9007199254740993", "123456789012345678", "0.30000000000000004", "1E+2", "1e-2", "0.00",
		"1000000000000000000000000000000000001", "1e99999999999999999999", "0e99999999999999999999"}
	for range 20000 {
		text := strconv.FormatInt(random.Int64N(1<<62)>>random.IntN(62), 10)
		if random.IntN(2) == 0 {
			text = "-" + text
		}
		if random.IntN(2) == 0 {
			text += "." + strconv.FormatInt(random.Int64N(1<<62)>>random.IntN(62), 10)
		}
		if random.IntN(2) == 0 {
			text += "e" + strconv.Itoa(random.IntN(700)-350)
		}
		texts = append(texts, text, strconv.FormatFloat(random.NormFloat64(), 'g', -1, 64))
	}
	for _, text := range texts {
		f, inRange := parseDouble([]byte(text), false)
		_, got := parseDouble([]byte(text), true)
		want := false
		if len(text) > 20 && strings.Contains(text, "e9999") {
			want = text[0] == '0'
		} else if inRange {
			theirs, _ := new(big.Rat).SetString(text)
			mine, _ := new(big.Rat).SetString(strconv.FormatFloat(f, 'e', -1, 64))
			want = theirs.Cmp(mine) == 0
		}
		if got != want {
			t.Errorf("%s: %v, want %v", text, got, want)
		}
	}
}
