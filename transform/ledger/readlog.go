package ledger

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/batchmill/batchmill/formats"
	"github.com/batchmill/batchmill/transform/answerlog"
	"github.com/batchmill/batchmill/transform/job"
	"github.com/batchmill/batchmill/transform/manifest"
)

// readLog takes what earlier runs logged, and returns how many bytes of the log are whole. The
// log of another job is forgotten where it holds no answer: a flag may be corrected until then.
// --restart forgets the log, --overwrite forgets another job's, and --resume-before-damage forgets
// what stands behind the first damage.
func (l *Ledger) readLog(ctx context.Context) (int64, error) {
	if l.plan.Spec.Restart {
		return l.forget(ctx)
	}
	whole, err := l.replayAll(ctx, math.MaxInt64)
	if err == nil {
		err = l.limitFits()
	}
	var other *otherJobError
	if errors.As(err, &other) {
		if binds, unreadable := l.answered(ctx); !l.plan.Spec.Overwrite && (binds || unreadable != nil) {
			return 0, err
		}
		l.forgetAll()
		return 0, nil
	}
	if err == nil && l.objects < l.plan.Count() {
		// The earlier run died before all inputs were noted, so nothing was asked.
		l.forgetAll()
		whole = 0
	}
	l.known.size = whole
	return whole, err
}

// replayAll takes the entries of the log that begin before byte end, and returns how many of its bytes are whole.
func (l *Ledger) replayAll(ctx context.Context, end int64) (int64, error) {
	log, err := l.file.Open(ctx)
	if err != nil {
		return 0, err
	}
	defer log.Close()
	l.seen = log.Info
	for e, err := range log.Entries() {
		l.tag = log.Tag()
		var damage *answerlog.DamageError
		switch {
		case log.Offset() >= end && errors.As(err, &damage), err == nil && e.Offset >= end:
			return end, nil
		case l.plan.Spec.BeforeDamage && errors.As(err, &damage):
			return l.resumeBefore(ctx, log, damage)
		case err != nil:
			return log.Offset(), err
		}
		if err := l.replay(&e); err != nil {
			return e.Offset, e.Fault(err)
		}
	}
	return log.Offset(), nil
}

// forgetAll makes the ledger that of an output without a log.
func (l *Ledger) forgetAll() {
	l.job, l.objects, l.layout, l.extended = jobEntry{}, 0, nil, false
	clear(l.outcomes.newest)
	clear(l.outcomes.marks)
	l.known = &replay{file: l.file, retried: map[int]map[int64]*answerlog.Answers{}}
}

// replay takes one entry of the log.
func (l *Ledger) replay(e *answerlog.Entry) error {
	switch e.Kind {
	case answerlog.KindJob, answerlog.KindForget:
		if e.Kind == answerlog.KindForget {
			l.forgetAnswers()
		}
		return l.replayJob(e)
	case answerlog.KindObject:
		return l.sameObject(e)
	case answerlog.KindAlive:
		return nil
	case answerlog.KindLayout:
		l.layout = new(formats.Layout)
		return e.Decode(l.layout)
	case answerlog.KindAnswers, answerlog.KindRetried:
		return l.replayAnswers(e)
	case answerlog.KindIntent, answerlog.KindSettled:
		return l.replaySettled(e)
	case answerlog.KindRedo:
		l.redo()
		return nil
	case answerlog.KindDoubt:
		return inDoubt(e)
	}
	return fmt.Errorf("entries of kind %q are unknown; a newer batchmill wrote it", e.Kind)
}

// replayJob notes which job is logged: at the log's beginning, where the job begins anew, and
// where the job goes on to another limit.
func (l *Ledger) replayJob(e *answerlog.Entry) error {
	var now jobEntry
	if err := e.Decode(&now); err != nil {
		return err
	}
	if now.ID == l.job.ID && now.Limit != l.job.Limit {
		l.extend(now.Limit)
		l.extended = true
	}
	l.job = now
	return l.sameJob()
}

// doubt is a host whose answers in the log may be those to other records.
type doubt struct {
	Host string `json:"host"`
}

// Distrust makes the log one that no later run goes on with, because the answers of a
// host may be those to other records.
func (l *Ledger) Distrust(host string) error { return l.log.Note(answerlog.KindDoubt, doubt{host}) }

// inDoubt refuses a log that holds answers to other records.
func inDoubt(e *answerlog.Entry) error {
	var d doubt
	if err := e.Decode(&d); err != nil {
		return err
	}
	return &job.Failure{Class: job.Usage, Hint: "begin again with --restart --overwrite --no-keep-alive",
		Err: fmt.Errorf("answers of host %s in the log may be those to other records: the host sent more than the responses to its requests", d.Host)}
}

// replayAnswers notes where the log answers which records. Answers of retries are few, and stay in memory.
func (l *Ledger) replayAnswers(e *answerlog.Entry) error {
	retried := e.Kind == answerlog.KindRetried
	if retried {
		e.Body = slices.Clone(e.Body)
	}
	a, err := answersOf(e, l.plan.Count())
	switch {
	case err != nil:
		return err
	case !retried:
		l.known.note(e.Offset, a)
		return nil
	case l.known.retried[a.Object] == nil:
		l.known.retried[a.Object] = map[int64]*answerlog.Answers{}
	}
	l.known.retried[a.Object][a.First] = a
	return nil
}

// replaySettled notes an object's end, or the intent of that end.
func (l *Ledger) replaySettled(e *answerlog.Entry) error {
	s, err := endOf(e, l.plan.Count())
	if err != nil {
		return err
	}
	if o := &s.Object; o.Status != manifest.Held && (o.Status != manifest.Published || o.Output == nil) {
		return fmt.Errorf("object %d has the status %q, or no output", s.Index, o.Status)
	}
	if s.Object.Cut {
		l.outcomes.set(s.Index, cutMark)
	} else if e.Kind == answerlog.KindSettled {
		l.outcomes.clear(s.Index, cutMark)
	}
	if e.Kind == answerlog.KindIntent {
		l.outcomes.set(s.Index, intentMark)
	} else {
		l.outcomes.settle(s.Index, s.Object.Status)
	}
	return l.outcomes.put(s.Index, &s.Object)
}

// redo forgets what is settled; outputs that were published may be replaced.
func (l *Ledger) redo() {
	for i := range l.outcomes.marks {
		l.rebuild(i)
	}
}

// rebuild forgets the end of object i; an output that was published, or may have been, may be replaced.
func (l *Ledger) rebuild(i int) {
	if l.outcomes.has(i, intentMark) {
		l.outcomes.set(i, oursMark)
	}
	l.outcomes.reopen(i)
}

// settled is an object's end, as the log has it. Index is the object's place in the job.
type settled struct {
	Index  int             `json:"index"`
	Object manifest.Object `json:"object"`
}

// answersOf decodes an entry of answers in the log of a job of count objects.
func answersOf(e *answerlog.Entry, count int) (*answerlog.Answers, error) {
	a, err := answerlog.ParseAnswers(e.Body)
	if err == nil {
		err = inJob(a.Object, count)
	}
	return a, err
}

// endOf decodes an object's end, or the intent of that end, in the log of a job of count objects.
func endOf(e *answerlog.Entry, count int) (s settled, err error) {
	if err = e.Decode(&s); err == nil {
		err = inJob(s.Index, count)
	}
	return s, err
}

func inJob(object, count int) error {
	if object < 0 || object >= count {
		return fmt.Errorf("object %d is none of the job's", object)
	}
	return nil
}
