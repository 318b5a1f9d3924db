package storetest

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/batchmill/batchmill/transform/store"
)

// ErrDied is what a client says whose process, as it were, has died. What it asked
// for before may have been done.
var ErrDied = errors.New("the process died")

// ErrLost is what a client says that has asked often enough without an answer.
var ErrLost = errors.New("no answer came")

var errBusy = errors.New("too many requests: slow down")

// attempts is how often a request is made that got lost or was put off.
const attempts = 8

// Weather is what the requests of one client go through. The zero value is calm,
// and takes no time.
type Weather struct {
	Seed    uint64        // of all that is left to chance
	Latency time.Duration // of a request, on average
	Lost    float64       // the share of requests that get lost, and of answers
	Busy    float64       // the share of requests that are put off
	// Dies is the request, from 1, at which the process dies: before it is
	// done, or after that, by chance. Nothing it asks for later is done. 0 is never.
	Dies int64
	// Cut is the request, from 1, from which on the network is cut for twenty
	// requests: they are done or not, and none is answered. 0 is never.
	Cut int64
	// Sleeps is the request before which the process sleeps for Nap, as a
	// machine does that is suspended: all that it asks for next waits too.
	Sleeps int64
	Nap    time.Duration
	// Drift lets an object's time of change differ in every answer.
	Drift bool
}

// Client is one process's connection to a bucket, and a store. It has no locks: a
// second run takes the log over, as it does in the real thing.
type Client struct {
	b       *Bucket
	weather Weather
	id      int

	mu     sync.Mutex // never held while time passes
	job    string
	sent   int64
	nth    map[string]uint64 // how often the same was asked for
	dead   bool
	awake  time.Time // when it wakes up
	drifts int64
}

// Connect makes a client, as a process does that begins.
func (b *Bucket) Connect(w Weather) *Client {
	b.mu.Lock()
	defer b.mu.Unlock()
	id := b.next()
	return &Client{b: b, weather: w, id: id, nth: map[string]uint64{}, drifts: 1000 * int64(id)}
}

// Requests is how many requests were made.
func (c *Client) Requests() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.sent
}

// fate is what becomes of one request.
type fate struct {
	there, back       time.Duration
	lost, busy        bool
	unheard           bool // it is done, and its answer gets lost
	diesNow, diesThen bool // before it is done, or after
}

// draw decides a request's fate. It depends on what is asked for and how
// often that was before, so that it is the same however goroutines take their turns.
func (c *Client) draw(op, name string) (fate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.dead {
		return fate{}, ErrDied
	}
	c.sent++
	key := op + " " + name
	c.nth[key]++
	h := fnv.New64a()
	fmt.Fprint(h, key, c.nth[key])
	rnd := rand.New(rand.NewPCG(c.weather.Seed, h.Sum64()))
	var f fate
	f.there = time.Duration(rnd.ExpFloat64() * float64(c.weather.Latency) / 2)
	f.back = time.Duration(rnd.ExpFloat64() * float64(c.weather.Latency) / 2)
	f.lost, f.unheard = rnd.Float64() < c.weather.Lost, rnd.Float64() < c.weather.Lost
	f.busy = rnd.Float64() < c.weather.Busy
	before := rnd.IntN(2) == 0
	if c.weather.Cut > 0 && c.sent >= c.weather.Cut && c.sent < c.weather.Cut+20 {
		f.busy, f.lost, f.unheard = false, before, true
	}
	if c.sent == c.weather.Dies {
		f.diesNow, f.diesThen, c.dead = before, !before, true
	}
	if c.sent == c.weather.Sleeps {
		c.awake = time.Now().Add(c.weather.Nap)
	}
	f.there += max(0, time.Until(c.awake))
	return f, nil
}

// Died tells whether the process is dead.
func (c *Client) Died() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.dead
}

func (c *Client) died() error {
	if c.Died() {
		return ErrDied
	}
	return nil
}

// send makes a request until it is answered, or was made often enough. do is
// what the bucket does, and may come to be done more than once.
func (c *Client) send(ctx context.Context, op, name string, do func(*Bucket) error) error {
	var err error
	for try := range attempts {
		again := c.once(ctx, op, name, do)
		if !errors.Is(again, ErrLost) && !errors.Is(again, errBusy) {
			return again
		}
		if !errors.Is(err, ErrLost) { // it may have been done, whatever became of the last try
			err = again
		}
		if err := c.pass(ctx, 50*time.Millisecond<<try); err != nil {
			return err
		}
	}
	return err
}

func (c *Client) once(ctx context.Context, op, name string, do func(*Bucket) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	f, err := c.draw(op, name)
	if err != nil {
		return err
	}
	if err := c.pass(ctx, f.there); err != nil {
		return err
	}
	switch {
	case f.diesNow:
		return ErrDied
	case f.busy:
		return errBusy
	case f.lost:
		return ErrLost
	}
	c.b.mu.Lock()
	err = do(c.b)
	c.b.mu.Unlock()
	if f.diesThen {
		return ErrDied
	}
	if err := c.pass(ctx, f.back); err != nil {
		return err
	}
	if err := c.died(); err != nil { // meanwhile, at another request
		return err
	}
	if f.unheard {
		return ErrLost
	}
	return err
}

// pass lets time pass. In calm weather there is none, and no timer either.
func (c *Client) pass(ctx context.Context, d time.Duration) error {
	if c.weather.Latency == 0 || d <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// begin refuses what no request is made for.
func (c *Client) begin(ctx context.Context, op, name string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if !store.ValidName(name) {
		return &store.Error{Op: op, URI: c.URI(name), Err: store.ErrBadName}
	}
	return nil
}

// wrap makes err a *store.Error; context errors stay bare.
func (c *Client) wrap(op, name string, err error) error {
	var known *store.Error
	if err == nil || errors.As(err, &known) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return &store.Error{Op: op, URI: c.URI(name), Err: err}
}
