package transform

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/batchmill/batchmill/formats"
	"github.com/batchmill/batchmill/transform/manifest"
	"github.com/batchmill/batchmill/workers"
)

// The full-jitter backoff between tries.
const (
	backoffFirst = 100 * time.Millisecond
	backoffMost  = 30 * time.Second
)

// serve takes one batch from its cut to its output records: checks, asks,
// joins. It is the batch's own goroutine. started is called once, when the
// batch got its first host or needs none: another batch may then be prepared.
func (r *run) serve(ctx context.Context, p *place, started func()) error {
	p.reader.Check(p.batch)
	r.plan.codec.encoder.Check(p.batch)
	r.plan.codec.joiner.Check(p.batch)
	if err := r.answerFromLog(p); err != nil {
		return err
	}
	asked := p.pending()
	if err := r.settle(ctx, p, asked, started); err != nil {
		return err
	}
	started()
	r.chargeRejects(p)
	p.logEntries(asked)
	settled, rejects, example := p.settledCounts()
	r.progress.records.Add(settled)
	r.progress.rejects.Add(rejects)
	if err := r.judge(settled, rejects, example); err != nil {
		return err
	}
	close(p.answered)
	return r.join(p)
}

// answerFromLog gives p what an earlier run was told.
func (r *run) answerFromLog(p *place) error {
	if p.logged == nil {
		return nil
	}
	if err := p.replay(p.logged, p.later, r.state.fates.has(p.object.index, retryMark)); err != nil {
		return &DamageError{URI: r.plan.Output.URI(logName), Why: err.Error()}
	}
	r.progress.resumed.Add(p.countAnswers())
	if i, ok := p.firstAnswer(); ok {
		r.keepCanary(p, int32(i))
	}
	return nil
}

// logEntries prepares what the log has to learn about p: all of it, or where
// the log knew it already, the records that were asked about again.
func (p *place) logEntries(asked []int32) {
	switch {
	case p.logged == nil:
		p.entries = frameEntry(entries.get(), entryAnswers, func(dst []byte) []byte { return appendAnswers(dst, p) })
	default:
		for _, i := range asked {
			p.entries = frameEntry(p.entries, entryRetried, func(dst []byte) []byte { return appendRetried(dst, p, int(i)) })
		}
	}
}

// settle asks hosts until every record of p is answered or rejected. Halves
// of a split are asked for at once; a record that failed alone waits behind
// the rest of its batch, whose answers show whether its host is well.
func (r *run) settle(ctx context.Context, p *place, sel []int32, started func()) error {
	var queue []ask
	if len(sel) > 0 {
		queue = append(queue, ask{sel: sel})
	}
	defer func() {
		if !p.stuck {
			r.busy.Add(-1)
			r.sizer.settled(p)
		}
	}()
	for len(queue) > 0 {
		a := queue[0]
		queue = queue[1:]
		if a.alone > 0 && !p.stuck { // what fails alone comes last, so all that is left does
			p.stuck = true
			r.busy.Add(-1)
			r.sizer.settled(p)
		}
		rejects := len(p.rejects)
		next, err := r.try(ctx, p, a, started)
		if err != nil {
			return err
		}
		if a.first && len(next) == 0 && len(p.rejects) == rejects {
			queue = narrow(queue)
		}
		if len(next) == 1 && next[0].alone > 0 {
			next[0].first = false // it waits, and is asked again behind others
			queue = append(queue, next[0])
		} else {
			queue = append(next, queue...)
		}
	}
	p.rejectFlaws()
	p.sortRejects()
	if len(p.answers.List) == 0 {
		p.attach(nil, nil, nil)
	}
	return nil
}

// try sends one request and does what the blame table says about its end. It
// returns what is still to be asked for.
func (r *run) try(ctx context.Context, p *place, a ask, started func()) ([]ask, error) {
	x, err := r.prepare(r.asking, p, a)
	if err != nil {
		return nil, err
	}
	got := r.window.needsHost(p.seq)
	lease, err := r.pool.Acquire(r.asking, workers.Wish{Order: p.seq, Avoid: a.avoid, Alone: a.quiet})
	got()
	if err != nil {
		return nil, err
	}
	defer lease.Cancel()
	started()
	if limit := lease.Member().PayloadLimit(); limit > 0 && len(x.Body) > limit && len(a.sel) > 1 && lease.Member().Good() {
		x.drop()
		return a.halves(), nil
	}
	o, lease, err := r.invoke(ctx, a, lease, x)
	defer lease.Cancel() // another one than before, perhaps
	if errors.Is(err, errNoRoom) {
		a.room = x.used
		return []ask{a}, nil
	}
	if err != nil {
		return nil, err
	}
	if o.Cause == workers.Good {
		r.failedAlone.Store(0)
		r.keepCanary(p, a.sel[0])
		lease.Release(o, workers.Blame(o, workers.State{Records: len(a.sel)}))
		return nil, nil
	}
	a.bytes = len(x.Body)
	return r.blame(ctx, p, a, lease, o)
}

