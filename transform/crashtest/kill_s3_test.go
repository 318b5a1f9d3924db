//go:build unix

package crashtest

import (
	"fmt"
	"math/rand/v2"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/batchmill/batchmill/transform/store/s3/s3test"
)

// superseded is the exit code of a run that another has taken the job from.
const superseded = 75

// TestKilledOnS3 does to the ordinary program what a job on S3 may meet: it is
// killed at one of its requests or at any moment, it sleeps while another run
// takes over, and two runs are at work at a time. Readers see only whole outputs. A
// fresh process that knows nothing but the output's address finishes the job:
// the same objects byte for byte, no upload and no working state left.
func TestKilledOnS3(t *testing.T) {
	rig := &s3Rig{server: s3test.Start(t), binary: build(t)}
	rig.gate = newGate(t, rig.server.Endpoint)
	seed := rand.Uint64()
	for _, j := range s3Jobs() {
		t.Run(j.name, func(t *testing.T) {
			b := rig.bench(t, j)
			random := rand.New(rand.NewPCG(seed, 1))
			b.killedByRequest(t, random)
			if *full || j.large {
				b.killedByTime(t, random)
			}
			if *full || !j.large {
				b.asleep(t, random)
			}
			if t.Failed() {
				t.Logf("seed %d", seed)
			}
		})
	}
	t.Run("two at a time", func(t *testing.T) { twoAtATime(t, rig) })
}

// killedByRequest kills the program at one of its requests, before or after that is done.
func (b *s3Bench) killedByRequest(t *testing.T, random *rand.Rand) {
	t.Helper()
	tried, survived := 0, 0
	for _, at := range b.points(random, 3) {
		if b.killedAt(t, at, random.IntN(2) == 0) {
			survived++
		}
		tried++
	}
	results.add(t, b.job.name, "killed at a request to S3", tried, survived)
}

// points are the requests to strike at: all in the long form, else some by chance.
func (b *s3Bench) points(random *rand.Rand, few int) (all []int64) {
	if !*full {
		for range few {
			all = append(all, 1+random.Int64N(b.asks))
		}
		return all
	}
	step := max(1, b.asks/150) // a request at the same place of another object shows little
	for at := int64(1); at <= b.asks; at += step {
		all = append(all, at)
	}
	return all
}

// killedAt kills a run at a request, and the next one too in every third case.
func (b *s3Bench) killedAt(t *testing.T, at int64, after bool) (survived bool) {
	t.Helper()
	out := b.folder()
	var wheres []string
	for again := true; again; again = at%3 == 0 && len(wheres) == 1 {
		cmd, said := b.prepare(t.Context(), b.args(out)...)
		started := make(chan struct{})
		b.gate.set(at, after, func() {
			<-started
			_ = cmd.Process.Kill()
		})
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		close(started)
		_, exit := ended(cmd.Wait(), said)
		wheres = append(wheres, b.gate.struck())
		if exit != -1 && exit != b.job.exit {
			t.Errorf("request %d, %s: the program ended with %d: %s", at, wheres, exit, said)
			return false
		}
		if err := b.halfDone(out); err != nil {
			t.Errorf("killed at request %d, %s: %v", at, wheres, err)
			return false
		}
	}
	return b.finishes(t, out, fmt.Sprintf("killed at request %d, %s", at, wheres))
}

// finishes runs the job once more, undisturbed, and checks its end.
func (b *s3Bench) finishes(t *testing.T, out, what string) bool {
	t.Helper()
	b.gate.set(0, false, nil)
	if said, exit := b.run(t.Context(), out); exit != b.job.exit {
		t.Errorf("%s: the same command again ended with %d: %s", what, exit, said)
		return false
	}
	if err := b.complete(out); err != nil {
		t.Errorf("%s: %v", what, err)
		return false
	}
	return true
}

