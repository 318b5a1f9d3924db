package hosttest

import (
	"bytes"
	"compress/gzip"
	"io"
	"net"
	"strings"
	"time"

	"github.com/batchmill/batchmill/transform/job"
	"github.com/batchmill/batchmill/workers"
)

// alive writes a text, and tells whether the connection and the job go on.
func (t *turn) alive(text string) bool {
	_, err := io.WriteString(t.Conn, text)
	select {
	case <-t.host.done:
		return false
	default:
		return err == nil
	}
}

// halfClose ends the host's side of the connection alone.
func (w *wire) halfClose() {
	if c, ok := w.raw.(*net.TCPConn); ok {
		_ = c.CloseWrite()
	}
}

// slowly sends a text one byte at a time.
func slowly(t *turn, text string, pause time.Duration) bool {
	for i := range len(text) {
		t.send(text[i : i+1])
		t.host.rest(pause)
	}
	return true
}

// limit caps a response.
func limit(o *workers.HTTPOptions) { o.MaxResponse = 1 << 20 }

func zipped(text string) string {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = io.WriteString(z, text)
	_ = z.Close()
	return b.String()
}

// stalls are hosts that are slow, huge or hung.
func stalls() []row {
	hung := func(name string, play func(t *turn) bool) []row {
		return []row{
			{name: "hung: " + name + ", in all", play: play, options: timeout(hasty), want: refused(job.BadInput, job.NoHosts)},
			{name: "hung: " + name + ", at first", play: play, when: first(5), options: timeout(hasty), spec: forgiving, want: whole},
		}
	}
	all := []row{
		{name: "slow: one byte at a time", play: func(t *turn) bool { return slowly(t, t.response(), time.Microsecond) }, want: whole},
		{name: "slow: the head, one byte at a time", play: func(t *turn) bool {
			_ = slowly(t, t.head(len(t.answer)), 100*time.Microsecond)
			t.send(t.answer)
			return true
		}, want: whole},
		{name: "slow: so slow that --timeout ends it", play: func(t *turn) bool { return slowly(t, t.response(), hasty/10) },
			options: timeout(hasty), want: refused(job.BadInput, job.NoHosts)},
		{name: "huge: a declared length over the cap", play: closing(func(t *turn) string { return t.head(1<<40) + t.answer }), when: about(1042), options: limit, want: rejects(1042)},
		{name: "huge: chunks without end", play: func(t *turn) bool {
			t.send(t.head(-1, "Transfer-Encoding: chunked"))
			for t.alive("400\r\n" + strings.Repeat("123.5\r\n\r", 128) + "\r\n") {
			}
			return false
		}, when: about(1042), options: limit, want: rejects(1042)},
		{name: "huge: a body without end, and no length", play: func(t *turn) bool {
			t.send(t.head(-1))
			for t.alive(strings.Repeat("123.5\n", 1000)) {
			}
			return false
		}, when: about(1042), options: limit, want: rejects(1042)},
		{name: "huge: a gzip bomb", play: says(func(t *turn) string {
			bomb := zipped(strings.Repeat("1", 8<<20))
			return t.head(len(bomb), "Content-Encoding: gzip") + bomb
		}), when: about(1042), options: limit, want: rejects(1042)},
		{name: "huge: a header line without end", play: func(t *turn) bool {
			t.send(ok + "X: ")
			for t.alive(strings.Repeat("a", 4096)) {
			}
			return false
		}, when: every(4), spec: attempts(8), want: whole},
		{name: "huge: chunk extensions without end", play: func(t *turn) bool {
			t.send(t.head(-1, "Transfer-Encoding: chunked") + "9;")
			for t.alive(strings.Repeat("a", 4096)) {
			}
			return false
		}, when: every(4), spec: attempts(8), want: whole},
		{name: "huge: trailers without end", play: func(t *turn) bool {
			t.send(chunked(9, "0\r\n")(t))
			for t.alive(strings.Repeat("X-A: b\r\n", 512)) {
			}
			return false
		}, when: every(4), spec: attempts(8), want: whole},
		{name: "huge: the error page never ends", play: func(t *turn) bool {
			t.send("HTTP/1.1 400 Bad\r\n\r\n")
			for t.alive(strings.Repeat("no ", 1000)) {
			}
			return false
		}, when: about(1042), want: rejects(1042)},
		{name: "gzip: unasked", play: says(func(t *turn) string {
			z := zipped(t.answer)
			return t.head(len(z), "Content-Encoding: gzip") + z
		}), want: whole},
		{name: "gzip: cut, with a length that fits", play: says(func(t *turn) string {
			z := zipped(t.answer)
			return t.head(len(z)-9, "Content-Encoding: gzip") + z[:len(z)-9]
		}), when: every(4), spec: attempts(8), want: whole},
		{name: "gzip: something else", play: says(func(t *turn) string { return t.head(len(t.answer), "Content-Encoding: br") + t.answer }), want: refused(job.BadInput, job.NoHosts)},
		{name: "hung: connections are never accepted", accept: func(h *host) { <-h.done }, options: timeout(hasty), want: refused(job.BadInput, job.NoHosts)},
		{name: "hung: the request is never read", raw: func(h *host, _ *wire) { <-h.done }, options: timeout(hasty), want: refused(job.BadInput, job.NoHosts)},
		{name: "hung: /ping is silent", play: ordinary, path: "-", unread: func(t *turn) bool { return t.hang() || true }, want: refused(job.NoHosts)},
		{name: "hung: /ping has a body without end", path: "-", raw: func(h *host, w *wire) {
			_, _ = w.Read(make([]byte, 1))
			w.send("HTTP/1.1 200 OK\r\n\r\n")
			for (&turn{wire: w, host: h}).alive(strings.Repeat("x", 4096)) {
			}
		}, options: timeout(hasty), want: refused(job.NoHosts, job.BadInput)},
	}
	for _, s := range []struct {
		name string
		text func(t *turn) string
	}{
		{"silent", func(*turn) string { return "" }},
		{"silent in the head", func(*turn) string { return ok[:30] }},
		{"silent after the head", func(t *turn) string { return t.head(len(t.answer)) }},
		{"silent in the body", func(t *turn) string { return t.head(len(t.answer)) + t.answer[:5] }},
		{"silent in a chunk", func(t *turn) string { return t.head(-1, "Transfer-Encoding: chunked") + "9\r\nab" }},
		{"silent before the last line end", chunked(9, "0\r\n")},
	} {
		all = append(all, hung(s.name, func(t *turn) bool { t.send(s.text(t)); return t.hang() })...)
	}
	return all
}