// blame asks the table about a failed request and obeys it.
func (r *run) blame(ctx context.Context, p *place, a ask, lease *workers.Lease, o workers.Outcome) ([]ask, error) {
	host := lease.Member()
	a.tries++
	a.again++
	// Another record may have brought the host down under this one. Nobody
	// knows before it is asked about with nothing beside it.
	a.quiet = len(a.sel) == 1 && o.Cause == workers.Broken
	taken := o.Cause == workers.TooLarge && r.pool.Takes(a.bytes, host) // so it may be the host
	if len(a.sel) == 1 && (taken || blamesRecord(o.Cause, host.Good())) && !(a.quiet && lease.Shared()) {
		if a.alone++; a.alone == 1 {
			a.since = r.pool.Clock()
			r.failedAlone.Add(1)
		}
	}
	answered := a.alone > 0 && host.LastGood() > a.since
	if !answered && (a.alone > 1 || a.alone > 0 && r.failedAlone.Load() >= workers.ManyAlone) {
		answered = r.probe(ctx, lease) // others may never be asked while this record is in their way
	}
	good, failed := r.pool.Clock() > 0 || r.progress.resumed.Load() > 0, int(r.failedAlone.Load())
	expecting := !good && r.pool.Expecting() // a host that is not ready yet may answer all of them
	if expecting {
		failed = min(failed, workers.ManyAlone-1)
	}
	v := workers.Blame(o, workers.State{
		Records: len(a.sel), Tries: a.tries, Attempts: r.plan.Spec.Attempts, Alone: a.alone,
		HostGood: host.Good(), JobGood: good,
		AnsweredBetween: answered, Taken: taken,
		OthersLeft:  expecting || r.othersLeft() && a.alone < patience*r.plan.Spec.Attempts,
		FailedAlone: failed,
	})
	lease.Release(o, v)
	if a.avoid = nil; v.Elsewhere {
		a.avoid = host
	}
	switch v.Action {
	case workers.Split:
		if o.Cause == workers.TooLarge || o.Cause == workers.Oversized {
			return a.halves(), nil // no record is at fault
		}
		return a.suspects(), nil
	case workers.Reject:
		p.reject(int(a.sel[0]), manifest.Reject{Reason: reasonOf(o), Status: o.Status, Host: host.Name(),
			Attempts: max(a.tries, 1), Message: o.Message})
		return nil, nil
	case workers.Stop:
		return nil, r.stop(o, v, p, a, host)
	case workers.Retry:
		p.retries++
		r.progress.retries.Add(1)
		return []ask{a}, r.pause(r.asking, a.again)
	case workers.Wait, workers.DropHost, workers.PauseHost:
		a.tries-- // it said nothing about the records
		a.again--
		p.retries++
		r.progress.retries.Add(1)
		return []ask{a}, nil
	}
	return nil, fmt.Errorf("the blame table says %d of %+v", v.Action, o)
}

// blamesRecord tells whether a record that failed alone may be at fault.
func blamesRecord(c workers.Cause, hostGood bool) bool {
	switch c {
	case workers.Busy, workers.Unreachable, workers.Denied, workers.Redirected:
		return false
	case workers.TooLarge, workers.Oversized:
		return false // it is, and that needs no proof
	case workers.Unfit:
		return hostGood
	}
	return true
}

// patience is how many times --attempts a record may fail alone, in a job without a
// good answer, before the batches behind it are not waited for: they may be
// waiting for it.
const patience = 4

// othersLeft tells whether some record is neither settled nor failing alone,
// in a batch at work, or still to be read by a reader that has room for it.
func (r *run) othersLeft() bool {
	return r.busy.Load() > 0 || r.cutting.Load() && !r.window.blocked() && !r.sizer.waiting()
}

