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
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// testTimeout bounds the tests of one mutant: some breakages hang. It is many
// times what the tests take without any.
const testTimeout = 90 * time.Second

// harness runs the go command on a checkout that it never writes to.
type harness struct {
	root string // the module's folder
	temp string // for broken copies
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

// baseline runs every set of tests on the unbroken source. Whatever fails there
// would seem to catch all mutants.
func (h *harness) baseline(ctx context.Context, chosen []mutant, progress io.Writer) error {
	seen := map[string]bool{}
	for _, m := range chosen {
		key := strings.Join(m.tests.args(), " ")
		if seen[key] {
			continue
		}
		seen[key] = true
		fmt.Fprintln(progress, "without mutants: go", key)
		out, err := h.goCommand(ctx, m.tests.args()...)
		if err != nil {
			return fmt.Errorf("the tests fail without any mutant: go %s: %w\n%s", key, err, tail(out))
		}
		if m.tests.run != "" && bytes.Contains(out, []byte("no tests to run")) {
			return fmt.Errorf("%s: a pattern matches no test: go %s\n%s", m.name, key, tail(out))
		}
	}
	return nil
}

// try breaks the source and runs the tests.
func (h *harness) try(ctx context.Context, m mutant) (r result) {
	r.mutant = m
	began := time.Now()
	defer func() { r.took = time.Since(began) }()
	overlay, err := h.overlay(m)
	if err != nil {
		r.trouble = err
		return r
	}
	if out, err := h.goCommand(ctx, "build", "-overlay", overlay, "./"+filepath.ToSlash(filepath.Dir(m.file))); err != nil {
		r.trouble = fmt.Errorf("it does not compile: %w\n%s", err, tail(out))
		return r
	}
	args := append([]string{"test", "-overlay", overlay}, m.tests.args()[1:]...)
	out, err := h.goCommand(ctx, args...)
	switch {
	case ctx.Err() != nil:
		r.trouble = ctx.Err()
	case err == nil: // it survived
	case bytes.Contains(out, []byte("[build failed]")) || bytes.Contains(out, []byte("[setup failed]")):
		r.trouble = fmt.Errorf("the tests do not compile with it\n%s", tail(out))
	default:
		r.caughtBy = firstFailure(out)
	}
	return r
}

// overlay writes the broken copy of m's file, and the go command's map to it.
func (h *harness) overlay(m mutant) (string, error) {
	path := filepath.Join(h.root, filepath.FromSlash(m.file))
	text, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	broken, err := m.breakText(string(text))
	if err != nil {
		return "", err
	}
	copied := filepath.Join(h.temp, m.name+".go")
	if err := os.WriteFile(copied, []byte(broken), 0o666); err != nil {
		return "", err
	}
	list, err := json.Marshal(map[string]any{"Replace": map[string]string{path: copied}})
	if err != nil {
		return "", err
	}
	overlay := filepath.Join(h.temp, m.name+".json")
	return overlay, os.WriteFile(overlay, list, 0o666)
}

// goCommand returns stdout and stderr together.
func (h *harness) goCommand(ctx context.Context, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = h.root
	cmd.Env = append(os.Environ(), "PWD="+h.root)
	return cmd.CombinedOutput()
}

// args are those of the go command. Run from the cache where nothing changed.
func (t tests) args() []string {
	args := []string{"test", "-short", "-failfast", "-timeout", testTimeout.String()}
	if t.run != "" {
		args = append(args, "-run", t.run)
	}
	args = append(args, t.packages...)
	if t.seeds > 0 { // a flag of the simulation, which other packages lack
		args = append(args, "-sim.seeds", strconv.Itoa(t.seeds))
	}
	return args
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
