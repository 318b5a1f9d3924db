package workers

import "time"

// A LimitChange is a limit that a host's number of requests in flight had from
// a moment on.
type LimitChange struct {
	At    time.Time
	Limit int
}

// mostChanges bounds a track. A full one forgets every other change.
const mostChanges = 64

// track is how a limit went over time, told in few words: changes within a
// second, or of less than a tenth, wait for the next one.
type track struct{ changes []LimitChange }

func (t *track) note(now time.Time, limit int) {
	if n := len(t.changes); n > 0 {
		last := &t.changes[n-1]
		switch diff := max(limit-last.Limit, last.Limit-limit); {
		case diff == 0 || diff*10 < last.Limit:
			return
		case now.Sub(last.At) < time.Second:
			last.Limit = limit
			return
		}
	}
	if len(t.changes) == mostChanges {
		for i := range mostChanges / 2 {
			t.changes[i] = t.changes[2*i]
		}
		t.changes = t.changes[:mostChanges/2]
	}
	t.changes = append(t.changes, LimitChange{now, limit})
}
