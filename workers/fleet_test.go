package workers

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"
	"time"
)

func TestBudgetDelaysAndNeverFails(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		p := fleet(t, 1, Limits{})
		start := time.Now()
		spend := func(n int) time.Duration {
			from := time.Now()
			for range n {
				if err := p.SpendRetry(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			return time.Since(from)
		}
		if got := spend(firstRetries); got != 0 {
			t.Errorf("the float took %v", got)
		}
		if got := spend(30); got < 9900*time.Millisecond || got > 10100*time.Millisecond {
			t.Errorf("30 retries took %v, want 10s", got)
		}
		for range 50 { // earns 10
			l := acquire(t, p, 0, nil)
			ask(t, l)
			finish(l, Good)
		}
		if got := spend(10); got > time.Millisecond {
			t.Errorf("earned retries took %v", got)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if err := p.SpendRetry(ctx); err != context.DeadlineExceeded {
			t.Errorf("cancelled: %v", err)
		}
		time.Sleep(time.Hour)
		if got := spend(mostRetries); got != 0 || time.Since(start) > 2*time.Hour {
			t.Errorf("the hoard took %v", got)
		}
		if got := spend(3); got < 900*time.Millisecond {
			t.Errorf("more than the hoard could be saved up: %v", got)
		}
	})
}

func TestStats(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		p := fleet(t, 2, Limits{Concurrency: 1})
		a, b := p.Members()[0], p.Members()[1]
		p.Members()[1].host.(*fake).invoke = func(context.Context, *Request) (Response, error) {
			time.Sleep(200 * time.Millisecond)
			return Response{Status: 200}, nil
		}
		for range 100 {
			l := acquire(t, p, 0, a)
			ask(t, l)
			l.Records = 7
			finish(l, Good)
			finish(l, Broken) // a second time: nothing happens
		}
		s := p.Stats()
		if s[0].Requests != 0 || s[0].P50 != 0 || s[1].Requests != 100 || s[1].Records != 700 || s[1].Retries != 0 || s[1].Name != "b" {
			t.Errorf("stats are %+v", s)
		}
		for _, got := range []time.Duration{s[1].P50, s[1].P99, p.Latency().P95} {
			if got < 198*time.Millisecond || got > 202*time.Millisecond {
				t.Errorf("latency is %v, want 200ms", got)
			}
		}
		if p.Clock() != 100 || b.LastGood() != 100 || a.LastGood() != 0 || a.Good() || !b.Good() {
			t.Errorf("clock %d, b at %d, a at %d", p.Clock(), b.LastGood(), a.LastGood())
		}
	})
}

func TestPayloadLimitIsLearned(t *testing.T) {
	p := fleet(t, 1, Limits{})
	m := p.Members()[0]
	send := func(size int, cause Cause) int {
		l := acquire(t, p, 0, nil)
		if _, err := l.Invoke(t.Context(), &Request{Body: make([]byte, size)}); err != nil {
			t.Fatal(err)
		}
		finish(l, cause)
		return m.PayloadLimit()
	}
	for i, step := range []struct {
		size  int
		cause Cause
		want  int
	}{{1000, Good, 0}, {8000, TooLarge, 4000}, {9000, TooLarge, 4000}, {3000, Good, 4000}, {4000, TooLarge, 3000}, {1000, TooLarge, 999}, {1, TooLarge, 1}} {
		if got := send(step.size, step.cause); got != step.want {
			t.Errorf("step %d: the limit is %d, want %d", i, got, step.want)
		}
	}
}

// A probe says nothing about the size of the request that was refused.
func TestProbeTeachesNoLimit(t *testing.T) {
	p := fleet(t, 1, Limits{})
	l := acquire(t, p, 0, nil)
	for _, send := range []func(context.Context, *Request) (Response, error){l.Invoke, l.Probe} {
		size := 1000
		if l.sends > 0 {
			size = 10
		}
		if _, err := send(t.Context(), &Request{Body: make([]byte, size)}); err != nil {
			t.Fatal(err)
		}
	}
	finish(l, TooLarge)
	if limit := p.Members()[0].PayloadLimit(); limit != 500 {
		t.Errorf("the limit is %d, want half of what was refused", limit)
	}
}

