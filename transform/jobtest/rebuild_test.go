package jobtest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/batchmill/batchmill/transform"
	"github.com/batchmill/batchmill/transform/job"
	"github.com/batchmill/batchmill/transform/ledger"
	"github.com/batchmill/batchmill/transform/manifest"
	"github.com/batchmill/batchmill/transform/plan"
	"github.com/batchmill/batchmill/transform/store"
	"github.com/batchmill/batchmill/transform/store/storetest"
	"github.com/batchmill/batchmill/workers"
)

// manifestFits checks that the manifest tells what is visible, byte for byte,
// and nothing else.
func (w *world) manifestFits(t *testing.T, when string) *manifest.Manifest {
	t.Helper()
	m, err := wholeManifest(w.output)
	if err != nil || m == nil {
		t.Fatalf("%s: manifest: %v", when, err)
	}
	seen := w.output.Snapshot()
	read := func(_ context.Context, uri string) (io.ReadCloser, error) {
		rc, _, err := w.output.Open(t.Context(), strings.TrimPrefix(uri, w.output.URI("")))
		return rc, err
	}
	verifier := manifest.NewVerifier(read)
	for i := range m.Objects {
		o := &m.Objects[i]
		if err := verifier.Object(t.Context(), o); err != nil {
			t.Fatalf("%s: %v", when, err)
		}
		name := strings.TrimPrefix(o.Input.URI, w.input.URI(""))
		if _, there := seen[name]; there != (o.Status == manifest.Published) {
			t.Fatalf("%s: %s is %s; visible: %v", when, name, o.Status, there)
		}
		if _, there := seen[plan.RejectsDir+"/"+name+".jsonl"]; there != (o.Rejects != nil) {
			t.Fatalf("%s: %s: rejects file visible: %v, in the manifest: %v", when, name, there, o.Rejects != nil)
		}
	}
	return m
}

// TestCrashWhileRebuilding: a run that builds the outputs of a finished job
// anew may die at any operation. The next run finds out how far it came: it
// takes no older manifest for its own, and ends with one that fits.
func TestCrashWhileRebuilding(t *testing.T) {
	for _, c := range []struct {
		name    string
		objects int
		onBad   string
		rebuild func(w *world, ctx context.Context, out store.Store) error
		again   func(w *world, ctx context.Context) error
		rejects int64 // afterwards
	}{
		{"retried rejects", 2, "placeholder", mendedRetry,
			func(w *world, ctx context.Context) error { return mendedRetry(w, ctx, w.output) }, 0},
		{"held, then another policy", 1, "fail", underPolicy("placeholder", false), plainRun, 1},
		{"overwritten", 2, "placeholder", underPolicy("skip", true), plainRun, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			for n, crashed := int64(0), true; crashed && !t.Failed(); n++ {
				synctest.Test(t, func(t *testing.T) {
					w := smallJob(c.objects, 12, 3)
					w.spec.OnBad = c.onBad
					if err := plainRun(w, t.Context()); err != nil {
						t.Fatal(err)
					}
					out := storetest.FailFrom(w.output, n, errInjected)
					_ = c.rebuild(w, t.Context(), out) // fails with the store, mostly
					if crashed = out.Fired(); crashed {
						w.output.CrashTorn(1 << 20)
					}
					when := fmt.Sprintf("crash at %d", n)
					if err := c.again(w, t.Context()); err != nil {
						t.Fatalf("%s: %v", when, err)
					}
					if m := w.manifestFits(t, when); m.Totals.Rejected != c.rejects {
						t.Errorf("%s: %d rejects, not %d", when, m.Totals.Rejected, c.rejects)
					}
				})
			}
		})
	}
}

func plainRun(w *world, ctx context.Context) error {
	_, err := w.runOn(ctx, w.input, w.output)
	return err
}

// mendedRetry asks a host about the rejects that answers whatever it is asked.
func mendedRetry(w *world, ctx context.Context, out store.Store) error {
	w.hosts[0].script = func(int) fault { return cut(0) }
	_, err := w.retryOn(ctx, out)
	return err
}

// underPolicy runs the job with another --on-bad; only this run overwrites.
func underPolicy(onBad string, overwrite bool) func(*world, context.Context, store.Store) error {
	return func(w *world, ctx context.Context, out store.Store) error {
		w.spec.OnBad, w.spec.Overwrite = onBad, overwrite
		_, err := w.runOn(ctx, w.input, out)
		w.spec.Overwrite = false
		return err
	}
}

