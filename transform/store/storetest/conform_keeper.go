package storetest

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/batchmill/batchmill/transform/store"
)

// keeperStore is a store that keeps working state too.
type keeperStore interface {
	store.Store
	store.Keeper
}

func conformKeeper(t *testing.T, newStore func(t *testing.T) store.Store) {
	for name, run := range map[string]func(*testing.T, keeperStore){
		"append":     testAppend,
		"truncate":   testTruncate,
		"remove":     testRemove,
		"lock":       testLock,
		"lock races": testLockRaces,
		"keep names": testKeepNames,
	} {
		t.Run(name, func(t *testing.T) { run(t, newStore(t).(keeperStore)) })
	}
}

func openAppender(t *testing.T, s keeperStore, name string) store.Appender {
	t.Helper()
	a, err := s.Append(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close() })
	return a
}

func write(t *testing.T, a store.Appender, data string) {
	t.Helper()
	if n, err := a.Write([]byte(data)); n != len(data) || err != nil {
		t.Fatalf("write: %d, %v", n, err)
	}
}

func testAppend(t *testing.T, s keeperStore) {
	a := openAppender(t, s, "_state/log")
	wantContent(t, s, "_state/log", "")
	write(t, a, "one ")
	write(t, a, "")
	if err := a.Sync(); err != nil {
		t.Fatal(err)
	}
	wantContent(t, s, "_state/log", "one ")
	write(t, a, "two ")
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Write([]byte("lost")); err == nil {
		t.Error("write after close succeeded")
	}
	write(t, openAppender(t, s, "_state/log"), "three")
	wantContent(t, s, "_state/log", "one two three")
	wantList(t, s, "_state", "_state/log")
}

func testTruncate(t *testing.T, s keeperStore) {
	a := openAppender(t, s, "log")
	write(t, a, "good torn")
	if err := a.Sync(); err != nil {
		t.Fatal(err)
	}
	for _, size := range []int64{-1, 10} {
		if a.Truncate(size) == nil {
			t.Errorf("truncate to %d succeeded on 9 bytes", size)
		}
	}
	if err := a.Truncate(5); err != nil {
		t.Fatal(err)
	}
	write(t, a, "again") // at the new end, not where the old one was
	wantContent(t, s, "log", "good again")
	if err := a.Truncate(0); err != nil {
		t.Fatal(err)
	}
	wantContent(t, s, "log", "")
	if err := a.Sync(); err != nil {
		t.Fatal(err)
	}
}

func testRemove(t *testing.T, s keeperStore) {
	for _, name := range []string{"a/b/1", "a/b/c/2", "a/bc", "d"} {
		mustPut(t, s, name, name)
	}
	for _, step := range []struct {
		name string
		left []string
	}{
		{"no/such", []string{"a/b/1", "a/b/c/2", "a/bc", "d"}},
		{"a/b", []string{"a/bc", "d"}},
		{"a/b", []string{"a/bc", "d"}},
		{"d", []string{"a/bc"}},
		{"a/bc/x", []string{"a/bc"}},
	} {
		if err := s.Remove(t.Context(), step.name); err != nil {
			t.Errorf("remove %q: %v", step.name, err)
		}
		wantList(t, s, "", step.left...)
	}
	mustPut(t, s, "a/b/1", "anew") // the folder is made again
	wantContent(t, s, "a/b/1", "anew")
}

func testLock(t *testing.T, s keeperStore) {
	unlock, err := s.Lock(t.Context(), "_state/lock")
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.Lock(t.Context(), "_state/lock")
	wantError(t, "second lock", err, store.ErrLocked)
	other, err := s.Lock(t.Context(), "_state/other")
	if err != nil {
		t.Fatal(err)
	}
	defer other()
	if err := unlock(); err != nil {
		t.Fatal(err)
	}
	again, err := s.Lock(t.Context(), "_state/lock")
	if err != nil {
		t.Fatal(err)
	}
	if err := unlock(); err != nil { // the first holder's, once more: not ours
		t.Errorf("second unlock: %v", err)
	}
	_, err = s.Lock(t.Context(), "_state/lock")
	wantError(t, "lock while held again", err, store.ErrLocked)
	if err := again(); err != nil {
		t.Fatal(err)
	}
}

// testLockRaces: whoever races for it, at most one holds the lock.
func testLockRaces(t *testing.T, s keeperStore) {
	var wg sync.WaitGroup
	var holders, taken atomic.Int32
	for range 4 {
		wg.Go(func() {
			for range 50 {
				unlock, err := s.Lock(t.Context(), "lock")
				if errors.Is(err, store.ErrLocked) {
					continue
				}
				if err != nil {
					t.Error(err)
					return
				}
				if holders.Add(1) != 1 {
					t.Error("two hold the lock")
				}
				taken.Add(1)
				holders.Add(-1)
				if err := unlock(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if taken.Load() == 0 {
		t.Error("nobody ever got the lock")
	}
}

func testKeepNames(t *testing.T, s keeperStore) {
	for _, name := range []string{"", ".", "../x", "a/../../x", "/x", "a\x00"} {
		what := fmt.Sprintf(" %q", name)
		_, err := s.Append(t.Context(), name)
		wantError(t, "append"+what, err, store.ErrBadName)
		wantError(t, "remove"+what, s.Remove(t.Context(), name), store.ErrBadName)
		_, err = s.Lock(t.Context(), name)
		wantError(t, "lock"+what, err, store.ErrBadName)
	}
}
