//go:build unix

package container

import (
	"errors"
	"os"
	"syscall"
)

// exists tells whether there is a process of that number, or may be.
func exists(pid int) bool { return !errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) }

// ours tells whether a directory belongs to the user who runs this.
func ours(dir string) bool {
	info, err := os.Lstat(dir)
	if err != nil || !info.IsDir() {
		return false
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(stat.Uid) == os.Getuid()
}
