package bucket

import (
	"cmp"
	"context"
	"errors"
	"hash/fnv"
	"io"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/smithy-go"

	"github.com/batchmill/batchmill/transform/store/s3/s3test"
)

// ErrDied is what a client says whose process, as it were, has died. What it asked
// for before may have been done.
var ErrDied = errors.New("the process died")

// ErrLost is what a client says that has asked often enough without an answer.
var ErrLost = errors.New("no answer came")

// attempts is how often a request is made that got lost or was put off.
const attempts = 8

// Weather is what the requests of one client go through. The zero value is calm,
// and takes no time.
type Weather struct {
	Seed    uint64        // of all that is left to chance
	Latency time.Duration // of a request, on average
	Lost    float64       // the share of requests that get lost, and of answers; 0 to 1
	Busy    float64       // the share of requests that are put off; 0 to 1
	// Dies is the request, from 1, at which the process dies: before it is
	// done, or after that, by chance. Nothing it asks for later is done. 0 is never.
	Dies int64
	// Cut is the request, from 1, from which on the network is cut for twenty
	// requests: they are done or not, and none is answered. 0 is never.
	Cut int64
	// Sleeps is the request before which the process sleeps for Nap, as a
	// machine does that is suspended: all that it asks for next waits too. Clocks
	// stand still meanwhile, so a deadline that passes in the nap ends no request.
	Sleeps int64
	Nap    time.Duration
	// Drift lets an object's time of change differ in every answer.
	Drift bool
}

// Client is one process's connection to a bucket. [Client.Calls] makes a store of it.
type Client struct {
	// Steer decides in the place of the weather what becomes of a request. It may carry
	// the request out, and its error is what the client hears instead of an answer.
	Steer func(op s3test.Op, asked string, carryOut func()) error

	b       *Bucket
	weather Weather

	mu     sync.Mutex // never held while time passes
	sent   int64
	nth    map[uint64]uint64 // how often the same was asked for, by its hash
	dead   bool
	asleep time.Time // when it falls asleep
	awake  time.Time // when it wakes up
	drifts int64
}

// Connect makes a client, as a process does that begins.
func (b *Bucket) Connect(w Weather) *Client {
	b.mu.Lock()
	defer b.mu.Unlock()
	return &Client{b: b, weather: w, nth: map[uint64]uint64{}, drifts: 1000 * int64(b.next())}
}

// Requests is how many requests were made.
func (c *Client) Requests() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.sent
}

// Died tells whether the process is dead.
func (c *Client) Died() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.dead
}

// fate is what becomes of one request.
type fate struct {
	there, back       time.Duration
	lost, busy        bool
	unheard           bool // it is done, and its answer gets lost
	diesNow, diesThen bool // before it is done, or after
}

// chance is what a request's fate is drawn from. It depends on what is asked for and
// how often that was before, so that it is the same however goroutines take their
// turns. The caller holds c.mu.
func (c *Client) chance(op s3test.Op, asked string) *rand.Rand {
	h := fnv.New64a()
	io.WriteString(h, string(op))
	io.WriteString(h, asked)
	key := h.Sum64()
	c.nth[key]++
	return rand.New(rand.NewPCG(c.weather.Seed, key+c.nth[key]<<32))
}

// draw decides a request's fate.
func (c *Client) draw(op s3test.Op, asked string) (fate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.dead {
		return fate{}, ErrDied
	}
	c.sent++
	rnd := c.chance(op, asked)
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
		c.asleep = time.Now()
		c.awake = c.asleep.Add(c.weather.Nap)
	}
	f.there += max(0, time.Until(c.awake))
	return f, nil
}

// breaksOff is behind how many bytes of size an answer's body breaks off; negative
// where it does not.
func (c *Client) breaksOff(key string, size int64) int64 {
	if c.weather.Lost == 0 || size == 0 {
		return -1
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	rnd := c.chance("body", key)
	if rnd.Float64() >= c.weather.Lost {
		return -1
	}
	return rnd.Int64N(size)
}

// send makes a request until it is answered, or was made often enough, as the SDK
// does. do is what the bucket does, and may come to be done more than once.
func send[T any](ctx context.Context, c *Client, op s3test.Op, asked string, do func(*Bucket) (T, error)) (T, error) {
	var err error
	for try := range attempts {
		out, again := once(ctx, c, op, asked, do)
		var refused *refusal
		switch {
		case again == nil:
			return out, nil
		case errors.As(again, &refused) && refused.status < 500, c.over(ctx) != nil, errors.Is(again, ErrDied):
			return out, failed(op, again)
		}
		if !errors.Is(err, ErrLost) { // it may have been done, whatever became of the last try
			err = again
		}
		if err := c.pass(ctx, 50*time.Millisecond<<try); err != nil {
			return out, failed(op, err)
		}
	}
	var none T
	return none, failed(op, &retry.MaxAttemptsError{Attempt: attempts, Err: err})
}

// failed is err as the SDK tells it.
func failed(op s3test.Op, err error) error {
	return &smithy.OperationError{ServiceID: "S3", OperationName: string(op), Err: err}
}

func once[T any](ctx context.Context, c *Client, op s3test.Op, asked string, do func(*Bucket) (T, error)) (none T, err error) {
	if err := c.over(ctx); err != nil {
		return none, err
	}
	if c.Steer != nil {
		var out T
		unheard := c.Steer(op, asked, func() { out, err = carryOut(c.b, do) })
		return out, cmp.Or(unheard, err)
	}
	f, err := c.draw(op, asked)
	if err != nil {
		return none, err
	}
	if err := c.pass(ctx, f.there); err != nil {
		return none, err
	}
	switch {
	case f.diesNow:
		return none, ErrDied
	case f.busy:
		return none, refuse("SlowDown")
	case f.lost:
		return none, ErrLost
	}
	out, err := carryOut(c.b, do)
	if f.diesThen {
		return none, ErrDied
	}
	if err := c.pass(ctx, f.back); err != nil {
		return none, err
	}
	if c.Died() { // meanwhile, at another request
		return none, ErrDied
	}
	if f.unheard {
		return none, ErrLost
	}
	return out, err
}

func carryOut[T any](b *Bucket, do func(*Bucket) (T, error)) (T, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return do(b)
}

// pass lets time pass. In calm weather there is none, and no timer either.
func (c *Client) pass(ctx context.Context, d time.Duration) error {
	if c.weather.Latency == 0 || d <= 0 {
		return c.over(ctx)
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
	}
	err := c.over(ctx)
	if err == nil {
		<-t.C
	}
	return err
}

// over is why the context of a request has ended. The process's own clock knows
// nothing of deadlines that pass while it sleeps.
func (c *Client) over(ctx context.Context) error {
	err := ctx.Err()
	if err != context.DeadlineExceeded {
		return err
	}
	end, _ := ctx.Deadline()
	c.mu.Lock()
	defer c.mu.Unlock()
	if end.After(c.asleep) && !end.After(c.awake) && time.Now().Before(end.Add(c.weather.Nap)) {
		return nil
	}
	return err
}
