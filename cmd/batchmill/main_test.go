package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"sync"
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

// hang is when a test gives up what it waits for. It says nothing about how long
// that may take.
const hang = 5 * time.Minute

func TestMain(m *testing.M) {
	if signal.Ignored(os.Interrupt) { // as in the background of a shell; programs that are started would ignore it too
		signal.Notify(make(chan os.Signal, 1), os.Interrupt)
	}
	testscript.Main(leakChecked{m}, map[string]func(){"batchmill": main})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits, "refhost": refhost, "asked": asked, "plainhost": plainhost, "askedsofar": askedSoFar, "mark": mark, "release": release,
			"bucket": bucket, "s3put": s3put, "s3get": s3get, "s3begin": s3begin, "s3holds": s3holds, "write": write, "replace": replace, "packs": packs, "begins": begins,
		},
		Condition: condition,
		Setup: func(env *testscript.Env) error {
			env.Values[hostKey{}] = &scriptHost{released: make(chan struct{})}
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

// scriptHost counts what the script's host was asked, and checks its header. It
// holds invocations back until the script releases them: a job is in the midst of
// its work however slow the machine is.
type scriptHost struct {
	mu       sync.Mutex // guards all but header
	requests int64
	seen     []string // what was asked since the last mark
	marked   int64    // what requests was at the last mark
	started  bool
	header   string        // NAME: VALUE that every invocation must carry
	next     http.Handler  // another one when the model is mended
	free     int64         // invocations until they are held back; negative: they never are
	released chan struct{} // closed when what is held now may go on
}

func (h *scriptHost) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		h.now().ServeHTTP(w, r)
		return
	}
	next, held := h.enter(r)
	if held != nil {
		payload, _ := io.ReadAll(r.Body) // until then the server does not see that the client has left
		r.Body = io.NopCloser(bytes.NewReader(payload))
		select {
		case <-held:
		case <-r.Context().Done():
		}
	}
	if name, value, ok := strings.Cut(h.header, ": "); ok && r.Header.Get(name) != value {
		http.Error(w, "wrong token", http.StatusUnauthorized)
		return
	}
	next.ServeHTTP(w, r)
}

// enter counts an invocation. What answers it has to wait until held is closed, if
// there is such a channel.
func (h *scriptHost) enter(r *http.Request) (next http.Handler, held chan struct{}) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.requests++
	h.seen = append(h.seen, fmt.Sprintf("%s %s, %s, from %s for %s", time.Now().Format("15:04:05.000"), r.URL.Path, r.Header.Get("Idempotency-Key"), r.RemoteAddr, r.Host))
	switch {
	case h.free == 0:
		held = h.released
	case h.free > 0:
		h.free--
	}
	return h.next, held
}

func (h *scriptHost) now() http.Handler {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.next
}

// asked is how many invocations there were since the last mark.
func (h *scriptHost) asked() int64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.requests - h.marked
}

// log is what was asked since the last mark, a line each.
func (h *scriptHost) log() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return strings.Join(h.seen, "\n")
}

// serve starts the script's host and sets $HOST. Later calls replace what it
// answers with.
func (h *scriptHost) serve(ts *testscript.TestScript, next http.Handler, free int64) {
	h.mu.Lock()
	started := h.started
	h.started, h.next, h.free = true, next, free
	h.mu.Unlock()
	if started {
		return
	}
	s, err := startHost("127.0.0.1:0", h)
	ts.Check(err)
	ts.Defer(s.close)
	ts.Setenv("HOST", s.url)
}

// refhost [bad=TEXT] [holds=N] [objects] [header=NAME:VALUE] starts a reference host.
// After N invocations it holds each back until it is released.
func refhost(ts *testscript.TestScript, _ bool, args []string) {
	h := ts.Value(hostKey{}).(*scriptHost)
	var o reference.Options
	free := int64(-1)
	for _, arg := range args {
		name, value, _ := strings.Cut(arg, "=")
		switch name {
		case "bad":
			o.BadValue = value
		case "holds":
			var err error
			free, err = strconv.ParseInt(value, 10, 64)
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
	h.serve(ts, model, free)
}

// release lets the invocations go on that are held back now. Later ones are held
// back until the next release, or until refhost says otherwise.
func release(ts *testscript.TestScript, _ bool, _ []string) {
	h := ts.Value(hostKey{}).(*scriptHost)
	h.mu.Lock()
	defer h.mu.Unlock()
	close(h.released)
	h.released = make(chan struct{})
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
	}), -1)
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
	if got := h.asked(); (least <= got && got <= most) == neg {
		ts.Fatalf("the host was asked %d times:\n%s", got, h.log())
	}
}

// mark begins a new count of invocations.
func mark(ts *testscript.TestScript, _ bool, _ []string) {
	h := ts.Value(hostKey{}).(*scriptHost)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.marked, h.seen = h.requests, nil
}

// askedsofar N waits until the host has seen so many invocations since the last mark.
func askedSoFar(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.ParseInt(args[0], 10, 64)
	ts.Check(err)
	h := ts.Value(hostKey{}).(*scriptHost)
	for until := time.Now().Add(hang); h.asked() < want; {
		if time.Now().After(until) {
			ts.Fatalf("the host was asked %d times in %v", h.asked(), hang)
		}
		time.Sleep(time.Millisecond) // the other process is real, and so is its time
	}
}
