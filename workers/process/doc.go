// Package process starts hosts as processes of this machine and keeps them up.
//
// [NewHosts] makes the hosts of a command line; [Host.Keep] starts the process of a
// host, and starts the process again when it ends.
//
// Between batchmill and each process stands a guard: the same program, which runs
// [Guard]. The guard holds one end of a pipe. The other end closes when batchmill
// ends in any way, SIGKILL included; the guard notices, and ends all processes that
// its process has started. Two other ways were tried on paper. A signal at the
// parent's death (PR_SET_PDEATHSIG) does not reach grandchildren, such as the workers
// of gunicorn or the children of a shell, and exists on Linux only. A list of
// processes to end at the next start leaves a GPU busy until the next start, and must
// guess whether a process number still means the same process. A guard and its
// process form a process group, so a terminal's Ctrl-C does not reach them.
package process

import "time"

// GuardCommand is the first argument with which a program has to call [Guard].
const GuardCommand = "guard"

const (
	// stopTime is the time between SIGTERM and SIGKILL.
	stopTime = 5 * time.Second
	// killTime is how long killed processes may take to be gone.
	killTime = 2 * time.Second
	// statusFile is the file descriptor on which a guard says how its process ended.
	statusFile = 3
)

// A guard says one line, which begins with one of these.
const (
	saidNotStarted = "not started: "
	saidEnded      = "ended: "
)
