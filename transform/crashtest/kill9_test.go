//go:build unix

package crashtest

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/batchmill/batchmill/transform/job"
	"github.com/batchmill/batchmill/transform/ledger"
	"github.com/batchmill/batchmill/transform/store"
)

// The longer job: two hosts that answer 8 batches of 10 records every 20 ms.
const (
	hosts       = 2
	concurrency = 4
	batch       = 10
	pace        = 20 * time.Millisecond
	// unlogged is what no log can hold yet: what is in flight.
	unlogged = hosts * concurrency * batch
)

// TestKilledByOthers kills the ordinary program again and again until it has
// completed its job. The outputs are those of a run that nothing disturbed. What
// was answered comes into the log by the log's own clock, and a kill after that
// repeats no more than what was in flight. How long the clock takes is held in
// virtual time: jobtest's TestACrashCostsASecondOfWork.
func TestKilledByOthers(t *testing.T) {
	objects, records, wantKills := 1, 10000, 2
	if *full {
		objects, records, wantKills = 5, 10000, 10
	}
	b := newBench(t, crashJob{name: "the ordinary program", objects: csvObjects(objects, records),
		spec: job.Spec{Header: "yes", Join: "input", BatchRecords: batch, Concurrency: concurrency}})
	b.host.begin(pace)
	b.reset(t)
	seed := rand.Uint64()
	v := victim{bench: b, binary: build(t), random: rand.New(rand.NewPCG(seed, 0)), before: map[int]int{}}
	for i, name := range slices.Sorted(maps.Keys(b.job.objects)) {
		var o int
		if _, err := fmt.Sscanf(path.Base(name), "o%d.csv", &o); err != nil {
			t.Fatal(err)
		}
		v.before[o] = i * records
	}
	for range hosts {
		v.urls = append(v.urls, b.host.serve(t))
	}
	tried, survived := v.killUntilDone(t)
	if err := b.complete(t.Context()); err != nil {
		t.Errorf("seed %d: %v", seed, err)
	}
	results.add(t, b.job.name, "kill -9 at random", tried, survived)
	if tried < wantKills {
		t.Errorf("seed %d: killed %d times, too seldom to show anything", seed, tried)
	}
	v.judge(t, seed)
}

// victim is the ordinary program at a job.
type victim struct {
	*bench
	binary string
	urls   []string
	random *rand.Rand
	before map[int]int // records before each object in the input's order, by the object's number
	kills  int
}

// position is where a record stands in the input's order.
func (v *victim) position(id int) int { return v.before[id/10000] + id%10000 }

// logsFirst tells whether a life ends only when the log holds what was answered.
func logsFirst(life int) bool { return life%2 == 1 }

// killUntilDone runs the program and kills it, again and again: each time when it
// asks about a record some way ahead, which no host answers until then. Every
// other life goes on until the log holds all before that.
func (v *victim) killUntilDone(t *testing.T) (tried, survived int) {
	t.Helper()
	for life := 1; life <= 60; life++ {
		until := v.logged(t) + batch*(100+v.random.IntN(300))
		done, err := v.live(t, until, logsFirst(life))
		if err != nil {
			t.Fatal(err)
		}
		if done {
			return tried, survived
		}
		v.kills = life
		v.host.die()
		tried++
		if err := v.halfDone(t.Context()); err != nil {
			t.Errorf("killed in its life %d, after %d records: %v", life, until, err)
		} else {
			survived++
		}
	}
	t.Fatal("60 lives were not enough to complete the job")
	return tried, survived
}

// live runs the program until it asks about what stands at a position, and kills
// it: at once, or when all before that is logged. It is true when the program has
// completed its job.
func (v *victim) live(t *testing.T, until int, logged bool) (bool, error) {
	t.Helper()
	args := []string{"run", "--input", v.order.Spec.Input[0], "--output", v.out, "--header", "yes", "--join", "input",
		"--batch-records", fmt.Sprint(batch), "--concurrency", fmt.Sprint(concurrency), "--progress", "none"}
	for _, url := range v.urls {
		args = append(args, "--host", url)
	}
	var said strings.Builder
	cmd := exec.CommandContext(t.Context(), v.binary, args...)
	cmd.Stdout, cmd.Stderr = &said, &said
	reached := v.host.hold(func(id int) bool { return v.position(id) >= until })
	if err := cmd.Start(); err != nil {
		return false, err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	var err error
	select {
	case err = <-ended:
	case <-reached:
		for end := time.Now().Add(5 * time.Minute); logged && v.logged(t) < until; time.Sleep(20 * time.Millisecond) {
			if time.Now().After(end) {
				t.Errorf("hosts have answered %d records, and for minutes the log holds %d", until, v.logged(t))
				break
			}
		}
		_ = cmd.Process.Kill()
		err = <-ended
	}
	if err == nil || killed(err) {
		return err == nil, nil
	}
	return false, fmt.Errorf("the program ended by itself: %w: %s", err, said.String())
}

// logged is how many records the log holds.
func (v *victim) logged(t *testing.T) int {
	t.Helper()
	disk, err := store.OpenDisk(v.out, true)
	if err != nil {
		t.Fatal(err)
	}
	defer disk.Close()
	status, err := ledger.ReadStatus(t.Context(), disk, false)
	if err != nil {
		t.Fatal(err)
	}
	return int(status.Answered)
}

// judge holds what the hosts counted against what a kill may cost.
func (v *victim) judge(t *testing.T, seed uint64) {
	t.Helper()
	lost, worst := v.host.lost(), 0
	for life := 1; life <= v.kills; life += 2 {
		worst = max(worst, lost[life])
		if logsFirst(life) && lost[life] > unlogged {
			t.Errorf("seed %d: kill %d made %d records be asked about again, more than %d", seed, life, lost[life], unlogged)
		}
	}
	results.note("kill -9 at random (seed %d): %d kills; the worst of those after a commit made %d records be asked about again, of %d allowed",
		seed, v.kills, worst, unlogged)
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
