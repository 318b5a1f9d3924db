package csv

import (
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"

	"github.com/batchmill/batchmill/formats"
)

func TestSniff(t *testing.T) {
	for _, c := range []struct {
		name, in string
		o        Options
		want     formats.Schema
	}{
		{"empty", "", Options{}, formats.Schema{}},
		{"only blank lines", "\n\r\n", Options{Header: HeaderYes}, formats.Schema{}},
		{"number in the first", "a,1.0\nb,2\n", Options{}, formats.Schema{Width: 2}},
		{"number alone", "1", Options{}, formats.Schema{Width: 1}},
		{"number below", "\xef\xbb\xbfa,b\r\nx,2\r\n", Options{}, formats.Schema{Width: 2, Names: []string{"a", "b"}, Header: []byte("a,b\r\n")}},
		{"odd numbers below", "a,b\nx,+.5E-3\n", Options{}, formats.Schema{Width: 2, Names: []string{"a", "b"}, Header: []byte("a,b\n")}},
		{"said yes", "1,2\n", Options{Header: HeaderYes}, formats.Schema{Width: 2, Names: []string{"1", "2"}, Header: []byte("1,2\n")}},
		{"said yes, no line end", "a", Options{Header: HeaderYes}, formats.Schema{Width: 1, Names: []string{"a"}, Header: []byte("a")}},
		{"said no", "a,b\nc,d\n", Options{Header: HeaderNo}, formats.Schema{Width: 2}},
		{"said no, first is bad", "a\"\nc,d\n", Options{Header: HeaderNo}, formats.Schema{Width: 2}},
		{"ragged", "a,b\nc,1\n", Options{Ragged: true}, formats.Schema{Names: []string{"a", "b"}, Header: []byte("a,b\n")}},
		{"quoted, empty and repeated names", "\"a\n\"\"b\",,,\n1,2,3,4\n", Options{},
			formats.Schema{Width: 4, Names: []string{"a\n\"b", "", "", ""}, Header: []byte("\"a\n\"\"b\",,,\n")}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := Sniff(strings.NewReader(c.in), c.o)
			got.Why = ""
			if err != nil || !reflect.DeepEqual(got, c.want) {
				t.Errorf("got %+v, error %v", got, err)
			}
		})
	}
}

func TestSniffAsks(t *testing.T) {
	long := strings.Repeat("n", 1000)
	for _, in := range []string{"a,b\n", "a,b\nc,d\n", "\"a,b\n1,2\n", "a,b\n1,\"2\"x\n", "e5,.\nx,-\n", long + "\nx\n"} {
		_, err := Sniff(strings.NewReader(in), Options{})
		var ask *AmbiguousHeaderError
		if !errors.As(err, &ask) || !strings.Contains(err.Error(), "--header yes") || len(err.Error()) > 400 {
			t.Errorf("%.20q: error %v", in, err)
		}
		first, _, _ := strings.Cut(in, "\n")
		if ask != nil && !strings.HasPrefix(first, strings.TrimSuffix(ask.First, "...")) {
			t.Errorf("shows %q of %q", ask.First, first)
		}
	}
	if _, err := Sniff(strings.NewReader("\"a,b\n1,2\n"), Options{Header: HeaderYes}); err == nil {
		t.Error("a header with an open quote passed")
	}
	if _, err := Sniff(errReader{}, Options{}); !errors.Is(err, errBroken) {
		t.Errorf("error %v", err)
	}
}

var errBroken = errors.New("broken")

type errReader struct{}

func (errReader) Read([]byte) (int, error) { return 0, errBroken }

func TestHeaderOfLaterObjects(t *testing.T) {
	schema := formats.Schema{Names: []string{"a", "b"}, Width: 2, Header: []byte("a,b\n")}
	for in, want := range map[string]string{
		"a,b\n1,2\n":               `"1,2\n"`,
		"a,b\r\n1,2\r\n":           `"1,2\r\n"`,
		"\xef\xbb\xbf\na,b\n1,2\n": `"1,2\n"`,
		"a,b":                      "",
		"":                         "",
		"\xef\xbb\xbf":             "",
	} {
		all, err := readAll(t, NewReader(strings.NewReader(in), Options{}, schema), wide)
		if err != io.EOF || texts(all) != want {
			t.Errorf("%q: %s, error %v", in, texts(all), err)
		}
		if len(all) > 0 && in[all[0].Offset] != '1' {
			t.Errorf("%q: offset %d", in, all[0].Offset)
		}
	}
	for _, in := range []string{"a,c\n1,2\n", "1,2\n", "a,b,\n", "A,b\n"} {
		r := NewReader(strings.NewReader(in), Options{}, schema)
		for range 2 {
			var differs *HeaderError
			if err := r.Next(new(formats.Batch), wide); !errors.As(err, &differs) || differs.Want != "a,b" {
				t.Errorf("%q: error %v", in, err)
			}
		}
	}
	if err := NewReader(strings.NewReader("a,\"b\n"), Options{}, schema).Next(new(formats.Batch), wide); err == nil || err == io.EOF {
		t.Errorf("bad header: error %v", err)
	}
}

