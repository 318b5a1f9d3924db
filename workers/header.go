package workers

import (
	"fmt"
	"io"
	"net/http"
	"strings"
)

// A HeaderValue is a header of every request. The value counts as a secret, and is
// never printed by the packages fmt, json or log.
type HeaderValue struct{ Name, Value string }

// Format prints the header's name and [redacted], whatever the verb.
func (h HeaderValue) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, h.Name+": [redacted]") }

// MarshalText is Format for encoders.
func (h HeaderValue) MarshalText() ([]byte, error) { return []byte(h.Name + ": [redacted]"), nil }

// ownHeaders are the headers that batchmill or the protocol sets.
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

// tokenRune tells whether a header's name may hold r (RFC 9110, section 5.6.2).
func tokenRune(r rune) bool {
	return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' ||
		r < 0x80 && r > ' ' && strings.ContainsRune("!#$%&'*+-.^_`|~", r)
}

// escape writes the bytes that a header value may not hold, and %, as %XX. A text
// without such bytes is returned as it is.
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
