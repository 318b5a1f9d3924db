package workers

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// HostStats is what a host has done so far.
type HostStats struct {
	Name    string
	Ready   bool   // the host has been found ready
	Up      bool   // the host is ready, and neither dropped nor ejected
	Dropped string // why the host was dropped, without what the host said; empty otherwise

	Requests  int64 // finished requests
	Records   int64 // records with a good answer
	Retries   int64 // requests that the caller had to repeat
	Ejections int64
	Hedges    int64 // second requests for a batch that another host was slow with

	Limit    int           // requests that the host may have in flight at once, now
	Limits   []LimitChange // how Limit changed over time
	InFlight int

	Answers       int64         // good answers
	AnswerTime    time.Duration // sum over the good answers
	P50, P95, P99 time.Duration // of a good answer; 0 without an answer
	// Failures counts requests without a good answer, by cause. Samples has what
	// came of the first of each cause, without what the host said.
	Failures map[Cause]int64
	Samples  map[Cause]string
}

// Percentiles of the time from a request's start to its whole answer.
type Percentiles struct{ P50, P95, P99 time.Duration }

// departedName stands for all hosts together that departed long ago.
const departedName = "others that left"

// Stats describes every host: the members in the order they joined, and then the
// departed hosts.
func (p *Pool) Stats() []HostStats {
	p.mu.Lock()
	defer p.mu.Unlock()
	var stats []HostStats
	for _, m := range slices.Concat(p.members, p.departed) {
		t, name := percentiles(m.latency), departedName
		if m.host != nil {
			name = m.Name()
		}
		stats = append(stats, HostStats{
			Name: name, Ready: m.ready, Up: m.usable() && !m.probing, Dropped: cmp.Or(m.dropCause, m.dropReason),
			Requests: m.requests, Records: m.records, Retries: m.retries, Ejections: m.ejections,
			Hedges: m.hedges, Limit: m.limiter.limit, Limits: slices.Clone(m.track.changes), InFlight: m.inFlight,
			Answers: m.latency.TotalCount(), AnswerTime: m.answerTime, Failures: maps.Clone(m.failures), Samples: maps.Clone(m.samples),
			P50: t.P50, P95: t.P95, P99: t.P99,
		})
	}
	return stats
}

// Latency is the percentiles over the good answers of all hosts.
func (p *Pool) Latency() Percentiles {
	return percentiles(p.sum().latency)
}

// sum adds up the figures of all hosts.
func (p *Pool) sum() totals {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := newTotals()
	for _, m := range slices.Concat(p.members, p.departed) {
		all.absorb(&m.totals)
	}
	return all
}

// Usual is the time within which 95% of all good answers came, and the mean number
// of records of an answer; 0 without a good answer.
func (p *Pool) Usual() (within time.Duration, records float64) {
	all := p.sum()
	if n := all.latency.TotalCount(); n > 0 {
		return percentiles(all.latency).P95, max(1, float64(all.records)/float64(n))
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

// totals is what a host has done so far.
type totals struct {
	requests, records, retries, ejections, hedges int64

	track      track
	answerTime time.Duration           // sum over all good answers
	failures   map[Cause]int64         // requests without a good answer
	samples    map[Cause]string        // what came of the first of them
	latency    *hdrhistogram.Histogram // of good answers, in microseconds
}

func newTotals() totals {
	return totals{failures: map[Cause]int64{}, samples: map[Cause]string{}, latency: hdrhistogram.New(1, time.Hour.Microseconds(), 2)}
}

// absorb adds the figures of o to those of t.
func (t *totals) absorb(o *totals) {
	t.requests += o.requests
	t.records += o.records
	t.retries += o.retries
	t.ejections += o.ejections
	t.hedges += o.hedges
	t.answerTime += o.answerTime
	for c, n := range o.failures {
		t.failures[c] += n
	}
	for c, text := range o.samples {
		t.samples[c] = cmp.Or(t.samples[c], text)
	}
	t.latency.Merge(o.latency)
	t.track = o.track
}
