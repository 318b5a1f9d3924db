package http1

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Options describe the server, and how connections to it are kept.
type Options struct {
	// Dial opens a connection.
	Dial func(ctx context.Context) (net.Conn, error)
	// TLS is nil for a server without TLS. The client owns TLS.
	TLS *tls.Config
	// NewConnections uses no connection twice.
	NewConnections bool
	// MaxIdle is the most connections that are kept while they rest.
	MaxIdle int
	// IdleTime is how long a connection rests before the client closes it.
	IdleTime time.Duration
	// Rest is how long connections rest before they are used again for the first time, so that a
	// second response to a connection's request is seen. A few that have rested in vain end that.
	Rest time.Duration
	// MaxHeader caps the bytes of a response before its body, 1xx responses included.
	MaxHeader int64
	// WholeBody is how long the rest of a request's body may take after the whole response.
	WholeBody time.Duration
	// Surplus is told once, when the server first sends more than its responses; nil tells nobody.
	Surplus func(said string)
}

// restedReuses is how many connections rest in vain before others need no rest. A server that
// repeats itself as a rule does so on each of them.
const restedReuses = 3

// A Client keeps connections to one server. Its methods may be called concurrently.
type Client struct {
	o       Options
	oneShot atomic.Bool  // the server sent a surplus: no connection is used twice
	rested  atomic.Int32 // connections that have rested and held nothing then

	mu     sync.Mutex
	idle   []*conn // the latest last
	closed bool
	sweep  *time.Timer
}

// New makes a client; nothing is dialed yet. The caller closes the client.
func New(o Options) *Client {
	c := &Client{o: o}
	c.oneShot.Store(o.NewConnections)
	return c
}

// Close closes the connections that rest. A connection in use is closed when its response ends.
func (c *Client) Close() {
	c.oneShot.Store(true)
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.closeIdle(func(k *conn) bool { c.quiet(k); return true })
}

// Examine looks at every connection that rests, and closes those that hold a surplus. Where a late
// repetition may have been taken for a response, the true response is still to come: Examine waits for it as
// long as responses took on that connection, unless ctx ends.
func (c *Client) Examine(ctx context.Context) {
	c.mu.Lock()
	until := time.Now()
	for _, k := range c.idle {
		if end := k.since.Add(c.linger(k)); k.slip != nil && end.After(until) {
			until = end
		}
	}
	c.mu.Unlock()
	_ = sleepUntil(ctx, until)
	c.closeIdle(func(k *conn) bool { return !c.quiet(k) })
}

// linger is how long the true response may take on a connection whose responses have slipped.
func (c *Client) linger(k *conn) time.Duration {
	return min(max(2*k.slowest, c.o.Rest), c.o.IdleTime)
}

// sleepUntil waits for an instant, or for the end of ctx.
func sleepUntil(ctx context.Context, until time.Time) error {
	left := time.Until(until)
	if left <= 0 {
		return nil
	}
	timer := time.NewTimer(left)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// A Request is what is sent. The client does not change it, and touches Body only until the
// response's body is closed.
type Request struct {
	Method, Target, Host string
	Header               http.Header
	Body                 []byte
}

// A Response is a response whose body has yet to be read. The caller closes Body, and
// reads it to its end if the connection is to be kept.
type Response struct {
	*http.Response
	// Trust tells whether the response is in doubt; nil where nothing can follow on its connection.
	Trust *Trust
	turn  *turn
}

// Own says that the response names its request: no response of the connection has slipped so far.
func (r *Response) Own() {
	if !r.turn.ended { // else the connection is another request's already
		r.turn.conn.slip = nil
	}
}

// Disown says that the response names another request than its own. The server is treated
// like one that sends a surplus, and earlier responses of the connection are in doubt.
func (r *Response) Disown(named string) {
	var slip *Trust
	if r.Trust != nil {
		slip = r.Trust.slip
	}
	r.turn.client.surplus(slip, []byte(named))
}

var (
	errSwitching = errors.New("the host switches protocols (status 101), which nobody asked for")
	errNotAHead  = errors.New("a request header holds a line break")
	errHeader    = errors.New("the response's header is too large")
	errSpeaks    = errors.New("the host speaks before it is asked")
)

// Do sends one request, and returns when the head of its response has come. When ctx
// ends, the connection is closed, whatever either side is doing. The caller closes the body of
// a response.
func (c *Client) Do(ctx context.Context, r *Request) (*Response, error) {
	head, err := c.head(r)
	if err != nil {
		return nil, err
	}
	k, err := c.take(ctx)
	if err != nil {
		return nil, err
	}
	t := &turn{client: c, conn: k, began: time.Now(), unhook: context.AfterFunc(ctx, k.kill)}
	t.send(head, r.Body)
	resp, err := t.receive(r.Method)
	if err != nil {
		_ = t.end(false)
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return nil, err
	}
	return resp, nil
}

// head renders the request line and the header.
func (c *Client) head(r *Request) ([]byte, error) {
	b := make([]byte, 0, 512)
	line := func(parts ...string) error {
		for _, part := range parts {
			if strings.ContainsAny(part, "\r\n\x00") {
				return errNotAHead
			}
			b = append(b, part...)
		}
		b = append(b, "\r\n"...)
		return nil
	}
	err := errors.Join(line(r.Method, " ", r.Target, " HTTP/1.1"), line("Host: ", r.Host))
	for name, values := range r.Header {
		for _, value := range values {
			err = errors.Join(err, line(name, ": ", value))
		}
	}
	if r.Method != http.MethodGet {
		err = errors.Join(err, line(fmt.Sprintf("Content-Length: %d", len(r.Body))))
	}
	if c.oneShot.Load() {
		err = errors.Join(err, line("Connection: close"))
	}
	return append(b, "\r\n"...), err
}

// take finds a connection that holds nothing, or dials.
func (c *Client) take(ctx context.Context) (*conn, error) {
	for {
		k := c.pop()
		if k == nil {
			return c.dial(ctx)
		}
		rests := k.responses == 1 && c.rested.Load() < restedReuses
		if rests {
			if err := sleepUntil(ctx, k.since.Add(c.o.Rest)); err != nil {
				k.kill()
				return nil, err
			}
		}
		if c.quiet(k) && !c.oneShot.Load() {
			if rests {
				c.rested.Add(1)
			}
			return k, nil
		}
		k.kill()
	}
}

// pop takes the connection that was used last. Those of a server that loses keep-alive go on
// resting, for they are looked at again.
func (c *Client) pop() *conn {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.idle) == 0 || c.oneShot.Load() {
		return nil
	}
	k := c.idle[len(c.idle)-1]
	c.idle = c.idle[:len(c.idle)-1]
	return k
}

