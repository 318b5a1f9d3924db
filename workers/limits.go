package workers

import "time"

const (
	defaultConns    = 64
	defaultPatience = 10 * time.Minute
	// DefaultMaxConcurrency is the most requests that a host gets at once where
	// their number is found and not given.
	DefaultMaxConcurrency = 256
	// DefaultBatchRecords is the size of a batch, in records, where no better size can
	// be found.
	DefaultBatchRecords = 100
)

// Limits say how hard the fleet is driven and how long the job waits for the
// fleet. The zero value works.
type Limits struct {
	// Concurrency is the number of requests in flight per host; 0 finds the best
	// number for each host, up to MaxConcurrency (0 is 256) and to the
	// Parameters.MaxConcurrent of the host.
	Concurrency, MaxConcurrency int
	// HostWait is how long the job goes on without a good answer once hosts are in
	// trouble, or once a request waits while every ready host rests. ReadyTimeout is
	// how long the job waits while no host is ready. 0 means 10 minutes.
	HostWait, ReadyTimeout time.Duration
}

// withDefaults replaces what is unset, or below 0, by its default.
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

// limiter makes the limiter of a host with parameters p: Concurrency stands where
// it is given; else the limit is found, up to MaxConcurrency and MaxConcurrent.
func (l Limits) limiter(p Parameters) limiter {
	most := l.MaxConcurrency
	if p.MaxConcurrent > 0 {
		most = min(most, p.MaxConcurrent)
	}
	return newLimiter(l.Concurrency, most)
}

// strictest merges the parameters of two hosts: a batch must suit both.
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