// TestCrashedOverwriteGoesOn: once an --overwrite has begun, the job is to be
// made again, whatever becomes of that run: the next one, which does not say so
// itself, goes on with it. Nothing that was answered is asked again.
func TestCrashedOverwriteGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := smallJob(1, 12, 3)
		if err := plainRun(w, t.Context()); err != nil {
			t.Fatal(err)
		}
		before := w.hosts[0].count
		for n, begun := int64(0), false; !begun; n++ {
			out := storetest.FailFrom(w.output, n, errInjected)
			if err := underPolicy("skip", true)(w, t.Context(), out); err == nil {
				t.Fatal("no crash left an overwrite that had only begun")
			}
			w.output.CrashTorn(0)
			seen := w.output.Snapshot()
			begun = seen[plan.ManifestName] == nil && seen["o0"] != nil
		}
		if err := plainRun(w, t.Context()); err != nil {
			t.Fatal(err)
		}
		want := w.expect(&w.objects[0], map[int64]bool{4: true})
		if got := w.output.Snapshot()["o0"]; !bytes.Equal(got, want) {
			t.Error(difference(got, want))
		}
		if w.hosts[0].count != before {
			t.Errorf("%d requests to make outputs again from the log", w.hosts[0].count-before)
		}
	})
}

// TestRestartOfAFinishedJobIsRefused: --restart alone forgets answers, and
// replaces nothing: what is published stays, and the refusal says how to go on.
func TestRestartOfAFinishedJobIsRefused(t *testing.T) {
	for _, poison := range [][]int{nil, {3}} {
		synctest.Test(t, func(t *testing.T) {
			w := smallJob(1, 12, poison...)
			if err := plainRun(w, t.Context()); err != nil {
				t.Fatal(err)
			}
			before := w.output.Snapshot()
			w.spec.Restart = true
			err := plainRun(w, t.Context())
			if transform.ClassOf(err) != job.Usage || !strings.Contains(transform.HintOf(err), "--overwrite") {
				t.Errorf("error is %v, its hint %q", err, transform.HintOf(err))
			}
			after := w.output.Snapshot()
			for _, name := range []string{"o0", plan.ManifestName, plan.SuccessName, ledger.LogName} {
				if !bytes.Equal(after[name], before[name]) {
					t.Errorf("%s changed", name)
				}
			}
		})
	}
}

// TestRetryOfWhatIsStillBad: a retry that finds all records as bad as before
// ends like the run before it. No good answer is due: the log holds enough.
func TestRetryOfWhatIsStillBad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var poison []int
		for i := range 25 {
			poison = append(poison, i*38)
		}
		w := smallJob(1, 1000, poison...)
		if err := plainRun(w, t.Context()); err != nil {
			t.Fatal(err)
		}
		before := w.output.Snapshot()["o0"]
		res, err := w.retryOn(t.Context(), w.output)
		if err != nil || res.Manifest.Totals.Rejected != 25 {
			t.Fatalf("%+v, class %d: %v", res, transform.ClassOf(err), err)
		}
		if got := w.output.Snapshot()["o0"]; !bytes.Equal(got, before) {
			t.Error(difference(got, before))
		}
	})
}

// TestRetryOfAJobWithoutAnswers: a job that got no answer at all says nothing
// about how wide answers are. A mended model may give any number of fields.
func TestRetryOfAJobWithoutAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := csvJob(5, 0)
		w.hosts[0].script = func(int) fault { return status(400, 0) }
		res, err := w.runOn(t.Context(), w.input, w.output)
		if err != nil || res.Manifest.Totals.Rejected != 5 {
			t.Fatalf("%+v, %v", res, err)
		}
		w.hosts[0].script = func(int) fault {
			return func(_ *fakeHost, r *workers.Request, ids []int) (workers.Response, error) {
				return workers.Response{Status: 200, ContentType: r.Accept, Body: []byte(strings.Repeat("1,2,3\n", len(ids)))}, nil
			}
		}
		res, err = w.retryOn(t.Context(), w.output)
		if err != nil || res.Manifest.Totals.Rejected != 0 {
			t.Fatalf("%+v, %v", res, err)
		}
		want := "id,text,prediction_1,prediction_2,prediction_3\n0,good,1,2,3\n"
		if got := string(w.output.Snapshot()["o0"]); !strings.HasPrefix(got, want) {
			t.Errorf("output is %q", got)
		}
	})
}
