package http1

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func itoa(n int) string { return strconv.Itoa(n) }

// certified is a server's side of TLS, and the client's.
func certified(t *testing.T) (server, client *tls.Config) {
	t.Helper()
	s := httptest.NewTLSServer(http.NotFoundHandler())
	defer s.Close()
	client = s.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
	client.ServerName = "example.com"
	return &tls.Config{Certificates: s.TLS.Certificates}, client
}

// over runs a test without TLS and with it.
func over(t *testing.T, test func(t *testing.T, server *tls.Config, with func(*Options))) {
	t.Run("tcp", func(t *testing.T) { test(t, nil, func(*Options) {}) })
	server, client := certified(t)
	t.Run("tls", func(t *testing.T) { test(t, server, func(o *Options) { o.TLS = client }) })
}

func TestConnectionsAreKept(t *testing.T) {
	over(t, func(t *testing.T, secure *tls.Config, with func(*Options)) {
		s := serve(t, secure, func(c net.Conn, n int, _ *http.Request, body string) bool { say(c, body+itoa(n)); return true })
		c := s.client(t, with)
		for i := 1; i <= 20; i++ {
			status, answer, trust, err := ask(t.Context(), c, "x")
			if err != nil || status != 200 || answer != "x"+itoa(i) || (trust.slip == nil) != (i == 1) {
				t.Fatalf("request %d: %d %q, trust %v, %v", i, status, answer, trust, err)
			}
		}
		if n := s.connections(); n != 1 {
			t.Errorf("%d connections, want 1", n)
		}
	})
}

func TestResponses(t *testing.T) {
	const ok = "HTTP/1.1 200 OK\r\n"
	for name, c := range map[string]struct {
		text, want string
		fails      bool
		kept       bool
	}{
		"length":                              {text: ok + "Content-Length: 3\r\n\r\nabc", want: "abc", kept: true},
		"chunks":                              {text: ok + "Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n2;x=y\r\nbc\r\n0\r\nT: u\r\n\r\n", want: "abc", kept: true},
		"interim responses":                   {text: "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + ok + "Content-Length: 3\r\n\r\nabc", want: "abc", kept: true},
		"no content":                          {text: "HTTP/1.1 204 No Content\r\n\r\n", kept: true},
		"until the end":                       {text: ok + "\r\nabc", want: "abc"},
		"close":                               {text: ok + "Connection: close\r\nContent-Length: 3\r\n\r\nabc", want: "abc"},
		"HTTP/1.0":                            {text: "HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nabc", want: "abc"},
		"HTTP/1.0, kept":                      {text: "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 3\r\n\r\nabc", want: "abc", kept: true},
		"same length twice":                   {text: ok + "Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc", want: "abc", kept: true},
		"switching protocols":                 {text: "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\nabc", fails: true},
		"switching protocols, and a response": {text: "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", fails: true},
		"two lengths":                         {text: ok + "Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", fails: true},
		"negative length":                     {text: ok + "Content-Length: -1\r\n\r\nabc", fails: true},
		"signed length":                       {text: ok + "Content-Length: +3\r\n\r\nabc", fails: true},
		"chunked twice":                       {text: ok + "Transfer-Encoding: chunked, chunked\r\n\r\n1\r\na\r\n0\r\n\r\n", fails: true},
		"unknown coding":                      {text: ok + "Transfer-Encoding: gzip\r\n\r\nabc", fails: true},
		"short":                               {text: ok + "Content-Length: 4\r\n\r\nabc", fails: true},
		"cut in a chunk":                      {text: ok + "Transfer-Encoding: chunked\r\n\r\n5\r\nabc", fails: true},
		"cut before the end":                  {text: ok + "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", fails: true},
		"huge chunk":                          {text: ok + "Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\nabc", fails: true},
		"header cut":                          {text: ok + "Content-Le", fails: true},
		"header without end":                  {text: ok + strings.Repeat("X: y\r\n", 1<<15), fails: true},
		"interim for ever":                    {text: strings.Repeat("HTTP/1.1 100 Continue\r\n\r\n", 1<<13) + ok + "Content-Length: 3\r\n\r\nabc", fails: true},
		"HTTP/2":                              {text: "HTTP/2.0 200 OK\r\nContent-Length: 3\r\n\r\nabc", fails: true},
		"status 099":                          {text: "HTTP/1.1 099 What\r\nContent-Length: 3\r\n\r\nabc", fails: true},
		"no HTTP":                             {text: "SSH-2.0-OpenSSH_9.0\r\n", fails: true},
		"nothing":                             {text: "", fails: true},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, nil, func(conn net.Conn, _ int, _ *http.Request, _ string) bool {
				_, _ = io.WriteString(conn, c.text)
				return c.kept
			})
			client := s.client(t, nil)
			for range 2 {
				_, answer, _, err := ask(t.Context(), client, "x")
				if (err != nil) != c.fails || err == nil && answer != c.want {
					t.Fatalf("%q, %v", answer, err)
				}
			}
			want := 2
			if c.kept {
				want = 1
			}
			if n := s.connections(); n != want {
				t.Errorf("%d connections, want %d", n, want)
			}
		})
	}
}

