package reference

import (
	"net/http"
	"time"

	"github.com/batchmill/batchmill/workers"
)

// A turn is an invocation in service.
type turn struct {
	begun      time.Time
	concurrent int // other invocations in service when this one began
}

// serviceTime is how long an invocation of so many records takes. drawn is the latency
// with jitter.
func (h *Host) serviceTime(t turn, drawn time.Duration, records int, fault Fault) time.Duration {
	d := float64(drawn) + float64(records)*float64(h.options.PerRecord)
	d *= 1 + h.options.Growth*float64(t.concurrent)
	d *= max(float64(h.slowFactor.Load()), 1)
	if fault == FaultSlow {
		d += float64(slowBy)
	}
	return time.Duration(d)
}

// Slow makes invocations that begin from now on take times as long; 1 is the usual
// time.
func (h *Host) Slow(times int) { h.slowFactor.Store(int64(times)) }

const (
	// repayShare is the most by which an invocation is shortened, as a share of its time.
	repayShare = 0.1
	// maxOverrun bounds the time that is taken off later, after a stop of the machine.
	maxOverrun = 100 * time.Millisecond
)

// pause waits until the time of the invocation is over, and calls write, unless the
// client has gone away. Timers fire up to a millisecond late, and writing takes time:
// the overrun is taken off later invocations, so that the mean time is right.
func (h *Host) pause(r *http.Request, t turn, takes time.Duration, write func()) {
	if takes > 0 {
		takes -= h.repay(time.Duration(repayShare * float64(takes)))
		if left := time.Until(t.begun.Add(takes)); left > 0 && workers.Sleep(r.Context(), left) != nil {
			return
		}
		defer func() { h.addOverrun(time.Since(t.begun) - takes) }()
	}
	write()
}

// repay is how much of the overrun, at most most, this invocation takes off.
func (h *Host) repay(most time.Duration) time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	d := min(h.overrun, most)
	h.overrun -= d
	return d
}

func (h *Host) addOverrun(by time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.overrun = min(h.overrun+max(by, 0), maxOverrun)
}
