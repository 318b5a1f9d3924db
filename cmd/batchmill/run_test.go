package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/batchmill/batchmill/internal/sink"
	"github.com/batchmill/batchmill/transform"
	"github.com/batchmill/batchmill/transform/job"
	"github.com/batchmill/batchmill/transform/ledger"
	"github.com/batchmill/batchmill/transform/manifest"
	"github.com/batchmill/batchmill/transform/store"
	"github.com/batchmill/batchmill/workers"
)

// console is a program in this process.
type console struct {
	app
	out, err bytes.Buffer
	sent     chan os.Signal
	released bool
}

func newConsole() *console {
	c := &console{sent: make(chan os.Signal, 1)}
	c.app = app{program: "batchmill", stdout: &c.out, stderr: sink.New(&c.err), signals: c.sent,
		lookupEnv: func(string) (string, bool) { return "", false },
		width:     func() int { return 0 },
		release:   func() { c.released = true }}
	return c
}

func TestExitCodes(t *testing.T) {
	failure := func(c job.Class) error {
		return fmt.Errorf("x: %w", &job.Failure{Class: c, Err: errors.New("y")})
	}
	for _, c := range []struct {
		err  error
		want int
	}{
		{nil, 0}, {errors.New("what"), 1}, {failure(job.Internal), 1},
		{&partly{exitPartly}, 3}, {&partly{exitInput}, 65},
		{failure(job.Usage), 64}, {&workers.AllDroppedError{}, 64},
		{failure(job.BadInput), 65},
		{failure(job.NoHosts), 69}, {&workers.UnavailableError{}, 69},
		{failure(job.Storage), 74}, {&store.Error{Op: "write", Err: syscall.ENOSPC}, 74},
		{failure(job.Superseded), 75}, {&store.Error{Op: "lock", Err: store.ErrLocked}, 75},
		{stopped(&signalError{os.Interrupt}, context.Canceled), 130},
		{stopped(&signalError{syscall.SIGTERM}, context.Canceled), 143},
	} {
		if got := exitCode(c.err); got != c.want {
			t.Errorf("%v: exit code %d, want %d", c.err, got, c.want)
		}
		if !strings.Contains(exitHelp, fmt.Sprintf(" %d  ", c.want)) {
			t.Errorf("help does not tell exit code %d", c.want)
		}
	}
}

func TestEndOfJob(t *testing.T) {
	result := func(rejected int64, statuses ...manifest.Status) *transform.Result {
		r := &transform.Result{Summary: ledger.Summary{Manifest: &manifest.Manifest{}}}
		for _, s := range statuses {
			r.Objects.Add(s)
		}
		r.Manifest.Totals.Rejected = rejected
		return r
	}
	broken := result(0, manifest.Failed)
	broken.Storage = errors.New("disk full")
	for _, c := range []struct {
		r    *transform.Result
		want int
	}{
		{result(0, manifest.Published, manifest.Published), 0},
		{result(1, manifest.Published), 3},
		{result(0, manifest.Published, manifest.Failed), 3},
		{result(1, manifest.Held), 3},
		{result(1, manifest.Held, manifest.Failed), 3},
		{result(0, manifest.Failed, manifest.Failed), 65},
		{result(0), 0},
		{broken, 74},
	} {
		if got := exitCode(endOf(c.r)); got != c.want {
			t.Errorf("%+v: exit code %d, want %d", c.r.Objects, got, c.want)
		}
	}
}

// A job file's names are the flags' and those of the spec: none more, none less.
func TestFlagsAreTheSpec(t *testing.T) {
	want := []string{"progress", "metrics", "dry-run"}
	spec := reflect.TypeFor[job.Spec]()
	for i := range spec.NumField() {
		name, _, _ := strings.Cut(spec.Field(i).Tag.Get("yaml"), ",")
		want = append(want, name)
	}
	got := flagNames(new(options).flags())
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("flags %q\nspec  %q", got, want)
	}
}

