package workers

import (
	"context"
	"sync"
	"time"
)

const (
	retryShare  = 0.2 // retries that each request earns
	retryRate   = 3.0 // retries that each second earns
	retryFloat  = 10  // retries in hand at the start
	retryHoards = 100 // retries that can be saved up
)

// A Budget keeps retries to a share of the requests, so that a fleet in
// trouble is not asked more than a healthy one. An empty budget delays and
// never fails. The zero Budget is ready to use.
type Budget struct {
	mu     sync.Mutex
	tokens float64
	last   time.Time // when tokens was true; zero before the first use
}

// Earn counts a request.
func (b *Budget) Earn() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.refill()
	b.tokens = min(b.tokens+retryShare, retryHoards)
}

// Spend takes one retry, and waits for it where there is none. The error is
// that of ctx.
func (b *Budget) Spend(ctx context.Context) error {
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		wait := b.take()
		if wait == 0 {
			return nil
		}
		if err := sleep(ctx, wait); err != nil {
			return err
		}
	}
}

// take takes a token, or tells how long one takes to come.
func (b *Budget) take() time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.refill()
	if b.tokens >= 1 {
		b.tokens--
		return 0
	}
	// Rounded up, so that the time slept is never a hair too short.
	return time.Duration((1-b.tokens)/retryRate*float64(time.Second)) + time.Microsecond
}

func (b *Budget) refill() {
	now := time.Now()
	if b.last.IsZero() {
		b.tokens = retryFloat
	} else {
		b.tokens = min(b.tokens+now.Sub(b.last).Seconds()*retryRate, retryHoards)
	}
	b.last = now
}

// sleep waits for d or for the end of ctx, whose error it returns.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
