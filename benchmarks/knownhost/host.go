package knownhost

import (
	"context"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/batchmill/batchmill/workers/reference"
)

// A Trouble is what may become of a host.
type Trouble string

// The troubles.
const (
	Die   Trouble = "dead"    // nobody listens any more, and all connections are reset
	Stall Trouble = "stalled" // connections stay, and nothing comes back
	Slow  Trouble = "slow"    // every invocation takes SlowTimes its time
)

// SlowTimes is how much longer invocations take on a host that has turned slow.
const SlowTimes = 10

// Options say what to serve. Model is needed.
type Options struct {
	Model Model
	Seed  uint64
	// Start is what the times of requests count from.
	Start time.Time
	// Answered is called after each good answer, concurrently; nil is nothing.
	Answered func()
}

// A Host serves a Model on a free port of 127.0.0.1.
type Host struct {
	URL string

	o       Options
	model   *reference.Host
	server  *http.Server
	stalled chan struct{} // closed when it stalls
	closed  context.Context
	end     context.CancelFunc
	stall   sync.Once
	running sync.WaitGroup // the listener and the connections

	mu       sync.Mutex
	requests []Request
}

// Start serves. Close the host.
func Start(o Options) (*Host, error) {
	model, err := reference.New(o.Model.options(o.Seed))
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	h := newHost(o, model)
	h.URL = "http://" + l.Addr().String()
	h.server = &http.Server{
		Handler: h, ReadHeaderTimeout: time.Minute,
		BaseContext: func(net.Listener) context.Context { return h.closed },
		ConnState:   h.count,
	}
	h.running.Go(func() { _ = h.server.Serve(resetting{l}) }) // it ends when the server is closed
	return h, nil
}

// count counts the connections whose goroutines run.
func (h *Host) count(_ net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		h.running.Add(1)
	case http.StateClosed:
		h.running.Done()
	}
}

func newHost(o Options, model *reference.Host) *Host {
	h := &Host{o: o, model: model, stalled: make(chan struct{})}
	h.closed, h.end = context.WithCancel(context.Background())
	return h
}

// resetting makes connections whose end is a reset, whatever was still to be
// sent or read.
type resetting struct{ net.Listener }

// Accept is the listener's.
func (l resetting) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // without it the end is a polite one
	}
	return conn, err
}

// TurnOn brings a trouble about when the signal is closed, unless the host is before.
func (h *Host) TurnOn(signal <-chan struct{}, t Trouble) {
	h.running.Go(func() {
		select {
		case <-signal:
			h.Turn(t)
		case <-h.closed.Done():
		}
	})
}

// Turn brings a trouble about, now.
func (h *Host) Turn(t Trouble) {
	switch t {
	case Die:
		h.shut()
	case Stall:
		h.stall.Do(func() { close(h.stalled) })
	case Slow:
		h.model.Slow(SlowTimes)
	}
}

// shut ends serving. Requests under way get no answer.
func (h *Host) shut() {
	h.end()
	if h.server != nil {
		_ = h.server.Close() // what it cannot close is closed
	}
}

// Close ends serving, and waits until no request is under way.
func (h *Host) Close() {
	h.shut()
	h.running.Wait()
}

// Requests are those that have ended so far, pings left out. After Close these are all.
func (h *Host) Requests() []Request {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]Request(nil), h.requests...)
}

// ServeHTTP is the model's, noted, unless the host has stalled.
func (h *Host) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g := &gate{ResponseWriter: w, host: h, request: r}
	if r.URL.Path != "/invocations" {
		g.serve()
		return
	}
	came := time.Since(h.o.Start)
	defer func() {
		h.note(Request{Came: came, Went: time.Since(h.o.Start), Status: g.status})
		if g.status == http.StatusOK && h.o.Answered != nil {
			h.o.Answered()
		}
	}()
	g.serve()
}

func (h *Host) note(r Request) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.requests = append(h.requests, r)
}

// A gate keeps answers back once the host has stalled or is closed.
type gate struct {
	http.ResponseWriter
	host    *Host
	request *http.Request
	status  int
}

// serve has the model answer. Where it writes nothing, because the client has
// gone away or the host is closed, net/http would send an empty 200.
func (g *gate) serve() {
	g.wait()
	g.host.model.ServeHTTP(g, g.request)
	if g.status == 0 && g.request.URL.Path == "/invocations" {
		panic(http.ErrAbortHandler)
	}
}

// wait breaks the connection off when nothing may be written: at once when the
// host is closed, and when the client has gone away on a host that has stalled.
func (g *gate) wait() {
	select {
	case <-g.host.stalled:
		select {
		case <-g.request.Context().Done():
		case <-g.host.closed.Done():
		}
	case <-g.host.closed.Done():
	default:
		return
	}
	panic(http.ErrAbortHandler)
}

// WriteHeader notes the status.
func (g *gate) WriteHeader(status int) {
	if g.status == 0 {
		g.wait()
		g.status = status
		g.ResponseWriter.WriteHeader(status)
	}
}

// Write is the client's, once it may be.
func (g *gate) Write(b []byte) (int, error) {
	g.WriteHeader(http.StatusOK)
	return g.ResponseWriter.Write(b)
}
