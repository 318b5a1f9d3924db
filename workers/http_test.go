package workers

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// served makes a host for a handler, closed when the test ends.
func served(t *testing.T, o HTTPOptions, handler http.HandlerFunc) *HTTPHost {
	t.Helper()
	srv := httptest.NewServer(handler)
	t.Cleanup(srv.Close)
	o.URL = srv.URL
	return hostFor(t, o)
}

// pipes is a listener that hands out the other ends of pipes. In a bubble the time
// of a host behind them is virtual, which that of a socket is not.
type pipes chan net.Conn

func (p pipes) Accept() (net.Conn, error) {
	conn, ok := <-p
	if !ok {
		return nil, net.ErrClosed
	}
	return conn, nil
}

func (p pipes) Close() error   { close(p); return nil }
func (p pipes) Addr() net.Addr { return &net.TCPAddr{} }

// piped is served, but over pipes.
func piped(t *testing.T, o HTTPOptions, handler http.HandlerFunc) *HTTPHost {
	t.Helper()
	listener := make(pipes)
	srv := &http.Server{Handler: handler}
	go func() { _ = srv.Serve(listener) }()
	t.Cleanup(func() { _ = srv.Close() })
	o.URL, o.Dial = "http://piped", func(context.Context) (net.Conn, error) {
		ours, theirs := net.Pipe()
		listener <- theirs
		return ours, nil
	}
	return hostFor(t, o)
}

func hostFor(t *testing.T, o HTTPOptions) *HTTPHost {
	t.Helper()
	h, err := NewHTTPHost(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.Close)
	return h
}

// raw makes a host that reads a request's header and answers with these bytes.
func raw(t *testing.T, o HTTPOptions, answer string) *HTTPHost {
	t.Helper()
	return served(t, o, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		conn, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			panic(err)
		}
		_, _ = io.WriteString(conn, answer)
		_ = conn.Close()
	})
}

func TestInvokeSendsWhatIsAsked(t *testing.T) {
	var got *http.Request
	var body []byte
	h := served(t, HTTPOptions{Headers: []HeaderValue{{"authorization", "Bearer s3cret"}}}, func(w http.ResponseWriter, r *http.Request) {
		got = r
		body, _ = io.ReadAll(r.Body)
		w.Header().Set("Content-Type", "text/csv; charset=utf-8")
		_, _ = io.WriteString(w, "1\n2\n")
	})
	into := make([]byte, 3, 100)
	resp, err := h.Invoke(t.Context(), &Request{Body: []byte("a,b\nc,d\n"), ContentType: "text/csv", Accept: "application/json",
		Key: "j/in/ä.csv/1/2", Object: "in/50% ä.csv", First: 12, Into: into})
	if err != nil {
		t.Fatal(err)
	}
	if string(resp.Body) != "1\n2\n" || &resp.Body[0] != &into[0] || resp.ContentType != "text/csv; charset=utf-8" || resp.Status != 200 || resp.Unframed {
		t.Errorf("response is %+v", resp)
	}
	for name, want := range map[string]string{
		"Content-Type": "text/csv", "Accept": "application/json", "Authorization": "Bearer s3cret", "Idempotency-Key": "j/in/%C3%A4.csv/1/2",
		"X-Batchmill-Object": "in/50%25%20%C3%A4.csv", "X-Batchmill-Record": "12", "Accept-Encoding": "", "Transfer-Encoding": "",
	} {
		if have := strings.Join(got.Header.Values(name), "|"); have != want {
			t.Errorf("%s is %q, want %q", name, have, want)
		}
	}
	if got.URL.Path != "/invocations" || got.Method != "POST" || string(body) != "a,b\nc,d\n" || got.ContentLength != 8 {
		t.Errorf("%s %s with %q", got.Method, got.URL, body)
	}
}

func TestBodiesThatBreakOff(t *testing.T) {
	const ok = "HTTP/1.1 200 OK\r\nContent-Type: text/csv\r\n"
	for name, answer := range map[string]string{
		"content-length": ok + "Content-Length: 10\r\n\r\n1\n2\n",
		"chunk":          ok + "Transfer-Encoding: chunked\r\n\r\n4\r\n1\n2\n\r\n",
		"inside a chunk": ok + "Transfer-Encoding: chunked\r\n\r\nff\r\n1\n2\n",
		"header":         "HTTP/1.1 200 OK\r\nContent-Ty",
		"nothing":        "",
		"no http":        "SSH-2.0-OpenSSH_9.0\r\n",
		"huge header":    ok + "X: " + strings.Repeat("x", 1<<20) + "\r\n\r\n",
		"cut gzip":       ok + "Content-Encoding: gzip\r\nContent-Length: 20\r\n\r\n" + zipped("1\n2\n")[:20],
		"empty gzip":     ok + "Content-Encoding: gzip\r\nContent-Length: 0\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			_, err := raw(t, HTTPOptions{}, answer).Invoke(t.Context(), &Request{Body: []byte("x")})
			broken, isTransport := errors.AsType[*TransportError](err)
			if !isTransport || broken.Cause != Broken {
				t.Errorf("error is %v, want broken", err)
			}
		})
	}
}

func zipped(s string) string {
	var b bytes.Buffer
	zw := gzip.NewWriter(&b)
	_, _ = io.WriteString(zw, s)
	_ = zw.Close()
	return b.String()
}

