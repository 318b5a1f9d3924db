//go:build unix

package process

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"syscall"
	"time"

	"github.com/batchmill/batchmill/internal/caught"
)

// Guard runs words as a process, and returns the exit code of the program that calls
// Guard, which does nothing else. Guard returns when the process ends or stdin does,
// and leaves no process that the process started: the group gets SIGTERM, and SIGKILL
// after 5 seconds. On Linux, processes that have left the group end too. Guard says
// on file descriptor 3 how the process ended.
//
// The process gets stdout, stderr and the environment, and an empty stdin.
func Guard(words []string) int {
	syscall.CloseOnExec(statusFile)
	status := os.NewFile(statusFile, "status")
	if len(words) == 0 || status == nil {
		fmt.Fprintln(os.Stderr, "batchmill guard: it is started by batchmill, for --command")
		return 64
	}
	// The group that gets SIGTERM includes this program, so the signal is caught. The
	// process would inherit an ignored signal, but does not inherit a caught one.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGQUIT)
	runtime.LockOSThread() // dieWithParent holds for the thread that starts the process
	adoptOrphans()
	pid, err := startProcess(words)
	if err != nil {
		fmt.Fprintln(status, saidNotStarted+err.Error())
		return 1
	}
	ended, gone := make(chan string, 1), make(chan struct{})
	caught.Start(func() { reap(pid, ended, gone) })
	select {
	case how := <-ended:
		fmt.Fprintln(status, saidEnded+how)
	case <-closedAtEnd(os.Stdin):
	}
	endGroup(gone)
	return 0
}

func startProcess(words []string) (pid int, err error) {
	program, err := exec.LookPath(words[0])
	if err != nil {
		return 0, err
	}
	null, err := os.Open(os.DevNull)
	if err != nil {
		return 0, err
	}
	defer null.Close()
	pid, err = syscall.ForkExec(program, words, &syscall.ProcAttr{Env: os.Environ(),
		Files: []uintptr{null.Fd(), 1, 2}, Sys: dieWithParent()})
	if err != nil {
		return 0, fmt.Errorf("%s: %w", program, err)
	}
	return pid, nil
}

// closedAtEnd returns a channel that is closed at the end of f: its writer is dead.
func closedAtEnd(f *os.File) <-chan struct{} {
	end := make(chan struct{})
	caught.Start(func() {
		_, _ = io.Copy(io.Discard, f)
		close(end)
	})
	return end
}

// reap waits for all children, adopted ones included, says how the child pid ended,
// and closes gone when no child is left.
func reap(pid int, ended chan<- string, gone chan<- struct{}) {
	for {
		var s syscall.WaitStatus
		child, err := syscall.Wait4(-1, &s, 0, nil)
		switch {
		case errors.Is(err, syscall.EINTR):
		case err != nil: // ECHILD
			close(gone)
			return
		case child == pid && s.Signaled():
			ended <- fmt.Sprintf("signal %d (%s)", int(s.Signal()), s.Signal())
		case child == pid:
			ended <- fmt.Sprintf("exit status %d", s.ExitStatus())
		}
	}
}

// endGroup ends all processes that are left.
func endGroup(gone <-chan struct{}) {
	group := syscall.Getpgrp()
	_ = syscall.Kill(-group, syscall.SIGTERM)
	until := time.NewTimer(stopTime)
	defer until.Stop()
	select {
	case <-gone:
		return
	case <-until.C:
	}
	for end := time.Now().Add(killTime); time.Now().Before(end); {
		killChildren()
		select {
		case <-gone:
			return
		case <-time.After(20 * time.Millisecond):
		}
	}
	_ = syscall.Kill(-group, syscall.SIGKILL) // this program included
}
