package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// The tests of one mutant are ended after a while: some breakages hang. That is
// shortest, or as many times what the tests take on this machine without any mutant.
const (
	shortest = 90 * time.Second
	manifold = 10
	// longest is for tests without a mutant, which do not hang.
	longest = 30 * time.Minute
)

// harness builds and runs tests of a checkout that it never writes to.
type harness struct {
	root   string         // the module's folder
	temp   string         // for broken copies and test binaries
	number map[string]int // of the mutants that the binaries hold, by name; the others are built one by one
	took   sync.Map       // set of tests -> the time.Duration that they take without mutants
}

func newHarness(ctx context.Context) (*harness, error) {
	out, err := exec.CommandContext(ctx, "go", "env", "GOMOD").Output()
	if err != nil {
		return nil, fmt.Errorf("go env: %w", err)
	}
	mod := strings.TrimSpace(string(out))
	if filepath.Base(mod) != "go.mod" {
		return nil, errors.New("no go.mod here: run it inside the checkout")
	}
	temp, err := os.MkdirTemp("", "mutants")
	if err != nil {
		return nil, err
	}
	return &harness{root: filepath.Dir(mod), temp: temp}, nil
}

func (h *harness) close() { _ = os.RemoveAll(h.temp) }

// build makes one binary of each package's tests, with all mutants that can
// share it. Those that cannot, and all when they do not compile together, are
// left to builds of their own, where each shows what is wrong with it.
func (h *harness) build(ctx context.Context, chosen []mutant, progress io.Writer) error {
	var packages []string
	for _, m := range chosen {
		packages = append(packages, m.tests.packages...)
	}
	slices.Sort(packages)
	packages = slices.Compact(packages)
	if len(packages) == 0 {
		return nil
	}
	s := newSwitches()
	number := map[string]int{}
	for i, m := range chosen {
		// A text that does not fit is trouble of the mutant's own try.
		if ok, err := s.add(&m, i+1, h.read); err == nil && ok {
			number[m.name] = i + 1
		}
	}
	fmt.Fprintf(progress, "building the tests of %d packages with %d mutants; %d are built alone\n", len(packages), len(number), len(chosen)-len(number))
	out, err := h.buildTests(ctx, h.temp, s.texts(), packages)
	if err == nil {
		h.number = number
		return nil
	}
	fmt.Fprintf(progress, "they do not compile together, so each is built alone, which takes long\n%s\n", tail(out))
	if out, err = h.buildTests(ctx, h.temp, nil, packages); err != nil {
		return fmt.Errorf("the tests do not compile without any mutant: %w\n%s", err, tail(out))
	}
	return nil
}

// baseline runs every set of tests with no mutant alive. Whatever fails there
// would seem to catch all mutants.
func (h *harness) baseline(ctx context.Context, chosen []mutant, jobs int, progress io.Writer) error {
	var sets []mutant // the first with each set of tests
	seen := map[string]bool{}
	for _, m := range chosen {
		if key := m.tests.String(); !seen[key] {
			seen[key] = true
			sets = append(sets, m)
		}
	}
	failures := make([]error, len(sets))
	each(jobs, len(sets), func(i int) {
		began := time.Now()
		out, err := h.runTests(ctx, h.temp, sets[i].tests, 0, longest)
		h.took.Store(sets[i].tests.String(), time.Since(began))
		switch {
		case err != nil:
			failures[i] = fmt.Errorf("the tests fail without any mutant: %s: %w\n%s", sets[i].tests, err, tail(out))
		case sets[i].tests.run != "" && bytes.Contains(out, []byte("no tests to run")):
			failures[i] = fmt.Errorf("%s: a pattern matches no test: %s\n%s", sets[i].name, sets[i].tests, tail(out))
		}
	})
	fmt.Fprintf(progress, "ran %d sets of tests without mutants\n", len(sets))
	return errors.Join(failures...)
}

// try breaks the source and runs the tests.
func (h *harness) try(ctx context.Context, m mutant) (r result) {
	r.mutant = m
	began := time.Now()
	defer func() { r.took = time.Since(began) }()
	folder, number := h.temp, h.number[m.name]
	if number == 0 {
		folder = filepath.Join(h.temp, m.name)
		if r.trouble = h.buildAlone(ctx, m, folder); r.trouble != nil {
			return r
		}
		defer func() { _ = os.RemoveAll(folder) }()
	}
	out, err := h.runTests(ctx, folder, m.tests, number, h.timeout(m.tests))
	var failed *exec.ExitError
	switch {
	case ctx.Err() != nil:
		r.trouble = ctx.Err()
	case err == nil: // it survived
	case !errors.As(err, &failed):
		r.trouble = err
	default:
		r.caughtBy = firstFailure(out)
	}
	return r
}

