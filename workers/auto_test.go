package workers

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// A server is a host whose best is known: it serves so many requests at once.
type server struct {
	name    string
	places  int
	mean    time.Duration // of an invocation
	jitter  float64       // up to this share of mean, more or less
	heavy   bool          // times are exponential about mean
	grows   float64       // each other request in service adds this share of mean
	refuses bool          // what finds no place gets a 429, else it waits its turn
	factor  func(now time.Time) float64

	mu      sync.Mutex
	rnd     *rand.Rand
	queue   chan struct{}
	serving int
	inside  int // serving or waiting
	peak    int
	asked   int
	refused int
}

func (s *server) Name() string { return s.name }

func (s *server) Ready(ctx context.Context) (Parameters, error) { return Parameters{}, ctx.Err() }

// ceiling is the most invocations a second.
func (s *server) ceiling() float64 {
	best := 0.0
	for n := 1; n <= s.places; n++ {
		best = max(best, float64(n)/(s.mean.Seconds()*(1+s.grows*float64(n-1))))
	}
	return best
}

func (s *server) Invoke(ctx context.Context, r *Request) (Response, error) {
	s.mu.Lock()
	s.asked++
	if s.refuses && s.serving >= s.places {
		s.refused++
		s.mu.Unlock()
		return Response{Status: 429}, Sleep(ctx, time.Millisecond)
	}
	s.inside++
	s.peak = max(s.peak, s.inside)
	s.mu.Unlock()
	defer func() { s.mu.Lock(); s.inside--; s.mu.Unlock() }()
	select {
	case s.queue <- struct{}{}:
	case <-ctx.Done():
		return Response{}, ctx.Err()
	}
	defer func() { s.mu.Lock(); s.serving--; s.mu.Unlock(); <-s.queue }()
	if err := Sleep(ctx, s.begin()); err != nil {
		return Response{}, err
	}
	return Response{Status: 200}, nil
}

// begin draws how long an invocation takes.
func (s *server) begin() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.serving++
	d := s.mean.Seconds() * (1 + s.grows*float64(s.serving-1))
	if s.heavy {
		d *= s.rnd.ExpFloat64()
	} else {
		d *= 1 + s.jitter*(2*s.rnd.Float64()-1)
	}
	if s.factor != nil {
		d *= s.factor(time.Now())
	}
	return max(time.Duration(d*float64(time.Second)), time.Microsecond)
}

// drive sends so many requests of so many records to the servers as a job does, and
// returns how long it took.
func drive(t *testing.T, n, records int, l Limits, servers ...*server) (time.Duration, *Pool) {
	t.Helper()
	var f Fleet
	for i, s := range servers {
		s.name = fmt.Sprint("host", i)
		s.queue, s.rnd = make(chan struct{}, s.places), rand.New(rand.NewPCG(uint64(i), 7))
		f.Hosts = append(f.Hosts, s)
	}
	p := NewPool(f, l)
	for _, m := range p.Members() {
		if err := p.warm(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	start := time.Now()
	askAll(t, p, n, records, 300*len(servers))
	return time.Since(start), p
}

// askAll sends n requests, and has so many of them under way or waiting.
func askAll(t *testing.T, p *Pool, n, records, clients int) {
	t.Helper()
	var next atomic.Int64
	var wg sync.WaitGroup
	for range clients {
		wg.Go(func() {
			for {
				order := next.Add(1)
				if order > int64(n) {
					return
				}
				if err := answered(t.Context(), p, order, records); err != nil {
					t.Errorf("request %d: %v", order, err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// answered asks until there is a good answer.
func answered(ctx context.Context, p *Pool, order int64, records int) error {
	for tries := 1; ; tries++ {
		l, err := p.Acquire(ctx, Wish{Order: order})
		if err != nil {
			return err
		}
		l.Records = records
		resp, err := l.Invoke(ctx, &Request{})
		o := Classify(resp, err)
		if err != nil && ctx.Err() != nil {
			return errors.Join(err, ctx.Err())
		}
		l.Release(o, Blame(o, State{Records: 2, Tries: 1, HostGood: l.Member().Good(), JobGood: true}))
		if o.Cause == Good {
			return nil
		}
	}
}

func TestFindsWhatAHostServesBest(t *testing.T) {
	for name, s := range map[string]*server{
		"1 in 20 ms":               {places: 1, mean: 20 * time.Millisecond, jitter: 0.2},
		"3 in 30 ms":               {places: 3, mean: 30 * time.Millisecond, jitter: 0.2},
		"4 in 50 ms":               {places: 4, mean: 50 * time.Millisecond, jitter: 0.2},
		"16 in 100 ms":             {places: 16, mean: 100 * time.Millisecond, jitter: 0.2},
		"17 in 100 ms, no jitter":  {places: 17, mean: 100 * time.Millisecond},
		"23 in 70 ms":              {places: 23, mean: 70 * time.Millisecond, jitter: 0.5},
		"64 in 200 ms":             {places: 64, mean: 200 * time.Millisecond, jitter: 0.2},
		"200 in 300 ms":            {places: 200, mean: 300 * time.Millisecond, jitter: 0.2},
		"16 in 100 ms, heavy tail": {places: 16, mean: 100 * time.Millisecond, heavy: true},
		"refuses above 16":         {places: 16, mean: 50 * time.Millisecond, jitter: 0.2, refuses: true},
		"refuses above 1":          {places: 1, mean: 50 * time.Millisecond, jitter: 0.2, refuses: true},
		"grows, 24":                {places: 24, mean: 50 * time.Millisecond, jitter: 0.2, grows: 0.05},
		"grows fast, 16":           {places: 16, mean: 50 * time.Millisecond, jitter: 0.2, grows: 0.2},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				seconds, want := 60.0, 0.95
				if s.places == 200 {
					seconds = 150 // it takes eight to settle
				}
				if s.heavy {
					want = 0.88 // chance is as large as what is looked for
				}
				n := int(s.ceiling() * seconds)
				took, p := drive(t, n, 100, Limits{}, s)
				share := seconds / took.Seconds()
				t.Logf("%.1f%% of the ceiling, peak %d of %d places (%.1f), refused %.2f%%, limit %d: %v", 100*share, s.peak, s.places, float64(s.peak)/float64(s.places),
					100*float64(s.refused)/float64(s.asked), p.Members()[0].limiter.limit, p.Members()[0].track.changes)
				if share < want {
					t.Errorf("reached %.1f%% of the ceiling, want %.0f%%", 100*share, 100*want)
				}
				if s.grows == 0 && s.peak > 5*s.places {
					t.Errorf("%d in flight at a host that serves %d", s.peak, s.places)
				}
				if s.refused*50 > s.asked {
					t.Errorf("%d of %d refused, want less than 2%%", s.refused, s.asked)
				}
			})
		})
	}
}

// TestUnusedPlacesAreNoReasonForMore: a host that serves 64 at once gets three
// requests at a time. Nothing shows that it takes more, and a burst would find out.
func TestUnusedPlacesAreNoReasonForMore(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := &server{name: "a", places: 64, mean: 20 * time.Millisecond, jitter: 0.2, queue: make(chan struct{}, 64), rnd: rand.New(rand.NewPCG(1, 1))}
		p := NewPool(Fleet{Hosts: []Host{s}}, Limits{})
		if err := p.warm(t.Context(), p.Members()[0]); err != nil {
			t.Fatal(err)
		}
		askAll(t, p, 3000, 100, 3)
		if limit := p.Members()[0].limiter.limit; limit > 6 {
			t.Errorf("the limit is %d where three are in flight", limit)
		}
	})
}
