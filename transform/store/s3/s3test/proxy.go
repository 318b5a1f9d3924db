package s3test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// A Proxy stands between a client and a server, and passes every request on as
// it is, signature included, until a fault fires. It speaks path style.
type Proxy struct {
	Endpoint string // http://127.0.0.1:PORT

	server   *Server
	upstream *http.Transport
	http     *http.Server
	ctx      context.Context // ends with Close
	cancel   context.CancelFunc
	handlers sync.WaitGroup

	sent, received atomic.Int64

	mu     sync.Mutex
	closed bool
	faults []*armed
	seen   map[Op]int
	fired  map[string]int
	trace  []string
}

// NewProxy starts a proxy before s that ends with the test. When the test has
// failed, it logs what passed.
func NewProxy(t testing.TB, s *Server) *Proxy {
	t.Helper()
	p, err := OpenProxy(s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.Close()
		if t.Failed() {
			t.Logf("requests:\n%s", strings.Join(p.Trace(), "\n"))
		}
	})
	return p
}

// OpenProxy starts a proxy before s. Its owner calls Close.
func OpenProxy(s *Server) (*Proxy, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &Proxy{
		Endpoint: "http://" + l.Addr().String(), server: s,
		upstream: &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 64},
		seen:     map[Op]int{}, fired: map[string]int{},
	}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	p.http = &http.Server{Handler: p, ReadHeaderTimeout: time.Minute}
	p.handlers.Go(func() { p.http.Serve(l) })
	return p, nil
}

// Close breaks all connections, and waits until nothing is under way.
func (p *Proxy) Close() error {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.cancel()
	err := p.http.Close()
	p.handlers.Wait()
	p.upstream.CloseIdleConnections()
	return err
}

// Inject arms faults, behind those that are there. At most one fires at a
// request: the first that is due.
func (p *Proxy) Inject(faults ...Fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, f := range faults {
		p.faults = append(p.faults, f.arm())
	}
}

// Heal takes all faults away. The counts stay.
func (p *Proxy) Heal() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.faults = nil
}

// Seen is how many requests of an operation came, those that faults met included.
func (p *Proxy) Seen(op Op) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.seen[op]
}

// Fired is how often the fault of a name fired.
func (p *Proxy) Fired(name string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.fired[name]
}

// Bytes is how much came in requests' bodies, and went in responses' bodies.
func (p *Proxy) Bytes() (received, sent int64) { return p.received.Load(), p.sent.Load() }

// maxTrace bounds what is remembered of what passed.
const maxTrace = 1000

// Trace tells the last requests, one to a line: operation, key, the fault that
// fired, what was answered.
func (p *Proxy) Trace() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string(nil), p.trace...)
}

func (p *Proxy) note(line string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.trace) == maxTrace {
		p.trace = append(p.trace[:0], p.trace[maxTrace/2:]...)
	}
	p.trace = append(p.trace, line)
}

// due counts the request and finds the fault to fire, if there is one.
func (p *Proxy) due(op Op, key string) (due *Fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.seen[op]++
	for _, a := range p.faults {
		if a.due(op, key) && due == nil {
			due = &a.Fault
			a.left--
			p.fired[a.Name]++
		}
	}
	return due
}

// ServeHTTP passes a request on, or lets a fault do with it what it does.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !p.enter() {
		panic(http.ErrAbortHandler) // which net/http takes for a broken connection
	}
	defer p.handlers.Done()
	op, _, key := Operation(r)
	x := &exchange{p: p, w: w, r: r, key: key}
	fault := p.due(op, key)
	name := ""
	if fault != nil && fault.Fires != nil {
		fault.Fires()
	}
	if fault == nil || fault.Do.run == nil {
		x.pass()
	} else {
		x.fault, name = *fault, " ["+fault.Name+"]"
		fault.Do.run(x)
	}
	p.note(fmt.Sprintf("%s %q %s%s%s -> %s", op, key, r.Header.Get("Range"), conditions(r), name, x.outcome))
}

// enter makes Close wait for the request, and tells whether it is not too late for that.
func (p *Proxy) enter() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.closed {
		p.handlers.Add(1)
	}
	return !p.closed
}

func conditions(r *http.Request) (all string) {
	for _, name := range conditionHeaders {
		if value := r.Header.Get(name); value != "" {
			all += " " + name + ": " + value
		}
	}
	return all
}
