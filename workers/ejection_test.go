package workers

import (
	"testing"
	"time"
)

// TestFastFailureIsEjected: a host that fails all it is asked, faster than
// another answers for the first time, does not get the job meanwhile.
func TestFastFailureIsEjected(t *testing.T) {
	for _, cause := range []Cause{Failed, Refused, Garbled, Conflict, Unfit} {
		inBubble(t, func(t *testing.T) {
			p := fleet(t, 2, Limits{Concurrency: 4})
			good, bad := p.members[0], p.members[1]
			slow := acquire(t, p, 0, bad) // and has not answered yet
			for range mostFailedInRow {
				if l := acquire(t, p, 1, good); l.Member() != bad || bad.probing {
					t.Fatalf("%v: the host that fails is out after %d requests", cause, bad.failedInRow)
				} else {
					finish(l, cause)
				}
			}
			if !bad.probing || bad.ejections != 1 {
				t.Errorf("%v: %d failures in a row, and no good answer ever: not ejected", cause, bad.failedInRow)
			}
			finish(slow, Good)
		})
	}
}

// TestOneOfAllThatFailGoesOn: where every host fails all it is asked, it may be
// the records, and one of them is asked on at full speed.
func TestOneOfAllThatFailGoesOn(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		p := fleet(t, 3, Limits{Concurrency: 1})
		for range 100 {
			finish(acquire(t, p, 0, nil), Refused)
		}
		if up, _ := p.Up(); up != 1 {
			t.Errorf("%d hosts of 3 are asked, want 1", up)
		}
	})
}

// TestTooLargeIsNoFailure: requests in flight when a host tells its limit say
// nothing against it.
func TestTooLargeIsNoFailure(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		p := fleet(t, 2, Limits{Concurrency: 8})
		m := p.members[0]
		finish(acquire(t, p, 0, p.members[1]), Good)
		var burst []*Lease
		for range 8 {
			l := acquire(t, p, 0, p.members[1])
			l.bytes = 1000
			burst = append(burst, l)
		}
		for _, l := range burst {
			finish(l, TooLarge)
		}
		if m.probing || m.ejections != 0 {
			t.Errorf("ejected after %d payloads that were too large", len(burst))
		}
	})
}

// TestAvoidEndsAtASilentHost: who would have another host than the one that
// has room waits for it as long as that one answers now and then, and no longer.
func TestAvoidEndsAtASilentHost(t *testing.T) {
	for _, answers := range []time.Duration{0, time.Second, 10 * time.Second} {
		inBubble(t, func(t *testing.T) {
			p := fleet(t, 2, Limits{Concurrency: 1})
			a, b := p.members[0], p.members[1]
			b.usualTime = answers
			busy := acquire(t, p, 0, a)
			began := time.Now()
			if l := acquire(t, p, 1, a); l.Member() != a {
				t.Fatal("two requests at once at a host that takes one")
			}
			if got, want := time.Since(began), max(soonRest, silentFactor*answers); got != want {
				t.Errorf("waited %v for a host that answers in %v and says nothing, want %v", got, answers, want)
			}
			finish(busy, Good)
		})
	}
}
