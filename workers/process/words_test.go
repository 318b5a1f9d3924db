package process

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

func TestSplit(t *testing.T) {
	for _, c := range []struct {
		line string
		want []string
		err  string
	}{
		{"serve", []string{"serve"}, ""},
		{"  serve\t--port  80\n", []string{"serve", "--port", "80"}, ""},
		{`a 'b c' "d e"f'g'`, []string{"a", "b c", "d efg"}, ""},
		{`a '' ""`, []string{"a", "", ""}, ""},
		{`a\ b \'c \\`, []string{"a b", "'c", `\`}, ""},
		{`"a\"b\\c\d\$e"`, []string{`a"b\c\d$e`}, ""},
		{`'a\b$HOME|;'`, []string{`a\b$HOME|;`}, ""},
		{`\$PORT \; 1$ $`, []string{"$PORT", ";", "1$", "$"}, ""},
		{"a\\\nb", []string{"ab"}, ""},
		{`sh -c 'exec serve --port "$PORT"'`, []string{"sh", "-c", `exec serve --port "$PORT"`}, ""},
		{"~/serve *.bin {a,b} #x", []string{"~/serve", "*.bin", "{a,b}", "#x"}, ""},
		{"ü 世界", []string{"ü", "世界"}, ""},
		{"", nil, "no program"},
		{" \n", nil, "no program"},
		{"a 'b", nil, "not closed"},
		{`a "b'`, nil, "not closed"},
		{`a \`, nil, `ends with a \`},
		{"serve --port $PORT", nil, "sh -c"},
		{`serve "${PORT}"`, nil, "sh -c"},
		{"serve | tee log", nil, "| means"},
		{"a && b", nil, "& means"},
		{"a > b", nil, "> means"},
		{"a `b`", nil, "means"},
	} {
		got, err := Split(c.line)
		if !slices.Equal(got, c.want) || (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("Split(%q) = %q, %v", c.line, got, err)
		}
	}
}

// A shell takes the same words for the same, wherever it expands nothing.
func TestSplitLikeAShell(t *testing.T) {
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("no sh")
	}
	for _, line := range []string{`a 'b c' "d e"f'g' \h\ i "\j\"\\" ''`, "a\\\nb c", `'x'"y"\z`} {
		words, err := Split(line)
		if err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command(sh, "-c", `printf '%s\0' `+line).Output()
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(words, "\x00") + "\x00"; got != string(out) {
			t.Errorf("%q: got %q, the shell %q", line, got, out)
		}
	}
}

func FuzzSplit(f *testing.F) {
	for _, s := range []string{"", "a b", `'a'`, `"\`, "a\\"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, line string) {
		words, err := Split(line)
		if (err == nil) != (len(words) > 0) {
			t.Fatalf("%q: %q, %v", line, words, err)
		}
		quoted := make([]string, len(words))
		for i, w := range words {
			quoted[i] = "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
		}
		if again, err := Split(strings.Join(quoted, " ")); len(words) > 0 && (err != nil || !slices.Equal(again, words)) {
			t.Fatalf("%q: %q comes back as %q, %v", line, words, again, err)
		}
	})
}
