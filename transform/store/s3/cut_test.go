package s3

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/batchmill/batchmill/transform/store"
)

// cuttable is a log of segments of many sizes, and what it holds.
func cuttable(t *testing.T, s *Store) (a store.Appender, all string) {
	t.Helper()
	a = mustAppend(t, s, "log", 0)
	for i := range 5 {
		data := strings.Repeat(fmt.Sprint(i), 1+3*i)
		add(t, a, data)
		all += data
	}
	return a, all
}

// TestKeepTheBeginning: a log is cut to any size, goes on from there, and is another log for who has read it before.
func TestKeepTheBeginning(t *testing.T) {
	_, s := newBucket(Options{})
	_, all := cuttable(t, s)
	for size := range len(all) {
		m, s := newBucket(Options{})
		old, _ := cuttable(t, s)
		early := storeOver(Options{}, m.Do)
		if got := readWhole(t, early, "log"); got != all {
			t.Fatalf("the log holds %q", got)
		}
		a := mustAppend(t, s, "log", int64(len(all)))
		if err := a.Truncate(int64(size)); err != nil {
			t.Fatal(err)
		}
		if got := readWhole(t, s, "log"); got != all[:size] {
			t.Errorf("cut to %d bytes, the log holds %q", size, got)
		}
		more := strings.Repeat("x", len(all)-size) // as large as before
		add(t, a, more)
		if got := readWhole(t, s, "log"); got != all[:size]+more {
			t.Errorf("cut to %d bytes, and grown, the log holds %q", size, got)
		}
		wantFailure(t, tryAdd(old, "late"), store.ErrSuperseded, old)
		if _, err := early.Append(t.Context(), "log", int64(len(all))); !errors.Is(err, store.ErrGrown) {
			t.Errorf("who has read the log before it was cut to %d bytes appends: %v", size, err)
		}
	}
}

// TestCutIsInterrupted: whatever request of a cut is the last, with or without its effect, the log is cut, or begins with all it held.
func TestCutIsInterrupted(t *testing.T) {
	for _, effect := range []bool{false, true} {
		last := 1
		for done := false; !done; last++ {
			synctest.Test(t, func(t *testing.T) { done = interruptedCut(t, last, effect) })
		}
		if last < 10 {
			t.Errorf("a cut of %d requests", last)
		}
	}
}

// interruptedCut cuts a log with so many requests, the last of which may take effect unseen, and tells whether that was enough.
func interruptedCut(t *testing.T, last int, effect bool) bool {
	const size = 12
	m, s := newBucket(Options{})
	_, all := cuttable(t, s)
	var requests atomic.Int64
	dying := storeOver(Options{Attempts: 1}, func(r *http.Request) (*http.Response, error) {
		n := requests.Add(1)
		if n == int64(last) && effect {
			_, _ = m.Do(r)
		}
		if n >= int64(last) {
			return nil, errors.New("the machine is gone")
		}
		return m.Do(r)
	})
	a, err := dying.Append(t.Context(), "log", int64(len(all)))
	if err == nil {
		err = a.Truncate(size)
	}
	got := readWhole(t, s, "log")
	if cut := got == all[:size]; !cut && !strings.HasPrefix(got, all) || err == nil && !cut {
		t.Fatalf("request %d was the last (done: %v): the log holds %q, %v", last, effect, got, err)
	}
	if err := mustAppend(t, s, "log", int64(len(got))).Truncate(size); err != nil {
		t.Fatal(err)
	}
	if got := readWhole(t, s, "log"); got != all[:size] {
		t.Fatalf("cut again, the log holds %q", got)
	}
	return err == nil
}