// pause pays for a retry from the fleet's budget and waits its backoff.
func (r *run) pause(ctx context.Context, failures int) error {
	if err := r.pool.SpendRetry(ctx); err != nil {
		return err
	}
	most := min(backoffMost, backoffFirst<<min(failures-1, 16))
	wait := time.NewTimer(rand.N(most))
	defer wait.Stop()
	select {
	case <-wait.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// stop is the failure of a job that the blame table ends.
func (r *run) stop(o workers.Outcome, v workers.Verdict, p *place, a ask, host *workers.Member) error {
	class := map[workers.Exit]Class{workers.ExitConfig: Usage, workers.ExitInput: BadInput, workers.ExitHosts: NoHosts}[v.Exit]
	return &Failure{Class: class, Hint: v.Why, Err: fmt.Errorf("%s: record %d: host %s: %s",
		p.object.uri(), p.number(int(a.sel[0])), host.Name(), o.Message)}
}

// reasonOf is the reason of a record that no host would answer.
func reasonOf(o workers.Outcome) string {
	switch o.Cause {
	case workers.TooLarge:
		return "payload_too_large"
	case workers.Oversized:
		return "response_too_large"
	case workers.Garbled:
		return "bad_answer"
	case workers.Refused, workers.Unfit, workers.Conflict:
		return "host_refused"
	}
	return "host_failed"
}

// reject sets record i of the batch aside.
func (p *place) reject(i int, line manifest.Reject) {
	line.Object = p.object.rel
	line.Record = p.number(i)
	line.Offset = p.batch.Offset + int64(p.batch.Recs[i].Start)
	line.Data = p.recordText(i)
	p.rejects = append(p.rejects, reject{index: i, line: line})
}

// recordText is record i as rejects files show it: its bytes, or where it is
// kept by columns, what was read of it as JSON.
func (p *place) recordText(i int) []byte {
	if p.rejectText == nil {
		return slices.Clone(p.batch.Record(i))
	}
	return bytes.TrimSuffix(p.rejectText.Encode(nil, p.batch, []int32{int32(i)}), []byte("\n"))
}

// rejectOverhead is about what a reject takes beside its texts, in bytes.
const rejectOverhead = 256

// chargeRejects counts the rejects' memory in the window.
func (r *run) chargeRejects(p *place) {
	n := int64(0)
	for i := range p.rejects {
		n += int64(rejectOverhead + len(p.rejects[i].line.Data) + len(p.rejects[i].line.Message))
	}
	if n > 0 {
		r.window.charge(n)
		p.held += n
		p.rejectBytes = n
	}
}

// rejectFlaws sets aside the records that could not be sent.
func (p *place) rejectFlaws() {
	for _, f := range p.batch.Flaws {
		p.reject(f.Index, manifest.Reject{Reason: string(f.Reason), Message: f.Message})
		last := &p.rejects[len(p.rejects)-1]
		last.flaw = true
		if f.Reason == formats.ReasonTooLarge && p.rejectText != nil {
			last.line.Data = nil // its values were not kept
		}
	}
}

// judge counts settled records and stops the job when too many are rejects.
// What earlier runs settled counts too.
func (r *run) judge(settled, rejects int64, example *reject) error {
	if example != nil {
		r.lastReject.Store(example)
	}
	all, bad := r.judged.Add(settled), r.judgedBad.Add(rejects)
	if !r.plan.Spec.MaxRejects.Exceeded(bad, all) {
		return nil
	}
	err := fmt.Errorf("%d of %d records are rejects, more than --max-rejects %s", bad, all, r.plan.Spec.MaxRejects)
	if last := r.lastReject.Load(); last != nil {
		l := &last.line
		err = fmt.Errorf("%w; the last one: %s: record %d: %s: %s", err, l.Object, l.Record, l.Reason, l.Message)
	}
	return &Failure{Class: BadInput, Err: err, Hint: "mend the input or the model, or raise --max-rejects"}
}

// settledCounts is what judge needs to know of a settled place.
func (p *place) settledCounts() (settled, rejects int64, example *reject) {
	if n := len(p.rejects); n > 0 {
		example = &p.rejects[n-1]
	}
	return int64(p.batch.Len()), int64(len(p.rejects)), example
}

// join waits until the layout of answers is known, sets aside the answers that
// do not fit it, and writes the output records. The arena and the response are then done with.
func (r *run) join(p *place) error {
	layout, err := r.layout.wait(r.asking)
	if err != nil {
		return err
	}
	joiner := r.plan.codec.joiner
	if err := r.rejectMisfits(p, layout); err != nil {
		return err
	}
	p.records, p.good = int64(p.batch.Len()), p.countAnswers()
	room := p.batch.Size() + len(p.answers.Data) + 2*p.batch.Len() // joined, in most formats
	out, written := joiner.Join(slices.Grow(outputs.get(), room), p.batch, &p.answers, layout, r.plan.Spec.OnBad == "placeholder")
	p.out, p.written = out, int64(written)
	r.recycle(p)
	close(p.joined)
	return nil
}

// rejectMisfits sets aside the answers that cannot stand in the output.
func (r *run) rejectMisfits(p *place, layout *formats.Layout) error {
	before := len(p.rejects)
	r.plan.codec.joiner.Fit(&p.answers, layout, func(i int, message string) {
		p.reject(i, manifest.Reject{Reason: string(formats.ReasonBadAnswer), Message: message})
	})
	misfits := p.rejects[before:]
	if len(misfits) == 0 {
		return nil
	}
	for _, m := range misfits {
		p.drop(m.index)
	}
	r.progress.rejects.Add(int64(len(misfits)))
	err := r.judge(0, int64(len(misfits)), &misfits[0])
	p.sortRejects()
	return err
}