// buildAlone builds the tests of one mutant into folder.
func (h *harness) buildAlone(ctx context.Context, m mutant, folder string) error {
	text, err := h.read(m.file)
	if err != nil {
		return err
	}
	broken, err := m.breakText(text)
	if err != nil {
		return err
	}
	out, err := h.buildTests(ctx, folder, map[string]string{m.file: broken}, m.tests.packages)
	if err != nil {
		return fmt.Errorf("it does not compile: %w\n%s", err, tail(out))
	}
	return nil
}

func (h *harness) read(name string) (string, error) {
	text, err := os.ReadFile(filepath.Join(h.root, filepath.FromSlash(name)))
	return string(text), err
}

// buildTests builds the tests of packages, with other texts for some files.
// It returns what the go command says.
func (h *harness) buildTests(ctx context.Context, folder string, texts map[string]string, packages []string) ([]byte, error) {
	if err := os.MkdirAll(folder, 0o777); err != nil {
		return nil, err
	}
	overlay, err := h.overlay(folder, texts)
	if err != nil {
		return nil, err
	}
	// Vet has looked at the source, and nobody debugs the binaries.
	args := []string{"test", "-c", "-vet=off", "-ldflags=-s -w", "-overlay", overlay, "-o", folder + string(filepath.Separator)}
	cmd := exec.CommandContext(ctx, "go", append(args, packages...)...)
	cmd.Dir = h.root
	cmd.Env = append(os.Environ(), "PWD="+h.root)
	return cmd.CombinedOutput()
}

// overlay writes texts into folder, and the go command's map to them.
func (h *harness) overlay(folder string, texts map[string]string) (string, error) {
	replace := map[string]string{}
	for name, text := range texts {
		copied := filepath.Join(folder, strconv.Itoa(len(replace))+".go")
		if err := os.WriteFile(copied, []byte(text), 0o666); err != nil {
			return "", err
		}
		replace[filepath.Join(h.root, filepath.FromSlash(name))] = copied
	}
	list, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	overlay := filepath.Join(folder, "overlay.json")
	return overlay, os.WriteFile(overlay, list, 0o666)
}

// timeout is for how long the tests may run with a mutant.
func (h *harness) timeout(t tests) time.Duration {
	took, _ := h.took.Load(t.String())
	d, _ := took.(time.Duration)
	return max(shortest, manifold*d)
}

// runTests runs the binaries in folder as the go command would, with the mutant
// of this number alive. It returns stdout and stderr together.
func (h *harness) runTests(ctx context.Context, folder string, t tests, number int, timeout time.Duration) ([]byte, error) {
	// The test's own timeout says more; this one ends a binary that cannot.
	ctx, cancel := context.WithTimeout(ctx, timeout+30*time.Second)
	defer cancel()
	var all []byte
	for _, pkg := range t.packages {
		cmd := exec.CommandContext(ctx, filepath.Join(folder, path.Base(pkg)+".test"), append(t.args(), "-test.timeout", timeout.String())...)
		cmd.Dir = filepath.Join(h.root, filepath.FromSlash(pkg))
		cmd.Env = append(os.Environ(), "PWD="+cmd.Dir, switchVariable+"="+strconv.Itoa(number))
		cmd.WaitDelay = 5 * time.Second // a child may hold the pipe open
		out, err := cmd.CombinedOutput()
		all = append(all, out...)
		if err != nil {
			return all, err
		}
	}
	return all, nil
}

// args are those of the test binaries.
func (t tests) args() []string {
	args := []string{"-test.paniconexit0", "-test.short", "-test.failfast"}
	if t.run != "" {
		args = append(args, "-test.run", t.run)
	}
	if t.seeds > 0 { // a flag of the simulation, which other packages lack
		args = append(args, "-sim.seeds", strconv.Itoa(t.seeds))
	}
	return args
}

// String names the tests, in messages.
func (t tests) String() string {
	return strings.Join(append(slices.Clone(t.packages), t.args()...), " ")
}

var failedTest = regexp.MustCompile(`(?m)^\s*--- FAIL: (\S+)`)

// firstFailure names the test that failed first, the most special of its subtests.
func firstFailure(out []byte) string {
	found := failedTest.FindAllSubmatch(out, -1)
	if len(found) == 0 {
		if bytes.Contains(out, []byte("test timed out")) {
			return "a timeout"
		}
		return "the end of the test process"
	}
	name := string(found[0][1])
	for _, f := range found[1:] {
		if !strings.HasPrefix(string(f[1]), name+"/") {
			break
		}
		name = string(f[1])
	}
	const most = 60
	if len(name) > most {
		name = name[:most] + "..."
	}
	return name
}

// tail is the end of a command's output, for messages.
func tail(out []byte) string {
	const most = 3000
	if len(out) > most {
		out = out[len(out)-most:]
	}
	return string(out)
}
