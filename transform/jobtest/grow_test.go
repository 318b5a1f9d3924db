package jobtest

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/batchmill/batchmill/transform"
	"github.com/batchmill/batchmill/transform/job"
	"github.com/batchmill/batchmill/transform/ledger"
	"github.com/batchmill/batchmill/transform/manifest"
	"github.com/batchmill/batchmill/transform/plan"
	"github.com/batchmill/batchmill/transform/store"
	"github.com/batchmill/batchmill/workers"
)

// TestLimitGrows: ever more records of one job, then all. No record is asked about twice, what was cut is built
// again, a limited run leaves its log and no mark, and in the end all is as after one run.
func TestLimitGrows(t *testing.T) {
	for _, limits := range [][]int64{{1, 2, 3, 0}, {19, 20, 21, 0}, {5, 20, 0}, {20, 40, 60, 0}, {59, 0}, {7, 7, 1000, 0}, {1000, 0}} {
		synctest.Test(t, func(t *testing.T) {
			w := smallJob(3, 20)
			for _, limit := range limits {
				w.spec.Limit = limit
				res, err := w.runOn(t.Context(), w.input, w.output)
				if err != nil {
					t.Fatalf("limits %v, at %d: %v", limits, limit, err)
				}
				if limit > 0 {
					w.limited(t, res, limit)
				}
			}
			w.asOneRun(t, fmt.Sprintf("limits %v", limits))
			for id, n := range w.hosts[0].asked {
				if n != 1 {
					t.Errorf("limits %v: record %d was asked about %d times", limits, id, n)
				}
			}
		})
	}
}

// limited holds what a run with a limit left, at its end, against the limit.
func (w *world) limited(t *testing.T, res *transform.Result, limit int64) {
	t.Helper()
	seen, left := w.output.Snapshot(), limit
	if seen[ledger.LogName] == nil {
		t.Errorf("limit %d: the log is gone", limit)
	}
	if _, marked := seen[plan.SuccessName]; marked || res.Manifest.Limit != limit {
		t.Errorf("limit %d: marked: %v, the manifest has limit %d", limit, marked, res.Manifest.Limit)
	}
	for i := range w.objects {
		o := w.objects[i]
		n := min(left, int64(len(o.records)))
		cut := left > 0 && left == n
		left -= n
		o.records = o.records[:n]
		got, there := seen[o.name]
		if there != (n > 0) || there && !bytes.Equal(got, w.expect(&o, nil)) {
			t.Errorf("limit %d: %s is there: %v, and is not its first %d records", limit, o.name, there, n)
		}
		if n > 0 && res.Manifest.Objects[i].Cut != cut {
			t.Errorf("limit %d: %s is cut: %v", limit, o.name, !cut)
		}
	}
	s, err := ledger.ReadStatus(t.Context(), w.output, false)
	if err != nil || s.State != ledger.JobFinished || s.Limit != limit || s.Objects.Total != int64(len(w.objects)) {
		t.Errorf("limit %d: the status is %+v, %v", limit, s, err)
	}
}

// asOneRun holds a job that reached its end, by whatever limits, against one that had none.
func (w *world) asOneRun(t *testing.T, when string) {
	t.Helper()
	seen := w.output.Snapshot()
	for i := range w.objects {
		if diff := w.wholeOutput(i); diff != "" {
			t.Errorf("%s: %s", when, diff)
		}
	}
	if _, marked := seen[plan.SuccessName]; !marked || seen[ledger.LogName] != nil || strings.Contains(string(seen[plan.ManifestName]), "\n  \"limit\"") {
		t.Errorf("%s: marked: %v, the log is there: %v", when, marked, seen[ledger.LogName] != nil)
	}
}

