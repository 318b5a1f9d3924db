package knownhost

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/batchmill/batchmill/workers/reference"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Clients that ask again and again get what the ceiling says, in virtual time.
func TestHostReachesItsCeiling(t *testing.T) {
	for _, c := range []struct {
		name             string
		m                Model
		clients, records int
	}{
		{"queue", Model{Places: 4, Latency: 50 * ms, Jitter: 10 * ms}, 6, 1},
		{"one place", Model{Places: 1, Latency: 20 * ms, Jitter: 4 * ms}, 2, 1},
		{"refusing", Model{Places: 16, Latency: 50 * ms, Jitter: 10 * ms, Refuse: true}, 16, 1},
		{"growing", Model{Places: 24, Latency: 50 * ms, Jitter: 10 * ms, Growth: 0.05}, 30, 1},
		{"per record", Model{Places: 4, Latency: 50 * ms, PerRecord: ms / 2}, 5, 100},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const long = time.Minute
				h := bare(t, Options{Model: c.m, Start: time.Now()})
				ctx, cancel := context.WithTimeout(t.Context(), long)
				defer cancel()
				var clients sync.WaitGroup
				for range c.clients {
					clients.Go(func() {
						for ctx.Err() == nil {
							ask(ctx, h, c.records)
						}
					})
				}
				clients.Wait()
				all, good := h.Requests(), 0
				for _, r := range all {
					if r.Good() {
						good++
					}
				}
				want := Invocations(long, c.records, c.m)
				if share := float64(good) / want; share < 0.98 || share > 1.02 {
					t.Errorf("%d invocations, the ceiling is %.0f", good, want)
				}
				if most := Most(all); most != c.clients {
					t.Errorf("%d at once, of %d clients", most, c.clients)
				}
			})
		})
	}
}

// bare is a host without a listener.
func bare(t *testing.T, o Options) *Host {
	t.Helper()
	model, err := reference.New(o.Model.options(o.Seed))
	if err != nil {
		t.Fatal(err)
	}
	h := newHost(o, model)
	t.Cleanup(h.Close)
	return h
}

// ask is false where the connection would have been broken off.
func ask(ctx context.Context, h *Host, records int) (answered bool) {
	defer func() {
		if broken := recover(); broken != nil && broken != http.ErrAbortHandler {
			panic(broken)
		}
	}()
	r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/invocations", strings.NewReader(strings.Repeat("1\n", records)))
	r.Header.Set("Content-Type", "text/csv")
	h.ServeHTTP(httptest.NewRecorder(), r)
	return true
}

func TestStalled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		h := bare(t, Options{Model: Model{Places: 1, Latency: time.Second}, Start: start})
		time.AfterFunc(1500*ms, func() { h.Turn(Stall) })
		if !ask(t.Context(), h, 1) {
			t.Error("no answer before it stalled")
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		for _, when := range []string{"in service when it stalled", "when it had stalled"} {
			if ask(ctx, h, 1) || time.Since(start) != time.Second+time.Minute {
				t.Errorf("%s: an answer, or an end before the client's, after %v", when, time.Since(start))
			}
		}
		if all := h.Requests(); len(all) != 3 || !all[0].Good() || all[1].Status != 0 || all[2].Status != 0 {
			t.Errorf("noted %+v", all)
		}
	})
}

func TestSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := bare(t, Options{Model: Model{Places: 1, Latency: time.Second}})
		h.Turn(Slow)
		start := time.Now()
		if !ask(t.Context(), h, 1) || time.Since(start) != SlowTimes*time.Second {
			t.Errorf("it took %v", time.Since(start))
		}
	})
}

// Over the wire, for a connection that is reset is not one that ends.
func TestDead(t *testing.T) {
	answered, signal := make(chan struct{}, 1), make(chan struct{})
	h, err := Start(Options{Model: Model{Places: 2}, Start: time.Now(), Answered: func() { answered <- struct{}{} }})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	h.TurnOn(signal, Die)
	var client http.Client
	defer client.CloseIdleConnections()
	post := func() (string, error) {
		resp, err := client.Post(h.URL+"/invocations", "text/csv", strings.NewReader("17,x\n"))
		if err != nil {
			return "", err
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		return string(text), err
	}
	if text, err := post(); text != "0.7\n" || err != nil {
		t.Fatalf("%q, %v", text, err)
	}
	<-answered
	close(signal)
	<-h.closed.Done()
	if text, err := post(); err == nil {
		t.Errorf("a dead host answered %q", text)
	}
	h.Close()
	if all := h.Requests(); len(all) != 1 || !all[0].Good() {
		t.Errorf("noted %+v", all)
	}
}

// A request in service when its host dies gets no answer, not an empty one.
func TestDeadInService(t *testing.T) {
	h, err := Start(Options{Model: Model{Places: 1, Latency: time.Hour}, Start: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	var client http.Client
	defer client.CloseIdleConnections()
	sent := make(chan error)
	go func() {
		resp, err := client.Post(h.URL+"/invocations", "text/csv", eventually{strings.NewReader("1\n"), func() { h.Turn(Die) }})
		if err == nil {
			resp.Body.Close()
		}
		sent <- err
	}()
	if err := <-sent; err == nil {
		t.Error("an answer from a dead host")
	}
}

// eventually calls then when all has been read.
type eventually struct {
	io.Reader
	then func()
}

func (e eventually) Read(b []byte) (int, error) {
	n, err := e.Reader.Read(b)
	if err == io.EOF {
		time.AfterFunc(50*ms, e.then) // most of the time it is in service by then; it must not matter
	}
	return n, err
}
