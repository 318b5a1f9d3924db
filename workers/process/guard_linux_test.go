package process

import (
	"syscall"
	"testing"
)

// A guard that is killed takes its group along. What has left the group as
// well is out of reach then.
func TestKilledGuard(t *testing.T) {
	onLinux(t)
	_, pids := keptElsewhere(t)
	defer syscall.Kill(pids[2], syscall.SIGKILL)
	if err := syscall.Kill(parentOf(pids[0]), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	for _, pid := range pids[:2] {
		eventually(t, "the end of the group", func() bool { return gone(pid) })
	}
}
