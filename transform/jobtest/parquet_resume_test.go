package jobtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/batchmill/batchmill/transform"
	"github.com/batchmill/batchmill/transform/codec"
	"github.com/batchmill/batchmill/transform/job"
	"github.com/batchmill/batchmill/transform/store"
	"github.com/batchmill/batchmill/transform/store/storetest"
	"github.com/batchmill/batchmill/workers"
)

// parquetWorlds are jobs of each kind of Parquet output: spliced, spliced with
// rows left out, answers alone, text that becomes Parquet, and a text output.
func parquetWorlds(t testing.TB) map[string]func() *world {
	of := func(change func(*job.Spec)) func() *world {
		return func() *world {
			w := parquetJob(t, plainFile(t, 0, 30), plainFile(t, 100, 0), plainFile(t, 200, 21))
			change(&w.spec)
			w.hosts[0].script = refusing
			return w
		}
	}
	return map[string]func() *world{
		"spliced":      of(func(*job.Spec) {}),
		"skipping":     of(func(s *job.Spec) { s.OnBad = "skip" }),
		"answers":      of(func(s *job.Spec) { s.Join, s.RowGroup = "none", 7 }),
		"into text":    of(func(s *job.Spec) { s.OutputFormat, s.Compression = codec.FormatJSONL, "gzip" }),
		"from text":    textToParquet,
		"gzipped CSV":  of(func(s *job.Spec) { s.OutputFormat, s.Compression = codec.FormatCSV, "gzip" }),
		"sent in part": of(func(s *job.Spec) { s.InputFilter, s.OutputFilter = "id", "n,prediction" }),
	}
}

// refusing is a host that refuses ids that end in 13, and answers nothing else but numbers.
func refusing(n int) fault {
	return func(h *fakeHost, r *workers.Request, ids []int) (workers.Response, error) {
		for _, id := range ids {
			if id%100 == 13 {
				return workers.Response{Status: 400}, nil
			}
		}
		return answering(answerTo)(n)(h, r, ids)
	}
}

func textToParquet() *world {
	w := smallJob(3, 25)
	w.spec.OutputFormat, w.spec.RowGroup = codec.FormatParquet, 7
	w.hosts[0].script = refusing
	return w
}

// outputsOf runs a job and returns what is visible then.
func (w *world) outputsOf(t *testing.T) map[string][]byte {
	t.Helper()
	w.mustRun(t)
	return comparableFiles(w.output.Snapshot())
}

func sameFiles(got, want map[string][]byte) error {
	if len(got) != len(want) {
		return fmt.Errorf("%d files, want %d", len(got), len(want))
	}
	for name := range want {
		if !bytes.Equal(got[name], want[name]) {
			return fmt.Errorf("%s differs: %s", name, difference(got[name], want[name]))
		}
	}
	return nil
}

// TestBatchesLeaveNoTrace: however batches fall, outputs are the same bytes.
func TestBatchesLeaveNoTrace(t *testing.T) {
	for name, fresh := range parquetWorlds(t) {
		var want map[string][]byte
		for _, records := range []int{1000, 1, 2, 3, 7, 8, 9} {
			synctest.Test(t, func(t *testing.T) {
				w := fresh()
				w.spec.BatchRecords, w.spec.Concurrency = job.Auto(records), 4
				w.hosts[0].latency = time.Millisecond
				got := w.outputsOf(t)
				if want == nil {
					want = got
				}
				if err := sameFiles(got, want); err != nil {
					t.Errorf("%s: %d records a batch: %v", name, records, err)
				}
			})
		}
	}
}

// TestParquetResumes ends a job at every instant between two answers. The same
// command then finishes it with the same bytes. Without records that keep their
// batches waiting, it asks nothing twice.
func TestParquetResumes(t *testing.T) {
	for name, fresh := range parquetWorlds(t) {
		for _, host := range []func(int) fault{refusing, answering(answerTo)} {
			var want map[string][]byte
			synctest.Test(t, func(t *testing.T) {
				w := fresh()
				w.hosts[0].script = host
				want = w.outputsOf(t)
			})
			for after := 1; after < 20; after += 2 {
				synctest.Test(t, func(t *testing.T) {
					w := fresh()
					w.hosts[0].script = host
					w.resume(t, after, want)
					for id, n := range w.hosts[0].asked {
						if n > 1 && len(w.rejectsIn(t, "o0.parquet"))+len(w.rejectsIn(t, "o0")) == 0 {
							t.Errorf("%s: stopped after %d requests: record %d was asked about %d times", name, after, id, n)
						}
					}
					if t.Failed() {
						t.Errorf("%s: stopped after %d requests", name, after)
					}
				})
			}
		}
	}
}

