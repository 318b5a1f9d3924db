package knownhost

import (
	"testing"
	"time"
)

func TestRequests(t *testing.T) {
	all := []Request{
		{Came: 10, Went: 20, Status: 200}, {Came: 12, Went: 18, Status: 429}, {Came: 18, Went: 30, Status: 200}, {Came: 20, Went: 40, Status: 0},
	}
	if got := Most(all); got != 2 { // one goes in the instant when the next comes
		t.Errorf("most is %d", got)
	}
	for _, c := range []struct {
		from, to time.Duration
		limit    int
		want     float64
	}{{0, 10, 0, 0}, {10, 20, 0, 1.8}, {10, 20, 1, 1}, {10, 40, 0, 48.0 / 30}, {15, 25, 0, 2}, {40, 50, 0, 0}, {10, 10, 0, 0}} {
		if got := Level(all, c.from, c.to, c.limit); !near(got, c.want) {
			t.Errorf("level of %d to %d, at most %d: %v, want %v", c.from, c.to, c.limit, got, c.want)
		}
	}
	if first, last := Span(all); first != 10 || last != 30 {
		t.Errorf("from %d to %d", first, last)
	}
	if got, later := Overloads(all, 0), Overloads(all, 15); got != 0.25 || later != 0 {
		t.Errorf("overloads %v, later %v", got, later)
	}
	if half, most := Quantile(all, 0.4), Quantile(all, 0.99); half != 10 || most != 12 {
		t.Errorf("quantiles %d and %d", half, most)
	}
	if Most(nil) != 0 || Level(nil, 0, 1, 0) != 0 || Overloads(nil, 0) != 0 || Quantile(nil, 0.5) != 0 {
		t.Error("figures from nothing")
	}
}
