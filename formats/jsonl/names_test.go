package jsonl

import (
	"slices"
	"testing"
)

func TestParseFilter(t *testing.T) {
	for text, want := range map[string]Filter{
		"a": {"a"}, "a,b c, d ": {"a", "b c", "d"}, `"a,b",c`: {"a,b", "c"}, `""`: {""}, `"\u00e9\"" , x`: {`é"`, "x"}, "a.b[0]": {"a.b[0]"},
	} {
		if got, err := ParseFilter(text); err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: %q %v, want %q", text, got, err, want)
		}
	}
	for _, text := range []string{"", ",", "a,", ",a", "a,,b", "a,a", `a,"\u0061"`, `"a`, `"a"b`, `"\q"`, `"a\`, "  "} {
		if got, err := ParseFilter(text); err == nil {
			t.Errorf("%q is taken for %q", text, got)
		}
	}
}

func TestParsePath(t *testing.T) {
	for text, want := range map[string][]step{
		"a":                   {{"a", -1}},
		"outputs.scores":      {{"outputs", -1}, {"scores", -1}},
		"$.outputs[0].scores": {{"outputs", -1}, {"", 0}, {"scores", -1}},
		`$["a.b"][12][0]`:     {{"a.b", -1}, {"", 12}, {"", 0}},
		`["]\"["].x`:          {{`]"[`, -1}, {"x", -1}},
	} {
		if got, err := ParsePath(text); err != nil || !slices.Equal(got.steps, want) || got.String() != text {
			t.Errorf("%q: %v %v, want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "$", "$.", ".", "a.", "a..b", "a[", "a[]", "a[-1]", "a[x]", "a[0", "a[0]b", `a["b]`, `a["b"`, "[0].a", "$[0]", "a[99999999999]"} {
		if got, err := ParsePath(text); err == nil {
			t.Errorf("%q is taken for %v", text, got.steps)
		}
	}
}

func FuzzNames(f *testing.F) {
	for _, text := range []string{"a,b", `"a,b",c`, `$.a[0]["b"]`, `["\`, `a["`} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if got, err := ParseFilter(text); err == nil && len(got) == 0 {
			t.Fatalf("%q: an empty filter", text)
		}
		if got, err := ParsePath(text); err == nil && (len(got.steps) == 0 || got.steps[0].index >= 0) {
			t.Fatalf("%q: %v", text, got.steps)
		}
	})
}
