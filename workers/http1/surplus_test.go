package http1

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestStaleBytes: what a server sends beside its responses is part of no other response,
// and ends the reuse of connections. The server is told to go on only after its bytes have arrived.
func TestStaleBytes(t *testing.T) {
	for name, stale := range map[string]string{
		"the response again": "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nx1",
		"one byte":           "H",
		"an empty line":      "\r\n",
		"a 400":              "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n",
		"a 100":              "HTTP/1.1 100 Continue\r\n\r\n",
		"no HTTP":            "\x00\xff",
		"a megabyte":         strings.Repeat("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nx1", 1<<15),
	} {
		for _, apart := range []time.Duration{0, 5 * time.Millisecond} {
			if apart == 0 && !mayBeResponse([]byte(stale)) && strings.TrimSpace(stale) != "" {
				continue // TestLongerThanDeclared
			}
			over(t, func(t *testing.T, secure *tls.Config, with func(*Options)) {
				said, told := make(chan bool, 100), atomic.Int32{}
				s := serve(t, secure, func(c net.Conn, _ int, _ *http.Request, body string) bool {
					text := "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n" + body
					if apart == 0 {
						_, _ = io.WriteString(c, text+stale[:min(len(stale), 1000)])
					} else {
						_, _ = io.WriteString(c, text)
						time.Sleep(apart) // another segment
						_, _ = io.WriteString(c, stale)
					}
					said <- true
					return true
				})
				c := s.client(t, func(o *Options) { with(o); o.Surplus = func(string) { told.Add(1) } })
				for i := range 5 {
					body := "x" + itoa(i)
					_, answer, trust, err := ask(t.Context(), c, body)
					if err != nil || answer != body || trust != nil && trust.slip != nil {
						t.Fatalf("%s, %v apart: request %d: %q, %v, trust %v", name, apart, i, answer, err, trust)
					}
					<-said
				}
				if told.Load() != 1 || s.connections() != 5 {
					t.Errorf("%s, %v apart: told %d times, %d connections", name, apart, told.Load(), s.connections())
				}
			})
		}
	}
}

// TestLongerThanDeclared: a response that goes on behind its Content-Length was cut by that. The
// response is refused where the rest has come with it, and in doubt where the rest comes later.
func TestLongerThanDeclared(t *testing.T) {
	over(t, func(t *testing.T, secure *tls.Config, with func(*Options)) {
		for _, apart := range []bool{false, true} {
			for _, more := range []string{"", "Connection: close\r\n"} {
				if apart && more != "" {
					continue // nobody looks at such a connection later
				}
				said := make(chan bool, 1)
				s := serve(t, secure, func(c net.Conn, _ int, _ *http.Request, _ string) bool {
					text := "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n" + more + "\r\n1."
					if !apart {
						_, _ = io.WriteString(c, text+"5")
					} else {
						_, _ = io.WriteString(c, text)
						time.Sleep(5 * time.Millisecond) // another segment
						_, _ = io.WriteString(c, "5")
					}
					said <- true
					return true
				})
				c := s.client(t, with)
				_, _, trust, err := ask(t.Context(), c, "x")
				<-said
				if !apart && !errors.Is(err, errLonger) || apart && err != nil {
					t.Fatalf("apart %v: %v", apart, err)
				}
				for i := 0; apart && !trust.Doubted() && i < 1000; i++ {
					c.Examine(t.Context())
					time.Sleep(time.Millisecond)
				}
				if apart && !trust.Doubted() {
					t.Error("nobody doubts a response that was cut")
				}
			}
		}
	})
}

// TestRestBeforeTheNextResponse: what a wrong length cut off may come after the next request's head.
func TestRestBeforeTheNextResponse(t *testing.T) {
	s := serve(t, nil, func(c net.Conn, n int, _ *http.Request, _ string) bool {
		if n == 2 {
			_, _ = io.WriteString(c, "5") // of the first response, 1.5
		}
		say(c, "1.")
		return true
	})
	c := s.client(t, nil)
	_, _, trust, err := ask(t.Context(), c, "x")
	if err != nil || trust.Doubted() {
		t.Fatal(err, trust)
	}
	if _, answer, _, err := ask(t.Context(), c, "x"); err == nil || !trust.Doubted() {
		t.Errorf("%q, %v; the response that was cut is in doubt: %v", answer, err, trust.Doubted())
	}
}

