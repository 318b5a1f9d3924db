//go:build unix

// Package peak tells how much memory a process took that has ended.
package peak

import (
	"errors"
	"os"
	"runtime"
	"syscall"
)

// Of is the most memory that an ended process had resident, in bytes.
func Of(state *os.ProcessState) (int64, error) {
	used, ok := state.SysUsage().(*syscall.Rusage)
	if !ok {
		return 0, errors.New("the system does not tell what a process used")
	}
	if runtime.GOOS == "darwin" || runtime.GOOS == "ios" {
		return int64(used.Maxrss), nil // bytes there, KiB elsewhere
	}
	return int64(used.Maxrss) << 10, nil
}