// resets end connections at every place.
func resets() (all []row) {
	for _, p := range []struct {
		name string
		text func(t *turn) string
	}{
		{"before the response", func(*turn) string { return "" }},
		{"in the head", func(*turn) string { return ok[:30] }},
		{"after the head", func(t *turn) string { return t.head(len(t.answer)) }},
		{"in the body", func(t *turn) string { return t.head(len(t.answer)) + t.answer[:25] }},
		{"before the last byte", func(t *turn) string { return t.head(len(t.answer)) + t.answer[:len(t.answer)-1] }},
		{"after a chunk", chunked(70, "")},
		{"after whole answers, without a length", func(t *turn) string { return t.head(-1) + t.answer[:35] }},
	} {
		all = append(all,
			row{name: "reset " + p.name, play: func(t *turn) bool { t.send(p.text(t)); t.reset(); return false }, when: every(4), spec: attempts(8), want: whole},
			row{name: "half-closed " + p.name, play: func(t *turn) bool { t.send(p.text(t)); t.halfClose(); return t.hang() }, when: every(4), spec: attempts(8), want: whole},
		)
	}
	return append(all,
		row{name: "reset at once, after accepting", raw: func(h *host, w *wire) { w.reset() }, want: refused(job.BadInput, job.NoHosts)},
		row{name: "reset after the head of the request", play: ordinary, unread: func(t *turn) bool {
			if t.total%4 == 0 {
				t.reset()
			}
			return t.total%4 == 0
		}, spec: attempts(8), want: whole},
		row{name: "closed after each response, without a word", play: closing((*turn).response), spec: attempts(8), want: whole},
		row{name: "reset after each response, without a word", play: func(t *turn) bool {
			t.send(t.response())
			t.host.rest(5 * time.Millisecond)
			t.reset()
			return false
		}, spec: attempts(20), want: whole},
		row{name: "refused: nothing listens", accept: func(h *host) { _ = h.Close() }, want: refused(job.NoHosts)},
	)
}
