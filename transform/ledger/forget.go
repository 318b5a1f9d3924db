package ledger

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/batchmill/batchmill/transform/answerlog"
	"github.com/batchmill/batchmill/transform/manifest"
	"github.com/batchmill/batchmill/transform/plan"
	"github.com/batchmill/batchmill/transform/store"
)

// forget forgets all answers, for --restart, and returns how many bytes of the log stay. The log of a job
// that --restart began and that did not come to its end stays: it tells which outputs the job has published, and
// the same command, run again after a crash, may replace these. Of any other log nothing stays, whatever is in it.
func (l *Ledger) forget(ctx context.Context) (int64, error) {
	var err error
	if l.seen, _, err = l.file.Stat(ctx); err != nil && !errors.Is(err, store.ErrDamaged) {
		return 0, err
	}
	if l.damaged = err != nil; !l.damaged && !l.plan.Spec.Overwrite {
		whole, err := l.replayAll(ctx, math.MaxInt64)
		if err == nil && l.restarted(ctx) {
			l.anew = true
			err = l.settleIntents(ctx)
			l.forgetAnswers()
			return whole, err
		}
	}
	l.forgetAll()
	return 0, ctx.Err()
}

// restarted tells whether the log that was read is of a job that --restart began, and that did not come to its end.
func (l *Ledger) restarted(ctx context.Context) bool {
	if !l.job.Restarted || l.objects < l.plan.Count() {
		return false
	}
	var ends manifest.Ends
	m, _, err := ReadManifest(ctx, l.plan.Output, func(o *manifest.Object) error {
		ends.Add(o.Status)
		return nil
	})
	if err != nil || m == nil || m.JobID != l.job.ID {
		return true // no manifest of the job that could be read
	}
	marked, err := exists(ctx, l.plan.Output, plan.SuccessName)
	return err == nil && !marked && m.Limit == 0 && ends.Published == ends.All()
}

// forgetAnswers begins the job anew: nothing is answered, and what is published is the job's to replace.
func (l *Ledger) forgetAnswers() {
	l.redo()
	l.layout = nil
	l.known = &replay{file: l.file, retried: map[int]map[int64]*answerlog.Answers{}}
}

// A loss is what --resume-before-damage gives up.
type loss struct {
	damage  *answerlog.DamageError
	answers int64 // in entries behind the damage that are whole
}

func (l *loss) String() string {
	return fmt.Sprintf("%v; the log is cut there: the answers before are kept, at least %d behind are lost", l.damage, l.answers)
}

// resumeBefore takes the entries before the damage, and returns how many bytes these are. log was read up to the damage.
func (l *Ledger) resumeBefore(ctx context.Context, log *answerlog.Reader, damage *answerlog.DamageError) (int64, error) {
	l.forgetAll()
	whole, err := l.replayAll(ctx, damage.Offset)
	if err != nil {
		return whole, err
	}
	l.lost = &loss{damage: damage}
	// Answers are logged in input order, by a run and by a retry. So what stands behind later records stands
	// there a second time, or was logged by a run that went back; the loss is at least that of the others.
	type place struct {
		object int
		record int64
	}
	next := map[answerlog.Kind]place{}
	if n := len(l.known.stretches); n > 0 {
		last := l.known.stretches[n-1]
		next[answerlog.KindAnswers] = place{int(last.last), last.end}
	}
	for e, err := range log.Behind(damage.Offset) {
		if err != nil {
			return 0, err
		}
		if e.Kind != answerlog.KindAnswers && e.Kind != answerlog.KindRetried {
			continue
		}
		a, err := answersOf(&e, l.plan.Count())
		if n := next[e.Kind]; err != nil || a.Object < n.object || a.Object == n.object && a.First < n.record {
			continue
		}
		answered, _, _ := a.Count()
		l.lost.answers += answered
		next[e.Kind] = place{a.Object, a.End()}
	}
	return whole, nil
}
