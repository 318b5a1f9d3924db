package workers

import (
	"testing"
	"time"
)

// TestBelieved holds the rows about responses with as many answers as records.
func TestBelieved(t *testing.T) {
	const no, yes = false, true
	for _, r := range []struct {
		name  string
		claim Claim
		want  bool
	}{
		{"a batch that fits", Claim{Records: 7}, yes},
		{"a batch that fits, of another type than before", Claim{Records: 7, Proof: OtherType}, yes},
		{"a batch that fits, of another shape than before", Claim{Records: 7, Proof: OtherShape}, yes},
		{"seven lines of a page, after wrong counts", Claim{Records: 7, Miscounted: true}, no},
		{"after wrong counts the asked-for type is no proof for a batch", Claim{Records: 7, Miscounted: true, Asked: true}, no},
		{"after wrong counts another type", Claim{Records: 7, Miscounted: true, Asked: true, Proof: OtherType}, no},
		{"after wrong counts another shape", Claim{Records: 7, Miscounted: true, Asked: true, Proof: OtherShape}, no},
		{"after wrong counts such answers as before", Claim{Records: 7, Miscounted: true, Proof: SameLook}, yes},
		{"one record, the first answer", Claim{Records: 1}, yes},
		{"one record, a page", Claim{Records: 1, Asked: true, Page: true}, no},
		{"one record, a page after answers of its type", Claim{Records: 1, Asked: true, Page: true, Proof: OtherShape}, no},
		{"one record, such a page as before", Claim{Records: 1, Page: true, Proof: SameLook}, yes},
		{"one record, another type than before", Claim{Records: 1, Proof: OtherType}, no},
		{"one record, another type than before, but asked for", Claim{Records: 1, Asked: true, Proof: OtherType}, yes},
		{"one record, another shape than before", Claim{Records: 1, Proof: OtherShape}, yes},
		{"one record of a host that answers one line a request", Claim{Records: 1, Miscounted: true, Asked: true}, yes},
		{"one record after wrong counts, of no type that was asked for", Claim{Records: 1, Miscounted: true}, yes},
		{"one record after wrong counts, of no type that was asked for, and a message", Claim{Records: 1, Miscounted: true, Prose: true}, no},
		{"one record after wrong counts, a sentence of the type that was asked for", Claim{Records: 1, Miscounted: true, Prose: true, Asked: true}, yes},
		{"one record after wrong counts, another type than before", Claim{Records: 1, Miscounted: true, Asked: true, Proof: OtherType}, no},
		{"one record after wrong counts, another shape than before", Claim{Records: 1, Miscounted: true, Asked: true, Proof: OtherShape}, no},
		{"one record after wrong counts, such an answer as before", Claim{Records: 1, Miscounted: true, Proof: SameLook}, yes},
	} {
		if got := Believed(r.claim); got != r.want {
			t.Errorf("%s: Believed(%+v) = %v", r.name, r.claim, got)
		}
	}
}

// TestBelievedLess: what speaks against answers never makes them more credible.
func TestBelievedLess(t *testing.T) {
	bools := []bool{false, true}
	for _, records := range []int{1, 2, 100} {
		for bits := range 16 {
			for proof := NoProof; proof <= SameLook; proof++ {
				c := Claim{Records: records, Miscounted: bools[bits&1], Asked: bools[bits>>1&1], Page: bools[bits>>2&1], Prose: bools[bits>>3&1], Proof: proof}
				if worse := c; Believed(c) == false {
					if worse.Miscounted = true; Believed(worse) {
						t.Errorf("%+v is believed after wrong counts only", c)
					}
					if worse.Page = true; Believed(worse) {
						t.Errorf("%+v is believed as a page only", c)
					}
					if worse.Prose = true; Believed(worse) {
						t.Errorf("%+v is believed as a sentence only", c)
					}
					if worse.Asked = false; Believed(worse) {
						t.Errorf("%+v is believed with a type that was not asked for only", c)
					}
				} else if better := c; true {
					if better.Proof = SameLook; !Believed(better) {
						t.Errorf("%+v is believed without proof only", c)
					}
				}
			}
		}
	}
}

// TestProofIsTheHostsOwn: what one host has answered proves nothing about another, and the
// least known of several answers decides.
func TestProofIsTheHostsOwn(t *testing.T) {
	p := fleet(t, 2, Limits{})
	a, b := p.Members()[0], p.Members()[1]
	number, text, plain := Look{"text/csv", 1}, Look{"text/csv", 2}, Look{"text/plain", 1}
	a.Gave([]Look{number})
	for _, c := range []struct {
		host *Member
		give []Look
		want Proof
	}{
		{b, []Look{number}, NoProof},
		{a, []Look{number, number}, SameLook},
		{a, []Look{number, text}, OtherShape},
		{a, []Look{text, plain, number}, OtherType},
		{a, nil, SameLook},
		{a, []Look{{"text/csv", 0}}, SameLook},
		{a, []Look{{"text/plain", 0}}, OtherType},
		{b, []Look{{"text/csv", 0}}, NoProof},
	} {
		if got := c.host.Prove(c.give); got != c.want {
			t.Errorf("%v at host %s: proof %d, want %d", c.give, c.host.Name(), got, c.want)
		}
	}
	for i := range 10 * maxLooks {
		a.Gave([]Look{{"text/csv", uint64(i)}})
	}
	if len(a.looks.seen) != maxLooks {
		t.Errorf("%d kinds of answers are kept, want %d", len(a.looks.seen), maxLooks)
	}
}

// TestProvenHost: a request that wants a proven host gets the one that answered last, waits
// for its room, and does without where there is none.
func TestProvenHost(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		p := fleet(t, 4, Limits{Concurrency: 1})
		proven := func(avoid *Member) *Lease {
			l, err := p.Acquire(t.Context(), Wish{Proven: true, Avoid: avoid})
			if err != nil {
				t.Fatal(err)
			}
			return l
		}
		ms := p.Members()
		if p.Better(ms[0]) {
			t.Error("a host is better although none has answered")
		}
		proven(nil).Cancel() // any host, for none has answered
		good := acquire(t, p, 0, nil)
		host := good.Member()
		finish(good, Good)
		for range 20 {
			l := proven(nil)
			if l.Member() != host {
				t.Fatalf("%s is leased, want %s, which has answered", l.Member().Name(), host.Name())
			}
			l.Cancel()
		}
		for _, m := range ms {
			if p.Better(m) != (m != host) {
				t.Errorf("host %s answered, and a better one than %s: %v", host.Name(), m.Name(), p.Better(m))
			}
		}
		if l := proven(host); l.Member() == host {
			t.Error("the host to avoid is leased")
		} else {
			l.Cancel()
		}
		busy := proven(nil)
		time.AfterFunc(time.Second, busy.Cancel)
		began := time.Now()
		if l := proven(nil); l.Member() != host || time.Since(began) != time.Second {
			t.Errorf("%s is leased after %v, want %s once it has room", l.Member().Name(), time.Since(began), host.Name())
		} else {
			l.Release(Outcome{Cause: Unreachable}, Verdict{Action: Wait}) // ejected: no host is proven any more
		}
		if l := proven(nil); l.Member() == host {
			t.Error("an ejected host is leased")
		}
	})
}
