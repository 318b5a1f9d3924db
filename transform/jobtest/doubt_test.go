package jobtest

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/batchmill/batchmill/transform"
	"github.com/batchmill/batchmill/transform/job"
	"github.com/batchmill/batchmill/transform/ledger"
	"github.com/batchmill/batchmill/transform/plan"
	"github.com/batchmill/batchmill/workers"
)

// slipping is a job of three objects and one host, which answers request n with the answers to
// the records of the request before. Doubt is that response's trust.
func slipping(n int) (w *world, doubt *workers.Trust) {
	w = smallJob(3, 40)
	doubt = new(workers.Trust)
	var before []int
	w.hosts[0].script = func(i int) fault {
		return func(h *fakeHost, r *workers.Request, ids []int) (workers.Response, error) {
			answered, trust := ids, (*workers.Trust)(nil)
			if i == n {
				answered, trust = before, doubt
			}
			before = ids
			return workers.Response{Status: 200, ContentType: r.Accept, Body: h.render(r, answered), Trust: trust}, nil
		}
	}
	return w, doubt
}

// when does something before request n is answered.
func (w *world) when(n int, do func()) {
	script := w.hosts[0].script
	w.hosts[0].script = func(i int) fault {
		if i == n {
			do()
		}
		return script(i)
	}
}

// mustBeDoubted checks that a run ended because its log is in doubt; that the log is refused
// from then on, without a request, though the status is told; and that beginning again ends well.
func mustBeDoubted(t *testing.T, w *world, err error) {
	t.Helper()
	if err == nil || transform.ClassOf(err) != job.NoHosts {
		t.Fatalf("the run ended with %v", err)
	}
	for _, name := range []string{plan.SuccessName, plan.ManifestName} {
		if _, ok := w.output.Snapshot()[name]; ok {
			t.Errorf("%s is there", name)
		}
	}
	w.hosts[0].script, w.hosts[0].slips = nil, nil
	asked := w.hosts[0].count
	for range 2 {
		if err := w.refusesItsLog(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if w.hosts[0].count != asked {
		t.Error("a host was asked")
	}
	if s := mustStatus(t, w.output); s.State == ledger.JobNone || s.State == ledger.JobFinished {
		t.Errorf("the status is %+v", s)
	}
	w.spec.Restart, w.spec.Overwrite = true, true
	w.mustSucceed(t, "begun again")
}

// TestDoubtOfLoggedAnswers: answers that come into doubt once they are logged end the job.
func TestDoubtOfLoggedAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, doubt := slipping(4)
		w.hosts[0].pace = time.Second // request 9 is asked when the answers of request 4 are logged
		w.when(9, doubt.Doubt)
		_, err := w.runOn(t.Context(), w.input, w.output)
		if w.hosts[0].count > 11 {
			t.Errorf("%d requests were sent", w.hosts[0].count)
		}
		mustBeDoubted(t, w, err)
	})
}

// TestDoubtAtTheEnd: what shows only when connections are examined ends the job, too, if all is done,
// and if the job is cut short.
func TestDoubtAtTheEnd(t *testing.T) {
	for _, within := range []time.Duration{time.Hour, 9500 * time.Millisecond} {
		synctest.Test(t, func(t *testing.T) {
			w, doubt := slipping(4)
			w.hosts[0].pace = time.Second
			w.hosts[0].slips = &slips{pending: []*workers.Trust{doubt}}
			ctx, cancel := context.WithTimeout(t.Context(), within)
			defer cancel()
			_, err := w.runOn(ctx, w.input, w.output)
			mustBeDoubted(t, w, err)
		})
	}
}

// TestDoubtBeforeTheLog: answers that are in doubt when the log would have them are not logged. The
// same command then finishes the job.
func TestDoubtBeforeTheLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, doubt := smallJob(3, 40), new(workers.Trust)
		w.spec.Concurrency = 2
		w.hosts[0].script = func(int) fault {
			return func(h *fakeHost, r *workers.Request, ids []int) (workers.Response, error) {
				resp := workers.Response{Status: 200, ContentType: r.Accept, Body: h.render(r, ids)}
				switch fmt.Sprint(r.Object, r.First) {
				case "o01":
					time.Sleep(time.Second) // meanwhile the second batch is answered, and waits for this one
					doubt.Doubt()
				case "o011":
					resp.Body, resp.Trust = []byte(strings.Repeat(answerTo(7)+"\n", len(ids))), doubt
				}
				return resp, nil
			}
		}
		_, err := w.runOn(t.Context(), w.input, w.output)
		if err == nil || transform.ClassOf(err) != job.Superseded {
			t.Fatalf("the run ended with %v", err)
		}
		w.hosts[0].script = nil
		w.mustSucceed(t, "run again")
	})
}

// TestDoubtAsksAgain: answers in doubt before their batch is resolved are asked for again.
func TestDoubtAsksAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, doubt := slipping(4)
		doubt.Doubt()
		w.mustSucceed(t, "with one answer in doubt")
		if w.hosts[0].count != 13 {
			t.Errorf("%d requests, want 13", w.hosts[0].count)
		}
	})
}