// TestEarlyResponse: a server may answer before it has read the request. The response
// counts, the connection does not.
func TestEarlyResponse(t *testing.T) {
	over(t, func(t *testing.T, secure *tls.Config, with func(*Options)) {
		for _, size := range []int{1, inlineBody, inlineBody + 1, 32 << 20} {
			l := early(t, secure)
			c := (&rawServer{Listener: l}).client(t, with)
			for range 3 {
				status, answer, _, err := ask(t.Context(), c, strings.Repeat("x", size))
				if err != nil || status != 413 || answer != "large" {
					t.Fatalf("%d bytes: %d %q, %v", size, status, answer, err)
				}
			}
		}
	})
}

// early listens for requests, and answers each with a 413 once its first byte has come.
func early(t *testing.T, secure *tls.Config) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			raw, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				c := raw
				if secure != nil {
					c = tls.Server(raw, secure)
				}
				_, _ = io.ReadFull(c, make([]byte, 1))
				_, _ = io.WriteString(c, "HTTP/1.1 413 Too Large\r\nConnection: close\r\nContent-Length: 5\r\n\r\nlarge")
				_, _ = raw.Read(make([]byte, 1)) // holds the connection open, and reads next to nothing of it
				time.Sleep(50 * time.Millisecond)
				_ = raw.Close()
			}()
		}
	}()
	return l
}

// TestEndOfContext: whatever the server does or leaves undone, the end of the context ends
// the request, and closes the connection.
func TestEndOfContext(t *testing.T) {
	over(t, func(t *testing.T, secure *tls.Config, with func(*Options)) {
		for name, text := range map[string]string{"nothing": "", "half a head": "HTTP/1.1 200 OK\r\nConte", "half a body": "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab", "interim": "HTTP/1.1 102 Processing\r\n\r\n"} {
			reached, closed := make(chan bool), make(chan bool)
			s := serve(t, secure, func(c net.Conn, _ int, _ *http.Request, _ string) bool {
				_, _ = io.WriteString(c, text)
				close(reached)
				_, _ = io.Copy(io.Discard, c) // ends with the connection
				close(closed)
				return false
			})
			c := s.client(t, with)
			ctx, cancel := context.WithCancelCause(t.Context())
			go func() { <-reached; cancel(io.ErrNoProgress) }()
			if _, _, _, err := ask(ctx, c, "x"); err == nil {
				t.Errorf("%s: no error", name)
			}
			<-closed
		}
		hung := listenOnly(t)
		c := (&rawServer{Listener: hung}).client(t, with)
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		if _, _, _, err := ask(ctx, c, strings.Repeat("x", 64<<20)); err == nil { // the request is never read
			t.Error("no error from a server that reads nothing")
		}
	})
}

// listenOnly is a server whose connections nobody accepts.
func listenOnly(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// TestNothingIsResent: a request on a connection that the server closes meanwhile fails.
// A connection that the server closed before is not used.
func TestNothingIsResent(t *testing.T) {
	requests := atomic.Int32{}
	s := serve(t, nil, func(c net.Conn, n int, _ *http.Request, body string) bool {
		requests.Add(1)
		if n == 2 {
			return false
		}
		say(c, body)
		return true
	})
	c := s.client(t, nil)
	for i, fails := range []bool{false, true, false, true} {
		if _, _, _, err := ask(t.Context(), c, "x"); (err != nil) != fails {
			t.Errorf("request %d: %v", i, err)
		}
	}
	if n := requests.Load(); n != 4 {
		t.Errorf("the server got %d requests, want 4", n)
	}
}

func TestIdleConnectionsEnd(t *testing.T) {
	closed := make(chan bool, 1)
	s := serve(t, nil, func(c net.Conn, _ int, _ *http.Request, body string) bool {
		say(c, body)
		_, _ = io.Copy(io.Discard, c)
		closed <- true
		return false
	})
	c := s.client(t, func(o *Options) { o.IdleTime = time.Millisecond })
	if _, _, _, err := ask(t.Context(), c, "x"); err != nil {
		t.Fatal(err)
	}
	<-closed
}

// TestHeadsAreWhole: nothing in a request's head can begin another line.
func TestHeadsAreWhole(t *testing.T) {
	c := New(Options{})
	for _, r := range []*Request{
		{Method: "POST", Target: "/a\r\nX: y", Host: "h"}, {Method: "POST", Target: "/", Host: "h\nX: y"},
		{Method: "POST", Target: "/", Host: "h", Header: http.Header{"A": {"b\r\nC: d"}}},
		{Method: "POST", Target: "/", Host: "h", Header: http.Header{"A\r\n": {"b"}}},
	} {
		if _, err := c.Do(t.Context(), r); !errors.Is(err, errNotAHead) {
			t.Errorf("%+v: %v", r, err)
		}
	}
}
