//go:build unix

package crashtest

import (
	"math/rand/v2"
	"testing"
)

// shortPoints is about how many instants of a job the short form tries.
const shortPoints = 5

// stride is the distance between the instants that are tried, of so many.
func stride(instants int64, points int64) int64 {
	if *full {
		return 1
	}
	return max(1, instants/points)
}

// TestKilledAtEveryInstant: whenever the process dies, readers see only whole
// outputs, and the same command finishes the job with the same bytes.
func TestKilledAtEveryInstant(t *testing.T) {
	for _, j := range jobs() {
		if j.latency > 0 && !*full {
			continue
		}
		t.Run(j.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, j)
			step := stride(b.instants, shortPoints)
			if j.latency > 0 {
				step = 3 // most of its instants are alike, and each takes seconds
			}
			tried, survived := 0, 0
			for n, alive := 1+step/2, true; alive; n += step {
				b.reset(t)
				where := b.killAt(t, n)
				if alive = where != ""; alive {
					tried++
				}
				if err := b.survives(t); err != nil {
					t.Errorf("killed at instant %d of about %d, %s: %v", n, b.instants, where, err)
				} else if alive {
					survived++
				}
			}
			results.add(t, j.name, "killed", tried, survived)
			if tried < shortPoints-2 {
				t.Errorf("only %d instants were tried", tried)
			}
		})
	}
}

// TestKilledTwice kills the run that goes on after the first was killed, too.
func TestKilledTwice(t *testing.T) {
	for _, j := range jobs() {
		if j.latency > 0 {
			continue
		}
		t.Run(j.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, j)
			seed := rand.Uint64()
			random := rand.New(rand.NewPCG(seed, 0))
			pairs := 1
			if *full {
				pairs = 40
			}
			tried, survived := 0, 0
			for range pairs {
				first, second := random.Int64N(b.instants)+1, random.Int64N(b.instants)+1
				b.reset(t)
				where := b.killAt(t, first)
				then := b.killAt(t, second)
				tried++
				if err := b.survives(t); err != nil {
					t.Errorf("seed %d: killed at instant %d, %s, then at %d, %s: %v", seed, first, where, second, then, err)
				} else {
					survived++
				}
			}
			results.add(t, j.name, "killed twice", tried, survived)
		})
	}
}

// killAt runs the job in a process of its own that dies at an instant, and says
// where that is; "" when that process completed the job.
func (b *bench) killAt(t *testing.T, instant int64) string {
	t.Helper()
	o := b.order
	o.At = instant
	return killAt(t, o)
}

// survives looks at what a dead run left, and lets the same command finish.
func (b *bench) survives(t *testing.T) error {
	t.Helper()
	if err := b.halfDone(t.Context()); err != nil {
		return err
	}
	return b.finish(t.Context())
}
