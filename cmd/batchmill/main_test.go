package main

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"go.uber.org/goleak"

	"github.com/batchmill/batchmill/workers/reference"
)

// leakChecked runs the tests, then looks for goroutines that are left.
type leakChecked struct{ m *testing.M }

func (l leakChecked) Run() int {
	code := l.m.Run()
	if err := stopGateway(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

func TestMain(m *testing.M) {
	testscript.Main(leakChecked{m}, map[string]func(){"batchmill": main})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits, "refhost": refhost, "asked": asked, "plainhost": plainhost, "askedsofar": askedSoFar, "mark": mark,
			"bucket": bucket, "s3put": s3put, "s3get": s3get, "s3begin": s3begin, "s3holds": s3holds, "write": write, "replace": replace,
		},
		Condition: condition,
		Setup: func(env *testscript.Env) error {
			env.Values[hostKey{}] = new(scriptHost)
			env.Values[bucketsKey{}] = buckets{}
			return nil
		},
	})
}

// exits CODE ARGS... runs batchmill and checks its exit code.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 {
		ts.Fatalf("usage: exits CODE ARGS...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec("batchmill", args[1:]...)
	got := 0
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("batchmill %s: exit code %d, want %d", strings.Join(args[1:], " "), got, want)
	}
}

type hostKey struct{}

// scriptHost counts what the script's host was asked, and checks its header.
type scriptHost struct {
	requests atomic.Int64
	marked   int64 // what requests was at the last mark
	started  bool
	header   string                       // NAME: VALUE that every invocation must carry
	next     atomic.Pointer[http.Handler] // another one when the model is mended
}

func (h *scriptHost) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodPost {
		h.requests.Add(1)
		if name, value, ok := strings.Cut(h.header, ": "); ok && r.Header.Get(name) != value {
			http.Error(w, "wrong token", http.StatusUnauthorized)
			return
		}
	}
	(*h.next.Load()).ServeHTTP(w, r)
}

// serve starts the script's host and sets $HOST. Later calls replace what it
// answers with.
func (h *scriptHost) serve(ts *testscript.TestScript, next http.Handler) {
	h.next.Store(&next)
	if h.started {
		return
	}
	h.started = true
	s, err := startHost("127.0.0.1:0", h)
	ts.Check(err)
	ts.Defer(s.close)
	ts.Setenv("HOST", s.url)
}

// refhost [bad=TEXT] [latency=TIME] [objects] [header=NAME:VALUE] starts a reference host.
func refhost(ts *testscript.TestScript, _ bool, args []string) {
	h := ts.Value(hostKey{}).(*scriptHost)
	var o reference.Options
	for _, arg := range args {
		name, value, _ := strings.Cut(arg, "=")
		switch name {
		case "bad":
			o.BadValue = value
		case "latency":
			var err error
			o.Latency, err = time.ParseDuration(value)
			ts.Check(err)
		case "objects":
			o.Objects = true
		case "header":
			h.header = strings.Replace(value, ":", ": ", 1)
		default:
			ts.Fatalf("refhost: unknown %q", arg)
		}
	}
	model, err := reference.New(o)
	ts.Check(err)
	h.serve(ts, model)
}

// plainhost STATUS BODY starts a host that always answers so.
func plainhost(ts *testscript.TestScript, _ bool, args []string) {
	status, err := strconv.Atoi(args[0])
	ts.Check(err)
	ts.Value(hostKey{}).(*scriptHost).serve(ts, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/ping" {
			return
		}
		if r.Method != http.MethodPost {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", "text/csv")
		w.WriteHeader(status)
		_, _ = w.Write([]byte(strings.ReplaceAll(args[1], `\n`, "\n")))
	}))
}

// asked N checks how many invocations the host has seen since the last mark; !
// asked 0 that there were some; asked N M that there were at least N and at most M.
func asked(ts *testscript.TestScript, neg bool, args []string) {
	least, err := strconv.ParseInt(args[0], 10, 64)
	ts.Check(err)
	most := least
	if len(args) > 1 {
		most, err = strconv.ParseInt(args[1], 10, 64)
		ts.Check(err)
	}
	h := ts.Value(hostKey{}).(*scriptHost)
	if got := h.requests.Load() - h.marked; (least <= got && got <= most) == neg {
		ts.Fatalf("the host was asked %d times", got)
	}
}

// mark begins a new count of invocations.
func mark(ts *testscript.TestScript, _ bool, _ []string) {
	h := ts.Value(hostKey{}).(*scriptHost)
	h.marked = h.requests.Load()
}

// askedsofar N waits until the host has seen so many invocations since the last mark.
func askedSoFar(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.ParseInt(args[0], 10, 64)
	ts.Check(err)
	h := ts.Value(hostKey{}).(*scriptHost)
	for until := time.Now().Add(time.Minute); h.requests.Load()-h.marked < want; {
		if time.Now().After(until) {
			ts.Fatalf("the host was asked %d times in a minute", h.requests.Load()-h.marked)
		}
		time.Sleep(time.Millisecond) // the other process is real, and so is its time
	}
}
