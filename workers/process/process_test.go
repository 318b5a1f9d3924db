//go:build unix

package process

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/batchmill/batchmill/workers"
	"github.com/batchmill/batchmill/workers/hostlog"
)

// This program is the tests, the guard, and the processes that tests start.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case GuardCommand:
			os.Exit(Guard(os.Args[2:]))
		case "serve":
			serve(os.Args[2:])
		case "sleep":
			signal.Ignore(syscall.SIGTERM)
			time.Sleep(time.Hour)
		case "keep":
			keepForEver(os.Args[2:])
		}
	}
	goleak.VerifyTestMain(m)
}

// serve answers with its number and those of its children: with "daemons", of
// which one has left the group and neither ends at SIGTERM.
func serve(args []string) {
	pids := strconv.Itoa(os.Getpid())
	if len(args) > 0 {
		for _, attr := range []*syscall.SysProcAttr{nil, {Setsid: true}} {
			c := exec.Command("/proc/self/exe", "sleep")
			c.SysProcAttr = attr
			if err := c.Start(); err != nil {
				panic(err)
			}
			pids += " " + strconv.Itoa(c.Process.Pid)
		}
	}
	fmt.Println("it serves")
	panic(http.ListenAndServe("127.0.0.1:"+os.Getenv("SAGEMAKER_BIND_TO_PORT"), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, pids, os.Getenv("PORT"), r.Host, os.Getenv("MARK"))
	})))
}

// keepForEver is a batchmill that will be killed.
func keepForEver(args []string) {
	hosts, err := NewHosts(Options{Command: shellWords("/proc/self/exe", "serve", "daemons"), Logs: hostlog.At(args[0])})
	if err != nil {
		panic(err)
	}
	go func() {
		for range time.Tick(10 * time.Millisecond) {
			if resp, err := hosts[0].Invoke(context.Background(), &workers.Request{}); err == nil {
				_ = os.WriteFile(args[0]+"/pids.new", resp.Body, 0o600)
				_ = os.Rename(args[0]+"/pids.new", args[0]+"/pids")
				return
			}
		}
	}()
	panic(hosts[0].Keep(context.Background()))
}

func shellWords(words ...string) string {
	for i, w := range words {
		words[i] = "'" + w + "'"
	}
	return strings.Join(words, " ")
}

func onLinux(t *testing.T) {
	t.Helper()
	if _, err := os.Stat("/proc/self/exe"); err != nil {
		t.Skip("no /proc")
	}
}

// eventually polls: how long a process takes is nobody's promise.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(5 * time.Minute); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: not within minutes", what)
		}
	}
}

func gone(pid int) bool { return errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) }

func numbers(t *testing.T, text string) (pids []int) {
	t.Helper()
	for _, f := range strings.Fields(text) {
		n, err := strconv.Atoi(f)
		if err != nil {
			break
		}
		pids = append(pids, n)
	}
	return pids
}