func TestLimits(t *testing.T) {
	for _, c := range []struct {
		l           Limits
		told        int
		limit, most int
	}{
		{Limits{}, 0, 1, 256}, {Limits{}, 9, 1, 9}, {Limits{}, 1, 1, 1}, {Limits{}, 1 << 30, 1, 256}, {Limits{}, -1, 1, 256},
		{Limits{Concurrency: 5}, 9, 5, 5}, {Limits{Concurrency: 500}, 0, 500, 500}, {Limits{MaxConcurrency: 16}, 0, 1, 16},
	} {
		if got := c.l.withDefaults().limiter(Parameters{MaxConcurrent: c.told}); got.limit != c.limit || got.maxLimit != c.most {
			t.Errorf("%+v with %d told begins at %d and ends at %d, want %d and %d", c.l, c.told, got.limit, got.maxLimit, c.limit, c.most)
		}
	}
}

// TestRandomFleet lets many clients meet random outcomes, avoid hosts and give
// up at random. Every one must end, and no place may be lost.
func TestRandomFleet(t *testing.T) {
	for seed := range uint64(20) {
		inBubble(t, func(t *testing.T) {
			p := fleet(t, 4, Limits{Concurrency: 3, HostWait: 24 * time.Hour})
			var wg sync.WaitGroup
			for c := range 40 {
				wg.Go(func() { client(t, p, rand.New(rand.NewPCG(seed, uint64(c)))) })
			}
			wg.Wait()
			p.mu.Lock()
			defer p.mu.Unlock()
			if p.inFlight != 0 || len(p.waiters) != 0 {
				t.Errorf("seed %d: %d in flight, %d waiting", seed, p.inFlight, len(p.waiters))
			}
			for _, m := range p.members {
				if m.inFlight != 0 {
					t.Errorf("seed %d: %s holds %d places", seed, m.Name(), m.inFlight)
				}
			}
		})
	}
}

func client(t *testing.T, p *Pool, r *rand.Rand) {
	causes := []Cause{Good, Good, Good, Busy, Unreachable, Broken, Failed, Denied, TooLarge}
	var avoid *Member
	for i := range 30 {
		ctx, cancel := context.WithCancel(t.Context())
		if r.IntN(5) == 0 {
			ctx, cancel = context.WithTimeout(t.Context(), time.Duration(r.IntN(100))*time.Millisecond)
		}
		l, err := p.Acquire(ctx, Wish{Order: int64(i), Avoid: avoid})
		if err != nil && ctx.Err() == nil {
			t.Errorf("client lost: %v", err)
		}
		cancel()
		if err != nil {
			continue
		}
		if room := l.Member().limiter.limit; func() int { p.mu.Lock(); defer p.mu.Unlock(); return l.Member().inFlight }() > room {
			t.Errorf("%s is over its limit", l.Member().Name())
		}
		time.Sleep(time.Duration(r.IntN(50)) * time.Millisecond)
		avoid = nil
		if r.IntN(2) == 0 {
			avoid = l.Member()
		}
		if r.IntN(6) == 0 {
			l.Cancel()
		} else {
			finish(l, causes[r.IntN(len(causes))])
		}
	}
}

func BenchmarkAcquireRelease(b *testing.B) {
	p := NewPool(Fleet{Hosts: []Host{&fake{name: "a"}, &fake{name: "b"}}}, Limits{Concurrency: 8})
	for _, m := range p.Members() {
		if err := p.warm(b.Context(), m); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		l, err := p.Acquire(b.Context(), Wish{Order: 0})
		if err != nil {
			b.Fatal(err)
		}
		l.Release(Outcome{}, Verdict{})
	}
}
