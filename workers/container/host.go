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

// usefulAfter is how long a container must have been ready for its end not to count as
// a failure.
const usefulAfter = 30 * time.Second

// A Host is the [workers.Kept] host of a container, and of the next container after
// that has ended.
type Host struct {
	fleet *Fleet
	index int // from 0
	name  string
	http  *workers.HTTPHost

	mu         sync.Mutex
	life       int       // number of the container that runs, or ran last, from 1
	id         string    // the container's ID
	address    string    // where the container listens; "" while no container runs
	readySince time.Time // since when the server is ready; zero while it is not
	asked      bool      // the container has got an invocation
	answered   bool      // the container has answered an invocation with a 2xx
	maybeGone  bool      // a connection to the container broke
	absence    error     // why no container runs; nil while one does
}

var (
	errNotStarted = errors.New("its container has not been started yet")
	errNotReady   = errors.New("its container is not ready yet")
	errNotKept    = errors.New("its container is gone for good")
)

func newHost(f *Fleet, index int) (*Host, error) {
	h := &Host{fleet: f, index: index, name: fmt.Sprintf("container://%s/%d", f.options.Image, index+1), absence: errNotStarted}
	o := f.options.HTTP
	o.URL, o.Name, o.Dial = "http://localhost:"+port, h.name, h.dial
	var err error
	h.http, err = workers.NewHTTPHost(o)
	return h, err
}

// Name is container://IMAGE/NUMBER, the same for every container of the host.
func (h *Host) Name() string { return h.name }

// Format prints the host's name, whatever the verb, so that no variable's value is
// printed by accident.
func (h *Host) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, h.name) }

// Format prints the image's name, whatever the verb, and no secret.
func (f *Fleet) Format(s fmt.State, _ rune) {
	_, _ = fmt.Fprintf(s, "containers of %s", f.options.Image)
}

// Ready asks the container that runs now. A container gets invocations once Ready has
// succeeded.
func (h *Host) Ready(ctx context.Context) (workers.Parameters, error) {
	h.mu.Lock()
	life, absent := h.life, h.absence
	h.mu.Unlock()
	if absent != nil {
		return workers.Parameters{}, absent
	}
	p, err := h.http.Ready(ctx)
	if err == nil {
		h.mu.Lock()
		if h.life == life && h.absence == nil {
			h.maybeGone = false
			if h.readySince.IsZero() {
				h.readySince = time.Now()
			}
		}
		h.mu.Unlock()
	}
	return p, err
}

// Invoke sends a request to the container that runs now. While no container is ready
// the host is unreachable: an engine that publishes ports takes connections for servers
// that do not listen yet, or not any more, and breaks the connections. So after a
// broken connection Invoke asks the server first whether it is ready, since the end of a
// container becomes known a moment after its connections break.
func (h *Host) Invoke(ctx context.Context, r *workers.Request) (workers.Response, error) {
	life, err := h.admit(ctx)
	if ctx.Err() != nil {
		return workers.Response{}, ctx.Err()
	}
	if err != nil {
		return workers.Response{}, &workers.TransportError{Host: h.name, Cause: workers.Unreachable, Err: err}
	}
	began := time.Now()
	resp, err := h.http.Invoke(ctx, r)
	timeout := cmp.Or(h.fleet.options.HTTP.Timeout, time.Minute)
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.life == life {
		h.answered = h.answered || err == nil && resp.Status/100 == 2
		h.maybeGone = h.maybeGone || err != nil && ctx.Err() == nil && time.Since(began) < timeout
	}
	return resp, err
}

// admit allows an invocation of the container that runs now, or says why none can be.
func (h *Host) admit(ctx context.Context) (life int, err error) {
	h.mu.Lock()
	suspect := h.maybeGone && h.absence == nil
	h.mu.Unlock()
	if suspect {
		if _, err := h.Ready(ctx); err != nil {
			return 0, err
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.absence != nil:
		return 0, h.absence
	case h.readySince.IsZero():
		return 0, errNotReady
	}
	h.asked = true
	return h.life, nil
}

// dial connects to the container that runs now.
func (h *Host) dial(ctx context.Context) (net.Conn, error) {
	h.mu.Lock()
	address, absent := h.address, h.absence
	h.mu.Unlock()
	if absent != nil {
		return nil, absent
	}
	var d net.Dialer
	return d.DialContext(ctx, "tcp", address)
}

// containerStarted takes a new container and its address.
func (h *Host) containerStarted(id, address string) {
	h.http.Close() // closes the connections to the container before
	h.mu.Lock()
	defer h.mu.Unlock()
	h.life++
	h.id, h.address, h.absence, h.readySince, h.asked, h.answered, h.maybeGone = id, address, nil, time.Time{}, false, false, false
}

// use says how far a container came.
type use int

const (
	useless use = iota // the container was never ready, or ready for a moment and without an invocation
	asked              // the container was ready, and an invocation may be why it ended
	useful             // the container answered well, or was ready for usefulAfter
)

// containerEnded takes why no container runs, and says how far the last one came.
func (h *Host) containerEnded(why error) (u use) {
	h.mu.Lock()
	switch {
	case h.absence != nil:
	case h.answered || !h.readySince.IsZero() && time.Since(h.readySince) >= usefulAfter:
		u = useful
	case h.asked:
		u = asked
	}
	h.absence = why
	h.mu.Unlock()
	h.http.Close()
	return u
}
