package jobtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/batchmill/batchmill/transform"
	"github.com/batchmill/batchmill/transform/job"
	"github.com/batchmill/batchmill/transform/plan"
	"github.com/batchmill/batchmill/transform/store"
	"github.com/batchmill/batchmill/workers"
)

// A brittle host dies of a record, with all that is in flight there, and is
// back a while later.
type brittle struct {
	mu    sync.Mutex
	rnd   *rand.Rand
	dead  chan struct{} // closed when it dies
	until time.Time     // it refuses connections
	asked int
}

func (h *brittle) Name() string { return "brittle" }

func (h *brittle) Ready(context.Context) (workers.Parameters, error) {
	return workers.Parameters{}, nil
}

func (h *brittle) Invoke(ctx context.Context, r *workers.Request) (workers.Response, error) {
	h.mu.Lock()
	h.asked++
	takes := time.Duration(1+h.rnd.IntN(200)) * time.Millisecond
	dead, refused := h.dead, time.Now().Before(h.until)
	h.mu.Unlock()
	if refused {
		return workers.Response{}, &workers.TransportError{Host: "brittle", Cause: workers.Unreachable, Err: errors.New("refused")}
	}
	select {
	case <-time.After(takes):
	case <-dead:
		return workers.Response{}, &workers.TransportError{Host: "brittle", Cause: workers.Broken, Err: errors.New("reset")}
	case <-ctx.Done():
		return workers.Response{}, ctx.Err()
	}
	if bytes.Contains(r.Body, []byte("poison")) {
		h.die()
		return workers.Response{}, &workers.TransportError{Host: "brittle", Cause: workers.Broken, Err: errors.New("reset")}
	}
	n := bytes.Count(r.Body, []byte("\n"))
	return workers.Response{Status: 200, ContentType: r.Accept, Body: append(r.Into[:0], bytes.Repeat([]byte("1\n"), n)...)}, nil
}

func (h *brittle) die() {
	h.mu.Lock()
	defer h.mu.Unlock()
	close(h.dead)
	h.dead, h.until = make(chan struct{}), time.Now().Add(2*time.Millisecond)
}

// TestARecordThatKillsItsHost: those that were in flight beside it may have failed
// alone too, at the very instants at which it did. None of them is to blame.
func TestARecordThatKillsItsHost(t *testing.T) {
	for seed := range uint64(150) {
		batch := []job.Auto{1, 2, 0}[seed%3]
		t.Run(fmt.Sprint("batches of ", batch, ", seed ", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				in, out := store.NewMemory(), store.NewMemory()
				var text bytes.Buffer
				for i := range 100 {
					fmt.Fprintf(&text, "%d,%s\n", i, map[bool]string{true: "poison", false: "good"}[i%5 == 3])
				}
				if err := in.Put("in.csv", text.Bytes()); err != nil {
					t.Fatal(err)
				}
				spec := job.Spec{Input: []string{"mem:in"}, Output: "mem:out", Header: "no", BatchRecords: batch, Concurrency: 6,
					MaxRejects: &job.Allowance{Count: 100}, HostWait: job.Duration(time.Hour)}
				if err := spec.Validate(); err != nil {
					t.Fatal(err)
				}
				plan, err := plan.New(t.Context(), spec, []plan.Source{{Store: in}}, out, nil)
				if err != nil {
					t.Fatal(err)
				}
				defer plan.Close()
				host := &brittle{rnd: rand.New(rand.NewPCG(seed, 5)), dead: make(chan struct{})}
				res, err := transform.Run(t.Context(), plan, workers.Fleet{Hosts: []workers.Host{host}}, new(transform.Progress))
				if err != nil {
					t.Fatal(err)
				}
				rejects := out.Snapshot()["_rejects/in.csv.jsonl"]
				if res.Manifest.Totals.Rejected != 20 || bytes.Count(rejects, []byte("poison")) != 20 {
					t.Errorf("%d rejects:\n%s", res.Manifest.Totals.Rejected, rejects)
				}
				t.Logf("%d requests", host.asked)
			})
		})
	}
}
