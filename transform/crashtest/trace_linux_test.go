package crashtest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// calls are the system calls that change what is on a disk, or lock it. A kill
// at any other call leaves what a kill at the next of these does.
var calls = map[uint64]string{
	unix.SYS_OPENAT: "openat", unix.SYS_WRITE: "write", unix.SYS_PWRITE64: "pwrite", unix.SYS_FTRUNCATE: "ftruncate", unix.SYS_FSYNC: "fsync",
	unix.SYS_RENAMEAT: "renameat", unix.SYS_RENAMEAT2: "renameat2", unix.SYS_LINKAT: "linkat", unix.SYS_UNLINKAT: "unlinkat",
	unix.SYS_MKDIRAT: "mkdirat", unix.SYS_FLOCK: "flock",
}

// syscallInfo is the kernel's struct ptrace_syscall_info at the entry of a call.
type syscallInfo struct {
	op     uint8
	_      [3]byte
	_      uint32
	_, _   uint64
	number uint64
	args   [6]uint64
}

const (
	getSyscallInfo = 0x420e // PTRACE_GET_SYSCALL_INFO
	atEntry        = 1      // PTRACE_SYSCALL_INFO_ENTRY
	callStop       = unix.SIGTRAP | 0x80
)

// tracer runs a program and counts its calls that change dir.
type tracer struct {
	dir    string // links resolved
	at     int64  // the call before which the program is killed; 0 lets it live
	passed int64
	where  string // the call at which the program was killed
}

// run runs the program to its end, and returns its exit code, -1 for a program that was killed.
func (tr *tracer) run(t *testing.T, cmd *exec.Cmd) (exit int, said string) {
	t.Helper()
	out, err := os.CreateTemp(t.TempDir(), "said")
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	cmd.Stdout, cmd.Stderr, cmd.SysProcAttr = out, out, &unix.SysProcAttr{Ptrace: true, Setpgid: true}
	over := make(chan error)
	go func() {
		runtime.LockOSThread() // a program is traced by a thread, which ends with this goroutine
		var err error
		exit, err = tr.trace(cmd)
		over <- err
	}()
	if err := <-over; errors.Is(err, unix.EPERM) {
		t.Skip("no process may be traced here")
	} else if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(out.Name())
	if err != nil {
		t.Fatal(err)
	}
	return exit, string(text)
}

func (tr *tracer) trace(cmd *exec.Cmd) (exit int, err error) {
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	pid := cmd.Process.Pid
	defer func() { _ = cmd.Process.Release() }()
	options := unix.PTRACE_O_TRACESYSGOOD | unix.PTRACE_O_TRACECLONE | unix.PTRACE_O_EXITKILL
	for first := true; ; {
		var status unix.WaitStatus
		thread, err := unix.Wait4(-pid, &status, unix.WALL|unix.WNOTHREAD, nil)
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			return 0, fmt.Errorf("wait: %w", err)
		case thread == pid && status.Signaled():
			return -1, nil
		case thread == pid && status.Exited():
			return status.ExitStatus(), nil
		case !status.Stopped():
			continue
		}
		if first {
			if err := unix.PtraceSetOptions(pid, options); err != nil {
				return 0, err
			}
			first = false
		}
		if err := tr.stopped(pid, thread, status.StopSignal()); err != nil && err != unix.ESRCH { // the thread may be gone by now
			return 0, err
		}
	}
}

// stopped looks at a thread that stopped, and lets it go on.
func (tr *tracer) stopped(pid, thread int, signal unix.Signal) error {
	switch signal {
	case callStop:
		if call := tr.call(thread); call != "" {
			if tr.passed++; tr.passed == tr.at {
				tr.where = call
				return unix.Kill(pid, unix.SIGKILL)
			}
		}
		signal = 0
	case unix.SIGTRAP, unix.SIGSTOP: // a new thread, and its first stop
		signal = 0
	}
	return unix.PtraceSyscall(thread, int(signal))
}

// call is the call that a thread is about to make, if that counts.
func (tr *tracer) call(thread int) string {
	var info syscallInfo
	_, _, errno := unix.Syscall6(unix.SYS_PTRACE, getSyscallInfo, uintptr(thread), unsafe.Sizeof(info), uintptr(unsafe.Pointer(&info)), 0, 0)
	name := calls[info.number]
	if errno != 0 || info.op != atEntry || name == "" {
		return ""
	}
	switch info.number {
	case unix.SYS_OPENAT:
		if info.args[2]&(unix.O_CREAT|unix.O_TRUNC) == 0 {
			return ""
		}
	case unix.SYS_WRITE, unix.SYS_PWRITE64, unix.SYS_FTRUNCATE, unix.SYS_FSYNC, unix.SYS_FLOCK: // of a socket, perhaps
		file, err := os.Readlink(fmt.Sprintf("/proc/%d/fd/%d", thread, info.args[0]))
		if err != nil || !strings.HasPrefix(file, tr.dir) {
			return ""
		}
		return fmt.Sprintf("%s %s", name, strings.TrimPrefix(file, tr.dir))
	}
	return name
}

func newTracer(t *testing.T, dir string, at int64) *tracer {
	t.Helper()
	resolved, err := filepath.EvalSymlinks(dir)
	if err != nil {
		t.Fatal(err)
	}
	return &tracer{dir: resolved, at: at}
}
