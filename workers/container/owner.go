package container

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// An owner is the process that something belongs to, in words that tell later,
// and from another process, whether it still lives: the machine, what boot of
// it, the space its processes are numbered in, the number, and when it began.
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

// ownerOn is what is known of one process here.
func ownerOn(pid int) owner { return owner{pid: pid, began: beganAt(pid)} }

// beganAt is the time at which a process began, in the kernel's ticks since the
// machine did; "" where nobody tells.
func beganAt(pid int) string {
	stat := readSmall(fmt.Sprintf("/proc/%d/stat", pid))
	// The name, in parentheses, may hold anything, and is the second field.
	fields := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:])
	if len(fields) < 20 {
		return ""
	}
	if fields[0] == "Z" || fields[0] == "X" {
		return "ended" // and nobody has asked yet how
	}
	return fields[19]
}

func readSmall(path string) string {
	text, _ := os.ReadFile(path) // what is not there is not known
	return string(text)
}

// String is the owner as a label has it.
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

// gone tells whether the owner has certainly ended, as me sees it. What cannot be
// known from here (another machine, or a process numbered elsewhere) counts as alive.
func (o owner) gone(me owner) bool {
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
	return !exists(o.pid)
}
