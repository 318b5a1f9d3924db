package workers

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A fake is a Host under the test's control.
type fake struct {
	name   string
	params Parameters
	mu     sync.Mutex
	notYet int // how many more times Ready fails; negative is for ever
	pings  []time.Time
	invoke func(ctx context.Context, r *Request) (Response, error)
}

func (f *fake) Name() string { return f.name }

func (f *fake) Ready(ctx context.Context) (Parameters, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.pings = append(f.pings, time.Now())
	if f.notYet != 0 {
		f.notYet--
		return Parameters{}, errors.New("still loading")
	}
	return f.params, ctx.Err()
}

func (f *fake) Invoke(ctx context.Context, r *Request) (Response, error) {
	if f.invoke == nil {
		return Response{Status: 200}, nil
	}
	return f.invoke(ctx, r)
}

// fleet makes a pool of ready hosts called a, b, c, ...
func fleet(t *testing.T, n int, l Limits) *Pool {
	t.Helper()
	hosts := make([]Host, n)
	for i := range hosts {
		hosts[i] = &fake{name: string(rune('a' + i))}
	}
	p := NewPool(Fleet{Hosts: hosts}, l)
	for _, m := range p.Members() {
		if err := p.warm(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

func acquire(t *testing.T, p *Pool, order int64, avoid *Member) *Lease {
	t.Helper()
	l, err := p.Acquire(t.Context(), Wish{Order: order, Avoid: avoid})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// finish releases l with what the blame table says about cause.
func finish(l *Lease, cause Cause) {
	o := Outcome{Cause: cause}
	l.Release(o, Blame(o, State{Records: 2, Tries: 1, HostGood: true, JobGood: true}))
}

func ask(t *testing.T, l *Lease) {
	t.Helper()
	if _, err := l.Invoke(t.Context(), &Request{}); err != nil {
		t.Fatal(err)
	}
}

// inBubble runs f on a clock that moves only while everyone waits.
func inBubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, f)
}
