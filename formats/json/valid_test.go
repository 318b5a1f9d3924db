package json

import (
	"bytes"
	stdjson "encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/batchmill/batchmill/formats"
)

// texts are seeds: each kind of value, each edge of the grammar, good and bad.
var texts = []string{
	``, ` `, `null`, ` true `, `false`, `nul`, `nulll`, `truefalse`, `[]`, `[ ]`, `{}`, `{ }`, `[1,]`, `[,1]`, `[1 2]`,
	`{"a":1}`, `{"a":1,}`, `{"a" 1}`, `{"a"}`, `{a:1}`, `{"a":1 "b":2}`, `{1:2}`, `[}`, `{]`, `[[]`, `{"a":[{"b":[]},{}]}`,
	`0`, `-0`, `-`, `01`, `-01`, `1.`, `.1`, `1.10`, `1e5`, `1E+05`, `1e-`, `1e`, `1.e1`, `+1`, `10000000000000000999`, `0x1`,
	`""`, `"`, `"a`, `"\"`, `"\""`, `"\\"`, `"\/\b\f\n\r\t"`, `"\u00e9"`, `"\ud83d\ude00"`, `"\ud83d"`, `"\ud83d\u0041"`, `"\ude00\ud83d"`,
	`"\u12"`, `"\u12g4"`, `"\x41"`, `"\ud83dx"`, "\"\xff\"", "\"a\xe2\x28\xa1b\"", "\"tab\tinside\"", "\"line\ninside\"", "\"\x7f\"", "\"\x1f\"",
	`"1234567"`, `"12345678"`, `"123456789"`, `"1234567\"9"`, `"12345678\"9"`, "\"1234567\x01\"", `"!!!!!!!!#[]^"`, `"é日本語テキスト"`,
	"\t[1,\r\n 2 ]\n", "\v1", "\u00a01", "\ufeff1", `{"a":{"b":"}]"},"c":"[{"}`, `[1,"a\\",2]`, `{"":0,"":1}`,
}

func TestValidAgreesWithTheStandardLibrary(t *testing.T) {
	for _, text := range texts {
		err := Valid([]byte(text))
		if want := stdjson.Valid([]byte(text)); (err == nil) != want {
			t.Errorf("%q: %v, want valid %v", text, err, want)
		}
		if tail := text + "x"; Valid([]byte(tail)) == nil {
			t.Errorf("%q is taken for valid", tail)
		}
	}
}

func TestValidSaysWhere(t *testing.T) {
	for _, c := range []struct {
		text    string
		offset  int64
		message string
	}{
		{``, 0, "the text ends"},
		{`  `, 2, "the text ends"},
		{`{"a":1`, 6, "the text ends"},
		{`{"a":"b`, 7, "the text ends"},
		{`{"a":NaN}`, 5, "unexpected 'N'"},
		{`[1,]`, 3, "unexpected ']'"},
		{`{"a":01}`, 6, "unexpected '1'"},
		{`nulx`, 3, "unexpected 'x'"},
		{`"a\qb"`, 3, "unexpected 'q'"},
		{`"\u00g0"`, 5, "unexpected 'g'"},
		{"\"a\tb\"", 2, "control character 0x09"},
		{"[\xff]", 1, "unexpected byte 0xff"},
		{`{} {}`, 3, "more text after"},
		{strings.Repeat("[", MaxDepth+5), MaxDepth, "nested deeper than 10000"},
	} {
		err := Valid([]byte(c.text))
		var syntax *formats.SyntaxError
		if !errors.As(err, &syntax) {
			t.Errorf("%.40q: %v, want a SyntaxError", c.text, err)
			continue
		}
		if syntax.Offset != c.offset || !strings.HasPrefix(syntax.Message, c.message) {
			t.Errorf("%.40q: %v, want %q at %d", c.text, err, c.message, c.offset)
		}
	}
}

