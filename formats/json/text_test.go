package json

import (
	"bytes"
	stdjson "encoding/json"
	"testing"

	"github.com/batchmill/batchmill/formats"
)

func TestUnquote(t *testing.T) {
	for _, text := range texts {
		var want string
		if text == "" || text[0] != '"' || stdjson.Unmarshal([]byte(text), &want) != nil {
			continue
		}
		if got := Unquote([]byte("dst"), []byte(text)); string(got) != "dst"+want {
			t.Errorf("%q: %q, want %q behind what dst held", text, got, want)
		}
	}
}

func TestAppendString(t *testing.T) {
	for _, c := range [][2]string{
		{"", `""`},
		{"plain", `"plain"`},
		{`a"b\c`, `"a\"b\\c"`},
		{"\n\r\t", `"\n\r\t"`},
		{"\x00\x1f\b", `"\u0000\u001f\u0008"`},
		{"</script>&\u2028\x7f", "\"</script>&\u2028\x7f\""},
		{"é日😀\ufffd", "\"é日😀\ufffd\""},
		{"a\xffb\xe2\x28", `"a\ufffdb\ufffd("`},
	} {
		if got := AppendString([]byte("dst"), []byte(c[0])); string(got) != "dst"+c[1] {
			t.Errorf("%q: %s, want %s", c[0], got, c[1])
		}
	}
}

func TestIsNumber(t *testing.T) {
	for _, text := range []string{"0", "-0", "7", "1.10", "10000000000000000999", "1e5", "-2.5E-07"} {
		if !IsNumber([]byte(text)) {
			t.Errorf("%q is a number", text)
		}
	}
	for _, text := range []string{"", "-", "007", "+1", ".5", "1.", "1 ", " 1", "1,000", "NaN", "Infinity", "0x1F", "1e", "\"1\"", "12345678a"} {
		if IsNumber([]byte(text)) {
			t.Errorf("%q is no number", text)
		}
	}
}

func TestKindOf(t *testing.T) {
	for text, want := range map[string]formats.Kind{
		`null`: formats.Null, ` true`: formats.Bool, `false`: formats.Bool, `-1`: formats.Number, `0`: formats.Number,
		`"1"`: formats.String, `{}`: formats.JSON, "\n[]": formats.JSON, ``: formats.Null,
	} {
		if got := KindOf([]byte(text)); got != want {
			t.Errorf("%q: kind %v, want %v", text, got, want)
		}
	}
}

func TestTrim(t *testing.T) {
	for text, want := range map[string]string{
		"": "", " \t\r\n": "", " a ": "a", "a b": "a b", "\v1\v": "\v1\v", "\r\n[1, 2]\r\n": "[1, 2]",
	} {
		s := Trim([]byte(text))
		if got := text[s.Start:s.End]; got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func FuzzUnquote(f *testing.F) {
	for _, text := range texts {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		quoted := AppendString(nil, data)
		want, err := stdjson.Marshal(string(data))
		var text, back string
		if err != nil || stdjson.Unmarshal(want, &text) != nil || stdjson.Unmarshal(quoted, &back) != nil || back != text {
			t.Fatalf("%q is quoted as %s, want %s", data, quoted, want)
		}
		lit := append(append([]byte{'"'}, data...), '"')
		_ = Unquote(nil, data) // not a literal: anything but a panic
		var s string
		if stdjson.Unmarshal(lit, &s) != nil {
			return
		}
		if got := Unquote(nil, lit); !bytes.Equal(got, []byte(s)) {
			t.Fatalf("%q is %q, want %q", lit, got, s)
		}
	})
}
