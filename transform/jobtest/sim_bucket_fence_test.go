package jobtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/batchmill/batchmill/transform"
	"github.com/batchmill/batchmill/transform/job"
	"github.com/batchmill/batchmill/transform/ledger"
	"github.com/batchmill/batchmill/transform/plan"
	"github.com/batchmill/batchmill/transform/store"
	"github.com/batchmill/batchmill/transform/store/s3/s3test/bucket"
)

// fenceJobs are small jobs: one whose working state goes in the end, one that
// keeps its log, and one whose outputs take some parts each.
var fenceJobs = map[string]func() *world{
	"clean":   func() *world { return smallJob(3, 12) },
	"rejects": func() *world { return smallJob(3, 4, 1, 6) },
	"parts":   func() *world { return smallJob(2, 40) },
}

// contest is a job in a bucket and the runs that do it.
type contest struct {
	*world
	bucket *bucket.Bucket
}

func newContest(w *world) *contest { return &contest{w, simBucket("out")} }

// start begins a run, and tells how it ended when it has.
func (c *contest) start(ctx context.Context, w bucket.Weather) (*bucket.Client, chan error) {
	client, over := c.bucket.Connect(w), make(chan error, 1)
	go func() {
		res, _, err := c.runFrom(ctx, c.input, overBucket("out", client))
		if err == nil && res.Storage != nil {
			err = res.Storage
		}
		over <- err
	}()
	return client, over
}

// asked tells whether a host was asked about anything.
func (c *contest) asked() bool {
	h := c.hosts[0]
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.count > 0
}

// complete says what is wrong with the outputs of the job, which is done.
func (c *contest) complete() error {
	c.output = store.NewMemory()
	for name, text := range c.bucket.Snapshot() {
		if err := c.output.Put(name, text); err != nil {
			return err
		}
	}
	m, err := wholeManifest(c.output)
	if err == nil && m == nil {
		err = errors.New("there is no manifest")
	}
	if err == nil && len(c.bucket.Uploads()) > 0 {
		err = fmt.Errorf("unfinished uploads: %q", c.bucket.Uploads())
	}
	if err == nil {
		err = c.check(&transform.Result{Summary: ledger.Summary{Manifest: m}}, nil)
	}
	return err
}

// calm is weather in which requests take some time and nothing else happens.
func calm(seed uint64) bucket.Weather {
	return bucket.Weather{Seed: seed, Latency: 5 * time.Millisecond, Drift: true}
}

// TestSleeperHarmsNothing: a run sleeps before its first request, or its
// second, or any other, while another run does the job. When it wakes up it is
// superseded and changes nothing any more, or it finds the job done. If it slept on
// a request of bounded time, it may say that instead, and changes nothing either.
func TestSleeperHarmsNothing(t *testing.T) {
	for name, newWorld := range fenceJobs {
		t.Run(name, func(t *testing.T) {
			superseded := 0
			for n, reached := int64(1), true; reached && !t.Failed(); n++ {
				synctest.Test(t, func(t *testing.T) {
					var fenced bool
					reached, fenced = newContest(newWorld()).sleepAt(t, n)
					if fenced {
						superseded++
					}
				})
			}
			if superseded < 10 {
				t.Errorf("only %d sleepers were superseded", superseded)
			}
		})
	}
}

// sleepAt lets a run sleep at its request n. It tells whether there was one, and
// whether it ended as superseded.
func (c *contest) sleepAt(t *testing.T, n int64) (reached, superseded bool) {
	asleep := calm(uint64(n))
	asleep.Sleeps, asleep.Nap = n, time.Hour
	sleeper, over := c.start(t.Context(), asleep)
	time.Sleep(10 * time.Minute)
	_, other := c.start(t.Context(), calm(0))
	if err := <-other; err != nil {
		t.Fatalf("beside one that sleeps at request %d: %v", n, err)
	}
	if err := c.complete(); err != nil {
		t.Fatalf("beside one that sleeps at request %d: %v", n, err)
	}
	before := c.bucket.Snapshot()
	err := <-over
	reached = sleeper.Requests() >= n
	if err == nil { // it has found the job done, or was about to say so
		if err := c.complete(); err != nil {
			t.Errorf("after one that slept at request %d and ended well: %v", n, err)
		}
		return reached, false
	}
	superseded = transform.ClassOf(err) == job.Superseded
	if !superseded && !tookLong(err) {
		t.Errorf("one that slept at request %d ended with class %d: %v", n, transform.ClassOf(err), err)
	}
	changed := changes(before, c.bucket.Snapshot())
	if slices.Equal(changed, []string{plan.ManifestName}) && c.complete() == nil {
		return reached, superseded // it slept when it was about to write that, and what it wrote is as true
	}
	if len(changed) > 0 {
		t.Errorf("one that slept at request %d and ended with %v changed %q", n, err, changed)
	}
	return reached, superseded
}

// changes are the names whose content is not what it was.
func changes(before, after map[string][]byte) (names []string) {
	both := maps.Clone(before)
	maps.Copy(both, after)
	for name := range both {
		was, there := before[name]
		if is, still := after[name]; there != still || !bytes.Equal(was, is) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// TestNewestRunWins: whenever a second run begins while the first is at work,
// one of them does the job, and the other ends as superseded or well. It is the
// second, unless both are about to begin, or the first is about to end.
func TestNewestRunWins(t *testing.T) {
	for name, newWorld := range fenceJobs {
		t.Run(name, func(t *testing.T) {
			superseded := 0
			for n := range 150 {
				synctest.Test(t, func(t *testing.T) {
					c := newContest(newWorld())
					c.hosts[0].pace = 30 * time.Millisecond
					_, first := c.start(t.Context(), calm(uint64(n)))
					time.Sleep(time.Duration(n) * 5 * time.Millisecond)
					asked := c.asked()
					_, second := c.start(t.Context(), calm(uint64(n)+1000))
					newer, older := <-second, <-first
					if newer != nil && (asked && older != nil || transform.ClassOf(newer) != job.Superseded) {
						t.Errorf("begun after %d ms: %v; the older: %v", 5*n, newer, older)
					}
					if older != nil && transform.ClassOf(older) != job.Superseded {
						t.Errorf("superseded after %d ms: class %d: %v", 5*n, transform.ClassOf(older), older)
					}
					if errors.Is(older, store.ErrSuperseded) {
						superseded++
					}
					if err := c.complete(); err != nil {
						t.Errorf("after %d ms: %v", 5*n, err)
					}
				})
				if t.Failed() {
					return
				}
			}
			if superseded < 10 {
				t.Errorf("only %d runs were superseded", superseded)
			}
		})
	}
}