// A signal ends the job, keeps its answers, and tells how to go on; the next
// signal is the system's business.
func TestSignals(t *testing.T) {
	for _, c := range []struct {
		signal os.Signal
		want   int
	}{{os.Interrupt, 130}, {syscall.SIGTERM, 143}} {
		asked := make(chan struct{})
		var once sync.Once
		host, err := startHost("127.0.0.1:0", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodPost {
				once.Do(func() { close(asked) })
				_, _ = io.Copy(io.Discard, r.Body) // only then does the server see who leaves
				<-r.Context().Done()
			}
		}))
		if err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		in, out := filepath.Join(dir, "in.csv"), filepath.Join(dir, "out")
		if err := os.WriteFile(in, []byte("1,2\n3,4\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		con := newConsole()
		go func() { <-asked; con.sent <- c.signal }()
		code := con.run(t.Context(), []string{"run", "--input", in, "--output", out, "--host", host.url, "--grace", "20ms", "--restart"})
		host.close()
		if code != c.want || !con.released {
			t.Errorf("%v: exit code %d, want %d; released %t; %s", c.signal, code, c.want, con.released, con.err.String())
		}
		if want := "to continue: batchmill run --input " + in + " --output " + out + " --host " + host.url + " --grace 20ms\n"; !strings.Contains(con.err.String(), want) {
			t.Errorf("no %q in %q", want, con.err.String())
		}
		if _, err := os.Stat(filepath.Join(out, "in.csv")); err == nil {
			t.Error("an output of an interrupted job is visible")
		}
	}
}

// interrupted is an output that sends SIGINT when a host says where it listens.
type interrupted struct{ *console }

func (i interrupted) Write(p []byte) (int, error) {
	if bytes.Contains(p, []byte("listening on")) {
		i.sent <- os.Interrupt
	}
	return i.out.Write(p)
}

func TestHostStopsOnSignal(t *testing.T) {
	con := newConsole()
	con.stdout = interrupted{con}
	if code := con.run(t.Context(), []string{"host", "--listen", "127.0.0.1:0"}); code != 130 {
		t.Errorf("exit code %d: %s", code, con.err.String())
	}
	if !strings.Contains(con.out.String(), "listening on http://127.0.0.1:") {
		t.Errorf("stdout: %q", con.out.String())
	}
}

func TestLoopbackHostChecksNames(t *testing.T) {
	ok := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	host, err := startHost("127.0.0.1:0", ok)
	if err != nil {
		t.Fatal(err)
	}
	defer host.close()
	defer http.DefaultClient.CloseIdleConnections()
	for name, want := range map[string]int{"": 200, "localhost:80": 200, "[::1]:80": 200, "evil.example": 421, "evil.example:8080": 421, "10.0.0.1": 421} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, host.url, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Host = name
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("Host %q: status %d, want %d", name, resp.StatusCode, want)
		}
	}
}

func TestDemo(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "demo")
	var first []byte
	for range 2 {
		con := newConsole()
		if err := con.demo(t.Context(), dir, 300); err != nil {
			t.Fatalf("%v\n%s%s", err, con.out.String(), con.err.String())
		}
		for _, want := range []string{"answers     1,199   rejects 1   written 1,200", "note,prediction\n", demoPoison, "exit code 3"} {
			if !strings.Contains(con.out.String(), want) {
				t.Errorf("no %q in:\n%s", want, con.out.String())
			}
		}
		joined, err := os.ReadFile(filepath.Join(dir, "output", "readings-2.csv"))
		if err != nil {
			t.Fatal(err)
		}
		if first != nil && !bytes.Equal(first, joined) {
			t.Error("the second demo gave other bytes")
		}
		first = joined
	}
	if !bytes.Contains(first, []byte("drifts, see log:\nrecalibrated")) {
		t.Error("no quoted newline in the demo's data")
	}
}

func TestDemoTouchesNothingElse(t *testing.T) {
	dir := t.TempDir()
	mine := filepath.Join(dir, "output")
	if err := os.Mkdir(mine, 0o700); err != nil {
		t.Fatal(err)
	}
	con := newConsole()
	if code := con.run(t.Context(), []string{"demo", "--dir", dir}); code != exitUsage {
		t.Errorf("exit code %d", code)
	}
	if _, err := os.Stat(mine); err != nil {
		t.Error(err)
	}
}
