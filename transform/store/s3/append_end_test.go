package s3

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/batchmill/batchmill/transform/store/s3/s3test/bucket"
)

// TestSyncAfterTheEnd: a service that does not answer holds a run up no longer
// than lastTime once it was told to end, and syncTime before that.
func TestSyncAfterTheEnd(t *testing.T) {
	for _, c := range []struct {
		name    string
		end     time.Duration // of the run, from the Sync's beginning; before it, or never, when negative
		never   bool
		answers time.Duration // when the service answers again, counted like end; 0 for never
		takes   time.Duration
	}{
		{"the run goes on", 0, true, 0, syncTime},
		{"under way", time.Minute, false, 0, time.Minute + lastTime},
		{"begun later", -time.Hour, false, 0, lastTime},
		{"under way, and answered in time", time.Minute, false, 70 * time.Second, 70 * time.Second},
		{"begun later, and answered in time", -time.Hour, false, 10 * time.Second, 10 * time.Second},
	} {
		for _, op := range []string{"sync", "truncate"} {
			t.Run(c.name+"/"+op, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { checkEnd(t, op, c.end, c.never, c.answers, c.takes) })
			})
		}
	}
}

func checkEnd(t *testing.T, op string, end time.Duration, never bool, answers, takes time.Duration) {
	m := bucket.New("bucket")
	silent := make(chan struct{}) // closed when the service answers
	close(silent)
	s := storeOver(Options{Attempts: 3}, func(r *http.Request) (*http.Response, error) {
		select {
		case <-silent:
			return m.Do(r)
		case <-r.Context().Done():
			return nil, r.Context().Err()
		}
	})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	a, err := s.Append(ctx, "log", 0)
	if err != nil {
		t.Fatal(err)
	}
	add(t, a, "one ")
	silent = make(chan struct{})
	if end < 0 {
		cancel()
		time.Sleep(-end)
	} else if !never {
		defer time.AfterFunc(end, cancel).Stop()
	}
	if answers > 0 {
		time.AfterFunc(answers, func() { close(silent) })
	}
	began, log := time.Now(), "one the last answers"
	if op == "sync" {
		err = tryAdd(a, "the last answers")
	} else {
		log, err = "", a.Truncate(0)
	}
	if took := time.Since(began); took != takes {
		t.Errorf("it took %s, want %s", took, takes)
	}
	if answers == 0 {
		wantStoreError(t, err, nil)
		if contextError(err) != nil || !strings.Contains(err.Error(), "no answer within "+takes.String()) {
			t.Errorf("%s: %v", op, err)
		}
		if again := a.Sync(); again != err {
			t.Errorf("sync after the error: %v", again)
		}
		return
	}
	if got := readWhole(t, s, "log"); err != nil || got != log {
		t.Errorf("the log holds %q, %v", got, err)
	}
}
