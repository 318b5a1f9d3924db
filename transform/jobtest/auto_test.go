package jobtest

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
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

// A known host serves so many invocations at once, each in a time that its
// records add to. What finds no place waits in silence.
type known struct {
	name             string
	places           int
	request, record  time.Duration
	jitter           float64
	slower           func(since time.Duration) float64
	stalls           time.Duration // when it begins to answer nothing; 0 is never
	began            time.Time
	queue            chan struct{}
	mu               sync.Mutex
	rnd              *rand.Rand
	inside, peak     int
	invoked, records int
}

func (h *known) Name() string { return h.name }

func (h *known) Ready(context.Context) (workers.Parameters, error) { return workers.Parameters{}, nil }

// rate is how many records a second it serves in batches of n.
func (h *known) rate(n int) float64 {
	return float64(n*h.places) / (h.request + time.Duration(n)*h.record).Seconds()
}

func (h *known) Invoke(ctx context.Context, r *workers.Request) (workers.Response, error) {
	n := bytes.Count(r.Body, []byte("\n"))
	h.enter(n)
	defer h.leave()
	select {
	case h.queue <- struct{}{}:
	case <-ctx.Done():
		return workers.Response{}, ctx.Err()
	}
	defer func() { <-h.queue }()
	since := time.Since(h.began)
	if h.stalls > 0 && since > h.stalls {
		select {
		case <-ctx.Done():
			return workers.Response{}, ctx.Err()
		case <-time.After(time.Minute):
			return workers.Response{}, &workers.TransportError{Host: h.name, Cause: workers.Broken, Err: context.DeadlineExceeded}
		}
	}
	if err := think(ctx, h.takes(n, since)); err != nil {
		return workers.Response{}, err
	}
	return workers.Response{Status: 200, ContentType: r.Accept, Body: append(r.Into[:0], strings.Repeat("1\n", n)...)}, nil
}

func (h *known) enter(n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.inside++
	h.peak = max(h.peak, h.inside)
	h.invoked++
	h.records += n
}

func (h *known) leave() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.inside--
}

func (h *known) takes(n int, since time.Duration) time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	d := float64(h.request+time.Duration(n)*h.record) * (1 + h.jitter*(2*h.rnd.Float64()-1))
	if h.slower != nil {
		d *= h.slower(since)
	}
	return max(time.Duration(d), time.Microsecond)
}

