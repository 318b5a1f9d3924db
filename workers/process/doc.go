// Package process starts hosts as processes of this machine and keeps them up.
//
// Between batchmill and each process stands a guard: this program again, in the
// part of [Guard]. The guard holds one end of a pipe whose other end dies with
// batchmill, however that dies, SIGKILL included, and then ends all that the
// process has started. The alternatives were weighed: a signal at the
// parent's death (PR_SET_PDEATHSIG) does not reach grandchildren, such as the
// workers of gunicorn or what a shell has started, and exists on Linux only; a
// list of processes to end at the next start leaves a GPU busy until somebody starts again, and must
// guess whether a number still means the same process. Both a guard and its
// process form one process group, so that a terminal's Ctrl-C does not reach them.
package process

import "time"

// GuardCommand is the word that makes a program which calls [Guard] a guard.
const GuardCommand = "guard"

const (
	// stopTime is what a process has between SIGTERM and SIGKILL.
	stopTime = 5 * time.Second
	// killTime is how long the killed may take to be gone.
	killTime = 2 * time.Second
	// statusFile is the file descriptor on which a guard says how it went.
	statusFile = 3
)

// What a guard says, on one line, in front of the rest of it.
const (
	saidNotStarted = "not started: "
	saidEnded      = "ended: "
)
