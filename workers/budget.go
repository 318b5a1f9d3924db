package workers

import (
	"context"
	"sync"
	"time"
)

const (
	retryShare   = 0.2 // share of a retry that each request earns
	retryRate    = 3.0 // retries that each second earns
	firstRetries = 10  // retries in hand at the start
	mostRetries  = 100 // retries that can be saved up
)

// A retryBudget keeps retries to a share of the requests, so that a fleet in
// trouble gets few more requests than a healthy fleet. An empty budget delays
// and never fails. The zero retryBudget is ready to use.
type retryBudget struct {
	mu       sync.Mutex
	tokens   float64
	refilled time.Time // when refill counted tokens last; zero before the first use
}

// earn counts a request.
func (b *retryBudget) earn() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.refill()
	b.tokens = min(b.tokens+retryShare, mostRetries)
}

// spend takes one retry, and waits while the budget is empty. The only error is
// that of ctx.
func (b *retryBudget) spend(ctx context.Context) error {
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		wait := b.takeOrDelay()
		if wait == 0 {
			return nil
		}
		if err := Sleep(ctx, wait); err != nil {
			return err
		}
	}
}

// takeOrDelay takes a retry and returns 0, or returns how long the next retry
// takes to come.
func (b *retryBudget) takeOrDelay() time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.refill()
	if b.tokens >= 1 {
		b.tokens--
		return 0
	}
	// A microsecond on top makes up for rounding: the delay is never too short.
	return time.Duration((1-b.tokens)/retryRate*float64(time.Second)) + time.Microsecond
}

func (b *retryBudget) refill() {
	now := time.Now()
	if b.refilled.IsZero() {
		b.tokens = firstRetries
	} else {
		b.tokens = min(b.tokens+now.Sub(b.refilled).Seconds()*retryRate, mostRetries)
	}
	b.refilled = now
}
