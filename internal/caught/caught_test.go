package caught_test

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/batchmill/batchmill/internal/caught"
)

const canary = "record-canary-8c1f"

// panics are ways to panic, and what may be told of each.
var panics = map[string]struct {
	f    func()
	want string
}{
	"index":   {func() { _ = []byte(canary)[len(os.Args)+100] }, "index out of range"},
	"pointer": {func() { var p *caught.Panic; _ = p.Stack[0] }, "nil pointer"},
	"type":    {func() { _ = any(canary).(error) }, "string is not error"},
	"text":    {func() { panic("cannot read " + canary) }, "panic with a string"},
	"error":   {func() { panic(errors.New(canary)) }, "panic with a *errors.errorString"},
	"nil":     {func() { panic(nil) }, "nil argument"},
}

func TestPanicIsAnErrorWithoutData(t *testing.T) {
	for name, c := range panics {
		var g errgroup.Group
		caught.Go(&g, func() error { c.f(); return nil })
		for how, err := range map[string]error{
			"Err": caught.Err(func() error { c.f(); return nil }),
			"Go":  g.Wait(),
		} {
			var p *caught.Panic
			if !errors.As(err, &p) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s, %s: %v, want a panic that says %q", name, how, err, c.want)
				continue
			}
			if all := err.Error() + string(p.Stack); strings.Contains(all, canary) || !strings.Contains(all, "caught_test.go") {
				t.Errorf("%s, %s: data, or no place, in %s", name, how, all)
			}
		}
	}
}

func TestWithoutPanicNothingChanges(t *testing.T) {
	want := errors.New("plain")
	if got := caught.Err(func() error { return want }); got != want {
		t.Errorf("got %v, want %v", got, want)
	}
	ran := false
	caught.Run(func() { ran = true })
	if !ran {
		t.Error("Run did not run")
	}
}

// A panic that no error can tell of ends the process: as SetLast says, and as Go does
// without it.
func TestLast(t *testing.T) {
	if how := os.Getenv("CAUGHT_TEST"); how != "" {
		if how == "set" {
			caught.SetLast(func(p *caught.Panic) { os.Exit(7) })
		}
		var wg sync.WaitGroup
		caught.In(&wg, func() { caught.Run(func() { panic(canary) }) })
		wg.Wait()
		os.Exit(0)
	}
	for how, want := range map[string]int{"set": 7, "unset": 2} {
		cmd := exec.Command(os.Args[0], "-test.run=^TestLast$")
		cmd.Env = append(os.Environ(), "CAUGHT_TEST="+how)
		_, err := cmd.Output()
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.ExitCode() != want {
			t.Errorf("%s: %v, want exit code %d", how, err, want)
		}
	}
}
