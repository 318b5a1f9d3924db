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
)

// Guard runs words as a process, and is the whole life of the program that
// calls it: it returns that program's exit code. It ends when the process does,
// or when stdin does, and then nothing is left of what the process started:
// SIGTERM to the group, SIGKILL after 5 seconds. On Linux that includes what
// has left the group. How the process ended is said on file descriptor 3.
//
// The process gets stdout, stderr and the environment, and an empty stdin.
func Guard(words []string) int {
	syscall.CloseOnExec(statusFile)
	status := os.NewFile(statusFile, "status")
	if len(words) == 0 || status == nil {
		fmt.Fprintln(os.Stderr, "batchmill guard: it is started by batchmill, for --command")
		return 64
	}
	// The group gets SIGTERM, and this program is in it. A signal that is
	// ignored would be ignored by the process too; one that is caught is not.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGQUIT)
	runtime.LockOSThread() // dieWithParent is about the thread that starts the process
	adoptOrphans()
	pid, err := begin(words)
	if err != nil {
		fmt.Fprintln(status, saidNotStarted+err.Error())
		return 1
	}
	ended, gone := make(chan string, 1), make(chan struct{})
	go reap(pid, ended, gone)
	select {
	case how := <-ended:
		fmt.Fprintln(status, saidEnded+how)
	case <-endOf(os.Stdin):
	}
	endGroup(gone)
	return 0
}

func begin(words []string) (pid int, err error) {
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

// endOf is closed when nothing more can come from f: its writer is dead.
func endOf(f *os.File) <-chan struct{} {
	end := make(chan struct{})
	go func() {
		_, _ = io.Copy(io.Discard, f)
		close(end)
	}()
	return end
}

// reap waits for all children, adopted ones too, says how the one with the
// number pid ended, and closes gone when there is none any more.
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

// endGroup ends all that is left.
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
