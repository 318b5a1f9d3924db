//go:build unix

package container

import (
	"errors"
	"os"
	"syscall"
)

// processExists tells whether process pid exists, or may exist.
func processExists(pid int) bool { return !errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) }

// ownedByUser tells whether a directory belongs to the user who runs batchmill.
func ownedByUser(dir string) bool {
	info, err := os.Lstat(dir)
	if err != nil || !info.IsDir() {
		return false
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(stat.Uid) == os.Getuid()
}
