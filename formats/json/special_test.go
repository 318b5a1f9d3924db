package json

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

func TestQuoteSpecials(t *testing.T) {
	for in, want := range map[string]string{
		`NaN`:                                   `"NaN"`,
		`[NaN,Infinity, -Infinity ]`:            `["NaN","Infinity", "-Infinity" ]`,
		"{\"NaN\":NaN,\"a\":{\"b\":[NaN\n]}}":   "{\"NaN\":\"NaN\",\"a\":{\"b\":[\"NaN\"\n]}}",
		`["NaN","a\"NaN","[NaN]",1]`:            `["NaN","a\"NaN","[NaN]",1]`,
		`[1,2]`:                                 `[1,2]`,
		`[nan,NAN,Inf,+Infinity]`:               `[nan,NAN,Inf,+Infinity]`,
		`[NaNs,1NaN,NaN1,--Infinity,xInfinity]`: `[NaNs,1NaN,NaN1,--Infinity,xInfinity]`,
		`["NaN`:                                 `["NaN`,
		`[NaN`:                                  `["NaN"`,
	} {
		if got := string(QuoteSpecials([]byte(in))); got != want {
			t.Errorf("%s: got %s, want %s", in, got, want)
		}
	}
}

// FuzzQuoteSpecials: valid text stays as it is; what comes out is valid where the same text with 0 for the words is.
func FuzzQuoteSpecials(f *testing.F) {
	for _, s := range []string{`[NaN,-Infinity]`, `{"a":Infinity}`, `"NaN"`, `[1NaN]`, `{NaN:1}`, `-NaN`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		in := []byte(s)
		out := QuoteSpecials(in)
		if json.Valid(in) && !bytes.Equal(in, out) {
			t.Fatalf("%q is valid and became %q", s, out)
		}
		if string(in) != s {
			t.Fatalf("%q was written to", s)
		}
		if n := (len(out) - len(in)) / 2; n > strings.Count(s, "NaN")+strings.Count(s, "Infinity") || len(out) != len(in)+2*n {
			t.Fatalf("%q became %q", s, out)
		}
	})
}
