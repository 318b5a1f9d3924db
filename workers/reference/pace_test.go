package reference

import (
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// invoke asks a host without a network, so that time can be virtual.
func invoke(ctx context.Context, h *Host, records int) int {
	r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/invocations", strings.NewReader(strings.Repeat("1\n", records)))
	r.Header.Set("Content-Type", "text/csv")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Code
}

// invocations are sent together, each of so many records, and give the times of
// their answers in order.
func invocations(t *testing.T, h *Host, n, records int) []time.Duration {
	t.Helper()
	start := time.Now()
	times := make([]time.Duration, n)
	var all sync.WaitGroup
	for i := range times {
		all.Go(func() {
			if status := invoke(t.Context(), h, records); status != 200 {
				t.Errorf("status %d", status)
			}
			times[i] = time.Since(start)
		})
		synctest.Wait() // they come in this order
	}
	all.Wait()
	slices.Sort(times)
	return times
}

func TestPace(t *testing.T) {
	const ms = time.Millisecond
	for _, c := range []struct {
		name       string
		o          Options
		slow       int
		n, records int
		want       []time.Duration
	}{
		{"alone", Options{Latency: 100 * ms}, 0, 1, 1, []time.Duration{100 * ms}},
		{"per record", Options{Latency: 100 * ms, PerRecord: 2 * ms}, 0, 1, 50, []time.Duration{200 * ms}},
		{"places", Options{Latency: 100 * ms, MaxConcurrent: 2, Queue: true}, 0, 5, 1, []time.Duration{100 * ms, 100 * ms, 200 * ms, 200 * ms, 300 * ms}},
		{"growth", Options{Latency: 100 * ms, Growth: 0.5}, 0, 3, 1, []time.Duration{100 * ms, 150 * ms, 200 * ms}},
		{"growth counts places, not who waits", Options{Latency: 100 * ms, Growth: 0.5, MaxConcurrent: 1, Queue: true}, 0, 3, 1, []time.Duration{100 * ms, 200 * ms, 300 * ms}},
		{"growth per record", Options{PerRecord: ms, Growth: 1}, 0, 2, 10, []time.Duration{10 * ms, 20 * ms}},
		{"slow", Options{Latency: 100 * ms, PerRecord: ms}, 10, 1, 10, []time.Duration{1100 * ms}},
		{"slow no more", Options{Latency: 100 * ms}, 1, 1, 1, []time.Duration{100 * ms}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h, err := New(c.o)
				if err != nil {
					t.Fatal(err)
				}
				h.Slow(c.slow)
				if got := invocations(t, h, c.n, c.records); !slices.Equal(got, c.want) {
					t.Errorf("answered at %v, want %v", got, c.want)
				}
			})
		})
	}
}

// Who goes away frees the place at once.
func TestPlaceOfWhoHasGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, err := New(Options{Latency: time.Hour, MaxConcurrent: 1, Queue: true})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		invoke(ctx, h, 1)
		invoke(t.Context(), h, 1)
		if took := time.Since(start); took != time.Hour+time.Second {
			t.Errorf("took %v", took)
		}
	})
}

// What one invocation took too long the next ones make up for.
func TestOverrun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, err := New(Options{Latency: 100 * time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		h.addOverrun(15 * time.Millisecond)
		h.addOverrun(-time.Second) // who went away early owes nothing
		for i, want := range []time.Duration{90, 95, 100} {
			start := time.Now()
			invoke(t.Context(), h, 1)
			if got := time.Since(start); got != want*time.Millisecond {
				t.Errorf("invocation %d took %v, want %v ms", i, got, want)
			}
		}
		h.addOverrun(time.Hour)
		if h.overrun != maxOverrun {
			t.Errorf("%v are to be given back", h.overrun)
		}
	})
}

// Whom a host has no place for waits for one, or is refused at once.
func TestConcurrency(t *testing.T) {
	for queue, want := range map[bool][]int{true: {200, 200, 200}, false: {200, 429, 429}} {
		synctest.Test(t, func(t *testing.T) {
			h, err := New(Options{MaxConcurrent: 1, Queue: queue, Latency: 100 * time.Millisecond})
			if err != nil {
				t.Fatal(err)
			}
			start := time.Now()
			got := make([]int, len(want))
			var all sync.WaitGroup
			for i := range got {
				all.Go(func() { got[i] = invoke(t.Context(), h, 1) })
			}
			all.Wait()
			slices.Sort(got)
			times := 1
			if queue {
				times = len(want)
			}
			if took := time.Since(start); !slices.Equal(got, want) || took != time.Duration(times)*100*time.Millisecond {
				t.Errorf("queue %t: %v in %v", queue, got, took)
			}
		})
	}
}

// The slow fault takes SlowBy, and no other takes any time.
func TestOnlyTheSlowFaultTakesTime(t *testing.T) {
	for _, kind := range Faults() {
		synctest.Test(t, func(t *testing.T) {
			h, err := New(Options{FaultRate: 1, FaultKinds: []Fault{kind}})
			if err != nil {
				t.Fatal(err)
			}
			start, want := time.Now(), time.Duration(0)
			if kind == FaultSlow {
				want = slowBy
			}
			defer func() {
				if broken := recover(); broken != nil && broken != http.ErrAbortHandler {
					panic(broken)
				}
				if took := time.Since(start); took != want {
					t.Errorf("%s took %v, want %v", kind, took, want)
				}
			}()
			invoke(t.Context(), h, 1)
		})
	}
}
