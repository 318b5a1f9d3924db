package knownhost

import (
	"cmp"
	"net/http"
	"slices"
	"time"
)

// A Request is one that a host got. Times count from the hosts' common start.
type Request struct {
	Came, Went time.Duration // Went is when its handling ended
	Status     int           // 0 is no response
}

// Good tells whether it was answered.
func (r Request) Good() bool { return r.Status == http.StatusOK }

// A change is when the number of requests at the host changes.
type change struct {
	at time.Duration
	by int
}

// changes are in order of time; at one instant those that go are first.
func changes(all []Request) []change {
	list := make([]change, 0, 2*len(all))
	for _, r := range all {
		list = append(list, change{r.Came, 1}, change{r.Went, -1})
	}
	slices.SortFunc(list, func(a, b change) int { return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.by, b.by)) })
	return list
}

// Most is the largest number of requests that were at the host at once.
func Most(all []Request) int {
	n, most := 0, 0
	for _, c := range changes(all) {
		n += c.by
		most = max(most, n)
	}
	return most
}

// Level is how many requests were at the host on average between two times.
// What is above the cap does not count; 0 is no cap.
func Level(all []Request, from, to time.Duration, limit int) float64 {
	n, last, area := 0, from, 0.0
	step := func(at time.Duration) {
		at = min(max(at, from), to)
		level := n
		if limit > 0 {
			level = min(n, limit)
		}
		area += float64(level) * float64(at-last)
		last = at
	}
	for _, c := range changes(all) {
		step(c.at)
		n += c.by
	}
	step(to)
	return area / float64(max(to-from, 1))
}

// Span is when the first request came, and when the last answer went.
func Span(all []Request) (first, last time.Duration) {
	for i, r := range all {
		if i == 0 || r.Came < first {
			first = r.Came
		}
		if r.Good() {
			last = max(last, r.Went)
		}
	}
	return first, last
}

// Overloads is the share of the requests that came from a time on which the
// host had no place for.
func Overloads(all []Request, from time.Duration) float64 {
	count, refused := 0, 0
	for _, r := range all {
		if r.Came < from {
			continue
		}
		count++
		if r.Status == http.StatusTooManyRequests || r.Status == http.StatusServiceUnavailable {
			refused++
		}
	}
	return float64(refused) / float64(max(count, 1))
}

// Quantile is how long the good answers took, waiting included: the value that
// the share q of them does not exceed. 0 without one.
func Quantile(all []Request, q float64) time.Duration {
	var took []time.Duration
	for _, r := range all {
		if r.Good() {
			took = append(took, r.Went-r.Came)
		}
	}
	if len(took) == 0 {
		return 0
	}
	slices.Sort(took)
	return took[min(int(q*float64(len(took))), len(took)-1)]
}
