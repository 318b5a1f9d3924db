package store

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"
)

// TestDiskLockIsHeldByOne: runs that end remove their lock with the rest of
// their working state. One that waits at the door then holds the lock of a file
// that is gone, which locks nobody out; it must not believe that it is alone.
func TestDiskLockIsHeldByOne(t *testing.T) {
	d := newDisk(t)
	var (
		wg      sync.WaitGroup
		holders atomic.Int64
	)
	for range 4 {
		wg.Go(func() {
			for held := 0; held < 300 && !t.Failed(); {
				unlock, err := d.Lock(t.Context(), "work/lock")
				if errors.Is(err, ErrLocked) {
					continue
				}
				if err != nil {
					t.Error(err)
					return
				}
				held++
				for range 20 { // long enough for another to come in
					if n := holders.Add(1); n != 1 {
						t.Errorf("%d hold the lock", n)
					}
					_, _ = d.Stat(t.Context(), "work/lock")
					holders.Add(-1)
				}
				if err := d.Remove(t.Context(), "work/lock"); err != nil {
					t.Error(err)
				}
				if err := unlock(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}