// TestLimitGrowsAfterACrash: whatever a limited run, or the one that goes on from it, had done when the plug was
// pulled, the next goes on. What was published, or logged and durable, is not asked about again.
func TestLimitGrowsAfterACrash(t *testing.T) {
	points := 0
	defer func() { t.Attr("fault_points", strconv.Itoa(points)) }()
	for _, limits := range [][]int64{{5, 0}, {12, 15, 0}, {18, 24, 0}} {
		for at := range limits {
			for _, keep := range []int{0, 30, 1 << 20} {
				for n, crashed := int64(0), true; crashed && !t.Failed(); n++ {
					points++
					synctest.Test(t, func(t *testing.T) {
						when := fmt.Sprintf("limits %v, crash at operation %d of run %d, %d bytes torn", limits, n, at, keep)
						w := smallJob(3, 12)
						w.grow(t, limits[:at], when)
						before := maps.Clone(w.hosts[0].asked)
						w.spec.Limit = limits[at]
						crashed = w.crashAt(t, n, keep)
						w.grow(t, limits[at:], when)
						w.asOneRun(t, when)
						for id := range before {
							if w.hosts[0].asked[id] != 1 {
								t.Fatalf("%s: record %d was asked about %d times", when, id, w.hosts[0].asked[id])
							}
						}
					})
				}
			}
		}
	}
}

// grow runs the job to one limit after another.
func (w *world) grow(t *testing.T, limits []int64, when string) {
	t.Helper()
	for _, limit := range limits {
		w.spec.Limit = limit
		if _, err := w.runOn(t.Context(), w.input, w.output); err != nil {
			t.Fatalf("%s: limit %d: %v", when, limit, err)
		}
	}
}

// TestLimitDoesNotShrink: fewer records are another job, whether the log or only the manifest tells how many there
// were; nothing is changed. With --overwrite the outputs of fewer are built, from the log where there is one.
func TestLimitDoesNotShrink(t *testing.T) {
	for _, c := range []struct {
		limits []int64
		now    int64
		asked  int // how often record 0 is asked about, in the end
	}{{[]int64{30}, 10, 1}, {[]int64{10, 30}, 29, 1}, {[]int64{10, 0}, 30, 2}, {[]int64{0}, 1000, 2}} {
		synctest.Test(t, func(t *testing.T) {
			w := smallJob(3, 20)
			w.grow(t, c.limits, "first")
			before := w.output.Snapshot()
			w.spec.Limit = c.now
			_, err := w.runOn(t.Context(), w.input, w.output)
			if err == nil || transform.ClassOf(err) != job.Usage || !strings.Contains(err.Error(), "--limit") || transform.HintOf(err) == "" {
				t.Fatalf("%d after %v: %v", c.now, c.limits, err)
			}
			if err := sameFiles(w.output.Snapshot(), before); err != nil {
				t.Errorf("%d after %v: the refused run changed something: %v", c.now, c.limits, err)
			}
			w.spec.Overwrite = true
			res, err := w.runOn(t.Context(), w.input, w.output)
			if err != nil || res.Manifest.Totals.In != min(c.now, 60) || w.hosts[0].asked[0] != c.asked {
				t.Fatalf("%d after %v, with --overwrite: %+v, %v, record 0 asked about %d times", c.now, c.limits, res, err, w.hosts[0].asked[0])
			}
			w.spec.Overwrite = c.asked > 1 // where no log tells it any more, outputs behind the limit are not the new job's
			w.grow(t, []int64{c.now, 0}, "again")
			w.asOneRun(t, "after --overwrite")
		})
	}
}

// TestLimitNeedsItsLog: where the answers of a limited job were removed, the same command finds it done, and another
// limit is refused: what comes would not have to look as what was answered.
func TestLimitNeedsItsLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := smallJob(2, 20)
		w.grow(t, []int64{30}, "first")
		err := ledger.Clean(t.Context(), w.output, ledger.Cleaning{Forget: true, Removed: func(_, _ string) {}})
		if err != nil {
			t.Fatal(err)
		}
		if res, err := w.runOn(t.Context(), w.input, w.output); err != nil || !res.AlreadyDone {
			t.Errorf("the same limit: %+v, %v", res, err)
		}
		w.spec.Limit = 0
		var failure *job.Failure
		if _, err = w.runOn(t.Context(), w.input, w.output); !errors.As(err, &failure) || failure.Class != job.Usage {
			t.Errorf("no limit: %v", err)
		}
	})
}