// runKnown runs a job of so many records, told nothing, and returns how long it took.
func runKnown(t *testing.T, records int, change func(*job.Spec), hosts ...*known) (time.Duration, *transform.Result) {
	t.Helper()
	in := store.NewMemory()
	if err := in.Put("in.csv", bytes.Repeat([]byte("7\n"), records)); err != nil {
		t.Fatal(err)
	}
	spec := job.Spec{Input: []string{"mem:in"}, Output: "mem:out", Header: "no"}
	if change != nil {
		change(&spec)
	}
	if err := spec.Validate(); err != nil {
		t.Fatal(err)
	}
	plan, err := plan.New(t.Context(), spec, []plan.Source{{Store: in}}, store.NewMemory(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer plan.Close()
	var fleet workers.Fleet
	for i, h := range hosts {
		h.name = fmt.Sprint("host", i)
		h.queue, h.rnd, h.began = make(chan struct{}, h.places), rand.New(rand.NewPCG(3, uint64(i))), time.Now()
		fleet.Hosts = append(fleet.Hosts, h)
	}
	began := time.Now()
	res, err := transform.Run(t.Context(), plan, fleet, new(transform.Progress))
	if err != nil {
		t.Fatal(err)
	}
	if in := res.Manifest.Totals.In; in != int64(records) || res.Manifest.Totals.Rejected > 0 {
		t.Fatalf("%d records, %d rejects", in, res.Manifest.Totals.Rejected)
	}
	return time.Since(began), res
}

// bestRate is the rate at the largest batch whose answers take less than a second.
func (h *known) bestRate(most int) float64 {
	n := most
	if h.record > 0 {
		n = min(most, int((time.Second-h.request)/h.record))
	}
	return h.rate(max(n, 1))
}

func TestAutoReachesTheCeiling(t *testing.T) {
	const ms = time.Millisecond
	for name, h := range map[string]*known{
		"4 in 50 ms and 0.5 ms a record": {places: 4, request: 50 * ms, record: ms / 2, jitter: 0.1},
		"16 in 5 ms and 1 ms a record":   {places: 16, request: 5 * ms, record: ms, jitter: 0.1},
		"1 in 10 ms and 2 ms a record":   {places: 1, request: 10 * ms, record: 2 * ms, jitter: 0.1},
		"8 with 0.9 s a record":          {places: 8, request: ms, record: 900 * ms, jitter: 0.1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				seconds := 120.0
				if h.record > 100*ms {
					seconds = 400 // for its answers take long
				}
				records := int(seconds * h.bestRate(math.MaxInt32))
				took, res := runKnown(t, records, nil, h)
				share := seconds / took.Seconds()
				t.Logf("%.1f%% of the ceiling, batches of %d, limit %d, %d requests, peak %.1f", 100*share, res.Manifest.Settled.BatchRecords,
					res.Manifest.Hosts[0].Limit, h.invoked, float64(h.peak)/float64(h.places))
				if share < 0.95 {
					t.Errorf("reached %.1f%% of the ceiling, want 95%%: %v", 100*share, res.Manifest.Hosts[0].Limits)
				}
				if h.peak > 5*h.places {
					t.Errorf("%d at once at a host that serves %d", h.peak, h.places)
				}
			})
		})
	}
}

// fleetOf makes n hosts alike.
func fleetOf(n int, change func(i int, h *known)) []*known {
	hosts := make([]*known, n)
	for i := range hosts {
		hosts[i] = &known{places: 8, request: 100 * time.Millisecond, jitter: 0.2}
		change(i, hosts[i])
	}
	return hosts
}

// fixedBatch fixes what the test does not look at.
func fixedBatch(s *job.Spec) { s.BatchRecords = 100 }

func TestFleetReachesItsSum(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hosts := fleetOf(4, func(i int, h *known) { h.places *= []int{1, 1, 2, 4}[i] })
		const seconds = 60
		sum := 0.0
		for _, h := range hosts {
			sum += h.rate(100)
		}
		took, res := runKnown(t, int(seconds*sum), fixedBatch, hosts...)
		share := seconds / took.Seconds()
		t.Logf("%.1f%% of the sum, %d requests of %d", 100*share, res.Manifest.Totals.Requests, int(seconds*sum)/100)
		if share < 0.95 {
			t.Errorf("reached %.1f%% of the sum of the hosts, want 95%%", 100*share)
		}
	})
}

// TestOneOfFourGoesBad: from the middle of the job on, it is as fast as the three
// others are, within a tenth.
func TestOneOfFourGoesBad(t *testing.T) {
	const half = 20 * time.Second
	for name, bad := range map[string]func(h *known){
		"stalls": func(h *known) { h.stalls = half },
		"10 times slower": func(h *known) {
			h.slower = func(since time.Duration) float64 { return 1 + 9*float64(min(1, since/half)) }
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				hosts := fleetOf(4, func(i int, h *known) {
					if i == 2 {
						bad(h)
					}
				})
				rate := hosts[0].rate(100)
				records := int(4*rate*half.Seconds() + 3*rate*half.Seconds())
				took, res := runKnown(t, records, fixedBatch, hosts...)
				ideal := 2 * half
				t.Logf("%.2f times the ideal; requests %d of %d, hedges %d", took.Seconds()/ideal.Seconds(), res.Manifest.Totals.Requests, records/100, res.Manifest.Hosts[2].Hedges)
				if took > ideal*11/10 {
					t.Errorf("took %v, want at most a tenth more than %v", took, ideal)
				}
			})
		})
	}
}
