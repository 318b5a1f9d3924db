package workers

import "time"

// A LimitChange says from when on a host's requests in flight had which limit.
type LimitChange struct {
	At    time.Time
	Limit int
}

// mostChanges bounds a track. A full track forgets every other change.
const mostChanges = 64

// track is how a limit changed over time. Changes within a second are one change,
// and a change of less than a tenth waits until later changes make it larger.
type track struct{ changes []LimitChange }

func (t *track) add(now time.Time, limit int) {
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