// TestLimitReplacesOnlyItsOwn: what was put in the place of an output that the limit cut is not replaced.
func TestLimitReplacesOnlyItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := smallJob(2, 20)
		w.grow(t, []int64{30}, "first")
		if err := w.output.Put("o1", []byte("mine")); err != nil {
			t.Fatal(err)
		}
		w.spec.Limit = 0
		if _, err := w.runOn(t.Context(), w.input, w.output); err == nil || transform.ClassOf(err) != job.Usage {
			t.Errorf("error is %v", err)
		}
		if got := string(w.output.Snapshot()["o1"]); got != "mine" {
			t.Errorf("it holds %q now", got)
		}
	})
}

// TestLimitAmongRejects: the object that the limit cut is held, or holds rejects that are retried, and goes on all the same.
func TestLimitAmongRejects(t *testing.T) {
	for _, policy := range []string{"placeholder", "skip", "fail"} {
		synctest.Test(t, func(t *testing.T) {
			w := smallJob(2, 20, 25)
			w.spec.OnBad = policy
			w.grow(t, []int64{30}, policy)
			w.hosts[0].script = func(int) fault { return cut(0) } // whatever the record is
			if res, err := w.retryOn(t.Context(), w.output); err != nil || res.Manifest.Totals.Rejected != 0 || res.Manifest.Limit != 30 {
				t.Fatalf("%s: %+v, %v", policy, res, err)
			}
			w.grow(t, []int64{35, 0}, policy)
			w.asOneRun(t, policy)
		})
	}
}

// TestLimitThenHeld: the first records of an object were published, and among the others is a reject: under fail
// nothing of the object is visible.
func TestLimitThenHeld(t *testing.T) {
	for n, crashed := int64(0), true; crashed && !t.Failed(); n++ {
		synctest.Test(t, func(t *testing.T) {
			w := smallJob(2, 20, 35)
			w.spec.OnBad = "fail"
			w.grow(t, []int64{30}, "first")
			if w.output.Snapshot()["o1"] == nil {
				t.Fatal("the first records are not published")
			}
			w.spec.Limit = 0
			crashed = w.crashAt(t, n, 30)
			res, err := w.runOn(t.Context(), w.input, w.output)
			if err != nil || res.Objects.Held != 1 || w.output.Snapshot()["o1"] != nil {
				t.Errorf("crash at %d: %+v, %v; o1 is visible: %v", n, res, err, w.output.Snapshot()["o1"] != nil)
			}
		})
	}
}

// TestLimitBeforeTheLayout: no answer has said yet what the columns are when the limit ends the first run, and
// objects are published. They get the columns of the answers to come, as in one run.
func TestLimitBeforeTheLayout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		made := func(limits ...int64) map[string][]byte {
			w := smallJob(3, 2, 0, 1, 2)
			w.spec.OutputFormat, w.spec.ContentType, w.spec.Accept = "parquet", "application/jsonlines", "application/jsonlines"
			w.grow(t, limits, "layout")
			seen := w.output.Snapshot()
			maps.DeleteFunc(seen, func(name string, _ []byte) bool { return !strings.HasPrefix(name, "o") })
			return seen
		}
		if err := sameFiles(made(3, 0), made(0)); err != nil {
			t.Error(err)
		}
	})
}

