package reference

import (
	"net/http"
	"time"
)

// A turn is an invocation's time in its place.
type turn struct {
	begun  time.Time
	others int // in service when it began
}

// takes is how long an invocation of so many records has its place. drawn is
// its latency with jitter.
func (h *Host) takes(t turn, drawn time.Duration, records int, fault Fault) time.Duration {
	d := float64(drawn) + float64(records)*float64(h.o.PerRecord)
	d *= 1 + h.o.Growth*float64(t.others)
	d *= max(float64(h.slower.Load()), 1)
	if fault == FaultSlow {
		d += float64(SlowBy)
	}
	return time.Duration(d)
}

// Slow makes invocations take so many times their time from now on; 1 ends it.
// Those under way are not touched.
func (h *Host) Slow(times int) { h.slower.Store(int64(times)) }

const (
	// giveBack is the share of its time by which one invocation may be shortened.
	giveBack = 0.1
	// mostLate bounds what is given back after the machine was away for a while.
	mostLate = 100 * time.Millisecond
)

// pause waits until the invocation's time is over, and writes the answer. Timers
// fire late, by up to a millisecond, and answers take time to write. What that
// took too long is taken off later invocations, so that on average they take
// what was asked for. The answer is not written when the client has gone away.
func (h *Host) pause(r *http.Request, t turn, takes time.Duration, write func()) {
	if takes > 0 {
		takes -= h.shorter(time.Duration(giveBack * float64(takes)))
		if !sleep(r, time.Until(t.begun.Add(takes))) {
			return
		}
		defer func() { h.late(time.Since(t.begun) - takes) }()
	}
	write()
}

func (h *Host) shorter(most time.Duration) time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	d := min(h.overrun, most)
	h.overrun -= d
	return d
}

func (h *Host) late(by time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.overrun = min(h.overrun+max(by, 0), mostLate)
}

// sleep is false when the client has gone away.
func sleep(r *http.Request, d time.Duration) bool {
	if d <= 0 {
		return true
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-r.Context().Done():
		return false
	}
}
