package container

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// An owner names a process so that another process can tell later whether the owner
// still lives: the machine, the machine's boot, the namespace of process numbers, the
// number, and when the process began.
type owner struct {
	machine, boot, space string
	pid                  int
	began                string
}

// myself is this process.
func myself() owner {
	o := ownerOn(os.Getpid())
	o.machine, _ = os.Hostname()
	o.boot = strings.TrimSpace(readSmall("/proc/sys/kernel/random/boot_id"))
	o.space, _ = os.Readlink("/proc/self/ns/pid")
	return o
}

// ownerOn is the number of a process here, and when the process began.
func ownerOn(pid int) owner { return owner{pid: pid, began: beganAt(pid)} }

// beganAt is when a process began, in the kernel's ticks since the machine's boot; ""
// where the system does not tell.
func beganAt(pid int) string {
	stat := readSmall(fmt.Sprintf("/proc/%d/stat", pid))
	// The second field, the name in parentheses, may hold anything.
	fields := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:])
	if len(fields) < 20 {
		return ""
	}
	if fields[0] == "Z" || fields[0] == "X" {
		return "ended" // the parent has not asked yet how the process ended
	}
	return fields[19]
}

func readSmall(path string) string {
	text, _ := os.ReadFile(path) // a missing file reads as ""
	return string(text)
}

// String is the owner as the label holds the owner.
func (o owner) String() string {
	return strings.Join([]string{o.machine, o.boot, o.space, strconv.Itoa(o.pid), o.began}, "/")
}

func parseOwner(s string) (owner, error) {
	parts := strings.Split(s, "/")
	if len(parts) != 5 {
		return owner{}, errors.New("not an owner")
	}
	pid, err := strconv.Atoi(parts[3])
	if err != nil || pid <= 0 {
		return owner{}, errors.New("not an owner")
	}
	return owner{parts[0], parts[1], parts[2], pid, parts[4]}, nil
}

// ended tells whether the owner has certainly ended, as the process me sees it. An
// owner on another machine, or in another namespace of process numbers, counts as alive.
func (o owner) ended(me owner) bool {
	if o.machine != me.machine {
		return false
	}
	if o.boot != me.boot {
		return o.boot != "" && me.boot != ""
	}
	if o.space != me.space {
		return false
	}
	if o.pid == me.pid {
		return o.began != me.began
	}
	if now := beganAt(o.pid); now != "" {
		return now != o.began
	}
	return !processExists(o.pid)
}
