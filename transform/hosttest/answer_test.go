package hosttest

import (
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"github.com/batchmill/batchmill/transform/job"
	"github.com/batchmill/batchmill/workers"
)

// with answers with another body, of the right length.
func with(body func(t *turn) string) func(*turn) bool {
	return says(func(t *turn) string { b := body(t); return t.head(len(b)) + b })
}

// typed answers with another Content-Type.
func typed(contentType string, body func(t *turn) string) func(*turn) bool {
	return says(func(t *turn) string {
		b := body(t)
		return "HTTP/1.1 200 OK\r\nContent-Type: " + contentType + "\r\nContent-Length: " + strconv.Itoa(len(b)) + "\r\n\r\n" + b
	})
}

func status(line string, more ...string) func(*turn) bool {
	return says(func(*turn) string {
		return "HTTP/1.1 " + line + "\r\nContent-Length: 0\r\n" + strings.Join(more, "") + "\r\n"
	})
}

func answer(t *turn) string { return t.answer }

// answersRows are wrong counts, types and statuses.
func answersRows() []row {
	short := func(t *turn) string { return t.answer[:len(t.answer)-7] }
	long := func(t *turn) string { return t.answer + "1.5\n" }
	return []row{
		{name: "answers: one short, in all", play: with(short), want: refused(job.BadInput, job.NoHosts)},
		{name: "answers: one short, in some", play: with(short), when: every(4), spec: attempts(8), want: whole},
		{name: "answers: one more, in all", play: with(long), want: refused(job.BadInput, job.NoHosts)},
		{name: "answers: one more, about one record", play: with(long), when: about(1042), want: rejects(1042)},
		{name: "answers: none", play: with(func(*turn) string { return "" }), when: about(1042), want: rejects(1042)},
		{name: "answers: no last line end", play: with(func(t *turn) string { return strings.TrimSuffix(t.answer, "\n") }), want: whole},
		{name: "answers: an empty line between", play: with(func(t *turn) string { return "\n" + t.answer }), want: either},
		{name: "answers: a page, with as many lines", play: typed("text/html", answer), want: either},
		{name: "answers: an event stream", play: typed("text/event-stream", answer), want: either},
		{name: "answers: an image", play: typed("image/png", answer), want: either},
		{name: "answers: no Content-Type", play: says(func(t *turn) string {
			return strings.Replace(t.response(), "Content-Type: text/csv\r\n", "", 1)
		}), want: whole},
		{name: "answers: JSON, and CSV in it", play: typed("application/json", answer), want: refused(job.BadInput, job.NoHosts)},
		{name: "answers: 204 in all", play: says(func(*turn) string { return "HTTP/1.1 204 No Content\r\n\r\n" }), want: refused(job.BadInput, job.NoHosts)},
		{name: "answers: 304 with a body", play: says(func(t *turn) string { return strings.Replace(t.response(), "200 OK", "304 Not Modified", 1) }), want: refused(job.Usage)},
		{name: "answers: 999", play: status("999 What"), want: refused(job.BadInput, job.NoHosts)},
		{name: "redirect: 302", play: status("302 Found", "Location: http://127.0.0.1:1/\r\n"), want: refused(job.Usage)},
		{name: "redirect: 307 without a Location", play: status("307 Temporary Redirect"), want: refused(job.Usage)},
		{name: "redirect: 308 in the middle of the job", play: status("308 Permanent Redirect", "Location: /\r\n"), when: every(9), want: refused(job.Usage)},
	}
}

// secure are hosts that speak TLS, or should.
func secure(t *testing.T) []row {
	s := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(s.Close)
	server := &tls.Config{Certificates: s.TLS.Certificates}
	trusting := s.Client().Transport.(*http.Transport).TLSClientConfig
	known := func(o *workers.HTTPOptions) {
		o.TLS = trusting.Clone()
		o.TLS.ServerName = "example.com"
	}
	old := server.Clone()
	old.MaxVersion = tls.VersionTLS11
	demanding := server.Clone()
	demanding.ClientAuth = tls.RequireAnyClientCert
	early := server.Clone()
	early.MaxVersion = tls.VersionTLS12
	return []row{
		{name: "TLS: 1.3", scheme: "https", server: server, options: known, play: ordinary, want: whole},
		{name: "TLS: 1.2", scheme: "https", server: early, options: known, play: ordinary, want: whole},
		{name: "TLS: 1.1", scheme: "https", server: old, options: known, play: ordinary, want: refused(job.NoHosts)},
		{name: "TLS: a certificate of an unknown authority", scheme: "https", server: server, play: ordinary, want: refused(job.NoHosts)},
		{name: "TLS: a certificate of another name", scheme: "https", server: server, play: ordinary, options: func(o *workers.HTTPOptions) {
			known(o)
			o.TLS.ServerName = "other.test"
		}, want: refused(job.NoHosts)},
		{name: "TLS: a client certificate is asked for", scheme: "https", server: demanding, options: known, play: ordinary, want: refused(job.NoHosts)},
		{name: "TLS: plain HTTP on the port of TLS", scheme: "https", play: ordinary, options: known, want: refused(job.NoHosts)},
		{name: "TLS: TLS on the port of plain HTTP", server: server, play: ordinary, want: refused(job.BadInput, job.NoHosts)},
		{name: "TLS: silent in the handshake", scheme: "https", options: both(known, timeout(hasty)), raw: func(h *host, w *wire) {
			_, _ = io.Copy(io.Discard, w)
		}, want: refused(job.NoHosts, job.BadInput)},
		{name: "TLS: ends without close_notify, with a length", scheme: "https", server: server, options: known, play: func(t *turn) bool {
			t.send(t.response())
			_ = t.raw.Close()
			return false
		}, spec: attempts(8), want: whole},
		{name: "TLS: ends without close_notify, in the body", scheme: "https", server: server, options: known, play: func(t *turn) bool {
			t.send(t.head(-1) + t.answer[:35])
			_ = t.raw.Close()
			return false
		}, when: every(4), spec: attempts(8), want: whole},
		{name: "TLS: ends with close_notify, without a length", scheme: "https", server: server, options: known, play: closing(func(t *turn) string { return t.head(-1) + t.answer }), want: whole},
		{name: "TLS: duplicates at once", scheme: "https", server: server, options: known, play: again[0].play, want: whole},
		{name: "TLS: duplicates after 5 ms", scheme: "https", server: server, options: known, play: again[2].play, want: doubted},
		{name: "TLS: duplicates after the next head", scheme: "https", server: server, options: known, play: again[4].play, want: doubted},
		{name: "TLS: bytes that are no record, later", scheme: "https", server: server, options: known, play: func(t *turn) bool {
			t.send(t.response())
			_, _ = t.raw.(*net.TCPConn).Write([]byte("no record"))
			return true
		}, spec: attempts(8), want: whole},
	}
}

// both changes options twice.
func both(one, two func(*workers.HTTPOptions)) func(*workers.HTTPOptions) {
	return func(o *workers.HTTPOptions) { one(o); two(o) }
}
