package workers

import (
	"fmt"
	"time"
)

const (
	defaultConcurrency = 4
	defaultPatience    = 10 * time.Minute
	// mostConcurrent caps what a host may claim in its execution-parameters.
	mostConcurrent = 1024
)

// Limits say how hard the fleet is driven and how long it is waited for. The
// zero value works.
type Limits struct {
	// Concurrency is the number of requests in flight per host; 0 means what
	// the host says of itself, or 4.
	Concurrency int
	// HostWait is how long to go on without a good answer once hosts are in
	// trouble; ReadyTimeout how long to wait while no host is ready. 0 means 10 minutes.
	HostWait, ReadyTimeout time.Duration
}

// Validate names the field that is wrong and its fix.
func (l Limits) Validate() error {
	switch {
	case l.Concurrency < 0:
		return fmt.Errorf("--concurrency is %d: give auto or a number of at least 1", l.Concurrency)
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
	if l.HostWait <= 0 {
		l.HostWait = defaultPatience
	}
	if l.ReadyTimeout <= 0 {
		l.ReadyTimeout = defaultPatience
	}
	return l
}

// of is the limit for a host with these parameters: the flag, then the host's
// own word, then the default.
func (l Limits) of(p Parameters) int {
	switch {
	case l.Concurrency > 0:
		return l.Concurrency
	case p.MaxConcurrent > 0:
		return min(p.MaxConcurrent, mostConcurrent)
	}
	return defaultConcurrency
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
