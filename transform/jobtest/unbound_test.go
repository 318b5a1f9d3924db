package jobtest

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/batchmill/batchmill/transform"
	"github.com/batchmill/batchmill/transform/job"
	"github.com/batchmill/batchmill/transform/plan"
)

// TestNothingBindsBeforeAnAnswer: a job that came to nothing leaves its output to a job with a
// corrected flag or another input, however it came to nothing. From its first answer on it does not.
func TestNothingBindsBeforeAnAnswer(t *testing.T) {
	for name, c := range map[string]struct {
		first func(*world)
		class job.Class // of the first run's error; 0 for none
		binds bool
	}{
		"no host":     {func(w *world) { w.hosts[0].script = func(int) fault { return status(503, 0) } }, job.NoHosts, false},
		"wrong path":  {func(w *world) { w.hosts[0].script = func(int) fault { return status(404, 0) } }, job.Usage, false},
		"all refused": {func(w *world) { w.hosts[0].script = func(int) fault { return status(400, 0) } }, job.BadInput, false},
		"one answer":  {func(w *world) { w.hosts[0].script = answersOnce(401) }, job.NoHosts, true},
	} {
		for _, change := range []func(*world){
			func(w *world) { w.spec.AnswerName = "score" },
			func(w *world) { w.fill(&w.objects[0]) }, // the same bytes at another time
		} {
			synctest.Test(t, func(t *testing.T) {
				w := smallJob(2, 30)
				w.spec.HostWait, w.spec.BatchRecords, w.spec.Concurrency = 1, 5, 32
				c.first(w)
				_, err := w.runOn(t.Context(), w.input, w.output)
				if c.class != 0 && (err == nil || transform.ClassOf(err) != c.class) {
					t.Fatalf("%s: the first run: %v", name, err)
				}
				w.hosts[0].script = nil
				change(w)
				switch _, err := w.runOn(t.Context(), w.input, w.output); {
				case c.binds && (err == nil || transform.ClassOf(err) != job.Usage):
					t.Errorf("%s: another job takes the place: %v", name, err)
				case !c.binds && err != nil:
					t.Errorf("%s: the corrected job: %v", name, err)
				case !c.binds:
					w.manifestFits(t, name)
				}
			})
		}
	}
}

// TestOtherJobIsNamed: a finished job is not replaced by another, which is told what differs,
// and leaves everything as it was.
func TestOtherJobIsNamed(t *testing.T) {
	for want, change := range map[string]func(*world){
		`--answer-name "prediction", this one has "score"`: func(w *world) { w.spec.AnswerName = "score" },
		"its inputs differ": func(w *world) { w.fill(&w.objects[0]) },
		"its inputs or its settings differ": func(w *world) {
			w.spec.AnswerName = "score"
			text := w.output.Snapshot()[plan.ManifestName]
			at := strings.Index(string(text), `"identity": {`)
			end := at + strings.Index(string(text[at:]), "\n  },")
			old := string(text[:at]) + `"identity": "0123"` + string(text[end+len("\n  }"):]) // as builds before wrote it
			if err := w.output.Put(plan.ManifestName, []byte(old)); err != nil {
				panic(err)
			}
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := smallJob(2, 30)
			w.mustSucceed(t, "first")
			change(w)
			before := w.output.Snapshot()
			_, err := w.runOn(context.Background(), w.input, w.output)
			if err == nil || transform.ClassOf(err) != job.Usage || !strings.Contains(err.Error(), want) {
				t.Errorf("%v, want %s", err, want)
			}
			if err := sameFiles(w.output.Snapshot(), before); err != nil {
				t.Errorf("the refused run left something: %v", err)
			}
		})
	}
}
