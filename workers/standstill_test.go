package workers

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// refuse ends l with a status 503 that asks for a rest.
func refuse(l *Lease, rest time.Duration) {
	o := Outcome{Cause: Busy, Status: 503, RetryAfter: rest}
	l.Release(o, Blame(o, State{}))
}

// TestHostWaitCountsWhileAllRest ends each way into a standstill after HostWait, and
// not after the rest that a host asked for.
func TestHostWaitCountsWhileAllRest(t *testing.T) {
	const wait = 5 * time.Second
	s := new(inPods)
	for name, enter := range map[string]func(t *testing.T, p *Pool){
		"a refusal": func(t *testing.T, p *Pool) {
			refuse(acquire(t, p, 0, nil), longestRest)
			refuse(acquire(t, p, 0, nil), longestRest)
		},
		"a refusal before an earlier request is answered": func(t *testing.T, p *Pool) {
			var flying []*Lease
			for range 4 {
				flying = append(flying, acquire(t, p, 0, nil))
			}
			for _, l := range flying {
				if l.position > 1 {
					refuse(l, longestRest)
				}
			}
			for _, l := range flying {
				finish(l, Good)
			}
		},
		"the last host that did not rest leaves": func(t *testing.T, p *Pool) {
			l := acquire(t, p, 0, nil)
			refuse(l, longestRest)
			finish(acquire(t, p, 0, nil), Good)
			p.Refresh(s, []Host{l.Member().Host()})
		},
		"the last host that did not rest is lost": func(t *testing.T, p *Pool) {
			refuse(acquire(t, p, 0, nil), longestRest)
			l := acquire(t, p, 0, nil)
			finish(l, Good)
			p.Lose(l.Member(), errors.New("it ended"))
		},
		"the last host that did not rest is dropped": func(t *testing.T, p *Pool) {
			refuse(acquire(t, p, 0, nil), longestRest)
			finish(acquire(t, p, 0, nil), Good)
			acquire(t, p, 0, nil).Release(Outcome{Cause: Unfit}, Verdict{Action: DropHost, Why: "not the one"})
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				p := NewPool(Fleet{Sources: []Source{s}}, Limits{Concurrency: 2, HostWait: wait})
				for _, m := range p.Refresh(s, []Host{&fake{name: "a"}, &fake{name: "b"}}) {
					if err := p.warm(t.Context(), m); err != nil {
						t.Fatal(err)
					}
				}
				if w := p.Standstill(); w != nil {
					t.Errorf("a standstill before any request: %+v", w)
				}
				enter(t, p)
				began, errs := time.Now(), make(chan error)
				go func() {
					_, err := p.Acquire(t.Context(), Wish{})
					errs <- err
				}()
				synctest.Wait()
				if w := p.Standstill(); w == nil || w.Until.Sub(began) != longestRest || w.GivesUp.Sub(began) != wait {
					t.Errorf("the standstill is %+v", w)
				}
				err := <-errs
				if un, ok := errors.AsType[*UnavailableError](err); !ok || un.NeverReady || !strings.Contains(err.Error(), "rests until") {
					t.Errorf("the error is %v", err)
				}
				if got := time.Since(began); got != wait {
					t.Errorf("gave up after %v, want %v", got, wait)
				}
			})
		})
	}
}

// TestStandstillEnds keeps a job going whose hosts all rest now and then for less than
// HostWait, and counts no time in which nothing waits.
func TestStandstillEnds(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		p := fleet(t, 2, Limits{Concurrency: 2, HostWait: 5 * time.Second})
		for range 100 {
			x, y := acquire(t, p, 0, p.members[1]), acquire(t, p, 0, p.members[0])
			early := acquire(t, p, 0, nil)
			refuse(x, 4*time.Second)
			refuse(y, 3*time.Second)
			finish(early, Good)
			if w := p.Standstill(); w != nil {
				t.Fatalf("nothing waits, and the standstill is %+v", w)
			}
			l := acquire(t, p, 0, nil)
			if l.Member() != y.Member() || p.Standstill() != nil {
				t.Fatal("the host that rests less is not asked first")
			}
			finish(l, Good)
			time.Sleep(time.Minute) // the input is slow
		}
	})
}
