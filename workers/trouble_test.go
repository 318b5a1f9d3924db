package workers

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestRetryAfterIsKept(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		p := fleet(t, 1, Limits{})
		start := time.Now()
		o := Outcome{Cause: Busy, Status: 429, RetryAfter: 7 * time.Second}
		acquire(t, p, 0, nil).Release(o, Blame(o, State{}))
		finish(acquire(t, p, 0, nil), Good)
		if got := time.Since(start); got != 7*time.Second {
			t.Errorf("waited %v, want 7s", got)
		}
		if got := p.Stats()[0].Retries; got != 1 {
			t.Errorf("%d retries, want 1", got)
		}
	})
}

func TestBackoffGrowsAndEnds(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		p := fleet(t, 1, Limits{HostWait: time.Hour})
		m := p.members[0]
		for bound := firstBackOff; ; bound = min(2*bound, longestBackOff) {
			l := acquire(t, p, 0, nil)
			l.sent = time.Now()
			finish(l, Busy)
			if m.backoff != bound || time.Until(m.restUntil) > bound || !m.restUntil.After(time.Now()) {
				t.Fatalf("backoff %v, rest %v, want at most %v", m.backoff, time.Until(m.restUntil), bound)
			}
			if bound == longestBackOff {
				break
			}
		}
		finish(acquire(t, p, 0, nil), Good)
		if m.backoff != 0 {
			t.Errorf("after a good answer the backoff is %v", m.backoff)
		}
	})
}

func TestBurstCountsOnce(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		p := fleet(t, 1, Limits{Concurrency: 8})
		var burst []*Lease
		for range 8 {
			l := acquire(t, p, 0, nil)
			ask(t, l)
			burst = append(burst, l)
		}
		for _, l := range burst {
			finish(l, Unreachable)
		}
		if m := p.members[0]; m.backoff != firstBackOff || m.ejections != 1 {
			t.Errorf("8 failures at once: backoff %v, %d ejections", m.backoff, m.ejections)
		}
	})
}

func TestEjectedHostIsProbed(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		p := fleet(t, 1, Limits{Concurrency: 4})
		for i := range mostBrokenInRow {
			if up, _ := p.Up(); up != 1 {
				t.Fatalf("ejected after %d failures", i)
			}
			finish(acquire(t, p, 0, nil), Broken)
		}
		if up, total := p.Up(); up != 0 || total != 1 {
			t.Errorf("%d of %d up after %d failures", up, total, mostBrokenInRow)
		}
		probe := acquire(t, p, 0, nil)
		got := make(chan *Lease)
		go func() { got <- acquire(t, p, 1, nil) }()
		synctest.Wait()
		if p.InFlight() != 1 {
			t.Errorf("%d requests to a host that is being probed", p.InFlight())
		}
		finish(probe, Good)
		finish(<-got, Good)
		if up, _ := p.Up(); up != 1 || p.Stats()[0].Ejections != 1 {
			t.Errorf("%d up, stats %+v", up, p.Stats()[0])
		}
	})
}

func TestHostWaitEndsEveryWait(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		p := fleet(t, 2, Limits{Concurrency: 1, HostWait: time.Minute})
		start := time.Now()
		for range 2 {
			l := acquire(t, p, 0, nil)
			o := Outcome{Cause: Unreachable, Message: "connection refused"}
			l.Release(o, Verdict{Action: Wait, Rest: 5 * time.Minute})
		}
		errs := make(chan error)
		for i := range 5 {
			go func() {
				_, err := p.Acquire(t.Context(), Wish{Order: int64(i)})
				errs <- err
			}()
		}
		for range 5 {
			err := <-errs
			un, ok := errors.AsType[*UnavailableError](err)
			if !ok || un.NeverReady || len(un.Hosts) != 2 || !strings.Contains(err.Error(), "connection refused") || !strings.Contains(err.Error(), "--host-wait") {
				t.Errorf("error is %v", err)
			}
		}
		if got := time.Since(start); got != time.Minute {
			t.Errorf("gave up after %v, want 1m", got)
		}
	})
}

// A host that is never there and a waiter that tries for ever: the end comes all the same.
func TestHostWaitEndsEndlessTrying(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		p := fleet(t, 1, Limits{HostWait: 5 * time.Minute})
		start := time.Now()
		for {
			l, err := p.Acquire(t.Context(), Wish{Order: 0})
			if err != nil {
				break
			}
			finish(l, Busy)
		}
		if got := time.Since(start); got != 5*time.Minute {
			t.Errorf("gave up after %v, want 5m", got)
		}
	})
}

func TestGoodAnswerEndsTrouble(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		p := fleet(t, 1, Limits{HostWait: time.Minute})
		start := time.Now()
		for time.Since(start) < time.Hour {
			finish(acquire(t, p, 0, nil), Busy)
			finish(acquire(t, p, 0, nil), Good)
			time.Sleep(10 * time.Second)
		}
	})
}

// A request under way when patience ends may still save the job.
func TestRequestInFlightDecides(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		for _, cause := range []Cause{Good, Broken} {
			p := fleet(t, 1, Limits{Concurrency: 2, HostWait: time.Minute})
			slow := acquire(t, p, 0, nil)
			finish(acquire(t, p, 0, nil), Busy)
			time.Sleep(2 * time.Minute)
			errs := make(chan error)
			go func() {
				_, err := p.Acquire(t.Context(), Wish{Order: 1})
				errs <- err
			}()
			synctest.Wait()
			select {
			case err := <-errs:
				t.Fatalf("did not wait for the request in flight: %v", err)
			default:
			}
			finish(slow, cause)
			if err := <-errs; (err == nil) != (cause == Good) {
				t.Errorf("after %v: %v", cause, err)
			}
		}
	})
}

func TestRefusedRecordsAreNoTrouble(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		p := fleet(t, 1, Limits{HostWait: time.Minute})
		for range 100 {
			finish(acquire(t, p, 0, nil), Refused)
			time.Sleep(time.Minute)
		}
	})
}

func TestPauseRestsTheHost(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		p := fleet(t, 1, Limits{})
		start := time.Now()
		finish(acquire(t, p, 0, nil), Denied)
		acquire(t, p, 0, nil)
		if got := time.Since(start); got != pauseRest {
			t.Errorf("rested %v, want %v", got, pauseRest)
		}
	})
}
