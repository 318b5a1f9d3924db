package workers

import (
	"context"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// outage is a server that answers everything with a 503 for a while.
type outage struct {
	*server
	from, to time.Time
	good     atomic.Int64
}

func (o *outage) Invoke(ctx context.Context, r *Request) (Response, error) {
	if now := time.Now(); now.After(o.from) && now.Before(o.to) {
		return Response{Status: 503}, Sleep(ctx, time.Millisecond)
	}
	resp, err := o.server.Invoke(ctx, r)
	if err == nil {
		o.good.Add(1)
	}
	return resp, err
}

// TestAnOutageIsNoFullHost: a host that refuses everything for a moment gets what it
// got before as soon as it answers again, however long the moment was.
func TestAnOutageIsNoFullHost(t *testing.T) {
	for _, d := range []time.Duration{10 * time.Millisecond, 50 * time.Millisecond, 200 * time.Millisecond, time.Second, 2 * time.Second} {
		inBubble(t, func(t *testing.T) {
			s := &server{name: "a", places: 64, mean: 200 * time.Millisecond, jitter: 0.2, queue: make(chan struct{}, 64), rnd: rand.New(rand.NewPCG(1, 7))}
			now := time.Now()
			o := &outage{server: s, from: now.Add(time.Minute), to: now.Add(time.Minute + d)}
			p := NewPool(Fleet{Hosts: []Host{o}}, Limits{})
			if err := p.warm(t.Context(), p.Members()[0]); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			var wg sync.WaitGroup
			var next atomic.Int64
			for range 300 {
				wg.Go(func() {
					for ctx.Err() == nil {
						_ = answered(ctx, p, next.Add(1), 100)
					}
				})
			}
			time.Sleep(time.Minute)
			before := o.good.Load()
			time.Sleep(2 * time.Minute)
			if share := float64(o.good.Load()-before) / 120 / s.ceiling(); share < 0.92 {
				t.Errorf("refused for %v, and at %.0f%% of the ceiling in the two minutes from then on", d, 100*share)
			}
			cancel()
			wg.Wait()
		})
	}
}

// inPods is a source whose hosts the test names.
type inPods struct{}

func (*inPods) Name() string { return "pods" }

func (*inPods) Watch(ctx context.Context, _ func([]Host), _ func(error)) error {
	<-ctx.Done()
	return ctx.Err()
}

// TestHostsThatLeftAreNotWatched: whoever watches one is told, and what is known of
// very many is kept together.
func TestHostsThatLeftAreNotWatched(t *testing.T) {
	s := new(inPods)
	p := NewPool(Fleet{Sources: []Source{s}}, Limits{})
	var watching sync.WaitGroup
	for i := range 500 {
		for _, m := range p.Refresh(s, []Host{pinging{&fake{name: time.Duration(i).String()}}}) {
			watching.Go(func() {
				if err := p.Watch(t.Context(), m); err != nil {
					t.Error(err)
				}
			})
		}
		runtime.Gosched()
	}
	p.Refresh(s, nil)
	watching.Wait() // for ever, if one is still watched
	if n := len(p.Stats()); n > mostDeparted+1 {
		t.Errorf("%d hosts that left are told of one by one", n)
	}
}
