package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestTableFitsTheSource finds a rotten table without running a mutant: every
// text that is to be changed stands in its file exactly once.
func TestTableFitsTheSource(t *testing.T) {
	names := map[string]bool{}
	for _, m := range allMutants() {
		text, err := os.ReadFile(filepath.Join("..", "..", filepath.FromSlash(m.file)))
		if err != nil {
			t.Errorf("%s: %v", m.name, err)
			continue
		}
		broken, err := m.breakText(string(text))
		if err != nil {
			t.Errorf("%s: %v", m.name, err)
		}
		if broken == string(text) {
			t.Errorf("%s changes nothing", m.name)
		}
		if names[m.name] || m.name == "" || m.promise == "" || len(m.tests.packages) == 0 {
			t.Errorf("%q: a name of its own, a promise and tests are needed", m.name)
		}
		names[m.name] = true
	}
	if len(names) < 20 {
		t.Errorf("only %d mutants", len(names))
	}
}

func TestBreakText(t *testing.T) {
	for _, c := range []struct {
		name, text string
		edits      []edit
		want       string // empty: refused
	}{
		{"once", "a b c", []edit{{"b", "x"}}, "a x c"},
		{"two edits", "a b c", []edit{{"a", "x"}, {"c", "y"}}, "x b y"},
		{"gone", "a c", []edit{{"b", "x"}}, ""},
		{"twice", "a b b", []edit{{"b", "x"}}, ""},
		{"the second is gone", "a b", []edit{{"b", "x"}, {"c", "y"}}, ""},
	} {
		m := mutant{file: "f.go", edits: c.edits}
		got, err := m.breakText(c.text)
		if got != c.want || (err == nil) != (c.want != "") {
			t.Errorf("%s: %q, %v", c.name, got, err)
		}
	}
}

func TestFirstFailure(t *testing.T) {
	for _, c := range []struct{ name, out, want string }{
		{"test", "--- FAIL: TestA (0.1s)\n--- FAIL: TestB (0.1s)\nFAIL", "TestA"},
		{"subtest", "--- FAIL: TestA (0.1s)\n    --- FAIL: TestA/x (0.0s)\n        --- FAIL: TestA/x/y (0.0s)\n--- FAIL: TestB", "TestA/x/y"},
		{"timeout", "panic: test timed out after 1s\nrunning tests:", "a timeout"},
		{"panic", "panic: oh\n\ngoroutine 1", "the end of the test process"},
	} {
		if got := firstFailure([]byte(c.out)); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

// TestReportFails: a survivor, and a mutant that could not be tried, fail the run.
func TestReportFails(t *testing.T) {
	caught := result{mutant: mutant{name: "caught"}, caughtBy: "TestA"}
	survivor := result{mutant: mutant{name: "survivor"}}
	rotten := result{mutant: mutant{name: "rotten"}, trouble: os.ErrNotExist}
	for _, c := range []struct {
		name    string
		results []result
		ok      bool
	}{
		{"all caught", []result{caught, caught}, true},
		{"one survives", []result{caught, survivor}, false},
		{"one is rotten", []result{rotten, caught}, false},
		{"none was chosen", nil, false},
	} {
		var w bytes.Buffer
		if err := report(&w, c.results); (err == nil) != c.ok {
			t.Errorf("%s: %v", c.name, err)
		}
		for _, r := range c.results {
			if !strings.Contains(w.String(), r.name) {
				t.Errorf("%s: the table does not name %s", c.name, r.name)
			}
		}
	}
}
