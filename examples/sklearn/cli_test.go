package sklearn_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// buildBinary builds batchmill, once for all tests, as `make build` does, so that
// what that has built is reused.
var buildBinary = sync.OnceValues(func() (string, error) {
	path := filepath.Join(work, "batchmill")
	cmd := exec.Command("go", "build", "-trimpath", "-o", path, "github.com/batchmill/batchmill/cmd/batchmill")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return path, nil
})

// The parts of the manifest and the rejects file that the tests look at, by
// their documented names and not by batchmill's own types.
type (
	counts struct {
		RecordsIn       int `json:"records_in"`
		RecordsOut      int `json:"records_out"`
		RecordsRejected int `json:"records_rejected"`
		Requests        int `json:"requests"`
		Retries         int `json:"retries"`
	}
	manifest struct {
		Version int `json:"version"`
		Objects []struct {
			Status string `json:"status"`
			counts
		} `json:"objects"`
		Totals counts `json:"totals"`
	}
	reject struct {
		Object string `json:"object"`
		Record int    `json:"record"`
		Reason string `json:"reason"`
		Status int    `json:"status"`
	}
)

// job is one run of the binary: one input file, one host.
type job struct {
	name string // of the input file, and so of the output
	text string // the input
	host string // its URL
	args []string
}

// finished is what a job left behind.
type finished struct {
	exit   int
	stderr string
	out    string // the output folder
	name   string
}

// run writes the input, runs the job and waits for its end.
func (j job) run(t *testing.T) finished {
	t.Helper()
	binary, err := buildBinary()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	input := filepath.Join(dir, j.name)
	if err := os.WriteFile(input, []byte(j.text), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	f := finished{out: filepath.Join(dir, "out"), name: j.name}
	cmd := exec.CommandContext(ctx, binary, append([]string{
		"run", "--input", input, "--output", f.out, "--host", j.host, "--progress", "none",
	}, j.args...)...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	var ended *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &ended) {
		t.Fatal(err)
	}
	f.exit, f.stderr = cmd.ProcessState.ExitCode(), stderr.String()
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("batchmill ended with %d\nstdout:\n%s\nstderr:\n%s", f.exit, &stdout, &stderr)
		}
	})
	if f.exit == 0 && stdout.Len() == 0 {
		t.Error("a finished job says nothing on stdout")
	}
	return f
}

// manifest reads the manifest and checks that its own sums hold.
func (f finished) manifest(t *testing.T) manifest {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(f.out, "_manifest.json"))
	if err != nil {
		t.Fatal(err)
	}
	var m manifest
	if err := json.Unmarshal(text, &m); err != nil {
		t.Fatalf("_manifest.json: %v", err)
	}
	if m.Version != 1 || len(m.Objects) != 1 || m.Objects[0].Status != "published" {
		t.Fatalf("_manifest.json: want version 1 and one published object:\n%s", text)
	}
	if o := m.Objects[0]; o.counts != m.Totals {
		t.Errorf("totals %+v, but the only object has %+v", m.Totals, o.counts)
	}
	return m
}

// rejects reads the rejects file.
func (f finished) rejects(t *testing.T) []reject {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(f.out, "_rejects", f.name+".jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	var list []reject
	for line := range bytes.Lines(text) {
		var r reject
		if err := json.Unmarshal(line, &r); err != nil {
			t.Fatalf("rejects: %v: %s", err, line)
		}
		list = append(list, r)
	}
	return list
}

// exists tells whether the job left a file of that name in its output.
func (f finished) exists(name string) bool {
	_, err := os.Stat(filepath.Join(f.out, name))
	return err == nil
}

// wantOutput compares the output line by line and names the first that differs.
func (f finished) wantOutput(t *testing.T, want []string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(f.out, f.name))
	if err != nil {
		t.Fatal(err)
	}
	if string(text) == lines(want) {
		return
	}
	got := bytes.Split(bytes.TrimSuffix(text, []byte("\n")), []byte("\n"))
	for i := range min(len(got), len(want)) {
		if string(got[i]) != want[i] {
			t.Fatalf("output line %d:\n got %s\nwant %s", i+1, got[i], want[i])
		}
	}
	t.Fatalf("output has %d lines, want %d, or another end", len(got), len(want))
}
