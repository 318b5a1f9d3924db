package jobtest

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/batchmill/batchmill/transform/job"
	"github.com/batchmill/batchmill/transform/ledger"
	"github.com/batchmill/batchmill/transform/store"
	"github.com/batchmill/batchmill/transform/store/s3/s3test/bucket"
)

// steady is calm weather with clocks that agree.
func steady(seed uint64) bucket.Weather {
	w := calm(seed)
	w.Drift = false
	return w
}

// TestIdleRunFindsOut: a run that waits for its hosts and has nothing to log ends
// soon after it was superseded all the same.
func TestIdleRunFindsOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newContest(smallJob(2, 10))
		c.hosts[0].pace = 5 * time.Minute
		_, first := c.start(t.Context(), steady(1))
		time.Sleep(time.Minute)
		_, second := c.start(t.Context(), steady(2))
		began := time.Now()
		if err := <-first; !errors.Is(err, store.ErrSuperseded) {
			t.Errorf("the older run ended with %v", err)
		}
		if took := time.Since(began); took > ledger.Heartbeat+2*ledger.DistantInterval {
			t.Errorf("it found out after %v", took)
		}
		if err := <-second; err != nil {
			t.Error(err)
		}
		if err := c.complete(); err != nil {
			t.Error(err)
		}
	})
}

// TestIdleRunIsSeen: a run that has nothing to log does not look dead.
func TestIdleRunIsSeen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newContest(smallJob(2, 10))
		c.hosts[0].pace = 5 * time.Minute
		_, over := c.start(t.Context(), steady(1))
		for range 4 {
			time.Sleep(time.Minute)
			status, err := ledger.ReadStatus(t.Context(), overBucket("out", c.bucket.Connect(steady(2))), false)
			if err != nil || status.State != ledger.JobRunning {
				t.Errorf("status is %+v, %v", status, err)
			}
		}
		if err := <-over; err != nil {
			t.Error(err)
		}
	})
}

// TestOtherBytesWait: a run that makes other bytes than the one before waits for
// what that may have sent, if it ended just now and not in good order. One that
// makes the same bytes goes on at once.
func TestOtherBytesWait(t *testing.T) {
	for _, c := range []struct {
		name  string
		later time.Duration // that the second run begins
		spec  func(*job.Spec)
		waits bool
	}{
		{"the same", 0, func(*job.Spec) {}, false},
		{"overwrite", 0, func(s *job.Spec) { s.Overwrite = true }, true},
		{"restart", 0, func(s *job.Spec) { s.Restart = true }, true},
		{"overwrite, later", time.Minute, func(s *job.Spec) { s.Overwrite = true }, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				job := newContest(smallJob(3, 40))
				job.hosts[0].pace = 20 * time.Millisecond
				dies := steady(1)
				dies.Dies = 45
				if err := job.outcome(t.Context(), dies); err == nil {
					t.Fatal("the first run was to die")
				}
				time.Sleep(c.later)
				c.spec(&job.spec)
				began := time.Now()
				if err := job.outcome(t.Context(), steady(2)); err != nil {
					t.Fatal(err)
				}
				if waited := time.Since(began) > ledger.Quiet/2; waited != c.waits {
					t.Errorf("it took %v", time.Since(began))
				}
				if err := job.complete(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// outcome is how a run ends.
func (c *contest) outcome(ctx context.Context, w bucket.Weather) error {
	_, over := c.start(ctx, w)
	return <-over
}
