package jobtest

import (
	"context"
	"errors"
	"maps"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/batchmill/batchmill/transform/ledger"
	"github.com/batchmill/batchmill/transform/store/storetest"
	"github.com/batchmill/batchmill/workers"
)

// TestACrashCostsASecondOfWork pulls the plug at every third operation of the
// output's store. The next run asks again about nothing that was answered more than the
// interval of the log's commits before, and about nothing twice.
func TestACrashCostsASecondOfWork(t *testing.T) {
	points, worst := 0, time.Duration(0)
	for n, crashed := int64(0), true; crashed && !t.Failed(); n += 3 {
		synctest.Test(t, func(t *testing.T) {
			var cost time.Duration
			cost, crashed = costOfACrash(t, n)
			points, worst = points+1, max(worst, cost)
		})
	}
	t.Attr("fault_points", strconv.Itoa(points))
	t.Logf("%d crashes; the worst cost %v of work", points, worst)
	if worst < ledger.CommitInterval/2 {
		t.Error("no crash cost much: this tests little")
	}
}

// costOfACrash crashes a job at operation n, and finishes it. The cost is for how
// long before the crash the oldest record had been answered that was asked about again.
func costOfACrash(t *testing.T, n int64) (cost time.Duration, crashed bool) {
	const pace = 200 * time.Millisecond
	w := smallJob(1, 1200) // three seconds of work
	w.spec.Concurrency = 4
	w.hosts = append(w.hosts, &fakeHost{name: "another", rnd: rand.New(rand.NewPCG(1, 2)), alone: map[int]int{}, asked: map[int]int{}})
	var mu sync.Mutex
	asked := map[int]time.Time{} // in this run, by record
	for _, h := range w.hosts {
		h.pace = pace
		h.look = func(r *workers.Request) {
			ids, _ := payloadIDs(r)
			mu.Lock()
			defer mu.Unlock()
			for _, id := range ids {
				if _, twice := asked[id]; twice {
					t.Errorf("crash at %d: a run asked about record %d twice", n, id)
				}
				asked[id] = time.Now()
			}
		}
	}
	at, crashed := w.crashTime(t, n)
	before := maps.Clone(asked)
	clear(asked)
	w.mustSucceed(t, "after a crash at "+strconv.FormatInt(n, 10))
	for id := range asked {
		if when, ok := before[id]; ok && when.Before(at) {
			cost = max(cost, at.Sub(when.Add(pace)))
		}
	}
	// An answer waits for those before it in order, at most for as long as one takes.
	if cost > ledger.CommitInterval+pace+crashTick {
		t.Errorf("a crash at operation %d made the next run ask about what was answered %v before", n, cost)
	}
	return cost, crashed
}

// crashTick is how exact the time of a crash is.
const crashTick = time.Millisecond

// crashTime is crashAt, and tells when that was.
func (w *world) crashTime(t *testing.T, n int64) (at time.Time, crashed bool) {
	t.Helper()
	out := storetest.FailFrom(w.output, n, errInjected)
	ctx, ended := context.WithCancel(t.Context())
	var watching sync.WaitGroup
	watching.Go(func() {
		for !out.Fired() && ctx.Err() == nil {
			time.Sleep(crashTick)
		}
		at = time.Now()
	})
	_, err := w.runOn(t.Context(), w.input, out)
	ended()
	watching.Wait()
	if !out.Fired() && err != nil || out.Fired() && err != nil && !errors.Is(err, errInjected) {
		t.Fatalf("crash at %d: %v", n, err)
	}
	w.output.CrashTorn(0)
	return at, out.Fired()
}