// Every byte at every place of the eight-byte steps: none is skipped unseen.
func TestValidSeesEveryByteOfAString(t *testing.T) {
	for length := range 20 {
		for at := range length {
			for b := range 256 {
				text := bytes.Repeat([]byte{'x'}, length+2)
				text[0], text[length+1] = '"', '"'
				text[at+1] = byte(b)
				if got, want := Valid(text) == nil, stdjson.Valid(text); got != want {
					t.Fatalf("%q: valid %v, want %v", text, got, want)
				}
			}
		}
	}
}

func TestValidDepthLimit(t *testing.T) {
	for _, depth := range []int{1, 63, 64, 65, MaxDepth - 1, MaxDepth, MaxDepth + 1, MaxDepth + 2} {
		for _, text := range []string{
			strings.Repeat("[", depth) + strings.Repeat("]", depth),
			strings.Repeat(`{"a":`, depth) + "1" + strings.Repeat("}", depth),
			strings.Repeat(`[{"":`, depth/2) + "1" + strings.Repeat("}]", depth/2),
		} {
			if got, want := Valid([]byte(text)) == nil, stdjson.Valid([]byte(text)); got != want {
				t.Errorf("depth %d, %.6s: valid %v, want %v", depth, text, got, want)
			}
		}
	}
}

func TestValidSurvivesHostileNesting(t *testing.T) {
	for _, open := range []string{"[", "{", `{"a":`, `[{"a":[`} {
		if Valid([]byte(strings.Repeat(open, 1<<20))) == nil {
			t.Errorf("%q a million times is taken for valid", open)
		}
	}
}

func TestValidDoesNotAllocate(t *testing.T) {
	data := sample(23)
	if n := testing.AllocsPerRun(100, func() { _ = Valid(data) }); n != 0 {
		t.Errorf("%v allocations a record", n)
	}
}

func FuzzValid(f *testing.F) {
	for _, text := range texts {
		f.Add([]byte(text))
	}
	f.Add(sample(23))
	f.Fuzz(func(t *testing.T, data []byte) {
		err := Valid(data)
		if want := stdjson.Valid(data); (err == nil) != want {
			t.Fatalf("%q: %v, want valid %v", data, err, want)
		}
		var syntax *formats.SyntaxError
		if errors.As(err, &syntax) && (syntax.Offset < 0 || syntax.Offset > int64(len(data))) {
			t.Fatalf("%q: offset %d is outside", data, syntax.Offset)
		}
	})
}

// sample is a record of numbers and short strings, the kind most jobs have.
func sample(keys int) []byte {
	data := []byte{'{'}
	for k := range keys {
		switch {
		case k > 0 && k%5 == 0:
			data = fmt.Appendf(data, `"field_%02d":"value %d",`, k, k*7919)
		case k%5 == 3:
			data = fmt.Appendf(data, `"field_%02d":%d,`, k, k*k)
		default:
			data = fmt.Appendf(data, `"field_%02d":%d.%d,`, k, k, k*1237)
		}
	}
	data[len(data)-1] = '}'
	return data
}

func BenchmarkValid(b *testing.B) {
	data := sample(23)
	spaced := bytes.ReplaceAll(bytes.ReplaceAll(data, []byte(":"), []byte(": ")), []byte(","), []byte(", "))
	for _, c := range []struct {
		name string
		data []byte
	}{{"record", data}, {"spaced", spaced}, {"text", []byte(`{"text":"` + strings.Repeat("some words, ", 100) + `"}`)}} {
		b.Run(c.name, func(b *testing.B) {
			b.SetBytes(int64(len(c.data)))
			b.ReportAllocs()
			for b.Loop() {
				if Valid(c.data) != nil {
					b.Fatal("not valid")
				}
			}
		})
		b.Run(c.name+"-encoding-json", func(b *testing.B) {
			b.SetBytes(int64(len(c.data)))
			b.ReportAllocs()
			for b.Loop() {
				if !stdjson.Valid(c.data) {
					b.Fatal("not valid")
				}
			}
		})
	}
}
