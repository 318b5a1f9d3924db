package workers

import (
	"fmt"
	"maps"
	"slices"
	"time"
)

// An Incident is a change in how a host is used that a person should know of
// while the job goes on.
type Incident struct {
	Host string // its name, without secrets
	Text string // what happens to the host, why, and what to do about the cause
}

func (i Incident) String() string { return "host " + i.Host + " " + i.Text }

const (
	// mostIncidents is how many incidents wait to be read. More are not kept: what
	// hosts have failed is in [HostStats] whole.
	mostIncidents = 64
	// quietTime is how long nothing more is told of a host that keeps on failing.
	quietTime = time.Minute
)

// incidents are what a pool has to tell.
type incidents chan Incident

func (c incidents) tell(host, text string, args ...any) {
	select {
	case c <- Incident{Host: host, Text: fmt.Sprintf(text, args...)}:
	default:
	}
}

// Incidents tells of hosts that are ejected, dropped or gone, as it happens, and of
// ejected hosts that answer again. Of a host that goes on failing, Incidents tells
// once a minute at most. The channel is never closed.
func (p *Pool) Incidents() <-chan Incident { return p.incidents }

// told is what was told of a host.
type told struct {
	ejected bool // and not yet that the host answers again
	at      time.Time
}

// tellEjected says why m gets one request at a time. Called with mu held, like all below.
func (p *Pool) tellEjected(m *Member, why string, now time.Time) {
	if !m.told.at.IsZero() && now.Sub(m.told.at) < quietTime {
		return
	}
	m.told = told{ejected: true, at: now}
	p.incidents.tell(m.Name(), "gets one request at a time until it answers: %s", why)
}

func (p *Pool) tellRecovered(m *Member) {
	if m.told.ejected {
		m.told.ejected = false
		p.incidents.tell(m.Name(), "answers again")
	}
}

// cures say what a person can do about a host that is ejected for a cause.
var cures = [...]string{
	Unreachable: "see whether it runs and can be reached",
	Broken:      "see its log, and whether it ends connections or needs a longer --timeout",
	Failed:      "see its log",
	Refused:     "see its log, and --content-type",
	TooLarge:    "lower --batch-bytes",
	Unfit:       "see the URL's path, and --content-type",
	Conflict:    "see its log",
	Garbled:     "see whether it answers each record, and --accept",
	Oversized:   "lower --batch-records, or raise --max-response",
	Foreign:     "see what answers at this URL, and --accept",
	Unproved:    "see its answers",
}

// withCure is why with what to do about the cause.
func withCure(why string, c Cause) string {
	if int(c) < len(cures) && cures[c] != "" {
		return why + "; " + cures[c]
	}
	return why
}

// A Failure counts the requests to a host that got no good answer for one cause.
type Failure struct {
	Cause  Cause
	Count  int64
	Sample string // what came of the first one, without what the host said
}

// Failed lists the causes by falling count.
func (h *HostStats) Failed() []Failure {
	var list []Failure
	for _, c := range slices.Sorted(maps.Keys(h.Failures)) {
		list = append(list, Failure{Cause: c, Count: h.Failures[c], Sample: h.Samples[c]})
	}
	slices.SortStableFunc(list, func(a, b Failure) int { return int(max(-1, min(1, b.Count-a.Count))) })
	return list
}

// sampleOf is an outcome without what the host said, which may repeat a record.
func sampleOf(o Outcome) string {
	switch {
	case o.Status != 0:
		return fmt.Sprintf("status %d", o.Status)
	case o.Cause == Unreachable || o.Cause == Broken:
		return o.Message // our own words about the connection
	}
	return o.Cause.String()
}
