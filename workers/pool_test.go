package workers

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestAcquireUpToTheLimit(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		p := fleet(t, 2, Limits{Concurrency: 3})
		if p.Capacity() != 6 {
			t.Errorf("capacity is %d, want 6", p.Capacity())
		}
		held := map[string]int{}
		for range 6 {
			held[acquire(t, p, 0, nil).Member().Name()]++
		}
		if held["a"] != 3 || held["b"] != 3 || p.InFlight() != 6 {
			t.Errorf("leases are %v, %d in flight", held, p.InFlight())
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := p.Acquire(ctx, Wish{Order: 0}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a seventh lease: %v", err)
		}
		if len(p.waiters) != 0 {
			t.Errorf("%d waiters are left", len(p.waiters))
		}
	})
}

func TestAcquireBalances(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		p := fleet(t, 2, Limits{Concurrency: 100})
		for range 20 {
			acquire(t, p, 0, nil)
		}
		// With two hosts, the best of two is always the less busy one.
		if a, b := p.members[0].inFlight, p.members[1].inFlight; a != 10 || b != 10 {
			t.Errorf("20 leases fell %d to %d", a, b)
		}
	})
}

func TestWaitersAreServedByOrder(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		p := fleet(t, 1, Limits{Concurrency: 1})
		first := acquire(t, p, 0, nil)
		var mu sync.Mutex
		var served []int64
		for _, order := range []int64{5, 3, 9, 1, 7} {
			go func() {
				l := acquire(t, p, order, nil)
				mu.Lock()
				served = append(served, order)
				mu.Unlock()
				finish(l, Good)
			}()
			synctest.Wait()
		}
		finish(first, Good)
		synctest.Wait()
		if want := []int64{1, 3, 5, 7, 9}; !slices.Equal(served, want) {
			t.Errorf("served %v, want %v", served, want)
		}
	})
}

func TestCancelledWaiterLosesNothing(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		p := fleet(t, 1, Limits{Concurrency: 1})
		first := acquire(t, p, 0, nil)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() {
			_, err := p.Acquire(ctx, Wish{Order: 1})
			done <- err
		}()
		got := make(chan *Lease)
		go func() {
			l, _ := p.Acquire(t.Context(), Wish{Order: 2})
			got <- l
		}()
		synctest.Wait()
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled waiter got %v", err)
		}
		first.Cancel()
		first.Cancel() // and a second time, as deferred
		if l := <-got; l == nil || p.InFlight() != 1 {
			t.Errorf("the next waiter got %v with %d in flight", l, p.InFlight())
		}
	})
}

func TestAvoid(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		p := fleet(t, 2, Limits{Concurrency: 1})
		a, b := p.members[0], p.members[1]
		for range 10 {
			l := acquire(t, p, 0, a)
			if l.Member() != b {
				t.Fatal("took the host to avoid while the other was free")
			}
			finish(l, Good)
		}
		// b is full, and will be free soon: wait for it, and let others have a.
		onB := acquire(t, p, 0, a)
		got := make(chan *Member)
		go func() { got <- acquire(t, p, 1, a).Member() }()
		synctest.Wait()
		onA := acquire(t, p, 2, nil)
		finish(onB, Good)
		if m := <-got; m != b || onA.Member() != a {
			t.Errorf("the waiter got %s, the other %s", m.Name(), onA.Member().Name())
		}
	})
}

func TestAvoidNeverBlocks(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		p := fleet(t, 1, Limits{})
		if l := acquire(t, p, 0, p.members[0]); l.Member() != p.members[0] {
			t.Error("the only host must be taken, avoided or not")
		}
		p = fleet(t, 2, Limits{Concurrency: 1})
		a, b := p.members[0], p.members[1]
		l := acquire(t, p, 0, a)
		o := Outcome{Cause: Busy, RetryAfter: time.Minute}
		l.Release(o, Blame(o, State{}))
		start := time.Now()
		if l := acquire(t, p, 0, a); l.Member() != a || time.Since(start) != 0 {
			t.Errorf("got %s after %v: %s rests for long", l.Member().Name(), time.Since(start), b.Name())
		}
	})
}

func TestAllDropped(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		p := fleet(t, 2, Limits{Concurrency: 1})
		one, two := acquire(t, p, 0, nil), acquire(t, p, 0, nil)
		errs := make(chan error)
		go func() {
			_, err := p.Acquire(t.Context(), Wish{Order: 1})
			errs <- err
		}()
		synctest.Wait()
		for _, l := range []*Lease{one, two} {
			o := Outcome{Cause: Unfit, Status: 404, Message: "no such page"}
			l.Release(o, Blame(o, State{Records: 1}))
		}
		err := <-errs
		dropped, ok := errors.AsType[*AllDroppedError](err)
		if !ok || len(dropped.Hosts) != 2 || !strings.Contains(err.Error(), "404") || !strings.Contains(err.Error(), "no such page") {
			t.Errorf("error is %v", err)
		}
		if _, err := p.Await(t.Context()); !errors.As(err, &dropped) {
			t.Errorf("Await says %v", err)
		}
		if err := p.warm(t.Context(), p.members[0]); err != nil {
			t.Errorf("Warm of a dropped host says %v", err)
		}
		if s := p.Stats()[0]; s.Up || !s.Ready || !strings.Contains(s.Dropped, "404") || p.Capacity() != 0 {
			t.Errorf("stats of a dropped host are %+v", s)
		}
	})
}

func TestNoHosts(t *testing.T) {
	p := NewPool(Fleet{}, Limits{})
	if _, err := p.Acquire(t.Context(), Wish{Order: 0}); err == nil || !strings.Contains(err.Error(), "--host") {
		t.Errorf("a pool without hosts says %v", err)
	}
}

func TestAloneAtAHost(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		p := fleet(t, 1, Limits{Concurrency: 3})
		one, two := acquire(t, p, 0, nil), acquire(t, p, 0, nil)
		got := make(chan *Lease)
		go func() {
			l, err := p.Acquire(t.Context(), Wish{Order: 1, Exclusive: true})
			if err != nil {
				t.Error(err)
			}
			got <- l
		}()
		synctest.Wait()
		later := make(chan *Lease)
		go func() { later <- acquire(t, p, 2, nil) }()
		synctest.Wait()
		if p.InFlight() != 2 {
			t.Errorf("%d in flight beside one that is to be alone", p.InFlight())
		}
		if !two.Shared() {
			t.Error("two of one host do not know of each other")
		}
		finish(one, Good)
		synctest.Wait()
		finish(two, Good)
		l := <-got
		synctest.Wait()
		if p.InFlight() != 1 || l.Shared() {
			t.Errorf("%d in flight, shared %v", p.InFlight(), l.Shared())
		}
		finish(l, Good)
		finish(<-later, Good)
		if p.InFlight() != 0 || len(p.waiters) != 0 || p.reservedMember != nil {
			t.Errorf("%d in flight, %d waiting, reserved %v", p.InFlight(), len(p.waiters), p.reservedMember)
		}
	})
}

// A host that is reserved for one request is free again when that is cancelled.
func TestAloneIsCancelled(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		p := fleet(t, 1, Limits{Concurrency: 2})
		one := acquire(t, p, 0, nil)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() {
			_, err := p.Acquire(ctx, Wish{Order: 1, Exclusive: true})
			done <- err
		}()
		synctest.Wait()
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		finish(acquire(t, p, 2, nil), Good)
		finish(one, Good)
	})
}
