package transform

import (
	"bytes"
	"context"
	"runtime"
	"slices"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/batchmill/batchmill/formats"
	"github.com/batchmill/batchmill/transform/answerlog"
	"github.com/batchmill/batchmill/transform/manifest"
)

// An asker takes batches from their cut to their output records: checks, asks,
// logs, joins. Each batch has a goroutine of its own.
type asker struct {
	*run
	answerSize atomic.Int64 // bytes of response per record, about
}

func newAsker(r *run) *asker { return &asker{run: r} }

// dispatch gives every batch its goroutine. How many requests are in flight is
// the pool's business and how many batches exist the window's; here only as
// many batches are prepared ahead of a free host as there are processors to do it.
func (a *asker) dispatch(ctx context.Context, g *errgroup.Group, work <-chan *place) error {
	preparing := make(chan struct{}, runtime.GOMAXPROCS(0))
	for {
		select {
		case preparing <- struct{}{}:
		case <-a.asking.Done():
			return a.asking.Err()
		}
		select {
		case p, ok := <-work:
			if !ok {
				return nil
			}
			a.askers.Add(1)
			a.startAsker(g, func() error { return a.serve(ctx, p, onceDone(preparing)) })
		case <-a.asking.Done():
			return a.asking.Err()
		}
	}
}

// onceDone makes a function that takes one token back, once. The function is for one goroutine.
func onceDone(tokens <-chan struct{}) func() {
	done := false
	return func() {
		if !done {
			done = true
			<-tokens
		}
	}
}

// serve is a batch's life on its own goroutine. Started is called once the
// batch has got its first host or needs none: from then on another batch may be prepared.
func (a *asker) serve(ctx context.Context, p *place, started func()) error {
	p.reader.Check(p.batch)
	a.codec.Encoder.Check(p.batch)
	a.codec.Joiner.Check(p.batch)
	if err := a.answerFromLog(p); err != nil {
		return err
	}
	if err := a.resolve(ctx, p, p.pending(), started); err != nil {
		return err
	}
	started()
	a.chargeRejects(p)
	early := a.takeCopies(p)
	if early {
		p.entries = p.makeEntries(entries.get(len(p.answers.Data)))
	}
	records, rejects := int64(p.batch.Len()), int64(len(p.rejects))
	a.progress.records.Add(records)
	a.progress.settle(p.span, p.logged != nil)
	a.progress.rejects.Add(rejects)
	var newest *answerlog.Reject
	if rejects > 0 {
		newest = &p.rejects[rejects-1]
	}
	if err := a.allowance.count(records, rejects, newest); err != nil {
		return err
	}
	close(p.answered)
	if !early {
		return nil
	}
	return a.join(p)
}

// answerFromLog gives p what an earlier run was told.
func (a *asker) answerFromLog(p *place) error {
	if p.logged == nil {
		return nil
	}
	p.attach(nil, nil, nil)
	p.answers.Data = responses.get(p.batch.Size())
	rejects, err := p.logged.Replay(&p.answers, p.batch.First)
	if err != nil {
		return err
	}
	size := int64(len(p.answers.Data))
	a.window.charge(size)
	p.bytes += size
	for i, r := range rejects {
		a.reject(p, i, r)
	}
	p.sortRejects()
	a.progress.resumed.Add(p.countAnswers())
	answered := func(answer formats.Answer) bool { return answer.Form != formats.NoAnswer }
	if first := slices.IndexFunc(p.answers.List, answered); first >= 0 {
		a.keepCanary(p, int32(first))
	}
	return nil
}

// pending lists the records of p's batch that have no flaw, no answer and no reject.
func (p *place) pending() []int32 {
	sel, rejects := p.sel[:0], p.rejects
	for i := range p.batch.Len() {
		switch {
		case p.batch.Flaw(i) != nil:
		case len(rejects) > 0 && rejects[0].Index == i:
			rejects = rejects[1:]
		case len(p.answers.List) > 0 && p.answers.List[i].Form != formats.NoAnswer:
		default:
			sel = append(sel, int32(i))
		}
	}
	p.sel = sel
	return sel
}

// outcomes are what the log may have to learn about p.
func (p *place) outcomes() *answerlog.Batch {
	return &answerlog.Batch{Object: p.object.Index, First: p.batch.First, Answers: p.answers, Rejects: p.rejects}
}

