//go:build unix

package crashtest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/batchmill/batchmill/transform"
)

// The longer job: two hosts that answer 8 batches of 10 records every 20 ms.
const (
	hosts       = 2
	concurrency = 4
	batch       = 10
	pace        = 20 * time.Millisecond
	// unlogged is what no log can hold yet: what is in flight, and a batch.
	unlogged = hosts*concurrency*batch + batch
	// atRisk is how much answered work a crash may cost: the log is committed
	// every second, and that takes a while.
	atRisk = 1500 * time.Millisecond
)

// TestKilledByOthers kills the ordinary program at random times until it has
// completed its job. The outputs are those of a run that nothing disturbed, and
// a kill repeats no more than what was in flight and about a second of work.
func TestKilledByOthers(t *testing.T) {
	objects, records, wantKills := 1, 10000, 1
	if *full {
		objects, records, wantKills = 5, 10000, 10 // so large that the log's clock does most of the commits
	}
	b := newBench(t, job{name: "the ordinary program", objects: csvObjects(objects, records),
		spec: transform.Spec{Header: "yes", Join: "input", BatchRecords: batch, Concurrency: concurrency}})
	b.host.begin(pace)
	b.reset(t)
	seed := rand.Uint64()
	v := victim{bench: b, binary: build(t), random: rand.New(rand.NewPCG(seed, 0))}
	for range hosts {
		v.urls = append(v.urls, b.host.serve(t))
	}
	tried, survived := v.killUntilDone(t)
	if err := b.complete(t.Context()); err != nil {
		t.Errorf("seed %d: %v", seed, err)
	}
	results.add(b.job.name, "kill -9 at random", tried, survived)
	if tried < wantKills {
		t.Errorf("seed %d: killed %d times, too seldom to show anything", seed, tried)
	}
	v.judge(t, seed)
}

// victim is the ordinary program at a job, and what its deaths have cost.
type victim struct {
	*bench
	binary string
	urls   []string
	random *rand.Rand
	deaths []death // by life
}

// death is one kill.
type death struct {
	at     time.Time
	served []invocation // what was answered in the life that it ended
}

// allowed is how many records it may make the program ask about again.
func (d *death) allowed() int {
	n := unlogged
	for _, s := range d.served {
		if s.when.After(d.at.Add(-atRisk)) {
			n += s.records
		}
	}
	return n
}

// cost is how much work lost records are, beside what was in flight.
func (d *death) cost(lost int) time.Duration {
	lost -= unlogged
	for _, s := range slices.Backward(d.served) {
		if lost -= s.records; lost < 0 {
			return max(0, d.at.Sub(s.when))
		}
	}
	return 0
}

// killUntilDone runs the program and kills it, again and again. Lives are long
// enough, on average, to get a commit done; the first is so long that without
// one it would cost too much, and ends before the job can.
func (v *victim) killUntilDone(t *testing.T) (tried, survived int) {
	t.Helper()
	for life := 1; life <= 60; life++ {
		after := 300*time.Millisecond + time.Duration(v.random.Int64N(int64(2*time.Second)))
		if life == 1 {
			after = 1900*time.Millisecond + after/8
		}
		killedAt, err := v.live(t.Context(), after)
		if err != nil {
			t.Fatal(err)
		}
		if killedAt.IsZero() {
			return tried, survived
		}
		v.deaths = append(v.deaths, death{killedAt, v.host.die()})
		tried++
		if err := v.halfDone(t.Context()); err != nil {
			t.Errorf("killed in its life %d, after %v: %v", life, after, err)
		} else {
			survived++
		}
	}
	t.Fatal("60 lives were not enough to complete the job")
	return tried, survived
}

// live runs the program, kills it after a while, and returns when that was;
// the zero time when it had completed the job before.
func (v *victim) live(ctx context.Context, after time.Duration) (time.Time, error) {
	args := []string{"run", "--input", v.order.Spec.Input[0], "--output", v.out, "--header", "yes", "--join", "input",
		"--batch-records", fmt.Sprint(batch), "--concurrency", fmt.Sprint(concurrency), "--progress", "none"}
	for _, url := range v.urls {
		args = append(args, "--host", url)
	}
	var said strings.Builder
	cmd := exec.CommandContext(ctx, v.binary, args...)
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		return time.Time{}, err
	}
	at := make(chan time.Time, 1)
	timer := time.AfterFunc(after, func() {
		at <- time.Now()
		_ = cmd.Process.Kill() // if it has ended by itself, so much the better
	})
	err := cmd.Wait()
	timer.Stop()
	switch {
	case err == nil:
		return time.Time{}, nil
	case killed(err):
		return <-at, nil
	}
	return time.Time{}, fmt.Errorf("the program ended by itself: %w: %s", err, said.String())
}

// judge holds what the hosts counted against what a kill may cost.
func (v *victim) judge(t *testing.T, seed uint64) {
	t.Helper()
	lost, within := v.host.lost()
	total, worst := 0, time.Duration(0)
	for i := range v.deaths {
		n, allowed := lost[i+1], v.deaths[i].allowed()
		total += n
		worst = max(worst, v.deaths[i].cost(n))
		if n > allowed {
			t.Errorf("seed %d: kill %d made %d records be asked about again, more than %d", seed, i+1, n, allowed)
		}
	}
	if within > 0 {
		t.Errorf("seed %d: %d records were asked about twice within one run, by hosts that made no mistake", seed, within)
	}
	results.note("kill -9 at random (seed %d): %d kills made %d records be asked about again; the worst cost %v of work, of %v allowed, beside what was in flight",
		seed, len(v.deaths), total, worst.Round(time.Millisecond), atRisk)
}

// build builds the program as `make build` does, so that what that has built is reused.
func build(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "batchmill")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-o", path, "github.com/batchmill/batchmill/cmd/batchmill")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatal(errors.Join(err, errors.New(string(out))))
	}
	return path
}
