package main

import (
	"bytes"
	"errors"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// stream is what go test -json prints, shortened.
const stream = `{"ImportPath":"m/broken","Action":"build-output","Output":"broken.go:1: no\n"}
{"Action":"run","Package":"m/a","Test":"TestGood"}
{"Action":"output","Package":"m/a","Test":"TestGood","Output":"=== RUN   TestGood\n"}
{"Action":"output","Package":"m/a","Test":"TestGood","Output":"a word of the good\n"}
{"Action":"attr","Package":"m/a","Test":"TestGood","Key":"fault_points","Value":"40"}
{"Action":"attr","Package":"m/a","Test":"TestGood/sub","Key":"fault_points","Value":"2"}
{"Action":"attr","Package":"m/a","Test":"TestGood/sub","Key":"colour","Value":"red"}
{"Action":"pass","Package":"m/a","Test":"TestGood/sub","Elapsed":0}
{"Action":"pass","Package":"m/a","Test":"TestGood","Elapsed":0}
{"Action":"skip","Package":"m/a","Test":"TestIdle","Elapsed":0}
{"Action":"output","Package":"m/a","Test":"BenchmarkB","Output":"BenchmarkB\n"}
{"Action":"output","Package":"m/a","Test":"BenchmarkB","Output":"BenchmarkB-2   \t"}
{"Action":"output","Package":"m/a","Test":"BenchmarkB","Output":"       1\t     12.5 ns/op\n"}
{"Action":"output","Package":"m/a","Output":"ok  \tm/a\t1.250s\n"}
{"Action":"pass","Package":"m/a","Elapsed":1.25}
not an event
{"Action":"output","Package":"m/b","Test":"TestBad","Output":"=== RUN   TestBad\n"}
{"Action":"output","Package":"m/b","Test":"TestBad","Output":"    b_test.go:7: it went wrong\n"}
{"Action":"fail","Package":"m/b","Test":"TestBad","Elapsed":0}
{"Action":"output","Package":"m/b","Test":"TestEndless","Output":"the last words\n"}
{"Action":"output","Package":"m/b","Output":"panic: test timed out\n"}
{"Action":"output","Package":"m/b","Output":"FAIL\tm/b\t2.000s\n"}
{"Action":"fail","Package":"m/b","Elapsed":2}
{"Action":"skip","Package":"m/none","Elapsed":0}
`

func TestRead(t *testing.T) {
	var out bytes.Buffer
	r := newReader(&out)
	if err := r.read(strings.NewReader(stream)); err != nil {
		t.Fatal(err)
	}
	want := "broken.go:1: no\nok  \tm/a\t1.250s\nnot an event\n    b_test.go:7: it went wrong\nthe last words\npanic: test timed out\nFAIL\tm/b\t2.000s\n"
	if out.String() != want {
		t.Errorf("printed\n%s\nwant\n%s", out.String(), want)
	}
	counted := counts{"fault points": 42, "tests": 2, "skipped tests": 1, "failed tests": 1, "packages": 1, "failed packages": 1, "benchmarks": 1}
	if !maps.Equal(r.counts, counted) {
		t.Errorf("counted %v, want %v", r.counts, counted)
	}
}

func TestTell(t *testing.T) {
	file := filepath.Join(t.TempDir(), "ran")
	var text bytes.Buffer
	text.WriteString("1000 began\n")
	for range 2 {
		if err := (counts{"seeds": 20}).with(" with the race detector").write(&text); err != nil {
			t.Fatal(err)
		}
	}
	text.WriteString("177 mutants\n")
	if err := os.WriteFile(file, text.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := tell(&out, file, "check", time.Unix(1061, 0)); err != nil {
		t.Fatal(err)
	}
	if want := "make check ran, in 61 s:\n      177 mutants\n       40 seeds with the race detector\n"; out.String() != want {
		t.Errorf("told %q, want %q", out.String(), want)
	}
	if err := os.WriteFile(file, []byte("many mutants\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := tell(io.Discard, file, "check", time.Unix(1061, 0)); err == nil {
		t.Error("what is no number was counted")
	}
}

// A failure of go test is one of ran, and what ran until then is counted.
func TestRunFails(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"go.mod":    "module m\n",
		"m_test.go": "package m\n\nimport \"testing\"\n\nfunc TestBad(t *testing.T) { t.Attr(\"seeds\", \"3\"); t.Error(\"a bad end\") }\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	file := filepath.Join(dir, "ran")
	var out bytes.Buffer
	err := run([]string{"-to", file, "go", "-C", dir, "test", "-vet=off", "."}, &out, io.Discard)
	if failed, ok := errors.AsType[*exec.ExitError](err); !ok || failed.ExitCode() != 1 || !strings.Contains(out.String(), "a bad end") {
		t.Errorf("%v: %s", err, out.String())
	}
	if text, err := os.ReadFile(file); err != nil || !strings.Contains(string(text), "3 seeds\n") || !strings.Contains(string(text), "1 failed tests\n") {
		t.Errorf("%v: %s", err, text)
	}
	if err := run([]string{"-to", file, "go", "vet"}, io.Discard, io.Discard); err == nil {
		t.Error("ran what is no test")
	}
}
