package main

import (
	"io/fs"
	"os"
	"path"
	"runtime/debug"
	"strconv"
	"strings"

	"github.com/batchmill/batchmill/transform/job"
)

const (
	// besideMemory is what the process takes beside twice --memory, in bytes: the program
	// itself, buffers of connections, and what the collector finds too late.
	besideMemory = 64 << 20
	// leastDefault is the least --memory that is chosen unasked: less would lower the default of
	// --max-record, which binds a job.
	leastDefault = 64 << 20
)

// fitMemory chooses --memory where the user did not: the default, or what a smaller
// container leaves room for.
func fitMemory(s *job.Spec) {
	if s.Memory == 0 {
		s.Memory = memoryWithin(containerLimit(os.DirFS("/")))
	}
}

// memoryWithin is the --memory that a limit in bytes leaves room for; the default where the limit is 0.
func memoryWithin(limit int64) job.Bytes {
	if limit == 0 {
		return job.DefaultMemory
	}
	return min(job.DefaultMemory, max(leastDefault, (job.Bytes(limit)-besideMemory)/2))
}

// limitCollector makes the collector work harder before the process takes more than docs/design.md
// says, unless the user has said how hard by GOMEMLIMIT.
func limitCollector(memory job.Bytes) {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(int64(memory)*3/2 + besideMemory/2)
	}
}

// containerLimit is the memory that the control groups of this process allow, in bytes; 0 where
// nothing limits it. A limit of a group above counts too.
func containerLimit(root fs.FS) int64 {
	groups, err := fs.ReadFile(root, "proc/self/cgroup")
	if err != nil {
		return 0
	}
	least := int64(0)
	for line := range strings.Lines(string(groups)) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(parts) < 3 {
			continue
		}
		base, file := "sys/fs/cgroup", "memory.max" // version 2
		switch {
		case parts[1] == "memory":
			base, file = "sys/fs/cgroup/memory", "memory.limit_in_bytes"
		case parts[1] != "":
			continue
		}
		for dir := parts[2]; ; dir = path.Dir(dir) {
			text, _ := fs.ReadFile(root, path.Join(base, dir, file)) // the machine's own group has no such file
			if n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64); err == nil && n > 0 && (least == 0 || n < least) {
				least = n
			}
			if dir == "/" || dir == "." {
				break
			}
		}
	}
	return least
}
