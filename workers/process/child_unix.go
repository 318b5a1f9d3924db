//go:build unix

package process

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
)

// supported says why this system cannot start processes; nil where it can.
func supported() error { return nil }

// runChild runs words as a process that listens on port and prints to out, until the
// process or ctx ends. The error says how the process ended, or is that of ctx. When
// runChild returns, nothing is left of the process.
func runChild(ctx context.Context, program string, words []string, port int, out io.Writer) error {
	exe, err := self()
	if err != nil {
		return err
	}
	status, said, err := os.Pipe()
	if err != nil {
		return err
	}
	defer status.Close()
	number := strconv.Itoa(port)
	guard := exec.CommandContext(ctx, exe)
	guard.Args = append([]string{program, GuardCommand}, words...)
	guard.Env = append(os.Environ(), "SAGEMAKER_BIND_TO_PORT="+number, "PORT="+number)
	guard.Stdout, guard.Stderr, guard.ExtraFiles = out, out, []*os.File{said}
	guard.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	leash, err := guard.StdinPipe()
	if err == nil {
		// When ctx ends, Cancel closes the leash and the guard ends the process; a guard
		// that has not ended after WaitDelay is killed.
		guard.Cancel, guard.WaitDelay = leash.Close, stopTime+2*killTime
		err = guard.Start()
	}
	if err = errors.Join(err, said.Close()); err != nil {
		return err
	}
	line, _ := bufio.NewReader(io.LimitReader(status, 4<<10)).ReadString('\n')
	ended := guard.Wait()
	if guard.ProcessState == nil || !guard.ProcessState.Exited() { // the guard was killed, and the rest of its group was not
		_ = syscall.Kill(-guard.Process.Pid, syscall.SIGKILL)
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return howItEnded(strings.TrimSpace(line), ended)
}

// howItEnded says how the process ended, from the line of the guard.
func howItEnded(line string, guard error) error {
	if text, ok := strings.CutPrefix(line, saidNotStarted); ok {
		return &startError{text}
	}
	if text, ok := strings.CutPrefix(line, saidEnded); ok {
		if strings.HasPrefix(text, "signal 9 ") {
			text += ", perhaps for want of memory"
		}
		return errors.New("it ended with " + text)
	}
	if guard == nil {
		return errors.New("its guard ended without a word")
	}
	return fmt.Errorf("its guard ended: %w", guard)
}
