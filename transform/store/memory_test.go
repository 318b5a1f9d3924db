package store_test

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"maps"
	"slices"
	"testing"
	"testing/iotest"

	"github.com/batchmill/batchmill/transform/store"
	"github.com/batchmill/batchmill/transform/store/storetest"
)

func TestMemoryConforms(t *testing.T) {
	storetest.Conform(t, func(*testing.T) store.Store { return store.NewMemory() })
}

// appender opens a file of m and writes synced, syncs, and writes unsynced.
func appender(t *testing.T, m *store.Memory, name, synced, unsynced string) store.Appender {
	t.Helper()
	a, err := m.Append(t.Context(), name, 1<<40)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(a, synced); err != nil {
		t.Fatal(err)
	}
	if err := a.Sync(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(a, unsynced); err != nil {
		t.Fatal(err)
	}
	return a
}

func TestMemoryCrashForgetsWhatWasNotSynced(t *testing.T) {
	for _, test := range []struct {
		name             string
		synced, unsynced string
		truncate         int64 // -1: not
		keep             int
		want             string
	}{
		{"nothing synced", "", "lost", -1, 0, ""},
		{"tail lost", "kept", "lost", -1, 0, "kept"},
		{"torn tail", "kept", "lost", -1, 2, "keptlo"},
		{"more kept than there is", "kept", "lost", -1, 99, "keptlost"},
		{"unsynced cut undone", "kept", "", 1, 0, "kept"},
		{"cut inside the tail", "kept", "lost", 6, 9, "keptlo"},
		{"undone cut keeps no tail", "kept", "lost", 2, 9, "kept"},
	} {
		t.Run(test.name, func(t *testing.T) {
			m := store.NewMemory()
			a := appender(t, m, "log", test.synced, test.unsynced)
			if test.truncate >= 0 {
				if err := a.Truncate(test.truncate); err != nil {
					t.Fatal(err)
				}
			}
			m.CrashTorn(test.keep)
			if got := string(m.Snapshot()["log"]); got != test.want {
				t.Errorf("after the crash: %q, want %q", got, test.want)
			}
		})
	}
}

func TestMemoryCutAndRegrownTailDoesNotSurvive(t *testing.T) {
	m := store.NewMemory()
	a := appender(t, m, "log", "good torn", "")
	if err := a.Truncate(5); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(a, "new!"); err != nil {
		t.Fatal(err)
	}
	m.CrashTorn(99)
	if got := string(m.Snapshot()["log"]); got != "good torn" {
		t.Errorf("after the crash: %q, want what was synced, untouched by what came after", got)
	}
}

func TestMemoryCrashEndsHandles(t *testing.T) {
	m := store.NewMemory()
	if err := m.Put("in", []byte("input")); err != nil {
		t.Fatal(err)
	}
	a := appender(t, m, "log", "kept", "lost")
	r, _, err := m.Open(t.Context(), "in")
	if err != nil {
		t.Fatal(err)
	}
	o, err := m.Create(t.Context(), "out", store.New)
	if err != nil {
		t.Fatal(err)
	}
	unlock, err := m.Lock(t.Context(), "lock")
	if err != nil {
		t.Fatal(err)
	}
	m.Crash()

	_, readErr := r.Read(make([]byte, 1))
	_, appendErr := a.Write([]byte("x"))
	_, writeErr := o.Write([]byte("x"))
	for what, err := range map[string]error{
		"read": readErr, "append": appendErr, "write": writeErr,
		"sync": a.Sync(), "truncate": a.Truncate(0), "commit": o.Commit(t.Context()),
	} {
		var e *store.Error
		if !errors.As(err, &e) {
			t.Errorf("%s after the crash: %v", what, err)
		}
	}
	want := map[string][]byte{"in": []byte("input"), "log": []byte("kept")}
	if got := m.Snapshot(); !maps.EqualFunc(got, want, bytes.Equal) {
		t.Errorf("after the crash: %q, want %q", got, want)
	}
	again, err := m.Lock(t.Context(), "lock")
	if err != nil {
		t.Fatalf("the lock outlived its process: %v", err)
	}
	if err := unlock(); err != nil {
		t.Fatal(err)
	}
	if _, err := m.Lock(t.Context(), "lock"); !errors.Is(err, store.ErrLocked) {
		t.Errorf("a dead process freed a lock of the living: %v", err)
	}
	if err := again(); err != nil {
		t.Fatal(err)
	}
}

func TestMemoryCommittedSurvives(t *testing.T) {
	m := store.NewMemory()
	o, err := m.Create(t.Context(), "out/a", store.New)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(o, "whole"); err != nil {
		t.Fatal(err)
	}
	if err := o.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := m.Remove(t.Context(), "gone"); err != nil {
		t.Fatal(err)
	}
	m.Crash()
	if got := string(m.Snapshot()["out/a"]); got != "whole" {
		t.Errorf("committed object after the crash: %q", got)
	}
}

func TestMemoryModTimeTellsContentsApart(t *testing.T) {
	m := store.NewMemory()
	seen := map[int64]bool{}
	for i := range 3 {
		if err := m.Put("in", []byte{byte(i)}); err != nil {
			t.Fatal(err)
		}
		info, err := m.Stat(t.Context(), "in")
		if err != nil {
			t.Fatal(err)
		}
		if seen[info.ModTime.Unix()] {
			t.Errorf("content %d has the time of another one", i)
		}
		seen[info.ModTime.Unix()] = true
		if err := m.Remove(t.Context(), "in"); err != nil {
			t.Fatal(err)
		}
	}
	if got := slices.Sorted(maps.Keys(seen)); !slices.Equal(got, []int64{1, 2, 3}) {
		t.Errorf("times %v differ from run to run", got)
	}
}

func TestMemoryPutCopiesAndChecks(t *testing.T) {
	m := store.NewMemory()
	data := []byte("before")
	if err := m.Put("a", data); err != nil {
		t.Fatal(err)
	}
	copy(data, "after!")
	m.Snapshot()["a"][0] = 'X'
	if got := string(m.Snapshot()["a"]); got != "before" {
		t.Errorf("the store's bytes were changed from outside: %q", got)
	}
	if err := m.Put("../a", nil); !errors.Is(err, store.ErrBadName) {
		t.Errorf("put of a bad name: %v", err)
	}
}

func TestMemoryReader(t *testing.T) {
	m := store.NewMemory()
	want := bytes.Repeat([]byte("0123456789"), 100)
	if err := m.Put("a", want); err != nil {
		t.Fatal(err)
	}
	r, _, err := m.Open(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	if err := iotest.TestReader(r, want); err != nil {
		t.Error(err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Read(make([]byte, 1)); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("read after close: %v", err)
	}
}
