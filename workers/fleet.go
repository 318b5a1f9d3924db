package workers

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// HostStats is what a host has done so far.
type HostStats struct {
	Name    string
	Ready   bool   // it has been found ready
	Up      bool   // it is ready, and neither dropped nor ejected
	Dropped string // why it was dropped; empty otherwise

	Requests  int64 // finished ones
	Records   int64 // answered well
	Retries   int64 // requests that had to be asked again
	Ejections int64
	Hedges    int64 // requests that asked a second host about what a first one was slow with

	Limit    int           // requests that it may have in flight at once, now
	Limits   []LimitChange // how that went over time
	InFlight int

	Answers       int64         // good ones
	AnswerTime    time.Duration // that they took, all together
	P50, P95, P99 time.Duration // of them; 0 without one
	// Failures counts requests without a good answer, by cause.
	Failures map[Cause]int64
}

// Percentiles of the time from a request's start to its whole answer.
type Percentiles struct{ P50, P95, P99 time.Duration }

// departed is the name of those hosts together that left long ago.
const departed = "others that left"

// Stats describes every host: those that are there, in the order they came, and
// those that left.
func (p *Pool) Stats() []HostStats {
	p.mu.Lock()
	defer p.mu.Unlock()
	var stats []HostStats
	for _, m := range slices.Concat(p.members, p.left) {
		t, name := percentiles(m.latency), departed
		if m.host != nil {
			name = m.Name()
		}
		stats = append(stats, HostStats{
			Name: name, Ready: m.ready, Up: m.up() && !m.probing, Dropped: m.dropped,
			Requests: m.requests, Records: m.records, Retries: m.retries, Ejections: m.ejections,
			Hedges: m.hedges, Limit: m.limiter.limit, Limits: slices.Clone(m.track.changes), InFlight: m.inFlight,
			Answers: m.latency.TotalCount(), AnswerTime: m.answerTime, Failures: maps.Clone(m.failures),
			P50: t.P50, P95: t.P95, P99: t.P99,
		})
	}
	return stats
}

// Latency merges the good answers of all hosts.
func (p *Pool) Latency() Percentiles {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := newMember(p, nil).latency
	for _, m := range slices.Concat(p.members, p.left) {
		all.Merge(m.latency)
	}
	return percentiles(all)
}

// Usual is the time within which 95% of all good answers came, and how many records
// they were about on average; 0 without one.
func (p *Pool) Usual() (within time.Duration, records float64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	all, answered := newMember(p, nil).latency, int64(0)
	for _, m := range slices.Concat(p.members, p.left) {
		all.Merge(m.latency)
		answered += m.records
	}
	if n := all.TotalCount(); n > 0 {
		return percentiles(all).P95, max(1, float64(answered)/float64(n))
	}
	return 0, 0
}

func percentiles(h *hdrhistogram.Histogram) Percentiles {
	if h.TotalCount() == 0 {
		return Percentiles{}
	}
	at := func(q float64) time.Duration { return time.Duration(h.ValueAtQuantile(q)) * time.Microsecond }
	return Percentiles{P50: at(50), P95: at(95), P99: at(99)}
}

// InFlight is the number of leases given out.
func (p *Pool) InFlight() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.inFlight
}

// Up counts the hosts that are ready and neither dropped nor ejected, and all of them.
func (p *Pool) Up() (up, total int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, m := range p.members {
		if m.up() && !m.probing {
			up++
		}
	}
	return up, len(p.members)
}

// count counts the hosts that are ready and not dropped, and their limits'
// sum. Called with mu held.
func (p *Pool) count() (usable, capacity int) {
	for _, m := range p.members {
		if m.up() {
			usable++
			capacity += m.limiter.limit
		}
	}
	return usable, capacity
}

// Capacity is how many requests the hosts that can be used take at once.
func (p *Pool) Capacity() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, capacity := p.count()
	return capacity
}

// HostReason is what is wrong with one host.
type HostReason struct{ Host, Reason string }

// An UnavailableError says that no host can be had for longer than the job may
// wait; exit code 69.
type UnavailableError struct {
	Since      time.Time
	Waited     time.Duration
	NeverReady bool // no host was ready, rather than none gave a good answer
	Hosts      []HostReason
}

func (e *UnavailableError) Error() string {
	what, flag := "no host has given a good answer", "--host-wait"
	if e.NeverReady {
		what, flag = "no host was ready", "--ready-timeout"
	}
	return fmt.Sprintf("%s for %v, since %s: %s: look at the hosts, or raise %s, and run the same command again",
		what, e.Waited.Round(time.Second), e.Since.Format(time.RFC3339), join(e.Hosts), flag)
}

// An AllDroppedError says that no host is one we can use; exit code 64, or 69
// where a server that was started is gone.
type AllDroppedError struct {
	Hosts []HostReason
	Gone  bool
}

func (e *AllDroppedError) Error() string {
	return "no host is left: " + join(e.Hosts)
}

func join(hosts []HostReason) string {
	if len(hosts) == 0 {
		return "none was given: name one with --host"
	}
	var b strings.Builder
	for i, h := range hosts {
		if i > 0 {
			b.WriteString("; ")
		}
		fmt.Fprintf(&b, "%s: %s", h.Host, h.Reason)
	}
	return b.String()
}
