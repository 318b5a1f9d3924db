//go:build unix

package crashtest

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"go.uber.org/goleak"

	"github.com/batchmill/batchmill/transform"
	"github.com/batchmill/batchmill/transform/job"
	"github.com/batchmill/batchmill/transform/plan"
	"github.com/batchmill/batchmill/transform/store"
	"github.com/batchmill/batchmill/workers"
)

var full = flag.Bool("crash.full", false, "try every instant, every error, and longer jobs")

// orderEnv holds the order of a process that is to run a job and be killed.
const orderEnv = "BATCHMILL_CRASH_ORDER"

// order is what a process is to do.
type order struct {
	Spec  job.Spec `json:"spec"`
	Retry bool     `json:"retry"`
	At    int64    `json:"at"` // the instant at which it kills itself
}

func TestMain(m *testing.M) {
	if text := os.Getenv(orderEnv); text != "" {
		os.Exit(obey(text))
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		results.print(os.Stdout)
		os.Exit(code)
	}))
}

// obey runs the job of an order, unless it gets killed by it. What is wrong with
// the job itself goes to stderr, and is exit code 1.
func obey(text string) int {
	var o order
	if err := json.Unmarshal([]byte(text), &o); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	r := runner{spec: o.Spec, retry: o.Retry, output: func(d *store.Disk) store.Store {
		return &trap{disk: d, at: o.At, spring: die, dies: true}
	}}
	if _, err := r.run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// die kills this process at once, with nothing flushed and nothing closed. It
// says on stderr where that is.
func die(i instant) error {
	fmt.Fprint(os.Stderr, i)
	_ = syscall.Kill(syscall.Getpid(), syscall.SIGKILL)
	select {}
}

// killAt runs the job in a process of its own that kills itself at an instant.
// It returns where that is, or "" when the process completed the job before.
func killAt(t *testing.T, o order) string {
	t.Helper()
	text, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self)
	cmd.Env = append(os.Environ(), orderEnv+"="+string(text), "GORACE=atexit_sleep_ms=0") // else it waits a second at its end
	said, err := cmd.CombinedOutput()
	if err == nil {
		return ""
	}
	if !killed(err) {
		t.Fatalf("instant %d: the process ended with %v: %s", o.At, err, strings.TrimSpace(string(said)))
	}
	return string(said)
}

// killed tells whether err is the end of a process by SIGKILL.
func killed(err error) bool {
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return false
	}
	status, ok := exit.Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && status.Signal() == syscall.SIGKILL
}

// runner runs a job in this process as the command line does.
type runner struct {
	spec  job.Spec
	retry bool
	// input and output wrap the stores; nil leaves them alone.
	input, output func(*store.Disk) store.Store
}

func (r runner) run(ctx context.Context) (*transform.Result, error) {
	if err := r.spec.Validate(); err != nil {
		return nil, err
	}
	in, err := plan.OpenInputs(ctx, &r.spec)
	if err != nil {
		return nil, err
	}
	out, err := plan.OpenOutput(ctx, &r.spec)
	if err != nil {
		return nil, err
	}
	defer out.(*store.Disk).Close()
	for i := range in {
		disk := in[i].Store.(*store.Disk)
		defer disk.Close()
		if r.input != nil {
			in[i].Store = r.input(disk)
		}
	}
	if r.output != nil {
		out = r.output(out.(*store.Disk))
	}
	plan, err := plan.New(ctx, r.spec, in, out, nil)
	if err != nil {
		return nil, err
	}
	defer plan.Close()
	if r.retry {
		plan.RetryRejects = true
	}
	host, err := workers.NewHTTPHost(workers.HTTPOptions{URL: r.spec.Hosts[0]})
	if err != nil {
		return nil, err
	}
	defer host.Close()
	return transform.Run(ctx, plan, workers.Fleet{Hosts: []workers.Host{host}}, new(transform.Progress))
}
