package http1

import (
	"bufio"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"
)

// A script answers one connection: it is called for each request that was read whole, with
// the request's number on the connection. False ends the connection.
type script func(c net.Conn, n int, r *http.Request, body string) bool

// rawServer runs the script on real sockets, and counts connections.
type rawServer struct {
	net.Listener
	mu    sync.Mutex
	conns int
}

func serve(t *testing.T, secure *tls.Config, play script) *rawServer {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &rawServer{Listener: l}
	var all sync.WaitGroup
	t.Cleanup(func() { _ = l.Close(); all.Wait() })
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s.mu.Lock()
			s.conns++
			s.mu.Unlock()
			if secure != nil {
				c = tls.Server(c, secure)
			}
			all.Go(func() { defer c.Close(); converse(c, play) })
		}
	})
	return s
}

// converse reads request after request, and lets the script answer.
func converse(c net.Conn, play script) {
	reader := bufio.NewReader(c)
	for n := 1; ; n++ {
		r, err := http.ReadRequest(reader)
		if err != nil {
			return
		}
		body, err := io.ReadAll(r.Body)
		if err != nil || !play(c, n, r, string(body)) {
			return
		}
	}
}

// connections is how many connections there were.
func (s *rawServer) connections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.conns
}

// client makes a client of the server, with no rest unless the test sets one.
func (s *rawServer) client(t *testing.T, change func(*Options)) *Client {
	t.Helper()
	o := Options{MaxIdle: 8, IdleTime: time.Minute, MaxHeader: 64 << 10, WholeBody: time.Second,
		Dial: func(ctx context.Context) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", s.Addr().String())
		}}
	if change != nil {
		change(&o)
	}
	c := New(o)
	t.Cleanup(c.Close)
	return c
}

// ask sends one request, and reads the whole response.
func ask(ctx context.Context, c *Client, body string) (status int, answer string, trust *Trust, err error) {
	resp, err := c.Do(ctx, &Request{Method: "POST", Target: "/invocations", Host: "h", Header: http.Header{"X-A": {"b"}}, Body: []byte(body)})
	if err != nil {
		return 0, "", nil, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(b), resp.Trust, err
}

// say writes a response that holds the text.
func say(c net.Conn, text string) {
	_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: "+itoa(len(text))+"\r\n\r\n"+text)
}
