package knownhost

import (
	"math"
	"testing"
	"time"
)

const ms = time.Millisecond

func near(a, b float64) bool { return math.Abs(a-b) <= 1e-6*max(math.Abs(a), math.Abs(b)) }

// Each ceiling can be recomputed by hand.
func TestCeiling(t *testing.T) {
	for _, c := range []struct {
		name    string
		m       Model
		records int
		want    float64
	}{
		{"places over time", Model{Places: 16, Latency: 100 * ms}, 100, 160},
		{"half of the jitter", Model{Places: 16, Latency: 100 * ms, Jitter: 60 * ms}, 100, 16 / 0.130},
		{"refusing changes nothing", Model{Places: 16, Latency: 100 * ms, Refuse: true}, 1, 160},
		{"per record", Model{Places: 4, Latency: 50 * ms, PerRecord: ms / 2}, 100, 4 / 0.1},
		{"growth", Model{Places: 24, Latency: 50 * ms, Growth: 0.05}, 1, 24 / (0.05 * (1 + 0.05*23))},
		{"growth so steep that one at a time is best", Model{Places: 24, Latency: 50 * ms, Growth: 2}, 1, 20},
	} {
		if got := c.m.Ceiling(c.records); !near(got, c.want) {
			t.Errorf("%s: %v invocations a second, want %v", c.name, got, c.want)
		}
	}
}

func TestBestBatch(t *testing.T) {
	for _, c := range []struct {
		m    Model
		want int
	}{
		{Model{Latency: 50 * ms, Jitter: 10 * ms, PerRecord: ms / 2}, 1880},
		{Model{Latency: 50 * ms, PerRecord: time.Microsecond}, 5000},
		{Model{Latency: 2 * time.Second, PerRecord: ms}, 1},
		{Model{Latency: 50 * ms}, 5000},
	} {
		if got := c.m.BestBatch(time.Second, 5000); got != c.want {
			t.Errorf("%+v: %d, want %d", c.m, got, c.want)
		}
	}
}

func TestIdeal(t *testing.T) {
	one, two := Model{Places: 8, Latency: 200 * ms}, Model{Places: 8, Latency: 100 * ms} // 40 and 80 a second
	if got := Ideal(1200, 1, one, two); got != 10*time.Second {
		t.Errorf("1200 invocations take %v", got)
	}
	if got := Invocations(10*time.Second, 1, one, two); !near(got, 1200) {
		t.Errorf("10 s are %v invocations", got)
	}
	if got, want := (Model{2, 3, 4, 5, 6, true}).Slower(10), (Model{2, 30, 40, 50, 6, true}); got != want {
		t.Errorf("slower: %+v", got)
	}
}
