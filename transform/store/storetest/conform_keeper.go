package storetest

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
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
		"grown":      testGrown,
		"truncate":   testTruncate,
		"spill":      testSpill,
		"remove":     testRemove,
		"keep names": testKeepNames,
	} {
		t.Run(name, func(t *testing.T) { run(t, newStore(t).(keeperStore)) })
	}
	if _, ok := newStore(t).(store.Locker); !ok {
		t.Run("superseded", func(t *testing.T) { testSuperseded(t, newStore(t).(keeperStore)) })
		return
	}
	t.Run("lock", func(t *testing.T) { testLock(t, newStore(t).(lockerStore)) })
	t.Run("lock races", func(t *testing.T) { testLockRaces(t, newStore(t).(lockerStore)) })
}

// lockerStore is a store that can keep a second run out.
type lockerStore interface {
	store.Store
	store.Locker
}

// openAppender opens a log as a run does: it has read all that is there.
func openAppender(t *testing.T, s keeperStore, name string) store.Appender {
	t.Helper()
	a, err := s.Append(t.Context(), name, logSize(t, s, name))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close() })
	return a
}

func logSize(t *testing.T, s keeperStore, name string) int64 {
	t.Helper()
	r, info, err := s.ReadLog(t.Context(), name)
	if errors.Is(err, fs.ErrNotExist) {
		return 0
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	return info.Size
}

// wantLog checks what a log holds, read to its end and at any place. A log that is
// missing is empty.
func wantLog(t *testing.T, s keeperStore, name, want string) {
	t.Helper()
	r, info, err := s.ReadLog(t.Context(), name)
	if errors.Is(err, fs.ErrNotExist) && want == "" {
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	got, err := io.ReadAll(r)
	if err != nil || string(got) != want || info.Size != int64(len(want)) {
		t.Errorf("log %q holds %q, %v, with a size of %d; want %q", name, got, err, info.Size, want)
	}
	for off := range len(want) {
		b := make([]byte, min(3, len(want)-off))
		if n, err := r.ReadAt(b, int64(off)); n != len(b) || err != nil && err != io.EOF || string(b) != want[off:off+len(b)] {
			t.Errorf("log %q has %q, %v at %d; want %q", name, b[:n], err, off, want[off:off+len(b)])
		}
	}
}

func write(t *testing.T, a store.Appender, data string) {
	t.Helper()
	if n, err := a.Write([]byte(data)); n != len(data) || err != nil {
		t.Fatalf("write: %d, %v", n, err)
	}
}

func testAppend(t *testing.T, s keeperStore) {
	a := openAppender(t, s, "_state/log")
	wantLog(t, s, "_state/log", "")
	write(t, a, "one ")
	write(t, a, "")
	if err := a.Sync(); err != nil {
		t.Fatal(err)
	}
	wantLog(t, s, "_state/log", "one ")
	write(t, a, "two ")
	if err := a.Sync(); err != nil {
		t.Fatal(err)
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Write([]byte("lost")); err == nil {
		t.Error("write after close succeeded")
	}
	b := openAppender(t, s, "_state/log")
	write(t, b, "three")
	if err := b.Sync(); err != nil {
		t.Fatal(err)
	}
	wantLog(t, s, "_state/log", "one two three")
	if err := s.Remove(t.Context(), "_state"); err != nil {
		t.Fatal(err)
	}
	wantLog(t, s, "_state/log", "")
	wantList(t, s, "")
}

// testGrown: who has not read all of a log may not append to it.
func testGrown(t *testing.T, s keeperStore) {
	a := openAppender(t, s, "log")
	write(t, a, "one")
	if err := a.Sync(); err != nil {
		t.Fatal(err)
	}
	for _, seen := range []int64{0, 2} {
		_, err := s.Append(t.Context(), "log", seen)
		wantError(t, fmt.Sprintf("append to 3 bytes having seen %d", seen), err, store.ErrGrown)
	}
	wantLog(t, s, "log", "one")
	openAppender(t, s, "log")
}

// testSuperseded: where no lock keeps a second run out, it takes the log over,
// and the first finds out before anything of it becomes durable.
func testSuperseded(t *testing.T, s keeperStore) {
	a := openAppender(t, s, "log")
	write(t, a, "one ")
	if err := a.Sync(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Append(t.Context(), "log", 0); !errors.Is(err, store.ErrGrown) {
		t.Fatalf("append without having read: %v", err)
	}
	write(t, a, "two ")
	if err := a.Sync(); err != nil {
		t.Fatalf("one that has read nothing took the log over: %v", err)
	}
	b := openAppender(t, s, "log")
	write(t, a, "lost")
	wantError(t, "sync of the older", a.Sync(), store.ErrSuperseded)
	write(t, b, "three")
	if err := b.Sync(); err != nil {
		t.Fatal(err)
	}
	wantLog(t, s, "log", "one two three")
}

func testSpill(t *testing.T, s keeperStore) {
	spill, err := s.Spill(t.Context(), "_state/spill/1")
	if err != nil {
		t.Fatal(err)
	}
	defer spill.Close()
	for i := range 5 {
		if _, err := fmt.Fprintf(spill, "%d234", i); err != nil {
			t.Fatal(err)
		}
		b := make([]byte, 3)
		if n, err := spill.ReadAt(b, int64(4*i)); n != 3 || err != nil || string(b) != fmt.Sprintf("%d23", i) {
			t.Errorf("piece %d holds %q, %v", i, b[:n], err)
		}
	}
	b := make([]byte, 8)
	if n, err := spill.ReadAt(b, 16); n != 4 || err != io.EOF || string(b[:n]) != "4234" {
		t.Errorf("the end holds %q, %v", b[:n], err)
	}
	for range 2 {
		if err := spill.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	}
	wantList(t, s, "_state")
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
	if err := a.Sync(); err != nil {
		t.Fatal(err)
	}
	wantLog(t, s, "log", "good again")
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

func testLock(t *testing.T, s lockerStore) {
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
func testLockRaces(t *testing.T, s lockerStore) {
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
		_, err := s.Append(t.Context(), name, 0)
		wantError(t, "append"+what, err, store.ErrBadName)
		_, _, err = s.ReadLog(t.Context(), name)
		wantError(t, "read log"+what, err, store.ErrBadName)
		wantError(t, "remove"+what, s.Remove(t.Context(), name), store.ErrBadName)
		_, err = s.Spill(t.Context(), name)
		wantError(t, "spill"+what, err, store.ErrBadName)
		if l, ok := s.(store.Locker); ok {
			_, err = l.Lock(t.Context(), name)
			wantError(t, "lock"+what, err, store.ErrBadName)
		}
	}
}
