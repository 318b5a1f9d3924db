package ordered

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

var errBroken = errors.New("broken")

// upTo yields 0 to n-1, and then an error unless it is nil.
func upTo(n int, last error) iter.Seq2[int, error] {
	return func(yield func(int, error) bool) {
		for i := range n {
			if !yield(i, nil) {
				return
			}
		}
		if last != nil {
			yield(0, last)
		}
	}
}

// TestMap: results come in order, whatever each takes; no more than n are worked
// on; what fails keeps its place, and what the reader does not take is dropped, once.
func TestMap(t *testing.T) {
	for seed := range uint64(300) {
		synctest.Test(t, func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(seed, 1))
			count, n := rnd.IntN(40), 1+rnd.IntN(6)
			stop := rnd.IntN(60) // the reader's last element
			var last error
			if rnd.IntN(3) == 0 {
				last = errBroken
			}
			delays := make([]time.Duration, count)
			for i := range delays {
				delays[i] = time.Duration(rnd.IntN(50)) * time.Millisecond
			}
			var working, made, dropped atomic.Int64
			f := func(_ context.Context, i int) (string, error) {
				if now := working.Add(1); now > int64(n) {
					t.Errorf("seed %d: %d at work, want at most %d", seed, now, n)
				}
				defer working.Add(-1)
				time.Sleep(delays[i])
				if i%7 == 3 {
					return "", errBroken
				}
				made.Add(1)
				return fmt.Sprint(i), nil
			}
			at, taken, ended := 0, int64(0), error(nil)
			for v, err := range Map(t.Context(), n, upTo(count, last), f, func(string) { dropped.Add(1) }) {
				switch {
				case at == count && last != nil:
					ended = err
				case at%7 == 3:
					if err != errBroken {
						t.Errorf("seed %d: element %d: %v", seed, at, err)
					}
				case err != nil || v != fmt.Sprint(at):
					t.Errorf("seed %d: element %d is %q (%v)", seed, at, v, err)
				default:
					taken++
				}
				if at++; at > stop {
					break
				}
			}
			if want := min(count, stop+1); at < want || at <= stop && ended != last {
				t.Errorf("seed %d: %d elements and %v, want %d and %v", seed, at, ended, want, last)
			}
			if got := made.Load() - taken; got != dropped.Load() {
				t.Errorf("seed %d: %d results were dropped, want %d", seed, dropped.Load(), got)
			}
		})
	}
}

// TestMapEndsWithItsContext: the reader is told why nothing more comes.
func TestMapEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var err error
		for _, err = range Map(ctx, 3, upTo(1000, nil), func(ctx context.Context, i int) (int, error) {
			time.Sleep(100 * time.Millisecond)
			return i, ctx.Err()
		}, nil) {
			if err != nil {
				break
			}
		}
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("ended with %v", err)
		}
	})
}
