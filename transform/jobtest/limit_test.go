package jobtest

import (
	"testing"
	"testing/synctest"

	"github.com/batchmill/batchmill/transform/manifest"
)

// TestLimitEndsInAnObject: --limit is of records of the job, wherever objects
// end; those beyond it have no output and do not stand in the manifest.
func TestLimitEndsInAnObject(t *testing.T) {
	for _, c := range []struct {
		limit   int64
		objects int
	}{{1, 1}, {19, 1}, {20, 1}, {21, 2}, {40, 2}, {59, 3}, {60, 3}, {1000, 3}} {
		synctest.Test(t, func(t *testing.T) {
			w := smallJob(3, 20)
			w.spec.Limit = c.limit
			res, err := w.runOn(t.Context(), w.input, w.output)
			if err != nil {
				t.Fatal(err)
			}
			if n := res.Manifest.Totals.In; n != min(60, c.limit) || len(res.Manifest.Objects) != c.objects {
				t.Errorf("limit %d: %d records in %d objects", c.limit, n, len(res.Manifest.Objects))
			}
			if _, there := w.output.Snapshot()["o2"]; there != (c.objects == 3) {
				t.Errorf("limit %d: o2 is visible: %v", c.limit, there)
			}
		})
	}
}

// TestLimitEndsAtAFailedObject: how many records an object holds that cannot be
// read is not known, and so neither is which records of the next ones are
// within the limit. None of them is asked about: else another run, which can read
// it, would find outputs that do not belong to the job.
func TestLimitEndsAtAFailedObject(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := smallJob(2, 20)
		w.spec.Limit = 20
		res, err := w.runOn(t.Context(), shrunk{w.input, 30, "o0"}, w.output)
		if err != nil {
			t.Fatal(err)
		}
		if m := res.Manifest.Objects; len(m) != 1 || m[0].Status != manifest.Failed {
			t.Errorf("with an object that breaks off: %+v", m)
		}
		if len(w.hosts[0].asked) > 20 || w.output.Snapshot()["o1"] != nil {
			t.Error("records behind an object that failed were asked about")
		}
		if res, err = w.runOn(t.Context(), w.input, w.output); err != nil {
			t.Fatal(err)
		}
		if m := res.Manifest; len(m.Objects) != 1 || m.Totals.In != 20 {
			t.Errorf("limit 20: %d records in %d objects", m.Totals.In, len(m.Objects))
		}
		if diff := w.wholeOutput(0); diff != "" || w.output.Snapshot()["o1"] != nil {
			t.Errorf("o1 is visible, or %s", diff)
		}
	})
}
