//go:build unix

package crashtest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"

	"github.com/batchmill/batchmill/transform"
	"github.com/batchmill/batchmill/transform/job"
	"github.com/batchmill/batchmill/transform/store"
)

// disasters are what a disk that is full, broken, read-only, forbidden, or one
// file too many, answers.
var disasters = []syscall.Errno{syscall.ENOSPC, syscall.EIO, syscall.EROFS, syscall.EACCES, syscall.EMFILE}

// TestErrorAtEveryInstant: whatever operation fails with whatever the system
// says, the run ends as a failure of the store (exit code 74) that names the
// path; a failed sync is not tried again; and once the cause is gone the same
// command finishes.
func TestErrorAtEveryInstant(t *testing.T) {
	for _, j := range jobs() {
		if j.latency > 0 {
			continue
		}
		t.Run(j.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, j)
			for _, side := range []string{"input", "output"} {
				if *full && j.spec.MaxRejects == nil { // rejects take seconds
					for _, disaster := range disasters {
						b.fail(t, side, disaster.Error(), func(int64) syscall.Errno { return disaster })
					}
					continue
				}
				b.fail(t, side, "each in turn", func(n int64) syscall.Errno { return disasters[n%int64(len(disasters))] })
			}
		})
	}
}

// fail tries an error at the instants of one store, until a run meets none.
func (b *bench) fail(t *testing.T, side, what string, disaster func(n int64) syscall.Errno) {
	t.Helper()
	tried, survived := 0, 0
	step := stride(b.instants, shortPoints)
	if side == "input" && !*full {
		step = 4 // it has few
	}
	for n, fired := int64(1), true; fired; n += step {
		b.reset(t)
		var where *instant
		where, err := b.failAt(t.Context(), side, n, disaster(n))
		if fired = where != nil; fired {
			tried++
		}
		err = errors.Join(err, b.survives(t))
		if err != nil {
			t.Errorf("%s, instant %d of the %s, %v: %v", disaster(n), n, side, where, err)
		} else if fired {
			survived++
		}
	}
	results.add(t, b.job.name, "error of the "+side+": "+what, tried, survived)
	if tried < 2 {
		t.Errorf("%s: only %d instants were tried", side, tried)
	}
}

// failAt runs the job with one failing instant, and says where that was and
// what is wrong with how it was reported.
func (b *bench) failAt(ctx context.Context, side string, n int64, disaster syscall.Errno) (*instant, error) {
	var traps []*trap
	set := func(d *store.Disk) store.Store {
		traps = append(traps, &trap{disk: d, at: n, spring: func(instant) error { return disaster }})
		return traps[len(traps)-1]
	}
	r := b.runner()
	if side == "input" {
		r.input = set
	} else {
		r.output = set
	}
	res, err := r.run(ctx)
	sprung := traps[0]
	if sins := sprung.sinned(); len(sins) > 0 {
		return sprung.fired(), fmt.Errorf("used after its sync had failed: %s", strings.Join(sins, ", "))
	}
	where := sprung.fired()
	if where == nil {
		return nil, err
	}
	if err == nil {
		err = res.Storage
	}
	return where, told(err, sprung.URI(where.name), disaster)
}

// told says what is missing from the report of a failure.
func told(err error, path string, disaster syscall.Errno) error {
	switch {
	case err == nil:
		return errors.New("the error was swallowed")
	case transform.ClassOf(err) != job.Storage:
		return fmt.Errorf("not reported as a failure of the store, so not with exit code 74: %w", err)
	case !errors.Is(err, disaster):
		return fmt.Errorf("the reason is lost: %w", err)
	case !strings.Contains(err.Error(), path):
		return fmt.Errorf("the path %s is not named: %w", path, err)
	}
	return nil
}
