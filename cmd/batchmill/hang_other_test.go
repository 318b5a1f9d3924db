//go:build !linux

package main

import "testing"

func hungDisk(t *testing.T) (string, <-chan bool) {
	t.Skip("a disk that hangs is made with FUSE, on Linux")
	return "", nil
}

func keptByKernel(int) string { return "" }
