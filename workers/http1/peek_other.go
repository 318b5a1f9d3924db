//go:build !unix

package http1

import "net"

// peek knows nothing here; a read with a short deadline stands in.
func peek(net.Conn) (waiting, open, known bool) { return false, false, false }
