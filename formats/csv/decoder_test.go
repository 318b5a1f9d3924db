package csv

import (
	"bytes"
	"encoding/csv"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/batchmill/batchmill/formats"
)

func TestDecode(t *testing.T) {
	for _, c := range []struct{ name, body, want string }{
		{"lf", "1\n2\n", "1|2"},
		{"crlf", "1,a\r\n2,b\r\n", "1,a|2,b"},
		{"no final line end", "1\n2", "1|2"},
		{"half a line end", "1\r2\r\r\n\"2\"\r", "1\r2|\"2\""},
		{"blank lines", "\n1\n\r\n\n2\n\n", "1|2"},
		{"quoted newline", "\"a\n\nb\",1\n2\n", "\"a\n\nb\",1|2"},
		{"quoted, no final line end", "1\n\"a\"\"\nb\"", "1|\"a\"\"\nb\""},
		{"quoted empty", "\"\"\n\"\"\r\n", `""|""`},
		{"blank beside quotes", "\n\"1\"\n\r\n2\n", `"1"|2`},
	} {
		keep := []formats.Answer{{Start: 7, End: 9, Form: formats.LineForm}}
		got, _, err := new(Decoder).Decode(keep, []byte(c.body), 2)
		if err != nil || len(got) != 3 || got[0] != keep[0] {
			t.Errorf("%s: %v, error %v", c.name, got, err)
			continue
		}
		a := formats.Answers{Data: []byte(c.body), List: got[1:]}
		if s := string(a.Bytes(0)) + "|" + string(a.Bytes(1)); s != c.want || got[2].Form != formats.CSVForm {
			t.Errorf("%s: got %q", c.name, s)
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	keep := make([]formats.Answer, 1, 10)
	for body, want := range map[string]error{
		"":                               &formats.CountError{Got: 0, Want: 2},
		"1\n":                            &formats.CountError{Got: 1, Want: 2},
		"1\n2\n3\n":                      &formats.CountError{Got: 3, Want: 2},
		"\"1\n2\"\n":                     &formats.CountError{Got: 1, Want: 2},
		strings.Repeat("x\n", 1000):      &formats.CountError{Got: 1000, Want: 2},
		strings.Repeat("\"\"\n", 1000):   &formats.CountError{Got: 1000, Want: 2},
		strings.Repeat("\n", 1000) + "1": &formats.CountError{Got: 1, Want: 2},
	} {
		if got, _, err := new(Decoder).Decode(keep, []byte(body), 2); !reflect.DeepEqual(err, want) || len(got) != 1 {
			t.Errorf("%.20q: %d answers, error %v, want %v", body, len(got), err, want)
		}
	}
	for body, at := range map[string]int64{"1\n\"2\n": 2, "a\"\n1\n": 0, "1\n\"2\"x\n": 2} {
		var syntax *formats.SyntaxError
		if got, _, err := new(Decoder).Decode(keep, []byte(body), 2); !errors.As(err, &syntax) || syntax.Offset != at || len(got) != 1 {
			t.Errorf("%q: error %v", body, err)
		}
	}
}

func TestWhole(t *testing.T) {
	for body, want := range map[string]bool{"": false, "1": false, "1\n": true, "1\r\n": true, "1\r": false} {
		if got := new(Decoder).Whole([]byte(body)); got != want {
			t.Errorf("%q: %v", body, got)
		}
	}
}

func FuzzDecoder(f *testing.F) {
	for _, s := range []string{"1\n2\n", "\"a\nb\"\r\n", "a\"b\n", "\"", "\n\n", "1,2\r\n\"\"\"\"", "\r", "\r\r\nJ\n", "1\r\r\r\n2\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		_, _, err := new(Decoder).Decode(nil, body, -1)
		var count *formats.CountError
		if !errors.As(err, &count) {
			var syntax *formats.SyntaxError
			if !errors.As(err, &syntax) || syntax.Offset > int64(len(body)) {
				t.Fatalf("error %v", err)
			}
			return
		}
		got, _, err := new(Decoder).Decode(nil, body, count.Got)
		if err != nil {
			t.Fatalf("%d answers, then %v", count.Got, err)
		}
		end := uint32(0)
		for _, a := range got {
			if a.Start < end || a.End < a.Start || int(a.End) > len(body) {
				t.Fatalf("answer %v behind %d", a, end)
			}
			end = a.End
		}
		compareWithStandard(t, body, count.Got)
	})
}

// compareWithStandard holds a count of records against encoding/csv, which
// drops a CR at the very end; we keep it as data. Of CR CR LF we take both for a line end.
func compareWithStandard(t *testing.T, text []byte, records int) {
	t.Helper()
	if strings.HasSuffix(string(text), "\r") {
		return
	}
	std := csv.NewReader(bytes.NewReader(oneLF.ReplaceAll(text, []byte("\n"))))
	std.FieldsPerRecord = -1
	want, err := std.ReadAll()
	if err != nil || len(want) != records {
		t.Fatalf("%q: %d records; encoding/csv has %d, error %v", text, records, len(want), err)
	}
}