// resume stops the job after so many requests and runs it again.
func (w *world) resume(t *testing.T, after int, want map[string][]byte) {
	t.Helper()
	host := w.hosts[0].script
	w.spec.BatchRecords = 3
	w.stopAfter(t, after)
	w.hosts[0].script = host
	w.spec.BatchRecords = 4 // how the rest falls changes nothing
	if err := sameFiles(w.outputsOf(t), want); err != nil {
		t.Error(err)
	}
}

// stopAfter runs the job until its host has answered so often, and then ends it
// in good order.
func (w *world) stopAfter(t *testing.T, requests int) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	host := w.hosts[0].script
	w.hosts[0].pace = time.Millisecond
	w.hosts[0].script = func(n int) fault {
		if n == requests {
			cancel()
		}
		if host == nil {
			return nil
		}
		return host(n)
	}
	_, err := w.runOn(ctx, w.input, w.output)
	if err != nil && !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	for name, data := range w.output.Snapshot() {
		if strings.HasSuffix(name, ".parquet") {
			if _, err := readParquet(data); err != nil {
				t.Errorf("%s is visible, and not whole: %v", name, err)
			}
		}
	}
}

// TestParquetInputChanges: a job does not go on with an input that is not the
// one it began with.
func TestParquetInputChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := parquetJob(t, plainFile(t, 0, 30))
		w.spec.BatchRecords = 3
		w.stopAfter(t, 4)
		if err := w.input.Put("o0.parquet", plainFile(t, 0, 31)); err != nil {
			t.Fatal(err)
		}
		asked := w.hosts[0].count
		_, err := w.runOn(t.Context(), w.input, w.output)
		if err == nil || transform.ClassOf(err) != job.Usage || !strings.Contains(err.Error(), "o0.parquet") || w.hosts[0].count > asked {
			t.Errorf("error %v of class %d, %d more requests", err, transform.ClassOf(err), w.hosts[0].count-asked)
		}
	})
}

var faultKinds = map[string]func(store.Store, int64, error) *storetest.Faulty{"not done": storetest.FailAt, "reply lost": storetest.FailAfter}

// TestParquetStoreFaults fails every operation of the input's store and of the
// output's in turn, every ReadAt among them. What fails is said, nothing that
// is visible is damaged, and the same command finishes with the same bytes.
func TestParquetStoreFaults(t *testing.T) {
	worlds := parquetWorlds(t)
	for _, name := range []string{"spliced", "skipping", "answers", "from text"} {
		fresh := worlds[name]
		var want map[string][]byte
		synctest.Test(t, func(t *testing.T) { want = fresh().outputsOf(t) })
		for _, side := range []string{"input", "output"} {
			for kind, fail := range faultKinds {
				if side == "input" && kind == "reply lost" {
					continue // a read that is not done and one that is lost are the same
				}
				n, done := int64(0), false
				for ; !done && !t.Failed(); n++ {
					synctest.Test(t, func(t *testing.T) {
						done = fresh().faultAt(t, side == "input", fail, n, want)
					})
				}
				t.Attr("fault_points", strconv.FormatInt(n, 10))
				if t.Failed() || n < 10 {
					t.Fatalf("%s, %s, %s: operation %d", name, side, kind, n)
				}
			}
		}
	}
}

// faultAt fails operation n, and tells whether there was none.
func (w *world) faultAt(t *testing.T, input bool, fail func(store.Store, int64, error) *storetest.Faulty, n int64, want map[string][]byte) bool {
	t.Helper()
	var in, out store.Store = w.input, w.output
	var faulty *storetest.Faulty
	if input {
		faulty = fail(in, n, errInjected)
		in = faulty
	} else {
		faulty = fail(out, n, errInjected)
		out = faulty
	}
	res, err := w.runOn(t.Context(), in, out)
	switch {
	case faulty.Fired() && err == nil && res.Storage == nil:
		t.Errorf("fault %d was swallowed", n)
	case faulty.Fired() && err != nil && transform.ClassOf(err) != job.Storage:
		t.Errorf("fault %d is of class %d: %v", n, transform.ClassOf(err), err)
	}
	for name, data := range comparableFiles(w.output.Snapshot()) {
		if !bytes.Equal(data, want[name]) {
			t.Errorf("fault %d: %s is visible, and is not what it will be: %s", n, name, difference(data, want[name]))
		}
	}
	w.mustFinish(t, n, want)
	return faulty.Ops() <= n
}
