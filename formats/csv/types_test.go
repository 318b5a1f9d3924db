package csv

import (
	stdjson "encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/batchmill/batchmill/formats"
)

func TestResolveTypes(t *testing.T) {
	names := []string{"id", "zip", "a=b", "2024", "x", "x"}
	for _, c := range []struct {
		settings []string
		names    []string
		width    int
		want     string // types, or what the error says
	}{
		{nil, names, 6, "[]"},
		{[]string{"zip=string"}, names, 6, "[auto string]"},
		{[]string{"id=number", "zip=json"}, names, 6, "[number json]"},
		{[]string{"a=b=bool"}, names, 6, "[auto auto bool]"},
		{[]string{`"2024"=number`}, names, 6, "[auto auto auto number]"},
		{[]string{"0=string", "-1=bool"}, nil, 3, "[string auto bool]"},
		{[]string{"id,zip=string"}, names, 6, "[string string]"},
		{[]string{"1:3=string"}, nil, 9, "[auto string string]"},
		{[]string{"id=string", "0=string"}, names, 6, "[string]"},
		{[]string{"zip=string"}, names, 0, "[auto string]"}, // ragged
		{[]string{"2=string"}, nil, 0, "[auto auto string]"},

		{[]string{"zip"}, names, 6, `"zip" has no type; write NAME=TYPE`},
		{[]string{"zip=text"}, names, 6, `"text" is no type; use string, number, bool, json`},
		{[]string{"zip=auto"}, names, 6, `"auto" is no type`},
		{[]string{"zip="}, names, 6, `"" is no type`},
		{[]string{"=string"}, names, 6, `"=string": nothing between two commas`},
		{[]string{"zap=string"}, names, 6, `"zap=string": no column "zap"; there are "id", "zip"`},
		{[]string{"zip=string"}, nil, 6, `the columns have no names; use indexes, counted from 0`},
		{[]string{"6=string"}, nil, 6, `index 6: the fields are 0 to 5`},
		{[]string{"x=string"}, names, 6, `stands for columns 4 and 5; use the index`},
		{[]string{"zip=string", "1=json"}, names, 6, `makes column "zip" a json, and another setting a string`},
		{[]string{"999999999=json"}, nil, 0, `index 999999999 is too large`},
	} {
		types, err := ResolveTypes(c.settings, c.names, c.width)
		var option *OptionError
		switch {
		case err == nil && fmt.Sprint(types) != c.want:
			t.Errorf("%q gives %v, want %s", c.settings, types, c.want)
		case err != nil && (!errors.As(err, &option) || option.Option != "column type" || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%q: error %q, want %q", c.settings, err, c.want)
		}
	}
}

// row is record i of b as the kinds and texts of its values.
func row(t *testing.T, b *formats.Batch, i int) string {
	t.Helper()
	var r formats.Row
	if err := b.Rows.Row(b, i, &r); err != nil {
		t.Fatal(err)
	}
	var s []string
	for _, v := range r.Values {
		s = append(s, fmt.Sprintf("%d:%s", v.Kind, v.Text))
	}
	return strings.Join(s, "|")
}

// TestTypedFields: one field by each type. A reject names column and value.
func TestTypedFields(t *testing.T) {
	const null, number, boolean, text, raw = "0:", "1:", "2:", "3:", "4:"
	for _, c := range []struct {
		field                       string
		str, num, boo, jsn, untyped string // "" is a reject
	}{
		{``, text, null, null, null, null},
		{`""`, text, null, null, null, text},
		{`1.10`, text + "1.10", number + "1.10", "", raw + "1.10", number + "1.10"},
		{`"1.10"`, text + "1.10", number + "1.10", "", raw + "1.10", text + "1.10"},
		{`10000000000000000999`, text + "10000000000000000999", number + "10000000000000000999", "", raw + "10000000000000000999", number + "10000000000000000999"},
		{`007`, text + "007", "", "", "", text + "007"},
		{` 7`, text + " 7", "", "", raw + " 7", text + " 7"},
		{`NaN`, text + "NaN", "", "", "", text + "NaN"},
		{`true`, text + "true", "", boolean + "true", raw + "true", text + "true"},
		{`"false"`, text + "false", "", boolean + "false", raw + "false", text + "false"},
		{`True`, text + "True", "", "", "", text + "True"},
		{`1`, text + "1", number + "1", "", raw + "1", number + "1"},
		{`null`, text + "null", "", "", raw + "null", text + "null"},
		{`"{""a"": [1,2]}"`, text + `{"a": [1,2]}`, "", "", raw + `{"a": [1,2]}`, text + `{"a": [1,2]}`},
		{`"[1,"`, text + "[1,", "", "", "", text + "[1,"},
		{`"[1]]"`, text + "[1]]", "", "", "", text + "[1]]"},
		{`" "`, text + " ", "", "", "", text + " "},
		{"\"[1,\n2]\"", text + "[1,\n2]", "", "", raw + "[1,\n2]", text + "[1,\n2]"},
	} {
		for k, want := range []string{c.untyped, c.str, c.num, c.boo, c.jsn} {
			in := "x," + c.field + ",7\n"
			b := load(t, in, Options{Types: []Type{TypeAuto, Type(k)}}, formats.Schema{Width: 3})
			if want == "" {
				checkMisfit(t, b, in)
			} else if got := row(t, b, 0); len(b.Flaws) > 0 || got != "3:x|"+want+"|1:7" {
				t.Errorf("%q as %s is %s, want %s; flaws %v", c.field, Type(k), got, want, b.Flaws)
			}
		}
	}
}

func checkMisfit(t *testing.T, b *formats.Batch, in string) {
	t.Helper()
	if len(b.Flaws) != 1 || b.Flaws[0].Reason != formats.ReasonType {
		t.Errorf("%q: flaws %v", in, b.Flaws)
		return
	}
	body, _ := split(b.Record(0))
	spans := Dialect{}.orDefault().fields(nil, body)
	value := fmt.Sprintf("%.100q", Dialect{}.orDefault().unquote(nil, body[spans[1].Start:spans[1].End]))
	m := b.Flaws[0].Message
	if !strings.Contains(m, "column 1 (counted from 0) holds "+value) || !strings.Contains(m, "--column-type") {
		t.Errorf("%q: message %q", in, m)
	}
}

// TestTypesRejectTheirRecordOnly: flaws of types stand beside the others, one
// for each record, and a good record between them stays good.
func TestTypesRejectTheirRecordOnly(t *testing.T) {
	o := Options{Types: []Type{TypeNumber, TypeAuto, TypeBool}}
	s := formats.Schema{Width: 3, Names: []string{"n", "t", "b"}, Header: []byte("n,t,b\n")}
	b := load(t, "n,t,b\n1,a,true\nx,a,y\n2,b\n\"3\",c\"\n4,\"d,e\",no\n,,\n5,f,false", o, s)
	var got []string
	for _, f := range b.Flaws {
		got = append(got, fmt.Sprintf("%d %s", f.Index, f.Reason))
	}
	if want := []string{"1 column_type", "2 ragged", "3 bad_quote", "4 column_type"}; !slices.Equal(got, want) {
		t.Errorf("flaws %q, want %q", got, want)
	}
	if m := b.Flaws[0].Message; !strings.Contains(m, `column "n" holds "x", which is not a JSON number`) {
		t.Errorf("the first field that is wrong is to be named: %q", m)
	}
	if m := b.Flaws[3].Message; !strings.Contains(m, `column "b" holds "no", which is not true or false`) {
		t.Errorf("message %q", m)
	}
	if got := row(t, b, 5); got != "0:|0:|0:" {
		t.Errorf("empty fields are %s", got)
	}
}

// TestTypesOfRaggedRecords: a column that a record lacks cannot be wrong.
func TestTypesOfRaggedRecords(t *testing.T) {
	o := Options{Ragged: true, Types: []Type{TypeAuto, TypeNumber}}
	b := load(t, "a\nb,1\nc,x\nd,2,x\n", o, formats.Schema{})
	if !slices.Equal(good(b), []int32{0, 1, 3}) || row(t, b, 3) != "3:d|1:2|3:x" {
		t.Errorf("good records %v, flaws %v", good(b), b.Flaws)
	}
}

// FuzzTypes: a record that Check lets pass has fields that are what their
// types say, and nothing else reaches an encoder.
func FuzzTypes(f *testing.F) {
	for _, s := range cutterSeeds {
		f.Add([]byte(s), uint8(0))
	}
	for _, s := range []string{"1,\"{\"\"a\"\":1}\"\n", "\"1\",true,,\"[\n]\"\r\n", "tru,1e,-,{\n"} {
		f.Add([]byte(s), uint8(3))
	}
	f.Fuzz(func(t *testing.T, in []byte, shift uint8) {
		o := Options{Ragged: true}
		for k := range 5 {
			o.Types = append(o.Types, (Type(shift)+Type(k))%5)
		}
		r := NewReader(strings.NewReader(string(in)), o, formats.Schema{})
		var b formats.Batch
		for r.Next(&b, wide) == nil {
			r.Check(&b)
			for _, i := range good(&b) {
				checkTyped(t, &b, int(i), o.Types)
			}
		}
	})
}

func checkTyped(t *testing.T, b *formats.Batch, i int, types []Type) {
	t.Helper()
	var r formats.Row
	if err := b.Rows.Row(b, i, &r); err != nil {
		t.Fatalf("record %q passed Check and cannot be read: %v", b.Record(i), err)
	}
	for k, v := range r.Values {
		valid := v.Kind == formats.String || v.Kind == formats.Null && len(v.Text) == 0 || stdjson.Valid(v.Text)
		if k < len(types) && types[k] == TypeString {
			valid = v.Kind == formats.String
		}
		if !valid {
			t.Fatalf("field %d of %q is kind %d and text %q", k, b.Record(i), v.Kind, v.Text)
		}
	}
}
