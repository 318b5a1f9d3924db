package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// tick is the unit of /proc/PID/stat for programs, whatever the kernel counts in.
const tick = time.Second / 100

// childCPU is the CPU time that running children of that name have taken so
// far, user and system together, to a hundredth of a second.
func childCPU(name string) (sum time.Duration) {
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return 0
	}
	for _, stat := range stats {
		text, err := os.ReadFile(stat)
		if err != nil { // it has ended meanwhile
			continue
		}
		sum += statCPU(text, name, os.Getpid())
	}
	return sum
}

// statCPU reads one line of /proc/PID/stat: "PID (NAME) STATE PARENT ...", see
// proc_pid_stat(5); utime and stime are the fields 14 and 15. A process of
// another name or parent counts nothing.
func statCPU(text []byte, name string, parent int) time.Duration {
	from, to := bytes.IndexByte(text, '('), bytes.LastIndexByte(text, ')')
	if from < 0 || to < from || string(text[from+1:to]) != name {
		return 0
	}
	fields := bytes.Fields(text[to+1:]) // begins with field 3
	if len(fields) < 13 || string(fields[1]) != strconv.Itoa(parent) {
		return 0
	}
	var sum time.Duration
	for _, field := range fields[11:13] {
		ticks, err := strconv.ParseInt(string(field), 10, 64)
		if err != nil {
			return 0
		}
		sum += time.Duration(ticks) * tick
	}
	return sum
}