// keep lets a connection rest until its next request, or if there will be none and responses
// may have slipped, until that has been looked at.
func (c *Client) keep(k *conn) {
	k.since = time.Now()
	if !c.enter(k) {
		c.quiet(k)
		k.kill()
	}
}

// enter adds a connection to those that rest, unless there is no use in that or no room.
func (c *Client) enter(k *conn) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed || c.oneShot.Load() && k.slip == nil || len(c.idle) >= c.o.MaxIdle {
		return false
	}
	c.idle = append(c.idle, k)
	if c.sweep == nil {
		c.sweep = time.AfterFunc(c.o.IdleTime, c.closeOld)
	}
	return true
}

// closeOld closes the connections that have rested for IdleTime, and comes back for others.
func (c *Client) closeOld() {
	c.closeIdle(func(k *conn) bool {
		old := time.Since(k.since) >= c.o.IdleTime
		if old {
			c.quiet(k)
		}
		return old
	})
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.sweep = nil; len(c.idle) > 0 {
		oldest := c.idle[0].since
		for _, k := range c.idle {
			if k.since.Before(oldest) {
				oldest = k.since
			}
		}
		c.sweep = time.AfterFunc(max(c.o.IdleTime-time.Since(oldest), time.Millisecond), c.closeOld)
	}
}

// closeIdle closes the resting connections that are unwanted. Unwanted has looked at them: what
// follows the bytes of a second look means nothing.
func (c *Client) closeIdle(unwanted func(*conn) bool) {
	c.mu.Lock()
	all := c.idle
	c.idle = nil
	c.mu.Unlock()
	var kept []*conn
	for _, k := range all {
		if unwanted(k) {
			k.kill()
		} else {
			kept = append(kept, k)
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.idle = append(kept, c.idle...)
}

// quiet tells whether a resting connection is open and holds nothing. What a server says
// there is a surplus, but for a 408, by which some servers close a connection.
func (c *Client) quiet(k *conn) bool {
	said, open := k.look()
	c.heard(k, said)
	return open && len(said) == 0
}

// heard draws the conclusions from what the server of a connection says beside its responses.
func (c *Client) heard(k *conn, said []byte) {
	switch {
	case len(said) == 0 || isTimeout(said):
	case mayBeResponse(said):
		c.surplus(k.slip, said)
	case len(bytes.TrimSpace(said)) == 0: // a line end too many belongs to no response
		c.surplus(nil, said)
	default:
		c.surplus(k.last, said)
	}
}

// surplus ends all reuse of connections, and puts responses into doubt; nil is none.
func (c *Client) surplus(doubted *Trust, said []byte) {
	if !c.oneShot.Swap(true) && c.o.Surplus != nil {
		c.o.Surplus(string(said))
	}
	if doubted != nil {
		doubted.Doubt()
	}
}

// dial opens a connection, TLS included.
func (c *Client) dial(ctx context.Context) (*conn, error) {
	raw, err := c.o.Dial(ctx)
	if err != nil {
		return nil, err
	}
	if waiting, _, _ := peek(raw); waiting {
		_ = raw.Close()
		return nil, errSpeaks
	}
	if c.o.TLS == nil {
		return newConn(raw, raw), nil
	}
	whole := &records{Conn: raw}
	secure := tls.Client(whole, c.o.TLS)
	if err := secure.HandshakeContext(ctx); err != nil {
		_ = raw.Close()
		return nil, err
	}
	k := newConn(secure, raw)
	k.records = whole
	return k, nil
}
