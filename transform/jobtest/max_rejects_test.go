package jobtest

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/batchmill/batchmill/transform"
	"github.com/batchmill/batchmill/transform/job"
	"github.com/batchmill/batchmill/transform/plan"
)

func TestMaxRejectsAllowance(t *testing.T) {
	for _, c := range []struct {
		text             string
		rejects, settled int64
		exceeded         bool
	}{
		{"0", 0, 10, false},
		{"0", 1, 1, true},
		{"5", 5, 5, false},
		{"5", 6, 1_000_000, true},
		{"1%", 999, 999, false}, // a small job is never judged by a share
		{"1%", 10, 1000, false},
		{"1%", 11, 1000, true},
		{"0%", 1, 1000, true},
		{"100%", 5000, 5000, false},
	} {
		var a job.Allowance
		if err := a.UnmarshalText([]byte(c.text)); err != nil {
			t.Fatal(err)
		}
		if got := a.Exceeded(c.rejects, c.settled); got != c.exceeded {
			t.Errorf("%s: %d of %d: exceeded is %v", c.text, c.rejects, c.settled, got)
		}
	}
}

// TestMaxRejectsStopsTheJob: more rejects than allowed end the job as bad input,
// before anything of it looks finished; as many as allowed do not.
func TestMaxRejectsStopsTheJob(t *testing.T) {
	poison := []int{3, 1150, 1175, 1199}
	for _, c := range []struct {
		name   string
		allow  job.Allowance
		stops  bool
		poison []int
	}{
		{"a count that is kept", job.Allowance{Count: 4}, false, poison},
		{"a count that is passed", job.Allowance{Count: 3}, true, poison},
		{"a share that is kept", job.Allowance{Percent: 0.5, IsShare: true}, false, poison},
		{"a share that is passed", job.Allowance{Percent: 0.2, IsShare: true}, true, poison},
		{"a share in the beginning", job.Allowance{Percent: 0.2, IsShare: true}, false, []int{0, 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := smallJob(1, 1200, c.poison...)
				w.spec.MaxRejects = &c.allow
				res, err := w.runOn(t.Context(), w.input, w.output)
				if !c.stops {
					if err != nil || res.Manifest.Totals.Rejected != int64(len(c.poison)) {
						t.Fatalf("%+v, %v", res, err)
					}
					return
				}
				if err == nil || transform.ClassOf(err) != job.BadInput {
					t.Fatalf("error is %v", err)
				}
				seen := w.output.Snapshot()
				for _, name := range []string{plan.SuccessName, plan.ManifestName, "o0"} {
					if _, ok := seen[name]; ok {
						t.Errorf("%s is visible", name)
					}
				}
			})
		})
	}
}

// TestMaxRejectsShareIsOfTheWholeJob: a share is not judged before enough is
// settled, but then all rejects count, early ones too, and those that no host
// was asked about.
func TestMaxRejectsShareIsOfTheWholeJob(t *testing.T) {
	for _, flawed := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			var poison []int
			for i := range 18 {
				poison = append(poison, i*50+7)
			}
			w := smallJob(1, 1200, poison...)
			if flawed {
				for _, id := range poison {
					w.objects[0].records[id].text = "nonsense"
				}
				w.fill(&w.objects[0])
			}
			w.spec.MaxRejects = &job.Allowance{Percent: 1, IsShare: true}
			if _, err := w.runOn(t.Context(), w.input, w.output); transform.ClassOf(err) != job.BadInput {
				t.Errorf("18 of 1200 are rejects (flawed: %v), more than 1%%: %v", flawed, err)
			}
		})
	}
}

// TestMaxRejectsCountsEarlierRuns: the same command, run again, fails again.
// Objects that are settled count, and so does what the log answers of others.
func TestMaxRejectsCountsEarlierRuns(t *testing.T) {
	for _, c := range []struct {
		name   string
		poison []int
	}{
		{"in an object that is settled", []int{1, 2, 3, 45, 46, 47}},
		{"in one that is not", []int{41, 42, 43, 51, 52, 53}},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := smallJob(3, 20, c.poison...)
			w.hosts[0].pace = 3 * time.Second // what is settled is so before the next rejects
			w.spec.MaxRejects = &job.Allowance{Count: 5}
			for run := range 4 {
				_, err := w.runOn(t.Context(), w.input, w.output)
				if transform.ClassOf(err) != job.BadInput {
					t.Fatalf("%s: run %d: 6 rejects pass --max-rejects 5: %v", c.name, run, err)
				}
				if seen := w.output.Snapshot(); seen["o0"] == nil || seen["o2"] != nil {
					t.Fatalf("%s: run %d: o0 is not settled, or o2 is", c.name, run)
				}
			}
			w.spec.MaxRejects = &job.Allowance{Count: 6}
			if res, err := w.runOn(t.Context(), w.input, w.output); err != nil || res.Manifest.Totals.Rejected != 6 {
				t.Errorf("%s: 6 rejects do not pass --max-rejects 6: %v", c.name, err)
			}
		})
	}
}
