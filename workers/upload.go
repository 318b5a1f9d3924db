package workers

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
)

// An upload is a request body that lets go of its memory. net/http may go on
// reading a body after it has returned the response; detach is the barrier
// after which it can not.
type upload struct {
	mu   sync.Mutex
	data []byte
	gone bool
}

var errDetached = errors.New("the request is over")

func (u *upload) Read(p []byte) (int, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	switch {
	case u.gone:
		return 0, errDetached
	case len(u.data) == 0:
		return 0, io.EOF
	}
	n := copy(p, u.data)
	u.data = u.data[n:]
	return n, nil
}

func (u *upload) Close() error { return nil }

func (u *upload) detach() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.data, u.gone = nil, true
}

// A HeaderValue is a header for every request. Its value is taken to be secret
// and never comes out of the fmt, json or log packages.
type HeaderValue struct{ Name, Value string }

// Format prints the name and [redacted], whatever the verb.
func (h HeaderValue) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, h.Name+": [redacted]") }

// MarshalText is Format for encoders.
func (h HeaderValue) MarshalText() ([]byte, error) { return []byte(h.Name + ": [redacted]"), nil }

// ownHeaders are set by batchmill or by the protocol.
var ownHeaders = []string{
	"Accept", "Accept-Encoding", "Connection", "Content-Encoding", "Content-Length", "Content-Type", "Host",
	"Idempotency-Key", "Te", "Trailer", "Transfer-Encoding", "Upgrade", "Expect", "X-Batchmill-Object", "X-Batchmill-Record",
}

func (h HeaderValue) validate() error {
	for _, own := range ownHeaders {
		if strings.EqualFold(own, h.Name) {
			return fmt.Errorf("--host-header %s: this header is set by batchmill itself: leave it out", own)
		}
	}
	if h.Name == "" || strings.ContainsFunc(h.Name, func(r rune) bool { return !tokenRune(r) }) {
		return fmt.Errorf("--host-header %q: not a header name: use letters, digits and dashes", h.Name)
	}
	if strings.ContainsFunc(h.Value, func(r rune) bool { return (r < ' ' && r != '\t') || r == 0x7f }) {
		return fmt.Errorf("--host-header %s: its value holds a line break or control character: look for a newline at the end of its file", http.CanonicalHeaderKey(h.Name))
	}
	return nil
}

// tokenRune: RFC 9110, section 5.6.2.
func tokenRune(r rune) bool {
	return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' ||
		r < 0x80 && r > ' ' && strings.ContainsRune("!#$%&'*+-.^_`|~", r)
}

// escape writes what may not stand in a header value, and %, as %XX. Most
// names come back as they are, without new memory.
func escape(s string) string {
	plain := func(c byte) bool { return c > ' ' && c < 0x7f && c != '%' }
	at := 0
	for at < len(s) && plain(s[at]) {
		at++
	}
	if at == len(s) {
		return s
	}
	var b strings.Builder
	b.WriteString(s[:at])
	for ; at < len(s); at++ {
		if plain(s[at]) {
			b.WriteByte(s[at])
		} else {
			fmt.Fprintf(&b, "%%%02X", s[at])
		}
	}
	return b.String()
}