// TestBanner: what a server says before its first request is no response.
func TestBanner(t *testing.T) {
	s := serve(t, nil, func(c net.Conn, _ int, _ *http.Request, body string) bool { say(c, body); return true })
	c := s.client(t, func(o *Options) {
		o.Dial = func(context.Context) (net.Conn, error) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				return nil, err
			}
			defer l.Close()
			ours, err := net.Dial("tcp", l.Addr().String())
			if err != nil {
				return nil, err
			}
			theirs, err := l.Accept()
			if err != nil {
				return nil, err
			}
			t.Cleanup(func() { _ = theirs.Close() })
			say(theirs, "x")
			_, err = io.ReadFull(peeking{ours}, make([]byte, 1))
			return ours, err
		}
	})
	if _, answer, _, err := ask(t.Context(), c, "a"); !errors.Is(err, errSpeaks) {
		t.Errorf("%q, %v", answer, err)
	}
}

// peeking waits until something can be read, and reads nothing.
type peeking struct{ net.Conn }

func (p peeking) Read(b []byte) (int, error) {
	for {
		if waiting, open, known := peek(p.Conn); waiting || !open || !known {
			return len(b), nil
		}
		time.Sleep(time.Millisecond)
	}
}

// TestRest: a second response within the rest is found before the connection is used again.
func TestRest(t *testing.T) {
	s := serve(t, nil, func(c net.Conn, n int, _ *http.Request, body string) bool {
		say(c, body)
		if n == 1 {
			time.Sleep(20 * time.Millisecond)
			say(c, body)
		}
		return true
	})
	c := s.client(t, func(o *Options) { o.Rest = time.Minute / 2; o.IdleTime = time.Hour })
	if _, answer, _, err := ask(t.Context(), c, "a"); err != nil || answer != "a" {
		t.Fatal(answer, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, _, _, err := ask(ctx, c, "b"); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("the connection did not rest: %v", err)
	}
	if _, answer, trust, err := ask(t.Context(), c, "c"); err != nil || answer != "c" || trust != nil && trust.slip != nil {
		t.Fatalf("%q, %v, trust %v", answer, err, trust)
	}
}

// TestDoubt: a second response that comes after the next request's head is taken for that
// request's, and the surplus shows it, whatever the true response is: every response but the connection's first is in doubt.
func TestDoubt(t *testing.T) {
	for _, before := range []string{"", "HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n"} {
		over(t, func(t *testing.T, secure *tls.Config, with func(*Options)) { testDoubt(t, secure, with, before) })
	}
}

func testDoubt(t *testing.T, secure *tls.Config, with func(*Options), before string) {
	said := make(chan bool, 1)
	s := serve(t, secure, func(c net.Conn, n int, _ *http.Request, body string) bool {
		if n == 2 {
			say(c, "a") // the first response, late
			_, _ = io.WriteString(c, before)
		}
		say(c, body)
		said <- true
		return true
	})
	c := s.client(t, with)
	_, _, first, err := ask(t.Context(), c, "a")
	<-said
	if err != nil || first.slip != nil {
		t.Fatal(first, err)
	}
	_, answer, second, err := ask(t.Context(), c, "b")
	<-said
	if err != nil || answer != "a" || second.slip == nil {
		t.Fatalf("%q, %v, %v", answer, second, err)
	}
	told := 0
	if !second.Doubted() && !second.Rely(func() { told++ }) {
		t.Fatal("in doubt and not in doubt")
	}
	if _, answer, third, err := ask(t.Context(), c, "c"); err != nil || answer != "c" || third != nil && third.slip != nil {
		t.Fatalf("%q, %v, %v", answer, third, err)
	}
	c.Examine(t.Context())
	if !second.Doubted() || second.Rely(func() {}) {
		t.Error("nobody doubts a response that was another request's")
	}
	if told > 1 || first.Doubted() {
		t.Errorf("told %d times, the first response is in doubt: %v", told, first.Doubted())
	}
}

// TestOwn: a response that names its request is in no doubt, nor are the responses before it.
func TestOwn(t *testing.T) {
	s := serve(t, nil, func(c net.Conn, n int, _ *http.Request, body string) bool {
		if n == 4 {
			say(c, "the third response, late")
		}
		say(c, body)
		return true
	})
	c := s.client(t, nil)
	var trusts []*Trust
	for i := range 4 {
		resp, err := c.Do(t.Context(), &Request{Method: "POST", Target: "/", Host: "h", Body: []byte("x")})
		if err != nil {
			t.Fatal(err)
		}
		if i < 3 {
			resp.Own()
		}
		_, _ = io.ReadAll(resp.Body)
		trusts = append(trusts, resp.Trust)
	}
	for range 1000 {
		if c.Examine(t.Context()); trusts[3].Doubted() {
			break
		}
		time.Sleep(time.Millisecond)
	}
	for i, trust := range trusts {
		if trust.Doubted() != (i == 3) {
			t.Errorf("response %d is in doubt: %v", i+1, trust.Doubted())
		}
	}
}

// TestExamineWaits: the true response may still be to come when connections are examined, on connections
// that are not used any more, too.
func TestExamineWaits(t *testing.T) {
	s := serve(t, nil, func(c net.Conn, n int, _ *http.Request, body string) bool {
		if n == 2 {
			say(c, "a")
			time.Sleep(20 * time.Millisecond)
		}
		say(c, body)
		return true
	})
	for _, lost := range []bool{false, true} {
		c := s.client(t, nil)
		c.rested.Store(restedReuses)
		c.o.Rest = time.Second
		_, _, _, err := ask(t.Context(), c, "a")
		if err != nil {
			t.Fatal(err)
		}
		resp, err := c.Do(t.Context(), &Request{Method: "POST", Target: "/", Host: "h", Body: []byte("b")})
		if err != nil {
			t.Fatal(err)
		}
		if lost {
			c.surplus(nil, []byte("of another connection"))
		}
		if b, err := io.ReadAll(resp.Body); err != nil || string(b) != "a" {
			t.Fatalf("%q, %v", b, err)
		}
		if c.Examine(t.Context()); !resp.Trust.Doubted() {
			t.Errorf("keep-alive lost: %v: nobody doubts a response that was another request's", lost)
		}
	}
}

// TestAllRest: as many connections as there are rest before they are used again, until some have
// rested in vain.
func TestAllRest(t *testing.T) {
	const conns = 8
	var all sync.WaitGroup
	arrived := make(chan bool, conns)
	s := serve(t, nil, func(c net.Conn, n int, _ *http.Request, body string) bool {
		if n == 1 && body[0] == 'a' { // all at once, so that each has a connection
			arrived <- true
			for len(arrived) < conns {
				time.Sleep(time.Millisecond)
			}
		}
		say(c, body)
		time.Sleep(20 * time.Millisecond)
		say(c, body)
		return true
	})
	c := s.client(t, func(o *Options) { o.Rest = 4 * time.Second })
	for _, round := range []string{"a", "b"} {
		for i := range conns {
			all.Go(func() {
				if _, answer, _, err := ask(t.Context(), c, round+itoa(i)); err != nil || answer != round+itoa(i) {
					t.Errorf("%q, %v, want %s%d", answer, err, round, i)
				}
			})
		}
		all.Wait()
	}
}

// TestExamine: what comes while a connection rests is found without another request, and told
// to who relied on the responses.
func TestExamine(t *testing.T) {
	said, more := make(chan bool), make(chan bool)
	s := serve(t, nil, func(c net.Conn, n int, _ *http.Request, body string) bool {
		say(c, body)
		if n == 2 {
			<-more
			say(c, body)
			said <- true
		}
		return true
	})
	c := s.client(t, nil)
	var trust *Trust
	for range 2 {
		var err error
		if _, _, trust, err = ask(t.Context(), c, "a"); err != nil {
			t.Fatal(err)
		}
	}
	told := 0
	if !trust.Rely(func() { told++ }) {
		t.Fatal("in doubt too early")
	}
	c.Examine(t.Context())
	more <- true
	<-said
	for range 1000 { // a loopback socket has the bytes within microseconds
		if c.Examine(t.Context()); told > 0 {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if told != 1 {
		t.Errorf("told %d times", told)
	}
}
