// Package knownhost serves hosts whose best is known: how much they answer at
// most follows from how many invocations they serve at once and how long one
// takes. They note when each request came and went, and can stop answering,
// die, or turn slow at a given moment.
package knownhost

import (
	"time"

	"github.com/batchmill/batchmill/workers/reference"
)

// A Model is how a host takes its time.
type Model struct {
	Places    int           // how many invocations are served at once
	Latency   time.Duration // of an invocation that is alone
	Jitter    time.Duration // random time on top: uniform from 0 to this
	PerRecord time.Duration // on top for each record
	Growth    float64       // share by which each other invocation in service lengthens one that begins
	Refuse    bool          // 429 above Places; without it they wait in silence, in order
}

func (m Model) options(seed uint64) reference.Options {
	return reference.Options{
		Latency: m.Latency, Jitter: m.Jitter, PerRecord: m.PerRecord, Growth: m.Growth,
		MaxConcurrent: m.Places, Queue: !m.Refuse, Seed: seed, Cheap: true,
	}
}

// Mean is how long an invocation of so many records takes on average, when so
// many are in service all the time, itself included.
func (m Model) Mean(records, inService int) time.Duration {
	alone := float64(m.Latency) + float64(m.Jitter)/2 + float64(records)*float64(m.PerRecord)
	return time.Duration(alone * (1 + m.Growth*float64(inService-1)))
}

// Ceiling is how many invocations of so many records the host answers in a
// second at most: with the number in service that it likes best.
func (m Model) Ceiling(records int) float64 {
	best := 0.0
	for n := 1; n <= m.Places; n++ {
		best = max(best, float64(n)/m.Mean(records, n).Seconds())
	}
	return best
}

// BestBatch is the largest batch whose slowest answer comes within the target;
// at least 1. It is meant for a host without growth; without a cost for each
// record it is most.
func (m Model) BestBatch(target time.Duration, most int) int {
	left := target - m.Latency - m.Jitter
	if m.PerRecord == 0 {
		return most
	}
	return max(min(int(left/m.PerRecord), most), 1)
}

// Ideal is how long so many invocations of so many records take hosts that are
// always as busy as they like best.
func Ideal(invocations float64, records int, hosts ...Model) time.Duration {
	return time.Duration(invocations / ceilings(records, hosts) * float64(time.Second))
}

// Invocations is how many hosts answer in that time.
func Invocations(d time.Duration, records int, hosts ...Model) float64 {
	return d.Seconds() * ceilings(records, hosts)
}

func ceilings(records int, hosts []Model) (sum float64) {
	for _, m := range hosts {
		sum += m.Ceiling(records)
	}
	return sum
}

// Slower is the model of a host that takes so many times its time.
func (m Model) Slower(times int) Model {
	n := time.Duration(times)
	m.Latency, m.Jitter, m.PerRecord = n*m.Latency, n*m.Jitter, n*m.PerRecord
	return m
}
