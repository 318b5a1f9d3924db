package store

import (
	"context"
	"time"
)

const (
	// fineTick is longer than systems take from one time that they give to files to the
	// next: most of them count in ticks of up to 10 ms.
	fineTick = 20 * time.Millisecond
	// coarseTick is for filesystems that keep whole seconds, or every other second.
	coarseTick = 2100 * time.Millisecond
)

// unripe is how long to wait until a change would give a file another time than
// changed, its last change's. Without the wait a file that is overwritten twice within a tick
// looks the same after the second time, with whatever was read in between.
func unripe(changed, now time.Time) time.Duration {
	tick := fineTick
	switch {
	case changed.IsZero():
		return 0
	case changed.Nanosecond() == 0:
		tick = coarseTick
	}
	return min(tick, tick-now.Sub(changed)) // the clock of another machine may be ahead
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
