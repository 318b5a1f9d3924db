package workers

import (
	"math"
	"time"
)

// epoch is what was measured while one limit held.
type epoch struct {
	pending bool // it begins once no more than the limit is in flight
	began   time.Time
	at      time.Time // up to when area is counted
	area    float64   // requests in flight, times seconds
	n       int       // good answers to requests sent since it began
	records int       // in them
	took    float64   // seconds, all of them together
	mean    float64   // of seconds per record, and the sum of squares about it (Welford)
	squares float64
}

// last is up to when area was counted, and now from here on.
func (e *epoch) last(now time.Time) time.Time {
	was := e.at
	if was.IsZero() {
		was = e.began
	}
	e.at = now
	return was
}

func (e *epoch) add(took float64, records int) {
	e.n++
	e.records += records
	e.took += took
	each := took / float64(records)
	d := each - e.mean
	e.mean += d / float64(e.n)
	e.squares += d * (each - e.mean)
}

// inFlight is how many requests were in flight, on average.
func (e *epoch) inFlight(now time.Time) float64 { return e.area / now.Sub(e.began).Seconds() }

// rate is the records a second, by Little's law.
func (e *epoch) rate(now time.Time) float64 {
	return e.inFlight(now) * float64(e.records) / e.took
}

// doubt is how far the mean may be off, as a share of it.
func (e *epoch) doubt() float64 {
	n := float64(e.n)
	return math.Sqrt(e.squares/max(n-1, 1)/n) / e.mean
}
