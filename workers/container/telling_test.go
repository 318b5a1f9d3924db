package container

import (
	"strings"
	"testing"
)

// TestTelling: the last line that shows a restriction comes with the flag that lifts it.
func TestTelling(t *testing.T) {
	for printed, want := range map[string][2]string{
		"start\nOSError: [Errno 30] Read-only file system: '/app/cache'\nbye\n": {"OSError: [Errno 30] Read-only file system: '/app/cache'", "--container-tmpfs"},
		"chown: /run/nginx: Operation not permitted\n":                          {"chown: /run/nginx: Operation not permitted", "--container-allow capabilities"},
		"Read-only file system\n  RuntimeError: can't start new thread":         {"RuntimeError: can't start new thread", "--container-pids"},
		"No space left on device":                                               {"No space left on device", "--container-memory"},
		"curl: (6) Could not resolve host: hub":                                 {"curl: (6) Could not resolve host: hub", "--network bridge"},
		"RuntimeError: Found no NVIDIA driver on your system":                   {"RuntimeError: Found no NVIDIA driver on your system", "--gpus"},
		"ready\nValueError: no such model\n":                                    {"", ""},
		"":                                                                      {"", ""},
	} {
		line, cure := telling(printed)
		if line != want[0] || !strings.Contains(cure, want[1]) || (cure == "") != (want[1] == "") {
			t.Errorf("%q: %q, %q", printed, line, cure)
		}
	}
}

// TestTmpfs: what a container can write to, in memory.
func TestTmpfs(t *testing.T) {
	all := readOnlyTmpfs(1<<20, []string{"/data", "/var/cache/model"})
	for path, want := range map[string]string{
		"/data": "rw,exec,nosuid,nodev,mode=1777,size=1048576", "/var/cache/model": "rw,exec,nosuid,nodev,mode=1777,size=1048576",
		"/tmp": "rw,exec,nosuid,nodev,mode=1777,size=1048576", "/run": "rw,noexec,nosuid,nodev,mode=755,size=1048576",
	} {
		if all[path] != want {
			t.Errorf("%s: %q", path, all[path])
		}
	}
	if len(all) != 4 || len(tmpfs(0, nil)) != 0 || tmpfs(0, []string{"/a"})["/a"] != "rw,exec,nosuid,nodev,mode=1777" {
		t.Errorf("%v, %v", all, tmpfs(0, []string{"/a"}))
	}
}