// kept keeps hosts until the test ends or stop is called.
func kept(t *testing.T, o Options) (hosts []*Host, stop func()) {
	t.Helper()
	o.Logs = hostlog.At(t.TempDir())
	hosts, err := NewHosts(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for _, h := range hosts {
		wg.Go(func() {
			if err := h.Keep(ctx); !errors.Is(err, context.Canceled) {
				t.Errorf("%s: %v", h.Name(), err)
			}
			h.Close()
		})
	}
	stop = sync.OnceFunc(func() { cancel(); wg.Wait() })
	t.Cleanup(stop)
	return hosts, stop
}

func says(t *testing.T, h *Host) (text string) {
	t.Helper()
	eventually(t, h.Name(), func() bool {
		resp, err := h.Invoke(t.Context(), &workers.Request{})
		text = string(resp.Body)
		return err == nil
	})
	return text
}

func TestProcessesServeAndComeBack(t *testing.T) {
	onLinux(t)
	t.Setenv("MARK", "inherited")
	hosts, stop := kept(t, Options{Command: shellWords("/proc/self/exe", "serve"), Replicas: 2})
	var old []string
	var all []int
	for i, h := range hosts {
		if want := fmt.Sprintf("process://%d (exe)", i+1); h.Name() != want {
			t.Errorf("name is %q, want %q", h.Name(), want)
		}
		text := says(t, h)
		if !strings.Contains(text, " localhost inherited") {
			t.Errorf("it says %q", text)
		}
		old = append(old, text)
		all = append(all, numbers(t, text)[0])
	}
	if numbers(t, old[0])[1] == numbers(t, old[1])[1] {
		t.Errorf("one port for both: %q", old)
	}
	if group, err := syscall.Getpgid(all[0]); err != nil || group == syscall.Getpgrp() {
		t.Errorf("group %d, %v: a Ctrl-C would reach the process", group, err)
	}
	if err := syscall.Kill(all[0], syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, "another process", func() bool { return says(t, hosts[0]) != old[0] })
	all = append(all, numbers(t, says(t, hosts[0]))[0])
	stop()
	for _, pid := range all {
		eventually(t, "its end", func() bool { return gone(pid) })
	}
	log, err := os.ReadFile(filepath.Join(hosts[0].logs.Path(), "1.log"))
	if err != nil || bytes.Count(log, []byte("it serves")) != 2 || !bytes.Contains(log, []byte("signal 9 (killed), perhaps for want of memory")) {
		t.Errorf("the log is %q, %v", log, err)
	}
	if _, err := hosts[0].Ready(t.Context()); err == nil || !strings.Contains(err.Error(), "the job is over") {
		t.Errorf("ready says %v", err)
	}
}

// Whatever a process started goes with it, though it ignores SIGTERM and has
// left the group.
func TestNothingIsLeft(t *testing.T) {
	onLinux(t)
	hosts, stop := kept(t, Options{Command: shellWords("/proc/self/exe", "serve", "daemons")})
	pids := numbers(t, says(t, hosts[0]))[:3]
	stop()
	for _, pid := range pids { // already, when Keep has returned
		if !gone(pid) {
			t.Errorf("%d is left", pid)
		}
	}
}

// The same when batchmill is killed and can do nothing any more.
func TestNothingIsLeftOfTheKilled(t *testing.T) {
	onLinux(t)
	c, pids := keptElsewhere(t)
	if err := c.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	for _, pid := range pids {
		eventually(t, "the end of all", func() bool { return gone(pid) })
	}
}

// keptElsewhere starts another program that keeps a host, and gives the numbers
// of its processes.
func keptElsewhere(t *testing.T) (c *exec.Cmd, pids []int) {
	t.Helper()
	dir := t.TempDir()
	c = exec.Command("/proc/self/exe", "keep", dir)
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.Process.Kill() // it may be over
		_ = c.Wait()
	})
	eventually(t, "a start", func() bool {
		text, err := os.ReadFile(filepath.Join(dir, "pids"))
		pids = numbers(t, string(text))
		return err == nil
	})
	return c, pids[:3]
}

// TestDeafProcess: what is said of a process that listens elsewhere, or nowhere.
func TestDeafProcess(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	usual := l.Addr().(*net.TCPAddr).Port
	refused := errors.New("connection refused")
	for _, listens := range []bool{true, false} {
		err := deaf(t.Context(), refused, 23456, usual, 12*time.Second, "/out/host-1.log")
		for want, in := range map[string]bool{
			"connection refused: the process has run for 12s": true, "port 23456": true, "SAGEMAKER_BIND_TO_PORT and PORT": true,
			"its log is /out/host-1.log": true, fmt.Sprintf("a program listens on port %d", usual): listens,
		} {
			if !errors.Is(err, refused) || strings.Contains(err.Error(), want) != in {
				t.Errorf("listens %t: %v; %q should be in it: %t", listens, err, want, in)
			}
		}
		if err := l.Close(); listens && err != nil {
			t.Fatal(err)
		}
	}
}