// TestHeaderIsFound: what a hundred records show decides, and where it does not, the error asks.
func TestHeaderIsFound(t *testing.T) {
	many := func(first string, below ...string) string {
		var s strings.Builder
		s.WriteString(first + "\n")
		for i := range 60 {
			s.WriteString(below[i%len(below)] + "\n")
		}
		return s.String()
	}
	for _, c := range []struct{ in, want string }{ // yes, no or ask, and a part of why
		{"0,1,2\n5,6,7\n8,9,1\n", "ask: counts 0, 1, 2"},
		{"0,1,2\nfoo,bar,baz\nfoo,bar,baz\n", "ask: counts"},
		{",0,1\n0,3.5,4\n1,2,2\n", "ask: counts"},
		{"0,1\n", "ask: counts"},
		{"0\n1\n0\n", "no: numbers alone"},
		{"0\n1.5\n2.25\n", "ask: 0 may be a name"},
		{"1,2,3\n4,5,6\n", "no: numbers alone"},
		{"1,2\n", "no: numbers alone"},
		{"1,,NA\n4,5,6\n", "no: numbers alone"},
		{"1,2\nfoo,3\nbar,4\n", "ask: stands over none"},

		{"region,2019,2020\nnorth,5,7\nsouth,6,8\n", "ask: mixes names with whole numbers, and 2 further"},
		{many("region,2019,2020", "north,5,7", "south,1,2", "west,100,50"), "yes: \"region\" stands over a few values"},
		{"region,2019,total\nnorth,5,7\nsouth,6,8\n", "yes: \"total\" stands over numbers"},
		{"region,2019\nnorth,high\nsouth,low\n", "ask: mixes"},
		{"region,2019\n", "ask: mixes names with whole numbers, and no other record"},
		{"north,5\nsouth,6\nnorth,7\n", "no: \"north\" is a value that comes again"},
		{"39,State-gov,13\n50,Self-emp,13\n38,Private,9\n20,State-gov,1\n", "no: \"State-gov\""},
		{"1,a\n2,b\n", "no: \"1\" begins the numbers"},
		{"a,1\nb,2\n", "ask: mixes"},
		{"a,1\nb,2\nc,3\nd,4\ne,5\n", "no: \"1\" begins the numbers"},
		{"setosa,5.1\nvirginica,6\n", "no: \"5.1\" is a number and hardly a name"},
		{"x,-5\ny,2\n", "no: \"-5\""},
		{"x,1.5\n", "no: \"1.5\""},
		{"1.5,2\n3,x\n", "no: numbers alone"},
		{"name,0.5,total\nx,1,2\n", "ask: \"0.5\" is a number and hardly a name, but \"total\" stands over numbers"},
		{"2024-01-05,7,x\n2024-01-06,3,y\n2024-01-07,9,z\n", "no: \"2024-01-05\" has the form"},
		{"region,2024-01-01,2024-02-01\nnorth,5,7\nsouth,6,8\n", "yes: \"2024-01-01\" stands over numbers"},
		{"north,5,x\nnorth,6,7\nsouth,6,7\n", "ask: \"north\" is a value that comes again below, but \"x\" stands over numbers"},

		{"name,colour\nalice,red\nbob,blue\n", "ask: 2 further records do not show it"},
		{"name,colour\n", "ask: no other record stands there"},
		{"name,colour\nname,colour\n", "ask: no other record"},
		{"id,when\na,2024-01-05\nb,2024-01-06\n", "yes: \"when\" stands over keys or dates"},
		{"id,ok\na,true\nb,False\n", "yes: \"ok\" stands over true and false"},
		{"true,a\nfalse,b\n", "no: \"true\" is a value like those below"},
		{many("text", "not so good", "quite nice"), "yes: \"text\" stands over text of several words"},
		{many("label,word", "pos,a", "neg,b"), "yes: \"label\" stands over a few values"},
		{many("pos,a", "pos,b", "neg,a"), "no: \"pos\" is a value"},
		{"id,x\n1,\n2,\n3,7\n", "yes: \"id\" stands over numbers"},
		{"a,x\nb,\nc,NA\nd,7\n", "yes: \"x\" stands over numbers"},
		{"a,x\nb,1\nc,late\n", "yes: \"x\" stands over a number"},
		{"alice,n/a\nbob,5\ncarol,\n", "ask: 2 further"},
		{"?,-\n1,2\n", "ask"},
		{"x1,x2\n1,2\n", "yes: \"x1\" stands over numbers"},
		{"\"a,b\n1,2\n", "ask: no good record"},
		{many("id,x", "a,b", "c,b") + "id,x\n", "yes: \"id\" stands over a few values"},
		{"a,b\n1,2,3\n1\n4,5\n", "yes: \"a\" stands over numbers"},
		{"a,b\n1,\"2\"x\n", "ask: no other record"},
	} {
		schema, err := Sniff(strings.NewReader(c.in), Options{})
		got := "no: " + schema.Why
		if schema.Header != nil {
			got = "yes: " + schema.Why
		}
		var ask *AmbiguousHeaderError
		if errors.As(err, &ask) {
			got = "ask: " + ask.Why
		} else if err != nil {
			got = err.Error()
		}
		found, why, _ := strings.Cut(c.want, ": ")
		if !strings.HasPrefix(got, found+": ") || !strings.Contains(got, why) {
			t.Errorf("%.60q: %s, want %s", c.in, got, c.want)
		}
	}
}

