package container

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/batchmill/batchmill/workers"
)

// longEnough is how long a container must have been ready for its end to be no
// part of a row of failures.
const longEnough = 30 * time.Second

// A Host is a [workers.Kept]: a container, and the next one after that has ended.
type Host struct {
	fleet *Fleet
	index int // from 0
	name  string
	http  *workers.HTTPHost

	mu      sync.Mutex
	life    int       // number of the container, from 1
	id      string    // its ID
	address string    // where it listens; "" while there is none
	ready   time.Time // since when it is; zero while it is not
	asked   bool      // it has got an invocation
	good    bool      // it has answered one well
	suspect bool      // a connection to it broke, so that it may be gone
	absent  error     // why there is none
}

var (
	errNotStarted = errors.New("its container has not been started yet")
	errNotReady   = errors.New("its container is not ready yet")
	errNotKept    = errors.New("its container is gone for good")
)

func newHost(f *Fleet, index int) (*Host, error) {
	h := &Host{fleet: f, index: index, name: fmt.Sprintf("container://%s/%d", f.o.Image, index+1), absent: errNotStarted}
	o := f.o.HTTP
	o.URL, o.Name, o.Dial = "http://localhost:"+port, h.name, h.dial
	var err error
	h.http, err = workers.NewHTTPHost(o)
	return h, err
}

// Name is container://IMAGE/NUMBER, whatever container it is.
func (h *Host) Name() string { return h.name }

// Format prints the host's name whatever the verb, so that no variable's value
// comes out by accident.
func (h *Host) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, h.name) }

// Format prints nothing that is secret, whatever the verb.
func (f *Fleet) Format(s fmt.State, _ rune) { _, _ = fmt.Fprintf(s, "containers of %s", f.o.Image) }

// Ready asks the container that runs now. Only then does it get invocations.
func (h *Host) Ready(ctx context.Context) (workers.Parameters, error) {
	h.mu.Lock()
	life, absent := h.life, h.absent
	h.mu.Unlock()
	if absent != nil {
		return workers.Parameters{}, absent
	}
	p, err := h.http.Ready(ctx)
	if err == nil {
		h.mu.Lock()
		if h.life == life && h.absent == nil {
			h.suspect = false
			if h.ready.IsZero() {
				h.ready = time.Now()
			}
		}
		h.mu.Unlock()
	}
	return p, err
}

// Invoke sends a request to the container that runs now. While none is ready it
// is unreachable: an engine that publishes ports takes connections for servers
// that do not listen yet, or no more, and breaks them. So after a connection that
// broke the server is asked first whether it is there, since its end becomes
// known a moment later than it shows.
func (h *Host) Invoke(ctx context.Context, r *workers.Request) (workers.Response, error) {
	life, err := h.ask(ctx)
	if ctx.Err() != nil {
		return workers.Response{}, ctx.Err()
	}
	if err != nil {
		return workers.Response{}, &workers.TransportError{Host: h.name, Cause: workers.Unreachable, Err: err}
	}
	began := time.Now()
	resp, err := h.http.Invoke(ctx, r)
	timeout := cmp.Or(h.fleet.o.HTTP.Timeout, time.Minute)
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.life == life {
		h.good = h.good || err == nil && resp.Status/100 == 2
		h.suspect = h.suspect || err != nil && ctx.Err() == nil && time.Since(began) < timeout
	}
	return resp, err
}

// ask notes that the container of that life gets an invocation, or says why it cannot.
func (h *Host) ask(ctx context.Context) (life int, err error) {
	h.mu.Lock()
	suspect := h.suspect && h.absent == nil
	h.mu.Unlock()
	if suspect {
		if _, err := h.Ready(ctx); err != nil {
			return 0, err
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.absent != nil:
		return 0, h.absent
	case h.ready.IsZero():
		return 0, errNotReady
	}
	h.asked = true
	return h.life, nil
}

// dial connects to the container that runs now.
func (h *Host) dial(ctx context.Context) (net.Conn, error) {
	h.mu.Lock()
	address, absent := h.address, h.absent
	h.mu.Unlock()
	if absent != nil {
		return nil, absent
	}
	var d net.Dialer
	return d.DialContext(ctx, "tcp", address)
}

// began notes a new container and where it listens.
func (h *Host) began(id, address string) {
	h.http.Close() // connections to the one before
	h.mu.Lock()
	defer h.mu.Unlock()
	h.life++
	h.id, h.address, h.absent, h.ready, h.asked, h.good, h.suspect = id, address, nil, time.Time{}, false, false, false
}

// use is how far a container came.
type use int

const (
	useless use = iota // it was not ready, or was ready for a moment and nobody asked it
	asked              // it was ready, and a request may be why it ended
	useful             // it answered well, or was ready for a while
)

// ended notes why there is no container, and tells of what use the last one was.
func (h *Host) ended(why error) (u use) {
	h.mu.Lock()
	switch {
	case h.absent != nil:
	case h.good || !h.ready.IsZero() && time.Since(h.ready) >= longEnough:
		u = useful
	case h.asked:
		u = asked
	}
	h.absent = why
	h.mu.Unlock()
	h.http.Close()
	return u
}
