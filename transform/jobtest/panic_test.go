package jobtest

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/batchmill/batchmill/internal/caught"
	"github.com/batchmill/batchmill/transform"
	"github.com/batchmill/batchmill/transform/job"
	"github.com/batchmill/batchmill/transform/store"
	"github.com/batchmill/batchmill/transform/store/storetest"
	"github.com/batchmill/batchmill/workers"
)

// TestStorePanics has operation 0 of the input's store panic, then 1, then 2 ..., and
// so the output's: so every goroutine of a job panics that uses a store. The job must
// end, as an internal error, and the same command must finish it with the undisturbed
// run's bytes.
func TestStorePanics(t *testing.T) {
	for _, seed := range few(sweepSeeds) {
		want := undisturbed(t, seed)
		for _, side := range []string{"input", "output"} {
			t.Run(fmt.Sprintf("%s/%d", side, seed), func(t *testing.T) {
				n := int64(0)
				for done := false; !done && !t.Failed(); n++ {
					synctest.Test(t, func(t *testing.T) { done = storePanics(t, seed, side, n, want) })
				}
				if n < 5 {
					t.Errorf("only %d operations were tried", n)
				}
				t.Attr("fault_points", strconv.FormatInt(n, 10))
			})
		}
	}
}

// storePanics has operation n of one side panic, and tells whether there was none.
func storePanics(t *testing.T, seed uint64, side string, n int64, want map[string][]byte) (done bool) {
	w := calmWorld(seed)
	var in, out store.Store = w.input, w.output
	faulty := storetest.PanicAt(out, n)
	if side == "input" {
		faulty = storetest.PanicAt(in, n)
		in = faulty
	} else {
		out = faulty
	}
	err := caught.Err(func() error { // as the command line runs it: planning has no goroutine of its own
		_, err := w.runOn(t.Context(), in, out)
		return err
	})
	if faulty.Fired() {
		wantPanic(t, err)
	}
	w.mustFinish(t, n, want)
	return faulty.Ops() <= n
}

func wantPanic(t *testing.T, err error) {
	t.Helper()
	var p *caught.Panic
	if !errors.As(err, &p) || transform.ClassOf(err) != job.Internal || len(p.Stack) == 0 {
		t.Fatalf("a panic ended the job with %v", err)
	}
}

// panicking is a host of which one call panics.
type panicking struct {
	workers.Host
	ready, invoke int64 // which calls, from 1
	asked, sent   atomic.Int64
}

func (h *panicking) Ready(ctx context.Context) (workers.Parameters, error) {
	if h.asked.Add(1) == h.ready {
		panic("ready")
	}
	return h.Host.Ready(ctx)
}

func (h *panicking) Invoke(ctx context.Context, r *workers.Request) (workers.Response, error) {
	if h.sent.Add(1) == h.invoke {
		panic("invoke")
	}
	return h.Host.Invoke(ctx, r)
}

// TestHostPanics has request 1 panic, then 2, and so on, and the probe of readiness.
func TestHostPanics(t *testing.T) {
	seed := uint64(1)
	want := undisturbed(t, seed)
	for n := int64(0); ; n++ {
		reached := true
		synctest.Test(t, func(t *testing.T) {
			w := calmWorld(seed)
			h := &panicking{Host: w.hosts[0], invoke: n}
			if n == 0 {
				h.ready = 1
			}
			_, err := w.ask(t.Context(), w.input, w.output, []workers.Host{h}, false)
			if reached = n == 0 || h.sent.Load() >= n; reached {
				wantPanic(t, err)
			}
			w.mustFinish(t, n, want)
		})
		if t.Failed() {
			t.Fatalf("call %d", n)
		}
		if !reached {
			t.Attr("fault_points", strconv.FormatInt(n, 10))
			return
		}
	}
}