// TestHeaderLooksAtAHundred: a record behind the hundredth does not count, and memory is bounded.
func TestHeaderLooksAtAHundred(t *testing.T) {
	for n, want := range map[int]bool{98: true, 99: false} {
		in := "a,b\n" + strings.Repeat("x,\n", n) + "y,1\n"
		schema, err := Sniff(strings.NewReader(in), Options{})
		if (schema.Header != nil) != want || (err == nil) != want {
			t.Errorf("a number behind %d records: %+v, %v", n, schema, err)
		}
	}
	wide := strings.Repeat("v", sampledBytes/2) + ",\n"
	if _, err := Sniff(strings.NewReader("a,b\n"+wide+wide+wide+"x,1\n"), Options{}); err == nil {
		t.Error("a record behind a mebibyte of others was looked at")
	}
	null := Options{Null: "none at all"}
	if schema, err := Sniff(strings.NewReader("a,x\nb,none at all\nc,5\n"), null); err != nil || schema.Header == nil {
		t.Errorf("a field that says null: %+v, %v", schema, err)
	}
	if _, err := Sniff(io.MultiReader(strings.NewReader("a,b\nx,y\n"), errReader{}), Options{}); !errors.Is(err, errBroken) {
		t.Errorf("a read error that hides what decides: %v", err)
	}
	if schema, err := Sniff(io.MultiReader(strings.NewReader("a,b\n1,y\n"), errReader{}), Options{}); err != nil || schema.Header == nil {
		t.Errorf("a read error behind what decides: %+v, %v", schema, err)
	}
}

// TestWrongDelimiterIsSuspected: records of one field, and many of another byte in each.
func TestWrongDelimiterIsSuspected(t *testing.T) {
	for in, want := range map[string]byte{
		"a;b;c\n1;2;3\n4;5;6\n":         ';',
		"id;name;v\n1;A;1,5\n2;B;2,5\n": ';',
		"a\tb\nx\ty\n":                  '\t',
		"a|b\n1|2\n":                    '|',
		"a|b|c\n":                       '|',
		"x;y;z\na;b\nc;d;e;f;g\n":       ';',
		"a;b\n1;\"x;\n;y\"\n2;z\n":      ';',

		"a\n1\n": 0, "a,b;c\n1,2;3\n": 0, "text\nso; it goes\nwell; well\n": 0, "a;b\n1\n": 0, "a;b\n": 0,
		"\"a;b\"\n\"c;d\"\n": 0, "": 0,
	} {
		for _, mode := range []HeaderMode{HeaderAuto, HeaderYes, HeaderNo} {
			_, err := Sniff(strings.NewReader(in), Options{Header: mode, Guessed: true})
			var wrong *DelimiterError
			switch errors.As(err, &wrong); {
			case want == 0 && wrong != nil, want != 0 && (wrong == nil || wrong.Likely != want || !strings.Contains(err.Error(), "a wrong delimiter is suspected")):
				t.Errorf("%q: %v", in, err)
			}
			if _, err := Sniff(strings.NewReader(in), Options{Header: mode}); errors.As(err, &wrong) && wrong == nil {
				t.Errorf("%q, where the delimiter was told: %v", in, err)
			}
		}
	}
	for in, ok := range map[string]bool{"sep=;\r\nid;v\r\n1;2\r\n": false, "sep=,\nid,v\n1,2\n": false, "sep=\n1\n": true, "sep=a\n1\n": true} {
		_, err := Sniff(strings.NewReader(in), Options{})
		var separator *SeparatorLineError
		if errors.As(err, &separator) == ok {
			t.Errorf("%q: %v", in, err)
		}
	}
}
