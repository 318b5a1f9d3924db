package workers

import (
	"testing"
	"testing/synctest"
	"time"
)

// TestSpareKeepsToTheRetryBudget: second hosts are asked for a fifth of the requests, three
// times a second, and a hundred times after a long rest, and no more.
func TestSpareKeepsToTheRetryBudget(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		p := fleet(t, 2, Limits{Concurrency: 1000})
		busy := acquire(t, p, 0, p.members[1])
		spares := func() (n int) {
			for l := p.Spare(busy.Member()); l != nil; l = p.Spare(busy.Member()) {
				if n > 10*mostRetries {
					t.Fatal("nothing bounds them")
				}
				if l.Member() == busy.Member() {
					t.Fatal("the same host again")
				}
				l.Cancel()
				n++
			}
			return n
		}
		for _, step := range []struct {
			rest     time.Duration
			requests int
			want     int
		}{{0, 0, firstRetries}, {0, 0, 0}, {10 * time.Second, 0, 30}, {0, 50, 10}, {time.Hour, 0, mostRetries}, {0, 0, 0}} {
			if step.rest > 0 {
				time.Sleep(step.rest)
			}
			for range step.requests {
				l := acquire(t, p, 0, p.members[1])
				ask(t, l)
				finish(l, Good)
			}
			if got := spares(); got < step.want-1 || got > step.want { // sums of fifths may miss one
				t.Errorf("after %v and %d requests: %d second hosts, want %d", step.rest, step.requests, got, step.want)
			}
		}
		if s := p.Stats()[1]; s.Hedges < 140 || s.InFlight != 0 {
			t.Errorf("%d hedges counted, %d in flight", s.Hedges, s.InFlight)
		}
	})
}

// TestSpareTakesNothingFromOthers: a second host is none that another request
// waits for, none that is ejected or full, and never the same.
func TestSpareTakesNothingFromOthers(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		p := fleet(t, 1, Limits{Concurrency: 4})
		if p.Spare(acquire(t, p, 0, nil).Member()) != nil {
			t.Error("a second host of one")
		}
		p = fleet(t, 2, Limits{Concurrency: 1})
		a, b := p.members[0], p.members[1]
		onA, onB := acquire(t, p, 0, b), acquire(t, p, 0, a)
		if p.Spare(a) != nil {
			t.Error("the other host is full")
		}
		go func() { _, _ = p.Acquire(t.Context(), Wish{Order: 1, Avoid: b}) }()
		synctest.Wait()
		onB.Cancel() // the waiter would have the other one, and waits
		if len(p.waiters) != 1 || p.Spare(a) != nil {
			t.Errorf("a second host while %d wait", len(p.waiters))
		}
		onA.Cancel()
		p.eject(b, "for the test", time.Now())
		if p.Spare(a) != nil {
			t.Error("the other host is ejected")
		}
	})
}
