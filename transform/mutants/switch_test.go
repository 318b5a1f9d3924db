package main

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const sample = `package sample

import "errors"

const Limit = 3

type box[T any] struct{ all []T }

func (b *box[T]) Put(x ...T) { b.all = append(b.all, x...) }

func Sum(first int, more ...int) (total int, err error) {
	if len(more) == Limit {
		return 0, errors.New("too many")
	}
	if len(more) == 0 {
		return first, nil
	}
	rest, err := Sum(more[0], more[1:]...)
	return first + rest, err
}

func Last[T any](all []T) T { return all[len(all)-1] }

func Ignores(_ int) int { return 1 }

func Calm() (err error) {
	defer func() {
		if recover() != nil {
			err = errors.New("panic")
		}
	}()
	panic("x")
}
`

const sampleTest = `package sample

import "testing"

func TestSum(t *testing.T) {
	if n, err := Sum(1, 2, 3); n != 6 || err != nil {
		t.Error(n, err)
	}
	if _, err := Sum(1, 2, 3, 4); err == nil {
		t.Error("no error")
	}
}

func TestRest(t *testing.T) {
	var b box[string]
	b.Put("a", "b")
	if Last(b.all) != "b" || Ignores(0) != 1 || Calm() == nil {
		t.Error(b.all)
	}
}
`

// sampleHarness is of a module with one package.
func sampleHarness(t *testing.T) *harness {
	root := t.TempDir()
	if err := os.Mkdir(filepath.Join(root, "sample"), 0o777); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"go.mod": "module sample\n\ngo 1.26\n", "sample/sample.go": sample, "sample/sample_test.go": sampleTest} {
		if err := os.WriteFile(filepath.Join(root, name), []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	return &harness{root: root, temp: t.TempDir()}
}

// TestSwitch: mutants that share a binary are alive one at a time, and those
// that cannot share one are built alone; to each the same happens as would in
// the source.
func TestSwitch(t *testing.T) {
	at := func(name, old, new, run string) mutant {
		return mutant{name: name, file: "sample/sample.go", edits: []edit{{old, new}}, tests: tests{packages: []string{"./sample"}, run: run}}
	}
	all := func(name, old, new string) mutant { return at(name, old, new, "") }
	cases := []struct {
		mutant
		shared bool
		want   string // how the verdict begins
	}{
		{all("sum", "first + rest", "first - rest"), true, "TestSum"},
		{at("sum-not-looked-at", "first + rest, err", "first + 0*rest, err", "TestRest"), true, "SURVIVED"},
		{all("recursion", "return first, nil", "return first + 1, nil"), true, "TestSum"},
		{all("method", "append(b.all, x...)", "append(b.all, x[0])"), true, "TestRest"},
		{all("generic", "all[len(all)-1]", "all[0]"), true, "TestRest"},
		{all("constant", "Limit = 3", "Limit = 30"), false, "TestSum"},
		{all("parameter-without-name", "return 1 }", "return 2 }"), false, "TestRest"},
		{all("recover", `err = errors.New("panic")`, "err = nil"), false, "TestRest"},
		{all("rotten", "unused", ""), false, "NOT TRIED: sample/sample.go holds 0 times"},
		{all("signature", "func Last[T any](all []T) T {", "func Last[T any](all []T) int {"), false, "NOT TRIED: it does not compile"},
	}
	h := sampleHarness(t)
	var chosen []mutant
	for _, c := range cases {
		chosen = append(chosen, c.mutant)
	}
	if err := h.build(t.Context(), chosen, t.Output()); err != nil {
		t.Fatal(err)
	}
	if err := h.baseline(t.Context(), chosen, 2, t.Output()); err != nil {
		t.Fatal(err)
	}
	for i, r := range h.tryAll(t.Context(), chosen, 2, io.Discard) {
		c := cases[i]
		if shared := h.number[c.name] != 0; shared != c.shared {
			t.Errorf("%s: shares a binary: %v, want %v", c.name, shared, c.shared)
		}
		if got := r.verdict(); !strings.HasPrefix(got, c.want) {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

// TestOneThatDoesNotCompile is named, and the others are tried nevertheless.
func TestOneThatDoesNotCompile(t *testing.T) {
	h := sampleHarness(t)
	set := tests{packages: []string{"./sample"}}
	chosen := []mutant{
		{name: "good", file: "sample/sample.go", edits: []edit{{"first + rest", "first - rest"}}, tests: set},
		{name: "bad", file: "sample/sample.go", edits: []edit{{"all[len(all)-1]", "nothing"}}, tests: set},
	}
	if err := h.build(t.Context(), chosen, t.Output()); err != nil {
		t.Fatal(err)
	}
	results := h.tryAll(t.Context(), chosen, 2, io.Discard)
	for i, want := range []string{"TestSum", "NOT TRIED: it does not compile"} {
		if got := results[i].verdict(); !strings.HasPrefix(got, want) {
			t.Errorf("%s: %s, want %s", chosen[i].name, got, want)
		}
	}
}