// TestLimitBeforeAnAnswerThatSaysAnything: what a limited run guesses of columns, where its answers are null, binds no
// larger limit: in the end all is as after one run.
func TestLimitBeforeAnAnswerThatSaysAnything(t *testing.T) {
	answers := map[string]func(n int) string{
		"null, then objects": func(n int) string {
			if n < 25 {
				return "null"
			}
			return fmt.Sprintf(`{"a":%d,"b":"x"}`, n)
		},
		"a key that is null, then text": func(n int) string {
			if n < 25 {
				return fmt.Sprintf(`{"a":%d,"b":null}`, n)
			}
			return fmt.Sprintf(`{"a":%d,"b":"s%d"}`, n, n)
		},
		"empty objects": func(n int) string { return []string{"{}", "null"}[n%2] },
	}
	for name, answer := range answers {
		for _, format := range []string{"csv", "parquet", "jsonl"} {
			synctest.Test(t, func(t *testing.T) {
				host := &lineHost{"host", func(records []string) (string, string) {
					var list []string
					for _, r := range records {
						n, _ := strconv.Atoi(r)
						list = append(list, answer(n))
					}
					return "application/json", "[" + strings.Join(list, ",") + "]"
				}}
				in := store.NewMemory()
				for i := range 3 {
					var b strings.Builder
					for n := range 20 {
						fmt.Fprintf(&b, "%d\n", 20*i+n)
					}
					if err := in.Put(fmt.Sprintf("n%d.csv", i), []byte(b.String())); err != nil {
						t.Fatal(err)
					}
				}
				var outputs []map[string][]byte
				for _, limits := range [][]int64{{0}, {5, 22, 24, 0}, {20, 40, 0}} {
					out := store.NewMemory()
					for _, limit := range limits {
						s := job.Spec{Input: []string{"mem:in"}, Output: "mem:out", Header: "no", Accept: "application/json", OutputFormat: format,
							BatchRecords: 4, Limit: limit}
						if err := s.Validate(); err != nil {
							t.Fatal(err)
						}
						p, err := plan.New(t.Context(), s, []plan.Source{{Store: in}}, out, nil)
						if err != nil {
							t.Fatal(err)
						}
						res, err := transform.Run(t.Context(), closing(t, p), workers.Fleet{Hosts: []workers.Host{host}}, nil)
						if err != nil || res.Manifest.Totals.Rejected > 0 {
							t.Fatalf("%s, %s, limits %v at %d: %v, %+v", name, format, limits, limit, err, res)
						}
					}
					seen := out.Snapshot()
					maps.DeleteFunc(seen, func(name string, _ []byte) bool { return !strings.HasPrefix(name, "n") })
					outputs = append(outputs, seen)
				}
				for i := range outputs {
					if len(outputs[i]) != 3 || !maps.EqualFunc(outputs[i], outputs[0], bytes.Equal) {
						t.Errorf("%s, %s: with limits the outputs are %q, without %q", name, format, outputs[i], outputs[0])
					}
				}
			})
		}
	}
}

// TestLimitInTheManifest: a manifest whose limit and objects contradict each other is refused.
func TestLimitInTheManifest(t *testing.T) {
	object := func(uri string, n int64, cut bool) manifest.Object {
		return manifest.Object{Input: manifest.Input{URI: uri}, Output: &manifest.Output{URI: "out/" + uri}, Status: manifest.Published,
			Counts: manifest.Counts{In: n, Out: n, Answered: n}, Cut: cut}
	}
	for _, c := range []struct {
		limit   int64
		objects []manifest.Object
		ok      bool
	}{
		{0, []manifest.Object{object("a", 3, false), object("b", 2, false)}, true},
		{5, []manifest.Object{object("a", 3, false), object("b", 2, true)}, true},
		{9, []manifest.Object{object("a", 3, false), object("b", 2, false)}, true},
		{5, []manifest.Object{object("a", 3, true), object("b", 2, false)}, false},
		{0, []manifest.Object{object("a", 3, false), object("b", 2, true)}, false},
		{4, []manifest.Object{object("a", 3, false), object("b", 2, true)}, false},
		{-1, []manifest.Object{object("a", 3, false)}, false},
	} {
		var check manifest.Checker
		for i := range c.objects {
			check.Object(&c.objects[i])
		}
		if err := check.Check(&manifest.Manifest{Limit: c.limit, Totals: check.Totals()}); (err == nil) != c.ok {
			t.Errorf("limit %d, %d objects: %v", c.limit, len(c.objects), err)
		}
	}
}
