package workers

import (
	"fmt"
	"time"
)

const (
	defaultConns    = 64
	defaultPatience = 10 * time.Minute
	// DefaultMaxConcurrency is how many requests a host gets at once at most,
	// where their number is found and not told.
	DefaultMaxConcurrency = 256
)

// Limits say how hard the fleet is driven and how long it is waited for. The
// zero value works.
type Limits struct {
	// Concurrency is the number of requests in flight per host; 0 finds the best
	// for each, up to MaxConcurrency (0 is 256) and to what the host says of itself.
	Concurrency, MaxConcurrency int
	// HostWait is how long to go on without a good answer once hosts are in
	// trouble; ReadyTimeout how long to wait while no host is ready. 0 means 10 minutes.
	HostWait, ReadyTimeout time.Duration
}

// Validate names the field that is wrong and its fix.
func (l Limits) Validate() error {
	switch {
	case l.Concurrency < 0:
		return fmt.Errorf("--concurrency is %d: give auto or a number of at least 1", l.Concurrency)
	case l.MaxConcurrency < 0:
		return fmt.Errorf("--max-concurrency is %d: give a number of at least 1", l.MaxConcurrency)
	case l.HostWait < 0:
		return fmt.Errorf("--host-wait is %v: give a duration of at least 0", l.HostWait)
	case l.ReadyTimeout < 0:
		return fmt.Errorf("--ready-timeout is %v: give a duration of at least 0", l.ReadyTimeout)
	}
	return nil
}

// withDefaults replaces what is unset, or senseless, by its default.
func (l Limits) withDefaults() Limits {
	l.Concurrency = max(l.Concurrency, 0)
	if l.MaxConcurrency <= 0 {
		l.MaxConcurrency = DefaultMaxConcurrency
	}
	if l.HostWait <= 0 {
		l.HostWait = defaultPatience
	}
	if l.ReadyTimeout <= 0 {
		l.ReadyTimeout = defaultPatience
	}
	return l
}

// limiter is that of a host with these parameters: the flag, then the host's own
// word, which is a bound, then what is found.
func (l Limits) limiter(p Parameters) limiter {
	most := l.MaxConcurrency
	if p.MaxConcurrent > 0 {
		most = min(most, p.MaxConcurrent)
	}
	return newLimiter(l.Concurrency, most)
}

// strictest merges what two hosts tell: a batch must suit both.
func strictest(a, b Parameters) Parameters {
	return Parameters{
		MaxConcurrent: lesser(a.MaxConcurrent, b.MaxConcurrent),
		SingleRecord:  a.SingleRecord || b.SingleRecord,
		MaxPayload:    lesser(a.MaxPayload, b.MaxPayload),
	}
}

// lesser is the smaller of two limits where 0 is no limit.
func lesser[T int | int64](a, b T) T {
	if a <= 0 || (b > 0 && b < a) {
		return b
	}
	return a
}
