package store_test

import (
	"errors"
	"testing"

	"github.com/batchmill/batchmill/transform/store"
)

// TestDiskLockedTellsAndTakesNothing: Locked sees the lock of another handle, as
// it would that of another process, leaves nothing behind, and keeps nobody out.
func TestDiskLockedTellsAndTakesNothing(t *testing.T) {
	dir := t.TempDir()
	d, other := openDisk(t, dir), openDisk(t, dir)
	locked := func(want bool, when string) {
		t.Helper()
		got, err := other.Locked(t.Context(), "state/lock")
		if err != nil || got != want {
			t.Errorf("%s: %v, %v", when, got, err)
		}
	}
	locked(false, "nothing is there")
	if left := onDisk(t, dir); len(left) != 0 {
		t.Errorf("it made %q", left)
	}
	for range 3 {
		unlock, err := d.Lock(t.Context(), "state/lock")
		if err != nil {
			t.Fatalf("after nothing but looking: %v", err)
		}
		locked(true, "another handle holds it")
		if _, err := other.Lock(t.Context(), "state/lock"); !errors.Is(err, store.ErrLocked) {
			t.Errorf("looking took the lock away: %v", err)
		}
		if err := unlock(); err != nil {
			t.Fatal(err)
		}
		locked(false, "it was given back")
		locked(false, "nobody but the one who looked was there")
	}
}

// TestDiskLockedReportsWhatIsNoLock: what cannot be looked at is an error, and
// never "nobody is there".
func TestDiskLockedReportsWhatIsNoLock(t *testing.T) {
	dir := t.TempDir()
	d := openDisk(t, dir)
	writeFile(t, "", dir, "folder", "lock")
	for _, name := range []string{"folder", "../lock", "a//b"} {
		got, err := d.Locked(t.Context(), name)
		if got || err == nil {
			t.Errorf("%q: %v, %v", name, got, err)
		}
	}
	if got, err := d.Locked(t.Context(), "folder/lock/below"); got || err != nil { // no folder, so no lock in it
		t.Errorf("below a file: %v, %v", got, err)
	}
}