// makeEntries makes what the log has to learn about p: the whole batch, or where
// the log had the batch already, the records that were retried.
func (p *place) makeEntries(dst []byte) []byte {
	b := p.outcomes()
	if p.logged == nil {
		return b.AppendEntry(dst)
	}
	for _, i := range p.sel {
		dst = b.AppendRetried(dst, int(i))
	}
	return dst
}

// reject sets record i of the batch aside.
func (a *asker) reject(p *place, i int, line manifest.Reject) {
	line.Object = p.object.Path
	line.Record = p.number(i)
	line.Offset = p.batch.OffsetOf(i)
	line.Data = a.recordText(p, i)
	p.rejects = append(p.rejects, answerlog.Reject{Index: i, Line: line})
}

// recordText is record i as rejects files show the record: its bytes, or where records are
// kept by columns, the columns that were read as JSON.
func (a *asker) recordText(p *place, i int) []byte {
	if a.codec.RejectText == nil {
		return p.batch.RejectText(i)
	}
	return bytes.TrimSuffix(a.codec.RejectText.Encode(nil, p.batch, []int32{int32(i)}), []byte("\n"))
}

// rejectFlaws sets aside the records that could not be sent.
func (a *asker) rejectFlaws(p *place) {
	for _, f := range p.batch.Flaws {
		a.reject(p, f.Index, manifest.Reject{Reason: string(f.Reason), Message: f.Message})
		last := &p.rejects[len(p.rejects)-1]
		last.Flaw = true
		if f.Reason == formats.ReasonTooLarge && a.codec.RejectText != nil {
			last.Line.Data = nil // the record's values were not kept
		}
	}
}

// sortRejects puts the rejects in the order of records.
func (p *place) sortRejects() {
	slices.SortFunc(p.rejects, func(a, b answerlog.Reject) int { return a.Index - b.Index })
}

// rejectOverhead is about what a reject takes beside its texts, in bytes.
const rejectOverhead = 256

// chargeRejects counts the rejects' memory in the window.
func (a *asker) chargeRejects(p *place) {
	n := int64(0)
	for i := range p.rejects {
		n += int64(rejectOverhead + len(p.rejects[i].Line.Data) + len(p.rejects[i].Line.Message))
	}
	if n > 0 {
		a.window.charge(n)
		p.bytes += n
		p.rejectBytes = n
	}
}

// join waits until the layout of answers is known, sets aside the answers that
// do not fit the layout, and writes the output records. The arena and the response are recycled.
// The batch's goroutine joins it, or where its copies are late, the assembler.
func (a *asker) join(p *place) error {
	layout, err := a.layout.wait(a.asking)
	if err != nil {
		return err
	}
	if err := a.rejectMisfits(p, layout); err != nil {
		return err
	}
	room := p.batch.Size() + len(p.answers.Data) + 2*p.batch.Len() // joined, in most formats
	out, written := a.codec.Joiner.Join(slices.Grow(outputs.get(room), room), p.batch, &p.answers, layout, a.plan.Spec.OnBad == "placeholder")
	p.out = out
	p.counts = manifest.Counts{In: int64(p.batch.Len()), Out: int64(written), Blank: p.batch.Blank, SkippedLines: p.batch.Skipped, Answered: p.countAnswers(), Rejected: int64(len(p.rejects))}
	a.recycle(p)
	close(p.joined)
	return nil
}

// rejectMisfits sets aside the answers that cannot stand in the output.
func (a *asker) rejectMisfits(p *place, layout *formats.Layout) error {
	before := len(p.rejects)
	a.codec.Joiner.Fit(&p.answers, layout, func(i int, message string) {
		a.reject(p, i, manifest.Reject{Reason: string(formats.ReasonBadAnswer), Message: message})
	})
	misfits := p.rejects[before:]
	if len(misfits) == 0 {
		return nil
	}
	for _, m := range misfits {
		p.answers.List[m.Index] = formats.Answer{}
	}
	a.progress.rejects.Add(int64(len(misfits)))
	err := a.allowance.count(0, int64(len(misfits)), &misfits[0])
	p.sortRejects()
	return err
}

// recycle gives back the memory that is not needed once out is complete.
func (a *asker) recycle(p *place) {
	freed := p.bytes - placeOverhead - int64(len(p.out)) - p.rejectBytes
	responses.put(p.answers.Data)
	p.work.list = p.answers.List
	p.answers = formats.Answers{}
	freeWork(p.work)
	p.work, p.reader = nil, nil
	a.copies.give(p.early)
	if freed > 0 {
		p.bytes -= freed
		a.window.shrink(freed)
	}
}
