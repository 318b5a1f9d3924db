package main

import (
	"testing"
	"testing/fstest"

	"github.com/batchmill/batchmill/transform/job"
)

func TestContainerLimit(t *testing.T) {
	for _, c := range []struct {
		name  string
		files map[string]string
		limit int64
	}{
		{"no groups", nil, 0},
		{"version 2, in a container", map[string]string{"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "536870912\n"}, 512 << 20},
		{"version 2, no limit", map[string]string{"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "max\n"}, 0},
		{"version 2, a group above", map[string]string{"proc/self/cgroup": "0::/a.slice/b.scope\n",
			"sys/fs/cgroup/a.slice/memory.max": "1000000\n", "sys/fs/cgroup/a.slice/b.scope/memory.max": "2000000\n"}, 1000000},
		{"version 1, in a container", map[string]string{"proc/self/cgroup": "5:cpu,cpuacct:/docker/x\n4:memory:/docker/x\n0::/\n",
			"sys/fs/cgroup/memory/memory.limit_in_bytes": "300000000\n"}, 300000000},
		{"version 1, outside", map[string]string{"proc/self/cgroup": "4:memory:/docker/x\n",
			"sys/fs/cgroup/memory/docker/x/memory.limit_in_bytes": "300000000\n", "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n"}, 300000000},
		{"nonsense", map[string]string{"proc/self/cgroup": "x\n0::/../..\n", "sys/fs/cgroup/memory.max": "-5\n"}, 0},
	} {
		root := fstest.MapFS{}
		for name, text := range c.files {
			root[name] = &fstest.MapFile{Data: []byte(text)}
		}
		if limit := containerLimit(root); limit != c.limit {
			t.Errorf("%s: %d bytes, want %d", c.name, limit, c.limit)
		}
	}
}

// The default of --memory never lowers the default of --max-record, which binds a job.
func TestMemoryWithin(t *testing.T) {
	for limit, want := range map[int64]job.Bytes{
		0: 256 << 20, 1 << 40: 256 << 20, 576 << 20: 256 << 20, 320 << 20: 128 << 20, 192 << 20: 64 << 20, 1 << 20: 64 << 20,
	} {
		if got := memoryWithin(limit); got != want {
			t.Errorf("%v of %v, want %v", got, job.Bytes(limit), want)
		}
	}
	spec := job.Spec{Memory: memoryWithin(1)}
	if _ = spec.Complete(); spec.MaxRecord != job.DefaultMaxRecord {
		t.Errorf("--max-record is %v", spec.MaxRecord)
	}
}
