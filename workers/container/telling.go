package container

import "strings"

// restrictions are what programs print when they meet one, and what lifts it.
var restrictions = []struct{ words, cure string }{
	{"read-only file system", "--container-tmpfs PATH makes one folder writable, in memory, and --container-allow writable-root all of them"},
	{"operation not permitted", "--container-allow capabilities gives the engine's default ones back, --container-allow new-privileges lets setuid programs work"},
	{"no space left on device", "/tmp, /run and volumes are in memory: give more with --container-memory"},
	{"cannot allocate memory", "give more with --container-memory"},
	{"can't start new thread", "raise --container-pids"},
	{"resource temporarily unavailable", "raise --container-pids"},
	{"temporary failure in name resolution", "--network bridge lets the container reach others"},
	{"could not resolve host", "--network bridge lets the container reach others"},
	{"name or service not known", "--network bridge lets the container reach others"},
	{"network is unreachable", "--network bridge lets the container reach others"},
	{"no cuda-capable device", "give the container a GPU with --gpus"},
	{"found no nvidia driver", "give the container a GPU with --gpus"},
}

// telling finds the last of the lines that a container printed which shows that the
// container met a restriction, and the flag that lifts it; both are "" without one.
func telling(lines string) (line, cure string) {
	list := strings.Split(lines, "\n")
	for i := len(list) - 1; i >= 0; i-- {
		low := strings.ToLower(list[i])
		for _, r := range restrictions {
			if strings.Contains(low, r.words) {
				return strings.TrimSpace(list[i]), r.cure
			}
		}
	}
	return "", ""
}
