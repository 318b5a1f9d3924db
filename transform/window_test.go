package transform

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
)

// TestWindowGrowthWaits: what is not the head grows only within the budget, and
// as soon as something was freed.
func TestWindowGrowthWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWindow(100)
		for _, n := range []int64{60, 30} {
			if err := w.enter(t.Context(), n); err != nil {
				t.Fatal(err)
			}
		}
		grown := false
		go func() {
			if err := w.grow(t.Context(), 1, 20, false); err == nil {
				grown = true
			}
		}()
		if synctest.Wait(); grown {
			t.Fatal("110 of 100 bytes are in use")
		}
		w.shrink(5)
		if synctest.Wait(); grown {
			t.Fatal("105 of 100 bytes are in use")
		}
		w.shrink(5)
		if synctest.Wait(); !grown || w.used != 100 || w.peak != 100 {
			t.Fatalf("grown: %v, %d bytes in use, at most %d", grown, w.used, w.peak)
		}
	})
}

// TestWindowHeadNeverWaits: the oldest place gets what it needs, budget or not,
// and when it leaves, the next one is the oldest. Else a full window could not move.
func TestWindowHeadNeverWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWindow(100)
		for range 2 {
			if err := w.enter(t.Context(), 50); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.grow(t.Context(), 0, 1000, false); err != nil || w.used != 1100 {
			t.Fatalf("%v, %d bytes in use", err, w.used)
		}
		second := false
		go func() { second = w.grow(t.Context(), 1, 1000, false) == nil }()
		if synctest.Wait(); second {
			t.Fatal("the second place grew beyond the budget")
		}
		w.pass()
		w.leave(1050)
		if synctest.Wait(); !second || w.used != 1050 {
			t.Fatalf("the new head waits: %d bytes in use", w.used)
		}
	})
}

// TestWindowCancelledGrowthIsForgotten: newcomers wait behind places that wait
// to grow, but not behind one that gave up.
func TestWindowCancelledGrowthIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWindow(100)
		for _, n := range []int64{50, 40} {
			if err := w.enter(t.Context(), n); err != nil {
				t.Fatal(err)
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		var gaveUp error
		go func() { gaveUp = w.grow(ctx, 1, 50, false) }()
		synctest.Wait()
		entered := false
		go func() { entered = w.enter(t.Context(), 10) == nil }()
		synctest.Wait()
		if entered || !w.blocked() {
			t.Fatal("a newcomer took the memory that an older place waits for")
		}
		cancel()
		synctest.Wait()
		w.shrink(1) // whatever is freed next lets the newcomer in
		if synctest.Wait(); !errors.Is(gaveUp, context.Canceled) || !entered {
			t.Errorf("%v, entered: %v", gaveUp, entered)
		}
	})
}

// TestWindowEnterWaits: a newcomer waits for room, unless the window is empty.
func TestWindowEnterWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWindow(100)
		if err := w.enter(t.Context(), 500); err != nil { // larger than all there is: alone
			t.Fatal(err)
		}
		entered := 0
		go func() {
			for w.enter(t.Context(), 40) == nil {
				entered++
			}
		}()
		for step, want := range []int{0, 2, 2} {
			if synctest.Wait(); entered != want || w.peak > 500 {
				t.Fatalf("step %d: %d entered, at most %d bytes were in use", step, entered, w.peak)
			}
			if step == 0 {
				w.leave(500)
			}
		}
		for range 3 {
			w.leave(40)
			synctest.Wait()
		}
		if entered != 5 || w.used != 80 {
			t.Fatalf("%d entered, %d bytes in use", entered, w.used)
		}
	})
}

// TestWindowWhileWriting: while the disk is what everybody waits for, reading
// ahead ends at a share of the budget; for a slow head all of it is there.
func TestWindowWhileWriting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWindow(100 * writersShare)
		w.setWriting(true)
		if err := w.enter(t.Context(), 90); err != nil {
			t.Fatal(err)
		}
		entered := false
		go func() { entered = w.enter(t.Context(), 20) == nil }()
		if synctest.Wait(); entered {
			t.Fatal("110 bytes are in use while the share is 100")
		}
		w.setWriting(false)
		if synctest.Wait(); !entered {
			t.Fatal("the newcomer waits although nobody writes")
		}
	})
}
