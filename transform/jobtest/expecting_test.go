package jobtest

import (
	"testing"
	"testing/synctest"

	"github.com/batchmill/batchmill/transform"
	"github.com/batchmill/batchmill/transform/job"
	"github.com/batchmill/batchmill/transform/plan"
	"github.com/batchmill/batchmill/workers"
)

// runCase runs a job as it is, without the checks of a fault case.
func runCase(t *testing.T, c fleetCase, w *world, retry bool) *transform.Result {
	t.Helper()
	spec := w.spec
	if err := spec.Validate(); err != nil {
		t.Fatal(err)
	}
	plan, err := plan.New(t.Context(), spec, []plan.Source{{Store: w.input}}, w.output, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer plan.Close()
	if retry {
		plan.RetryRejects = true
	}
	res, err := transform.Run(t.Context(), plan, c.fleet(&account{bodies: map[string]string{}, times: map[string]int{}}), new(transform.Progress))
	if err != nil {
		t.Fatal(err)
	}
	return res
}

// TestAHostThatIsNotReadyYetMayAnswer: one that is broken was ready first. It makes
// no rejects, and does not end the job, while another one is loading its model.
func TestAHostThatIsNotReadyYetMayAnswer(t *testing.T) {
	for name, m := range map[string]mood{"413": says(413), "400": says(400), "500": says(500), "garbled": garbled, "resets": resets} {
		for _, records := range []int{5, 900} {
			synctest.Test(t, func(t *testing.T) {
				c := fleetCase{hosts: []*actor{plays(moment{0, m}), plays(moment{0, unready}, moment{sec(8), up})}, records: records, spec: auto}
				if res := runCase(t, c, c.job(), false); res.Manifest.Totals.Rejected > 0 {
					t.Errorf("%s: %d of %d records are rejects", name, res.Manifest.Totals.Rejected, records)
				}
			})
		}
	}
}

// TestRetryIsNotHeld: rejects that are asked about again stand in batches that are
// known, so no size is to be found; the hosts are as busy as ever.
func TestRetryIsNotHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var poison []int
		for i := 100; i < 2000; i += 5 {
			poison = append(poison, i)
		}
		h := plays()
		h.places = 8
		c := fleetCase{hosts: []*actor{h}, records: 2000, poison: poison, spec: all(auto, func(sp *job.Spec) { sp.MaxRejects = &job.Allowance{Percent: 100, IsShare: true} })}
		w := c.job()
		if res := runCase(t, c, w, false); res.Manifest.Totals.Rejected != int64(len(poison)) {
			t.Fatalf("%d rejects, want %d", res.Manifest.Totals.Rejected, len(poison))
		}
		h.bad = func(_ *fakeHost, r *workers.Request, ids []int) (workers.Response, error) {
			return workers.Response{Status: 200, ContentType: r.Accept, Body: render(ids)}, nil
		}
		h.most = 0
		if res := runCase(t, c, w, true); res.Manifest.Totals.Rejected != 0 || h.most < h.places {
			t.Errorf("%d rejects are left, and at most %d requests were in flight at a host that serves %d", res.Manifest.Totals.Rejected, h.most, h.places)
		}
	})
}
