package workers

import (
	"errors"
	"strings"
	"testing"
	"time"
)

// heard are the incidents of p so far, joined by line ends.
func (p *Pool) heard() string {
	var lines []string
	for {
		select {
		case i := <-p.Incidents():
			lines = append(lines, i.String())
		default:
			return strings.Join(lines, "\n")
		}
	}
}

// TestIncidents: a host that is ejected, dropped or not named any more is told of
// with what it said and what to do, while another host goes on.
func TestIncidents(t *testing.T) {
	for _, c := range []struct {
		name    string
		outcome Outcome
		verdict Verdict
		times   int
		want    []string
		dropped string // in the statistics, which repeat nothing that a host said
	}{
		{"fails", Outcome{Cause: Failed, Status: 500, Message: "boom"}, Verdict{Action: Retry}, mostFailedInRow,
			[]string{"gets one request at a time", "status 500: boom", "see its log"}, ""},
		{"breaks", Outcome{Cause: Broken, Message: "connection reset"}, Verdict{Action: Retry}, mostBrokenInRow,
			[]string{"gets one request at a time", "connection reset", "--timeout"}, ""},
		{"cannot be reached", Outcome{Cause: Unreachable, Message: "connection refused"}, Verdict{Action: Wait}, 1,
			[]string{"gets one request at a time", "connection refused", "whether it runs"}, ""},
		{"denies", Outcome{Cause: Denied, Status: 401, Message: "who is s3cret?"}, denied(Outcome{}, State{}), 1,
			[]string{"is not used any more", "status 401: who is s3cret?", "--host-bearer"}, "--host-header (status 401)"},
		{"denies later", Outcome{Cause: Denied, Status: 403, Message: "expired"}, denied(Outcome{}, State{HostGood: true}), 1,
			[]string{"gets one request at a time", "status 403: expired", "whether a token ran out"}, ""},
		{"is another", Outcome{Cause: Unfit, Status: 404, Message: "no such page"}, unfit(Outcome{}, State{}), 1,
			[]string{"is not used any more", "status 404: no such page", "URL's path"}, "--content-type (status 404)"},
	} {
		inBubble(t, func(t *testing.T) {
			p := fleet(t, 2, Limits{Concurrency: 4})
			m := p.members[0]
			finish(acquire(t, p, 0, m), Good)
			for range c.times {
				l := acquire(t, p, 0, p.members[1])
				l.Release(c.outcome, c.verdict)
				m.restUntil = time.Now()
			}
			said := p.heard()
			for _, want := range append(c.want, "host "+m.Name()+" ") {
				if !strings.Contains(said, want) {
					t.Errorf("%s: told %q, which lacks %q", c.name, said, want)
				}
			}
			if strings.Contains(said, "\n") {
				t.Errorf("%s: told more than once: %s", c.name, said)
			}
			s := p.Stats()[0]
			if !strings.HasSuffix(s.Dropped, c.dropped) || (s.Dropped == "") != (c.dropped == "") {
				t.Errorf("%s: dropped: %q", c.name, s.Dropped)
			}
			failed := s.Failed()
			if len(failed) != 1 || failed[0].Cause != c.outcome.Cause || failed[0].Count != int64(c.times) || failed[0].Sample == "" {
				t.Errorf("%s: failures %+v", c.name, failed)
			}
			if c.outcome.Status != 0 && strings.Contains(s.Dropped+failed[0].Sample, c.outcome.Message) {
				t.Errorf("%s: the statistics repeat what the host said: %q, %+v", c.name, s.Dropped, failed)
			}
		})
	}
}

// TestIncidentsAreFew: a host that goes on failing is told of once a minute, and
// that it answers again once.
func TestIncidentsAreFew(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		p := fleet(t, 1, Limits{Concurrency: 4, HostWait: time.Hour})
		down := Outcome{Cause: Unreachable, Message: "connection refused"}
		for range 90 {
			acquire(t, p, 0, nil).Release(down, Verdict{Action: Wait, Rest: time.Second})
		}
		if got := strings.Count(p.heard(), "connection refused"); got != 2 {
			t.Errorf("told %d times in 90 seconds, want 2", got)
		}
		for range 3 {
			finish(acquire(t, p, 0, nil), Good)
		}
		if got := p.heard(); got != "host "+p.members[0].Name()+" answers again" {
			t.Errorf("told %q", got)
		}
		acquire(t, p, 0, nil).Release(down, Verdict{Action: Wait})
		finish(acquire(t, p, 0, nil), Good)
		if got := p.heard(); got != "" {
			t.Errorf("told %q within the same minute", got)
		}
	})
}

// TestIncidentsNeverBlock: a pool whose incidents nobody reads goes on.
func TestIncidentsNeverBlock(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		p := fleet(t, 3*mostIncidents, Limits{})
		for _, m := range p.members[1:] {
			p.Lose(m, errors.New("its process ended"))
		}
		if n := strings.Count(p.heard(), "its process ended"); n != mostIncidents {
			t.Errorf("%d incidents are kept, want %d", n, mostIncidents)
		}
	})
}

// TestDepartureIsTold: a host that its source does not name any more is told of.
func TestDepartureIsTold(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := new(inPods)
		p := NewPool(Fleet{Sources: []Source{s}}, Limits{})
		a, b := &fake{name: "a"}, &fake{name: "b"}
		p.Refresh(s, []Host{a, b})
		p.Refresh(s, []Host{b})
		if got := p.heard(); got != "host a gets no more requests: "+s.Name()+" does not name it any more" {
			t.Errorf("told %q", got)
		}
	})
}
