package jobtest

import (
	"fmt"
	"maps"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/batchmill/batchmill/transform/job"
	"github.com/batchmill/batchmill/transform/plan"
)

// TestResumeWithOtherBatches: what the log holds is not asked again, whatever
// the size of batches is now, and every answer finds its record.
func TestResumeWithOtherBatches(t *testing.T) {
	const records = 25
	for _, sizes := range [][2]int{{10, 3}, {3, 10}, {7, 5}, {1, 25}, {25, 1}} {
		partly, wholly := false, false
		for n, crashed := int64(0), true; crashed && !t.Failed(); n++ {
			synctest.Test(t, func(t *testing.T) {
				when := fmt.Sprintf("crash at %d, batches of %d then %d", n, sizes[0], sizes[1])
				w := smallJob(2, records)
				h := w.hosts[0]
				h.latency = 400 * time.Millisecond
				w.spec.BatchRecords = job.Auto(sizes[0])
				if crashed = w.crashAt(t, n, 1<<20); !crashed {
					return
				}
				before, visible := maps.Clone(h.asked), w.output.Snapshot()
				w.spec.BatchRecords = job.Auto(sizes[1])
				w.mustSucceed(t, when)
				known := [2]int{} // of each object, records that were asked about, and not again
				for id := range 2 * records {
					switch {
					case before[id] == 0 && h.asked[id] != 1:
						t.Fatalf("%s: record %d was asked about %d times", when, id, h.asked[id])
					case before[id] > 0 && h.asked[id] == before[id]:
						known[id/records]++
					}
				}
				for id, n := range known { // what was published needs no log
					_, published := visible[fmt.Sprintf("o%d", id)]
					partly = partly || n > 0 && !published
				}
				wholly = wholly || known == [2]int{records, records}
			})
		}
		if !t.Failed() && (!partly || !wholly) {
			t.Errorf("batches of %d then %d: no run was resumed from the log (%v), or at the end (%v)", sizes[0], sizes[1], partly, wholly)
		}
	}
}

// TestRetriedRejectsLeaveNoFile: when a mended model answers what it had
// rejected, the output is rebuilt, and no file goes on to tell of the rejects.
func TestRetriedRejectsLeaveNoFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := smallJob(2, 12, 3, 20)
		res, err := w.runOn(t.Context(), w.input, w.output)
		if err != nil || res.Manifest.Totals.Rejected != 2 {
			t.Fatalf("%+v, %v", res, err)
		}
		for _, name := range []string{plan.RejectsDir + "/o0.jsonl", plan.RejectsDir + "/o1.jsonl"} {
			if _, ok := w.output.Snapshot()[name]; !ok {
				t.Fatalf("no %s", name)
			}
		}
		w.hosts[0].script = func(int) fault { return cut(0) } // whatever the record is
		before := w.hosts[0].asked[4]
		res, err = w.retryOn(t.Context(), w.output)
		if err != nil || res.Manifest.Totals.Rejected != 0 {
			t.Fatalf("%+v, %v", res, err)
		}
		if w.hosts[0].asked[4] != before {
			t.Error("a record that was answered is asked about again")
		}
		for name := range w.output.Snapshot() {
			if strings.HasPrefix(name, plan.RejectsDir) {
				t.Errorf("left behind: %s", name)
			}
		}
		for i := range w.objects {
			if diff := w.wholeOutput(i); diff != "" {
				t.Error(diff)
			}
		}
	})
}

// TestNothingToAskNeedsNoHost: a job of which the log knows all, or that has no
// records, ends without a host that is up.
func TestNothingToAskNeedsNoHost(t *testing.T) {
	for _, c := range []struct {
		name string
		make func(t *testing.T) *world
	}{
		{"held, then another policy", func(t *testing.T) *world {
			w := smallJob(1, 12, 3)
			w.spec.OnBad = "fail"
			if err := plainRun(w, t.Context()); err != nil {
				t.Fatal(err)
			}
			w.spec.OnBad = "placeholder"
			return w
		}},
		{"objects of no bytes", func(*testing.T) *world { return smallJob(2, 0) }},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := c.make(t)
			w.hosts[0].down = func(time.Time) bool { return true }
			res, err := w.runOn(t.Context(), w.input, w.output)
			if err != nil {
				t.Fatalf("%s: %v", c.name, err)
			}
			if !res.AllPublished() {
				t.Errorf("%s: %+v", c.name, res.Manifest.Objects)
			}
		})
	}
}
