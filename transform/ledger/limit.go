package ledger

import (
	"fmt"
	"math"

	"github.com/batchmill/batchmill/transform/job"
)

// extend lets the job go on to another limit. The object that the limit before cut is built again. So are all objects
// while the answers have not settled the layout, and it was guessed at best: else the records to come could give later
// outputs another layout than those have that are there.
func (l *Ledger) extend(to int64) {
	if to == l.job.Limit {
		return
	}
	if l.layout != nil && l.layout.Guessed {
		l.layout = nil
	}
	all := l.layout == nil && l.plan.Codec.LearnsLayout()
	for i := range l.outcomes.marks {
		if all || l.outcomes.has(i, cutMark) {
			l.rebuild(i)
		}
	}
}

// limitFits refuses to end a job before a limit that earlier runs were to reach, unless all outputs are built again.
func (l *Ledger) limitFits() error {
	if l.job.ID == "" {
		return nil // no job is known there
	}
	now := l.plan.Spec.Limit
	difference := shrunk(l.job.Limit, now)
	if difference == "" || l.plan.Spec.Overwrite {
		return nil
	}
	return &otherJobError{&job.Failure{Class: job.Usage, Err: fmt.Errorf("%s: the job there was begun with %s", l.file.URI, difference),
		Hint: "say --limit as before, a larger one, or none to go on; build the outputs of fewer records with --overwrite, or choose another --output"}}
}

// shrunk says how the limit of a job differs from one that ends sooner; empty where the limit now ends no sooner.
func shrunk(was, now int64) string {
	if reach(now) >= reach(was) {
		return ""
	}
	if was == 0 {
		return fmt.Sprintf("no --limit, this one has %d", now)
	}
	return fmt.Sprintf("--limit %d, this one has %d", was, now)
}

// reach is how many records a limit lets through.
func reach(limit int64) int64 {
	if limit == 0 {
		return math.MaxInt64
	}
	return limit
}
