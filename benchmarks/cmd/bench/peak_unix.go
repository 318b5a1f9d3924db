//go:build unix

package main

import (
	"errors"
	"os"
	"runtime"
	"syscall"
)

// peakOf is the most memory that an ended process had resident, in bytes.
func peakOf(state *os.ProcessState) (int64, error) {
	used, ok := state.SysUsage().(*syscall.Rusage)
	if !ok {
		return 0, errors.New("the system does not tell what a process used")
	}
	if runtime.GOOS == "darwin" || runtime.GOOS == "ios" {
		return int64(used.Maxrss), nil // bytes there, KiB elsewhere
	}
	return int64(used.Maxrss) << 10, nil
}
