package workers

import (
	"math"
	"time"
)

// epoch is what a limiter measures while one limit holds.
type epoch struct {
	pending        bool // the epoch begins once no more requests than the limit are in flight
	began          time.Time
	countedTo      time.Time // up to when requestSeconds is counted
	requestSeconds float64   // the sum of requests in flight times seconds
	answers        int       // good answers to requests sent since the epoch began
	records        int       // in these answers
	seconds        float64   // that the answers took, added up
	mean           float64   // of seconds per record, and squares the sum of squares about mean (Welford)
	squares        float64
}

// advance returns up to when requestSeconds was counted, and sets that to now.
func (e *epoch) advance(now time.Time) time.Time {
	was := e.countedTo
	if was.IsZero() {
		was = e.began
	}
	e.countedTo = now
	return was
}

func (e *epoch) add(seconds float64, records int) {
	e.answers++
	e.records += records
	e.seconds += seconds
	each := seconds / float64(records)
	d := each - e.mean
	e.mean += d / float64(e.answers)
	e.squares += d * (each - e.mean)
}

// inFlight is the mean number of requests in flight.
func (e *epoch) inFlight(now time.Time) float64 { return e.requestSeconds / now.Sub(e.began).Seconds() }

// rate is the host's records a second, by Little's law.
func (e *epoch) rate(now time.Time) float64 {
	return e.inFlight(now) * float64(e.records) / e.seconds
}

// doubt is the standard error of mean, as a share of mean.
func (e *epoch) doubt() float64 {
	n := float64(e.answers)
	return math.Sqrt(e.squares/max(n-1, 1)/n) / e.mean
}
