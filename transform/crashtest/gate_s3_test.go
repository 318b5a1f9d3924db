//go:build unix

package crashtest

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync"
	"testing"
)

// gate passes requests on to an S3 server and counts them. At one of them it
// strikes the process that made it: before the server has seen the request, or
// when it has answered and the process has not heard it yet.
type gate struct {
	url     string
	forward *httputil.ReverseProxy

	mu     sync.Mutex
	passed int64
	at     int64 // the request at which it strikes, from 1; 0 is never
	after  bool
	strike func() // returns when the request may go on, if its process lives
	where  string // the request that it struck
}

func newGate(t *testing.T, server string) *gate {
	t.Helper()
	to, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{MaxIdleConnsPerHost: 64, DisableCompression: true}
	t.Cleanup(transport.CloseIdleConnections)
	g := &gate{forward: &httputil.ReverseProxy{Transport: transport, FlushInterval: -1,
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme, r.Out.URL.Host = to.Scheme, to.Host
			r.Out.Host = r.In.Host // it was signed
		},
		// The process that asked may be dead.
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
	}}
	s := httptest.NewServer(g)
	t.Cleanup(s.Close)
	g.url = s.URL
	return g
}

// set arms the gate; at 0 it only counts, from 0 on.
func (g *gate) set(at int64, after bool, strike func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.passed, g.at, g.after, g.strike, g.where = 0, at, after, strike, ""
}

// struck is the request that the gate has struck at; "" when it has not.
func (g *gate) struck() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.where
}

// count is how many requests have come.
func (g *gate) count() int64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.passed
}

func (g *gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g.mu.Lock()
	g.passed++
	here, after, strike := g.passed == g.at, g.after, g.strike
	if here {
		g.where = map[bool]string{false: "before ", true: "after "}[after] + r.Method + " " + r.URL.RequestURI()
	}
	g.mu.Unlock()
	switch {
	case !here:
		g.forward.ServeHTTP(w, r)
	case !after:
		strike()
		g.forward.ServeHTTP(w, r) // it is on its way, whoever waits for it
	default:
		g.forward.ServeHTTP(&struckWriter{ResponseWriter: w, strike: strike}, r)
	}
}

// struckWriter strikes when the answer is there.
type struckWriter struct {
	http.ResponseWriter
	strike func()
	once   sync.Once
}

func (w *struckWriter) WriteHeader(status int) {
	w.once.Do(w.strike)
	w.ResponseWriter.WriteHeader(status)
}

func (w *struckWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