// killedByTime kills runs of one job at random moments, until one completes it.
func (b *s3Bench) killedByTime(t *testing.T, random *rand.Rand) {
	t.Helper()
	out := b.folder()
	b.gate.set(0, false, nil)
	most, tried, survived := 3, 0, 0
	if *full {
		most = 30
	}
	for range most {
		cmd, said := b.prepare(t.Context(), b.args(out)...)
		after := time.Duration(random.Int64N(int64(b.lasting)))
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		timer := time.AfterFunc(after, func() { _ = cmd.Process.Kill() })
		_, exit := ended(cmd.Wait(), said)
		if timer.Stop(); exit != -1 {
			break
		}
		tried++
		if err := b.halfDone(out); err != nil {
			t.Errorf("killed after %v: %v", after, err)
		} else {
			survived++
		}
	}
	results.add(t, b.job.name, "kill -9 at random, on S3", tried, survived)
	b.finishes(t, out, fmt.Sprintf("killed %d times at random moments", tried))
}

// asleep stops the program at one of its requests, lets another run complete the
// job, and wakes it up: that very request is then the first that goes on. The
// sleeper ends with 75, or finds the job done, and harms nothing.
func (b *s3Bench) asleep(t *testing.T, random *rand.Rand) {
	t.Helper()
	tried, survived, late := 0, 0, 0
	for _, at := range b.points(random, 2) {
		exit, ok := b.sleepsAt(t, at, random.IntN(2) == 0)
		tried++
		if ok {
			survived++
		}
		if exit == superseded {
			late++
		}
	}
	results.add(t, b.job.name, "asleep while another run takes over, on S3", tried, survived)
	results.note("%s, on S3: %d of %d sleepers ended with %d, the others as a run does that finds the job done", b.job.name, late, tried, superseded)
}

// sleepsAt puts a run to sleep at a request until another has done the job.
func (b *s3Bench) sleepsAt(t *testing.T, at int64, after bool) (exit int, ok bool) {
	t.Helper()
	out := b.folder()
	sleeper, said := b.prepare(t.Context(), b.args(out)...)
	started, asleep, awake := make(chan struct{}), make(chan struct{}), make(chan struct{})
	b.gate.set(at, after, func() {
		<-started
		_ = sleeper.Process.Signal(syscall.SIGSTOP)
		close(asleep)
		<-awake
	})
	if err := sleeper.Start(); err != nil {
		t.Fatal(err)
	}
	close(started)
	over := make(chan error, 1)
	go func() { over <- sleeper.Wait() }()
	var err error
	select {
	case <-asleep:
		ok = b.finishes(t, out, "while another run sleeps at "+b.gate.struck())
		_ = sleeper.Process.Signal(syscall.SIGCONT)
		close(awake)
		err = <-over
	case err = <-over: // it had fewer requests this time
		ok = true
	}
	text, exit := ended(err, said)
	if exit != superseded && exit != b.job.exit {
		t.Errorf("asleep at request %d: the sleeper ended with %d: %s", at, exit, text)
		return exit, false
	}
	if err := b.complete(out); err != nil {
		t.Errorf("after one that slept at request %d: %v", at, err)
		return exit, false
	}
	return exit, ok
}

// twoAtATime: the later of two runs takes the job over, the earlier one ends
// with 75, and the outputs are those of one.
func twoAtATime(t *testing.T, rig *s3Rig) {
	b := rig.bench(t, s3Job{name: "two at a time", flags: s3Jobs()[0].flags, objects: csvObjects(8, 200)})
	b.host.begin(100 * time.Millisecond)
	out := b.folder()
	b.gate.set(0, false, nil)
	first, said := b.prepare(t.Context(), b.args(out)...)
	if err := first.Start(); err != nil {
		t.Fatal(err)
	}
	over := make(chan error, 1)
	go func() { over <- first.Wait() }()
	b.untilPublished(t, out, first)
	b.finishes(t, out, "beside an older run")
	if text, exit := ended(<-over, said); exit != superseded || !strings.Contains(text, "later run") {
		t.Errorf("the older run ended with %d: %s", exit, text)
	}
	if err := b.complete(out); err != nil {
		t.Errorf("when both had ended: %v", err)
	}
}

// untilPublished waits until the first output is visible.
func (b *s3Bench) untilPublished(t *testing.T, out string, by *exec.Cmd) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Minute); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		objects, err := b.server.Objects(out + "/d")
		if err != nil {
			t.Fatal(err)
		}
		if slices.ContainsFunc(objects, func(o s3test.Object) bool { return strings.HasSuffix(o.Key, ".csv") }) {
			return
		}
	}
	_ = by.Process.Kill()
	t.Fatal("nothing was published in minutes")
}