func TestUnframedBody(t *testing.T) {
	for _, version := range []string{"HTTP/1.0", "HTTP/1.1"} {
		resp, err := raw(t, HTTPOptions{}, version+" 200 OK\r\n\r\n1\n2\n").Invoke(t.Context(), &Request{})
		if err != nil || !resp.Unframed || string(resp.Body) != "1\n2\n" {
			t.Errorf("%s: %+v, %v", version, resp, err)
		}
	}
	resp, err := raw(t, HTTPOptions{}, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n1\n\r\n0\r\n\r\n").Invoke(t.Context(), &Request{})
	if err != nil || resp.Unframed || string(resp.Body) != "1\n" {
		t.Errorf("chunked: %+v, %v", resp, err)
	}
}

func TestEncodings(t *testing.T) {
	answer := func(encoding, body string) string {
		return fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Encoding: %s\r\nContent-Length: %d\r\n\r\n%s", encoding, len(body), body)
	}
	resp, err := raw(t, HTTPOptions{}, answer("gzip", zipped("1\n2\n"))).Invoke(t.Context(), &Request{})
	if err != nil || string(resp.Body) != "1\n2\n" {
		t.Errorf("gzip: %q, %v", resp.Body, err)
	}
	for encoding, body := range map[string]string{"br": "x", "zstd": "x", "gzip": "this is no gzip at all"} {
		_, err := raw(t, HTTPOptions{}, answer(encoding, body)).Invoke(t.Context(), &Request{})
		if o := Classify(Response{}, err); o.Cause != Garbled {
			t.Errorf("%s is %v: %v", encoding, o.Cause, err)
		}
	}
	_, err = raw(t, HTTPOptions{MaxResponse: 1 << 20}, answer("gzip", zipped(strings.Repeat("0", 1<<24)))).Invoke(t.Context(), &Request{})
	if o := Classify(Response{}, err); o.Cause != Oversized {
		t.Errorf("a bomb is %v: %v", o.Cause, err)
	}
}

func TestResponseCap(t *testing.T) {
	for size := 99; size <= 101; size++ {
		for _, framing := range []string{"length", "chunked"} {
			h := served(t, HTTPOptions{MaxResponse: 100}, func(w http.ResponseWriter, _ *http.Request) {
				if framing == "chunked" {
					w.(http.Flusher).Flush()
				}
				_, _ = w.Write(make([]byte, size))
			})
			resp, err := h.Invoke(t.Context(), &Request{})
			large, isLarge := errors.AsType[*TooLargeResponseError](err)
			if isLarge != (size > 100) || (err == nil) != (size <= 100) || (err == nil && len(resp.Body) != size) || (isLarge && large.Limit != 100) {
				t.Errorf("%d bytes %s: %d, %v", size, framing, len(resp.Body), err)
			}
		}
	}
	// Refused before anything is read, and before any memory is taken.
	reserve := func(context.Context, int) error { t.Error("asked for memory"); return nil }
	_, err := raw(t, HTTPOptions{MaxResponse: 100}, "HTTP/1.1 200 OK\r\nContent-Length: 9000000000000000000\r\n\r\n").Invoke(t.Context(), &Request{Reserve: reserve})
	if o := Classify(Response{}, err); o.Cause != Oversized {
		t.Errorf("a huge declared length is %v", err)
	}
}

func TestStatuses(t *testing.T) {
	page := strings.Repeat("token s3cret-token was refused ", 100)
	h := served(t, HTTPOptions{Headers: []HeaderValue{{"X-Key", "s3cret-token"}}}, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "3")
		w.Header().Set("Location", "http://elsewhere.example/?k=s3cret-token")
		w.WriteHeader(307)
		_, _ = io.WriteString(w, page)
	})
	resp, err := h.Invoke(t.Context(), &Request{Body: []byte("x")})
	if err != nil || resp.Status != 307 || resp.RetryAfter != 3*time.Second || len(resp.Body) > 1024 || len(resp.Body) < 800 {
		t.Errorf("%+v, %v", resp, err)
	}
	if said := string(resp.Body) + resp.Location; strings.Contains(said, "s3cr") || !strings.Contains(resp.Location, "elsewhere") {
		t.Errorf("the host's words hold our secret: %s", said)
	}
}

func TestUnreachable(t *testing.T) {
	const url = "http://127.0.0.1:1" // a port that was free a moment ago may be another test's now
	h := hostFor(t, HTTPOptions{URL: url})
	_, err := h.Invoke(t.Context(), &Request{Body: []byte("x")})
	if o := Classify(Response{}, err); o.Cause != Unreachable || !strings.Contains(err.Error(), url) {
		t.Errorf("%v: %v", o.Cause, err)
	}
	if _, err := h.Ready(t.Context()); err == nil {
		t.Error("ready without a server")
	}
	// A certificate nobody signed: no request has reached the host.
	srv := httptest.NewUnstartedServer(http.NotFoundHandler())
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	srv.StartTLS()
	defer srv.Close()
	_, err = hostFor(t, HTTPOptions{URL: srv.URL}).Invoke(t.Context(), &Request{})
	if o := Classify(Response{}, err); o.Cause != Unreachable {
		t.Errorf("a bad certificate is %v: %v", o.Cause, err)
	}
}

// TestErrorsAreScrubbed: what a connection says of itself, as a process's last lines are,
// may repeat what the host was sent.
func TestErrorsAreScrubbed(t *testing.T) {
	const secret = "a-secret-token"
	h := hostFor(t, HTTPOptions{URL: "http://host", Headers: []HeaderValue{{Name: "X-Token", Value: secret}}, Dial: func(context.Context) (net.Conn, error) {
		return nil, errors.New("there is no process: its last lines: X-Token: " + secret)
	}})
	_, err := h.Invoke(t.Context(), &Request{Body: []byte("1\n"), ContentType: "text/csv", Accept: "text/csv"})
	_, ready := h.Ready(t.Context())
	for what, err := range map[string]error{"Invoke": err, "Ready": ready} {
		if err == nil || !strings.Contains(err.Error(), "its last lines") || strings.Contains(err.Error(), secret) {
			t.Errorf("%s: %v", what, err)
		}
	}
}
