package hosttest

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// A host is a server on a real socket that plays a row's script.
type host struct {
	net.Listener
	row  *row
	all  sync.WaitGroup
	done chan struct{} // the job has ended

	greeted chan bool // a connection has got the row's greeting

	mu       sync.Mutex
	conns    []net.Conn
	late     []chan struct{} // each closed when a late text is sent
	requests int
}

// A turn is one request that a host has read, and what the host would answer.
type turn struct {
	*wire
	host   *host
	n      int // the request's number on its connection, from 1
	total  int // the request's number at the host, from 1
	key    string
	length int64 // of the request's body
	ids    []int
	answer string // the body of the right response
}

// A wire is a host's side of one connection. What the host owes is written before the
// response to the next request.
type wire struct {
	net.Conn
	raw  net.Conn // below TLS
	owed string
	mu   sync.Mutex
}

// send writes a text whole, whoever else writes.
func (w *wire) send(text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	_, _ = io.WriteString(w.Conn, text)
}

// reset ends a connection with a RST.
func (w *wire) reset() {
	if c, ok := w.raw.(*net.TCPConn); ok {
		_ = c.SetLinger(0)
	}
	_ = w.raw.Close()
}

func serve(t *testing.T, r *row) *host {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h := &host{Listener: l, row: r, done: make(chan struct{}), greeted: make(chan bool, 1000)}
	t.Cleanup(h.close)
	if r.accept == nil {
		h.all.Go(h.accept)
	} else {
		h.all.Go(func() { r.accept(h) })
	}
	return h
}

// close ends every connection, and waits for the host's goroutines.
func (h *host) close() {
	close(h.done)
	_ = h.Close()
	h.mu.Lock()
	for _, c := range h.conns {
		_ = c.Close()
	}
	h.mu.Unlock()
	h.all.Wait()
}

func (h *host) accept() {
	for {
		c, err := h.Accept()
		if err != nil {
			return
		}
		h.mu.Lock()
		h.conns = append(h.conns, c)
		h.mu.Unlock()
		h.all.Go(func() { h.serveConn(c) })
	}
}

func (h *host) serveConn(c net.Conn) {
	defer c.Close()
	w := &wire{Conn: c, raw: c}
	if h.row.raw != nil {
		h.row.raw(h, w)
		return
	}
	if h.row.server != nil {
		w.Conn = tls.Server(c, h.row.server)
	}
	if h.row.greeting != "" {
		w.send(h.row.greeting)
		h.greeted <- true
	}
	reader := bufio.NewReader(w.Conn)
	for n := 1; ; n++ {
		r, err := http.ReadRequest(reader)
		if err != nil {
			return
		}
		if w.owed != "" {
			w.send(w.owed)
			w.owed = ""
		}
		t := &turn{wire: w, host: h, n: n, total: h.count(), key: r.Header.Get("Idempotency-Key"), length: r.ContentLength}
		if h.row.unread != nil && h.row.unread(t) {
			return
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		t.ids = idsOf(string(body))
		t.answer = answers(t.ids, h.row.equal)
		if !h.play(t) {
			return
		}
	}
}

// count counts a request, and returns its number.
func (h *host) count() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.requests++
	return h.requests
}

// asked is how many requests there were.
func (h *host) asked() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.requests
}

// play answers as the row says, or as an ordinary host.
func (h *host) play(t *turn) bool {
	h.rest(h.row.think)
	if h.row.behind {
		h.awaitLate()
	}
	if h.row.when != nil && !h.row.when(t) {
		return ordinary(t)
	}
	return h.row.play(t)
}

// rest waits, unless the job ends.
func (h *host) rest(d time.Duration) {
	if d <= 0 {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-h.done:
	}
}

// hang waits for the client to close the connection, or the job's end.
func (t *turn) hang() bool {
	_, _ = io.Copy(io.Discard, t.Conn)
	return false
}

// later writes a text after a while, beside what else goes on.
func (t *turn) later(after time.Duration, text string) {
	if after == 0 {
		t.send(text)
		return
	}
	sent := make(chan struct{})
	t.host.mu.Lock()
	t.host.late = append(t.host.late, sent)
	t.host.mu.Unlock()
	t.host.all.Go(func() {
		defer close(sent)
		t.host.rest(after)
		t.send(text)
	})
}

// awaitLate waits until all late texts so far are sent.
func (h *host) awaitLate() {
	h.mu.Lock()
	late := slices.Clone(h.late)
	h.mu.Unlock()
	for _, sent := range late {
		<-sent
	}
}

// head is the head of a 200 that declares the length of a body.
func (t *turn) head(length int, lines ...string) string {
	if t.host.row.echo {
		lines = append(lines, "Idempotency-Key: "+t.key)
	}
	text := "HTTP/1.1 200 OK\r\nContent-Type: text/csv\r\n"
	if length >= 0 {
		text += "Content-Length: " + strconv.Itoa(length) + "\r\n"
	}
	for _, line := range lines {
		text += line + "\r\n"
	}
	return text + "\r\n"
}

// response is the right response, as an ordinary host writes it.
func (t *turn) response() string { return t.head(len(t.answer)) + t.answer }

func ordinary(t *turn) bool {
	t.send(t.response())
	return true
}

// chunks is the answer in chunks of so many bytes, without the last chunk's end.
func (t *turn) chunks(size int) (text string) {
	for part := range slices.Chunk([]byte(t.answer), size) {
		text += fmt.Sprintf("%x\r\n%s\r\n", len(part), part)
	}
	return text
}

// idsOf are the ids of a payload: the first field of each line.
func idsOf(body string) (ids []int) {
	for line := range strings.Lines(body) {
		first, _, _ := strings.Cut(line, ",")
		id, err := strconv.Atoi(first)
		if err != nil {
			panic(errors.Join(err, fmt.Errorf("payload %q", body)))
		}
		ids = append(ids, id)
	}
	return ids
}

// answerTo is a host's answer to a record.
func answerTo(id int, equal bool) string {
	if equal {
		return "1.5"
	}
	return strconv.Itoa(id) + ".5"
}

func answers(ids []int, equal bool) (text string) {
	for _, id := range ids {
		text += answerTo(id, equal) + "\n"
	}
	return text
}
