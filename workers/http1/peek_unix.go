//go:build unix

package http1

import (
	"net"
	"syscall"
)

// peek looks at a socket without a wait: whether bytes are waiting there, and whether the
// other side still holds it open. A connection that is no socket is not known.
func peek(c net.Conn) (waiting, open, known bool) {
	socket, ok := c.(syscall.Conn)
	if !ok {
		return false, false, false
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return false, false, true // closed
	}
	var n int
	var got error
	var one [1]byte
	err = raw.Read(func(fd uintptr) bool {
		for n, _, got = syscall.Recvfrom(int(fd), one[:], syscall.MSG_PEEK); got == syscall.EINTR; {
			n, _, got = syscall.Recvfrom(int(fd), one[:], syscall.MSG_PEEK)
		}
		return true // Go's sockets do not block: there is nothing to wait for
	})
	return n > 0, err == nil && (n > 0 || got == syscall.EAGAIN), true
}
