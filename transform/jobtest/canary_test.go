package jobtest

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/batchmill/batchmill/transform"
	"github.com/batchmill/batchmill/transform/job"
	"github.com/batchmill/batchmill/transform/plan"
	"github.com/batchmill/batchmill/workers"
)

// span is the numbers from first up to end, without end.
func span(first, end int) (ids []int) {
	for id := first; id < end; id++ {
		ids = append(ids, id)
	}
	return ids
}

// TestManyBadRecordsAreRejects: a stretch of bad records, in the middle of a job
// or at its end, is not taken for a broken host.
func TestManyBadRecordsAreRejects(t *testing.T) {
	for _, c := range []struct {
		records int
		bad     []int
	}{
		{160, span(60, 160)},
		{50, span(25, 50)}, // few good answers before
		{400, span(100, 150)},
	} {
		t.Run(fmt.Sprintf("%d of %d", len(c.bad), c.records), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := smallJob(1, c.records, c.bad...)
				began := time.Now()
				res, err := w.runOn(t.Context(), w.input, w.output)
				if err != nil {
					t.Fatal(err)
				}
				if n := res.Manifest.Totals.Rejected; n != int64(len(c.bad)) {
					t.Errorf("%d rejects", n)
				}
				if took := time.Since(began); took > 5*time.Minute {
					t.Errorf("it took %v", took)
				}
			})
		})
	}
}

// TestBrokenHostRejectsNothing: a host that breaks after some good answers is
// not taken for a stretch of bad records.
func TestBrokenHostRejectsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := smallJob(1, 160)
		w.spec.HostWait = job.Duration(10 * time.Minute)
		w.hosts[0].script = func(n int) fault {
			if n < 5 {
				return nil
			}
			return status(500, 0)
		}
		_, err := w.runOn(t.Context(), w.input, w.output)
		if transform.ClassOf(err) != job.NoHosts {
			t.Errorf("%v, want no hosts", err)
		}
		for name := range w.output.Snapshot() {
			if strings.HasPrefix(name, plan.RejectsDir) || name == "o0" {
				t.Errorf("%s was written", name)
			}
		}
	})
}

// TestTooLargeRecordsAreRejects: records that are too large for the host are
// found, and teach it no limit below what it takes: the batches behind them go
// out whole.
func TestTooLargeRecordsAreRejects(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := smallJob(1, 3000)
		w.spec.BatchRecords = 30
		for i := 30; i < 60; i++ {
			r := &w.objects[0].records[i]
			r.text = strings.Replace(r.text, "good", strings.Repeat("y", 4000), 1)
		}
		w.fill(&w.objects[0])
		w.hosts[0].limit = 3000
		res, err := w.runOn(t.Context(), w.input, w.output)
		if err != nil || res.Manifest.Totals.Rejected != 30 {
			t.Fatalf("%+v, %v", res, err)
		}
		if n := w.hosts[0].count; n > 300 {
			t.Errorf("%d requests for 100 batches, of which one had to be taken apart", n)
		}
	})
}

// TestCanaryTeachesNoLimit: a host fails so many records alone that it is sent a
// canary before each is judged, and then calls one of them too large. The size
// that it refused is that record's, not that of the canary in between.
func TestCanaryTeachesNoLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := smallJob(1, 3000, span(30, 60)...)
		w.spec.Memory, w.spec.MaxRecord = job.MinMemory, 1<<16 // so that most batches come after it
		for i := 30; i < 60; i++ {                             // far larger than whole batches of the others
			r := &w.objects[0].records[i]
			r.text = strings.Replace(r.text, "poison", "poison"+strings.Repeat("y", 4000), 1)
		}
		w.fill(&w.objects[0])
		canaries := 0
		w.hosts[0].script = func(n int) fault {
			return func(h *fakeHost, r *workers.Request, ids []int) (workers.Response, error) {
				code := 0
				switch {
				case strings.HasSuffix(r.Key, "/canary"):
					if canaries++; canaries == 1 {
						code = 500 // so the host is thought broken, and nothing is judged yet
					}
				case !bytes.Contains(r.Body, []byte("poison")):
				case canaries == 1 && len(ids) == 1 && h.alone[ids[0]] > 1: // so that its 413 is answered by a canary too
					code = 413
				default:
					code = 400
				}
				if code > 0 {
					return status(code, 0)(h, r, ids)
				}
				return workers.Response{Status: 200, ContentType: r.Accept, Body: append(r.Into[:0], h.render(r, ids)...)}, nil
			}
		}
		res, err := w.runOn(t.Context(), w.input, w.output)
		if err != nil || res.Manifest.Totals.Rejected != 30 || canaries < 2 {
			t.Fatalf("%d canaries, %+v, %v", canaries, res, err)
		}
		if n := w.hosts[0].count; n > 600 {
			t.Errorf("%d requests for 300 batches, of which three had to be taken apart", n)
		}
	})
}