func TestHowAProcessEnds(t *testing.T) {
	onLinux(t)
	plain := filepath.Join(t.TempDir(), "plain")
	if err := os.WriteFile(plain, []byte("no program\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		words []string
		want  string
		tail  string
		never bool
	}{
		{[]string{"sh", "-c", "echo one; echo two >&2; exit 3"}, "it ended with exit status 3", "one | two", false},
		{[]string{"sh", "-c", "kill -TERM $$"}, "signal 15 (terminated)", "", false},
		{[]string{"sh", "-c", "kill 0; sleep 1"}, "signal 15", "", false}, // the guard lives on
		{[]string{"sh", "-c", "cat; echo $PORT"}, "exit status 0", "123", false},
		{[]string{plain}, "exec format error", "", true},
		{[]string{"/nowhere/at-all"}, "no such file", "", true},
	} {
		log, err := hostlog.At(t.TempDir()).Open(1)
		if err != nil {
			t.Fatal(err)
		}
		err = runChild(t.Context(), "batchmill", c.words, 123, log)
		never, ok := errors.AsType[*startError](err)
		if err == nil || !strings.Contains(err.Error(), c.want) || log.Tail() != c.tail || ok != c.never {
			t.Errorf("%q: %v, %v, %q", c.words, err, never, log.Tail())
		}
		if err := log.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestPausesGrowUntilItIsGivenUp(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		h := faked(t, dir)
		var starts []time.Duration
		began := time.Now()
		h.run = func(_ context.Context, port int, log *hostlog.Log) error {
			if port == 0 || h.port != port {
				t.Errorf("port %d, %d", port, h.port)
			}
			starts = append(starts, time.Since(began))
			fmt.Fprintf(log, "start %d\nno model\n", len(starts))
			if len(starts) == 3 {
				time.Sleep(steadyRun) // in which it never answers: that does not count
			}
			return errors.New("exit status 3")
		}
		err := h.Keep(t.Context())
		want := "process://1 (sh): given up after 6 starts: exit status 3: its last lines: start 6 | no model: look into " + dir + "/1.log, and run the command by itself"
		if gaveUp, ok := errors.AsType[*gaveUpError](err); !ok || gaveUp.Error() != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
		ms := time.Millisecond
		if got, want := fmt.Sprint(starts), fmt.Sprint([]time.Duration{0, 100 * ms, 300 * ms, steadyRun + 700*ms, steadyRun + 1500*ms, steadyRun + 3100*ms}); got != want {
			t.Errorf("starts at %s, want %s", got, want)
		}
		if _, err := h.Ready(t.Context()); err == nil || !strings.Contains(err.Error(), "given up after 6") {
			t.Errorf("ready says %v", err)
		}
	})
}

func TestGoodTimesCountAnew(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		h := faked(t, dir)
		ctx, cancel := context.WithCancel(t.Context())
		starts := 0
		h.run = func(context.Context, int, *hostlog.Log) error {
			if starts++; starts == 20 {
				cancel()
			}
			if starts%5 == 0 {
				h.answered.Store(true)
				time.Sleep(steadyRun)
			}
			return errors.New("exit status 3")
		}
		if err := h.Keep(ctx); !errors.Is(err, context.Canceled) || starts != 20 {
			t.Errorf("%d starts, %v", starts, err)
		}
	})
}

// A process that cannot be started will not be startable the next time.
func TestNeverStarted(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		h := faked(t, dir)
		h.run = func(context.Context, int, *hostlog.Log) error { return &startError{"exec format error"} }
		if err := h.Keep(t.Context()); err == nil || !strings.Contains(err.Error(), "given up after 1 start: it cannot be started: exec format error") {
			t.Error(err)
		}
	})
}

func faked(t *testing.T, dir string) *Host {
	t.Helper()
	hosts, err := NewHosts(Options{Command: "sh -c 'hunter2'", Logs: hostlog.At(dir)})
	if err != nil {
		t.Fatal(err)
	}
	if text := fmt.Sprintf("%v %+v %s", hosts[0], hosts[0], hosts[0].Name()); strings.Contains(text, "hunter2") {
		t.Errorf("arguments are shown: %s", text)
	}
	t.Cleanup(hosts[0].Close)
	return hosts[0]
}

func TestOptionsAreChecked(t *testing.T) {
	for line, want := range map[string]string{
		"": "no program", "no-such-program --x": "sh -c", "/dev/null": "permission denied", "sh '": "not closed", "A=1 serve": "A=1",
	} {
		if _, err := NewHosts(Options{Command: line}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", line, err)
		}
	}
	if _, err := NewHosts(Options{Command: "sh", Replicas: -1}); err == nil {
		t.Error("-1 replicas")
	}
}

func TestGuardByHand(t *testing.T) {
	onLinux(t)
	c := exec.Command("/proc/self/exe", GuardCommand)
	text, err := c.CombinedOutput()
	if exit, ok := errors.AsType[*exec.ExitError](err); !ok || exit.ExitCode() != 64 || !bytes.Contains(text, []byte("--command")) {
		t.Errorf("%v: %s", err, text)
	}
}

// TestPortsAreNobodyElses: no port of a process is one that the system gives to programs
// which ask for any port, and no two processes have the same.
func TestPortsAreNobodyElses(t *testing.T) {
	p := &ports{taken: map[int]bool{}}
	seen := map[int]bool{}
	for range 300 {
		port, err := p.reserve()
		if err != nil {
			t.Fatal(err)
		}
		if seen[port] || port < lowestPort || port > highestPort {
			t.Errorf("port %d (given before: %v), want one of %d to %d", port, seen[port], lowestPort, highestPort)
		}
		seen[port] = true
	}
	if want, _ := freePort(0); want >= lowestPort && want <= highestPort {
		t.Logf("this system gives out port %d, too", want)
	}
}
