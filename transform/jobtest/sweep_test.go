package jobtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"testing"
	"testing/synctest"

	"github.com/batchmill/batchmill/transform"
	"github.com/batchmill/batchmill/transform/plan"
	"github.com/batchmill/batchmill/transform/store"
	"github.com/batchmill/batchmill/transform/store/storetest"
	"github.com/batchmill/batchmill/workers"
)

var errInjected = errors.New("injected fault")

// sweepSeeds are worlds with several objects, rejects and held objects.
var sweepSeeds = []uint64{3, 11, 18, 21}

// TestStoreFaults fails operation 0, then 1, then 2 ... of the input's store
// and of the output's, until a run needs no more operations than that. Every
// fault must be reported, nothing half-written may be visible, and the same
// command must finish the job afterwards, with the undisturbed run's bytes.
func TestStoreFaults(t *testing.T) {
	kinds := map[string]func(store.Store, int64, error) *storetest.Faulty{
		"not done": storetest.FailAt, "done, reply lost": storetest.FailAfter,
	}
	for name, fail := range kinds {
		for _, seed := range few(sweepSeeds) {
			for _, side := range []string{"input", "output"} {
				t.Run(fmt.Sprintf("%s/%s/%d", name, side, seed), func(t *testing.T) {
					n := sweep(t, seed, side == "input", fail)
					if n < 5 {
						t.Errorf("only %d operations were tried", n)
					}
				})
			}
		}
	}
}

func sweep(t *testing.T, seed uint64, input bool, fail func(store.Store, int64, error) *storetest.Faulty) int64 {
	want := undisturbed(t, seed)
	for n := int64(0); ; n++ {
		done := false
		synctest.Test(t, func(t *testing.T) {
			w := calmWorld(seed)
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
			done = faulty.Ops() <= n
			if faulty.Fired() && err == nil && res.Storage == nil {
				t.Fatalf("fault %d was swallowed", n)
			}
			if _, ok := w.output.Snapshot()[plan.SuccessName]; ok && err == nil && !done && res.Storage != nil {
				t.Fatalf("fault %d: the mark of success stands although an object failed", n)
			}
			w.mustFinish(t, n, want)
		})
		if done || t.Failed() {
			t.Attr("fault_points", strconv.FormatInt(n, 10))
			return n
		}
	}
}

// TestHostFaults lets request 0 go wrong in every way there is, then request 1,
// and so on. One failure costs no record and changes no byte.
func TestHostFaults(t *testing.T) {
	for _, seed := range few(sweepSeeds) {
		want := undisturbed(t, seed)
		for kind, f := range faults {
			n, reached := 0, true
			for ; reached; n++ {
				synctest.Test(t, func(t *testing.T) {
					w := calmWorld(seed)
					w.hosts = w.hosts[:1]
					w.hosts[0].script = func(i int) fault {
						if i == n {
							return f
						}
						return nil
					}
					w.mustFinish(t, int64(n), want)
					reached = w.hosts[0].count > n
				})
				if t.Failed() {
					t.Fatalf("seed %d, fault %d", seed, kind)
				}
			}
			t.Attr("fault_points", strconv.Itoa(n))
		}
	}
}

// calmWorld is a world whose hosts make no mistakes, so that runs can be compared.
func calmWorld(seed uint64) *world {
	w := newWorld(seed)
	w.makeHosts()
	for _, h := range w.hosts {
		h.faults, h.down, h.limit = 0, nil, 0
	}
	return w
}

func (w *world) runOn(ctx context.Context, in, out store.Store) (*transform.Result, error) {
	return w.runAs(ctx, in, out, false)
}

// retryOn asks again about the rejects.
func (w *world) retryOn(ctx context.Context, out store.Store) (*transform.Result, error) {
	return w.runAs(ctx, w.input, out, true)
}

func (w *world) runAs(ctx context.Context, in, out store.Store, retry bool) (*transform.Result, error) {
	var hosts []workers.Host
	for _, h := range w.hosts {
		hosts = append(hosts, h)
	}
	return w.ask(ctx, in, out, hosts, retry)
}

// ask runs the job with hosts.
func (w *world) ask(ctx context.Context, in, out store.Store, hosts []workers.Host, retry bool) (*transform.Result, error) {
	spec := w.spec
	if err := spec.Validate(); err != nil {
		return nil, err
	}
	plan, err := plan.New(ctx, spec, []plan.Source{{Store: in}}, out, nil)
	if err != nil {
		return nil, err
	}
	defer plan.Close()
	plan.RetryRejects, plan.Notice = retry, w.notice
	if w.image != "" {
		plan.SetImage("model", w.image)
	}
	res, err := transform.Run(ctx, plan, workers.Fleet{Hosts: hosts}, new(transform.Progress))
	return whole(w.output, res, err)
}

// undisturbed is what is visible after a run that nothing disturbed, but for
// what may differ: the manifest and the working state.
func undisturbed(t *testing.T, seed uint64) map[string][]byte {
	var seen map[string][]byte
	synctest.Test(t, func(t *testing.T) {
		w := calmWorld(seed)
		if _, err := w.runOn(t.Context(), w.input, w.output); err != nil {
			t.Fatal(err)
		}
		seen = comparableFiles(w.output.Snapshot())
	})
	return seen
}

func comparableFiles(seen map[string][]byte) map[string][]byte {
	for name := range seen {
		if name == plan.ManifestName || bytes.HasPrefix([]byte(name), []byte(plan.WorkDir+"/")) || bytes.HasPrefix([]byte(name), []byte(plan.RejectsDir+"/")) {
			delete(seen, name)
		}
	}
	return seen
}

func (w *world) mustFinish(t *testing.T, n int64, want map[string][]byte) {
	if _, err := w.runOn(t.Context(), w.input, w.output); err != nil {
		t.Fatalf("after fault %d: %v", n, err)
	}
	got := comparableFiles(w.output.Snapshot())
	if len(got) != len(want) {
		t.Fatalf("after fault %d: %d files, not %d", n, len(got), len(want))
	}
	for name := range want {
		if !bytes.Equal(got[name], want[name]) {
			t.Fatalf("after fault %d: %s differs: %s", n, name, difference(got[name], want[name]))
		}
	}
}
