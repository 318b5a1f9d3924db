package main

import (
	"context"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/spf13/pflag"

	"github.com/batchmill/batchmill/transform"
)

func TestEscape(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"plain text, ünïcode 世界", "plain text, ünïcode 世界"},
		{"a\nb\tc\r", `a\nb\tc\r`},
		{"\x1b[31mred\x07", `\x1b[31mred\a`},
		{"user\u202egnp.exe", `user\u202egnp.exe`},
		{"\u2066x\u2069\u200b", `\u2066x\u2069\u200b`},
		{"\x9b\xff", `\x9b\xff`},
		{"\u009b1m", `\u009b1m`},
		{"\ufffd", `\ufffd`},
		{"\u2028", `\u2028`},
	} {
		if got := escape(c.in); got != c.want {
			t.Errorf("escape(%q) = %q, want %q", c.in, got, c.want)
		}
	}
}

func FuzzEscape(f *testing.F) {
	for _, s := range []string{"", "ok", "\x1b]0;title\x07", "\u202e", "\xff\xfe", "a\\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := escape(s)
		if !utf8.ValidString(got) || escape(got) != got {
			t.Fatalf("escape(%q) = %q", s, got)
		}
		for _, r := range got {
			if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) {
				t.Fatalf("escape(%q) = %q holds %q", s, got, r)
			}
		}
	})
}

// What is printed must come back from a shell as it was.
func TestShellQuote(t *testing.T) {
	words := []string{"plain", "", "two words", "it's", `"`, "$HOME", "`id`", "a;b&c|d", "*?[x]", "#x", "~", "-x", `back\slash`,
		"line\nbreak", "\x1b[31m", "it's\t\\x", "\u202eabc", "ü", "\xff", "!history", "(a)", "a=b", "{x,y}"}
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("no bash")
	}
	line := "printf '%s\\0'"
	for _, w := range words {
		q := shellQuote(w)
		if escape(q) != q {
			t.Errorf("%q is not safe for a terminal", q)
		}
		line += " " + q
	}
	out, err := exec.Command(bash, "-c", line).Output()
	if err != nil {
		t.Fatal(err)
	}
	if want := strings.Join(words, "\x00") + "\x00"; string(out) != want {
		t.Errorf("got  %q\nwant %q", out, want)
	}
}

func TestContinueCommand(t *testing.T) {
	for _, c := range []struct {
		name string
		file string // name of a job file
		args []string
		want string
	}{
		{"as it was", "", []string{"--input", "a b", "--input=c", "--output", "out", "--host", "http://h:1", "--join", "input"},
			"batchmill run --input 'a b' --input c --output out --host http://h:1 --join input"},
		{"never restart", "", []string{"--restart", "--output", "o"}, "batchmill run --output o"},
		{"a value called restart", "", []string{"--answer-name", "--restart", "--restart"}, "batchmill run --answer-name=--restart"},
		{"quantities", "", []string{"--memory=64MiB", "--timeout", "90s", "--max-rejects=5%", "--concurrency", "auto"},
			"batchmill run --memory 64MiB --timeout 1m30s --max-rejects 5% --concurrency auto"},
		{"switches", "", []string{"--overwrite", "--ragged=false"}, "batchmill run --overwrite --ragged=false"},
		{"a file that restarts", "job.yaml", nil, "batchmill run job.yaml --restart=false"},
		{"variables stay names", "", []string{"--host-header", "Authorization=$TOKEN"}, "batchmill run --host-header 'Authorization=$TOKEN'"},
		{"keys in URLs are not shown", "", []string{"--host", "http://h/p?key=secret"}, "batchmill run --host 'http://h/p?[redacted]'"},
		{"values of variables are not shown", "", []string{"--env", "A=secret=b", "--env", "B", "--env=C="}, "batchmill run --env 'A=[redacted]' --env B --env 'C=[redacted]'"},
		{"arguments are not shown", "", []string{"--command", "python serve.py --key secret"}, "batchmill run --command 'python [redacted]'"},
	} {
		o := new(options)
		flags := o.flags()
		if err := flags.Parse(c.args); err != nil {
			t.Fatal(err)
		}
		words := []string{"batchmill", "run"}
		if c.file != "" {
			words = append(words, c.file)
		}
		if got := continueCommand(words, flags, o.spec.Restart || c.file != ""); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.name, got, c.want)
		}
	}
}

// TestRedactedIsRefused: a printed command that is pasted as it is does not run
// with [redacted] in the place of a secret.
func TestRedactedIsRefused(t *testing.T) {
	for _, args := range [][]string{{"--host", "http://127.0.0.1:1/p?[redacted]"}, {"--command", "sh [redacted]"}, {"--image", "a", "--env", "A=[redacted]"}} {
		con := newConsole()
		args = append([]string{"run", "--input", "text_test.go", "--output", filepath.Join(t.TempDir(), "out"), "--input-format", "jsonl"}, args...)
		if code := con.run(t.Context(), args); code != exitUsage || !strings.Contains(con.err.String(), "put back") {
			t.Errorf("%q: %d: %s", args, code, con.err.String())
		}
	}
	hint := transform.HintOf(stopped(new(signalError), &interruptedRun{context.Canceled, "batchmill run --env 'A=[redacted]'"}))
	if !strings.Contains(hint, "with what is [redacted] put back") {
		t.Error(hint)
	}
}

func TestNearest(t *testing.T) {
	names := flagNames(new(options).flags())
	for _, c := range []struct{ in, want string }{
		{"batch-recrods", "batch-records"}, {"inputs", "input"}, {"hots", "host"}, {"zzzzzz", ""}, {"", ""},
		{strings.Repeat("x", 1000), ""},
	} {
		if got := nearest(c.in, names); got != c.want {
			t.Errorf("nearest(%q) = %q, want %q", c.in, got, c.want)
		}
	}
}

// A job file must not be able to crash the program, and fails with a usage error.
func FuzzJobFile(f *testing.F) {
	for _, s := range []string{"input: a\n", "{\"input\": [\"a\"], \"limit\": 5}", "a: &x [*x]\n", "<<: {a: b}\n", "- a\n", "input: |\n  x\n",
		"memory: 1e99\n", "? [a]\n: b\n", "%YAML 1.2\n---\ninput: x\n...\n---\na: b\n", "\x00", "input: !!binary x\n", "header:\n", "dry-run: true\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		flags := new(options).flags()
		if _, err := applyJob("job.yaml", []byte(text), flags); err != nil && exitCode(err) != exitUsage {
			t.Fatalf("%q: %v", text, err)
		}
		flags.VisitAll(func(f *pflag.Flag) { _ = f.Value.String() })
	})
}
