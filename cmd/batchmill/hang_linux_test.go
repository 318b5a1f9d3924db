package main

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// hungDisk mounts a file system that answers nothing: one of FUSE, whose server greets the
// kernel and then only reads (Linux, include/uapi/linux/fuse.h).
func hungDisk(t *testing.T) (string, <-chan bool) {
	t.Helper()
	fd, err := syscall.Open("/dev/fuse", syscall.O_RDWR|syscall.O_CLOEXEC|syscall.O_NONBLOCK, 0)
	if err != nil {
		t.Skip("no FUSE here: ", err)
	}
	folder := filepath.Join(t.TempDir(), "disk")
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("hung", folder, "fuse", 0, fmt.Sprintf("fd=%d,rootmode=40000,user_id=0,group_id=0", fd)); err != nil {
		_ = syscall.Close(fd)
		t.Skip("mount needs root: ", err)
	}
	reached, ended := make(chan bool, 1), make(chan bool)
	f := os.NewFile(uintptr(fd), "/dev/fuse")
	t.Cleanup(func() {
		_ = syscall.Unmount(folder, syscall.MNT_DETACH|syscall.MNT_FORCE)
		_ = f.Close()
		<-ended
	})
	go func() {
		defer close(ended)
		greet(f)
		wait, err := f.SyscallConn()
		if err != nil {
			return
		}
		asked := false
		// A request that is never read is one that a signal can end.
		if wait.Read(func(uintptr) bool { was := asked; asked = true; return was }) == nil {
			reached <- true
		}
	}()
	return folder, reached
}

// keptByKernel says where threads of a process are in a sleep that no signal ends; "" for none.
func keptByKernel(pid int) (where string) {
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*", pid))
	for _, task := range tasks {
		stat, _ := os.ReadFile(filepath.Join(task, "stat"))
		_, state, _ := strings.Cut(string(stat), ") ")
		if strings.HasPrefix(state, "D") {
			stack, _ := os.ReadFile(filepath.Join(task, "stack"))
			where += string(stat) + string(stack)
		}
	}
	return where
}

// greet answers the kernel's first request, FUSE_INIT.
func greet(f *os.File) {
	buf := make([]byte, 1<<20)
	if n, err := f.Read(buf); err != nil || n < 16 {
		return
	}
	answer := make([]byte, 16+64) // a header (length, error, the request's number) and fuse_init_out
	binary.LittleEndian.PutUint32(answer, uint32(len(answer)))
	copy(answer[8:16], buf[8:16])
	binary.LittleEndian.PutUint32(answer[16:], 7)  // major version
	binary.LittleEndian.PutUint32(answer[20:], 31) // minor version
	binary.LittleEndian.PutUint32(answer[36:], 4096)
	_, _ = f.Write(answer)
}
