package http1

import (
	"bufio"
	"bytes"
	"io"
	"math"
	"net"
	"time"
)

// A conn is one connection. It belongs to one request at a time, or to the client's list while it rests.
type conn struct {
	net.Conn
	raw       net.Conn // below TLS
	records   *records // nil without TLS
	reader    *bufio.Reader
	head      int64         // bytes that the head of a response may still have
	since     time.Time     // when the connection came to rest
	slowest   time.Duration // the longest time that a response took
	responses int           // heads of responses
	last      *Trust        // of the latest response
	slip      *Trust        // of all responses that may be those to earlier requests; nil for none
}

const readBuffer = 32 << 10

func newConn(c, raw net.Conn) *conn {
	k := &conn{Conn: c, raw: raw, head: math.MaxInt64}
	k.reader = bufio.NewReaderSize(headReader{k}, readBuffer)
	return k
}

// kill closes the connection at once: below TLS, whose own end could wait for the server.
func (k *conn) kill() { _ = k.raw.Close() }

// headReader reads the connection, within the bytes that a head may have.
type headReader struct{ k *conn }

func (r headReader) Read(p []byte) (int, error) {
	if r.k.head <= 0 {
		return 0, errHeader
	}
	n, err := r.k.Conn.Read(p[:min(int64(len(p)), r.k.head)])
	r.k.head -= int64(n)
	return n, err
}

// statusBytes are enough bytes of a response to know its status.
const statusBytes = len("HTTP/1.1 200")

// What has arrived on a connection of TLS, or on one without a descriptor, may take so long to
// become readable.
const (
	lateRecord = 50 * time.Millisecond
	lateRead   = time.Millisecond
)

// look tells whether a resting connection is open, and what its server has said since the
// last response; at most a few bytes of that. What has arrived is known at once, without a wait.
func (k *conn) look() (said []byte, open bool) {
	if n := k.reader.Buffered(); n > 0 {
		said, _ = k.reader.Peek(min(n, statusBytes))
		return bytes.Clone(said), true
	}
	waiting, open, known := peek(k.raw)
	switch {
	case !known:
		return k.readWithin(lateRead)
	case !open:
		return nil, false
	case waiting && k.records == nil:
		return k.readWithin(lateRead)
	case k.records == nil:
		return nil, true
	case waiting || k.records.partial():
		// A record without data, such as a session ticket, costs the connection, too.
		said, _ = k.readWithin(lateRecord)
		return said, false
	}
	return k.readWithin(-time.Second) // a read in the past: what TLS holds already, and no more
}

// begins waits for a response, and returns its first bytes.
func (k *conn) begins() []byte {
	_, _ = k.reader.Peek(1)
	said, _ := k.reader.Peek(min(k.reader.Buffered(), statusBytes))
	return bytes.Clone(said)
}

// readWithin reads what comes within a time.
func (k *conn) readWithin(within time.Duration) (said []byte, open bool) {
	said = make([]byte, statusBytes)
	_ = k.SetReadDeadline(time.Now().Add(within))
	n, err := io.ReadAtLeast(k.Conn, said, 1)
	if e, ok := err.(net.Error); ok && e.Timeout() {
		err = nil
	}
	_ = k.SetReadDeadline(time.Time{})
	return said[:n], err == nil
}

// records follows the records that TLS reads (RFC 8446, section 5.1: five bytes, of which the
// last two are the length of what follows).
type records struct {
	net.Conn
	header []byte // of the record at hand, as far as read
	left   int    // bytes of that record's body
}

// Read notes where records begin and end.
func (r *records) Read(p []byte) (int, error) {
	n, err := r.Conn.Read(p)
	for b := p[:n]; len(b) > 0; {
		if r.left == 0 {
			r.header, b = append(r.header, b[0]), b[1:]
			if len(r.header) == 5 {
				r.left, r.header = int(r.header[3])<<8|int(r.header[4]), r.header[:0]
			}
			continue
		}
		skip := min(r.left, len(b))
		r.left, b = r.left-skip, b[skip:]
	}
	return n, err
}

// partial tells whether a record has been read in part.
func (r *records) partial() bool { return r.left > 0 || len(r.header) > 0 }

// isTimeout tells whether a server said that it waited too long for a request.
func isTimeout(said []byte) bool { return len(said) == statusBytes && string(said[9:]) == "408" }

// mayBeResponse tells whether what was said begins like a response.
func mayBeResponse(said []byte) bool {
	const any = "HTTP/"
	n := min(len(said), len(any))
	return string(said[:n]) == any[:n]
}
