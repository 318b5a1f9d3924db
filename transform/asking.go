package transform

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/batchmill/batchmill/transform/job"
	"github.com/batchmill/batchmill/transform/manifest"
	"github.com/batchmill/batchmill/workers"
)

// ask is some records of a batch that are to be asked for in one request.
type ask struct {
	sel           []int32         // ascending indexes into the batch
	tries         int             // failed tries that count; halves inherit them
	backoffTries  int             // failed tries of exactly these records
	firstHalf     bool            // the first half of a failed ask: when sel is answered, the fault is in the second half
	aloneFailures int             // how often sel's one record failed alone
	since         uint64          // the fleet's clock when that record first failed alone
	avoid         *workers.Member // nil for any host
	exclusive     bool            // asked with nothing else in flight at the host
	miscounted    bool            // a response about these records held another number of answers
	ledByOne      bool            // the first record was asked about alone, for what its answer proves
	payload       int             // bytes of the last payload
	reserve       int64           // bytes of response that did not find room in the last try
}

// halves cuts an ask in two. The halves inherit its tries: what was tried already
// is not tried again at every level.
func (q ask) halves() []ask {
	mid := len(q.sel) / 2
	q.backoffTries, q.firstHalf = 0, false
	left, right := q, q
	left.sel, right.sel = q.sel[:mid:mid], q.sel[mid:]
	return []ask{left, right}
}

// suspects are the halves of an ask in which some record is at fault.
func (q ask) suspects() []ask {
	halves := q.halves()
	halves[0].firstHalf = true
	return halves
}

// split is a failed ask in parts. Where no host of the job has answered well (fresh), nothing
// could prove the answers to a part of a miscounted batch.
func (q ask) split(why workers.Cause, fresh bool) []ask {
	switch {
	case (why == workers.Unproved || q.miscounted && fresh) && !q.ledByOne:
		return q.led(why != workers.Unproved)
	case why == workers.TooLarge || why == workers.Oversized || why == workers.Unproved:
		return q.halves() // no record is at fault
	}
	return q.suspects()
}

// led is an ask of two records or more with its first record ahead, alone: the type and shape of
// that answer prove whether the host's answers about the others are to be believed. The others
// are asked about in two halves where one of them is suspect.
func (q ask) led(suspect bool) []ask {
	q.backoffTries, q.firstHalf, q.ledByOne = 0, false, true
	first, rest := q, q
	first.sel, rest.sel = q.sel[:1:1], q.sel[1:]
	if suspect && len(rest.sel) > 1 {
		return append([]ask{first}, rest.suspects()...)
	}
	return []ask{first, rest}
}

// fewSuspects is how many records the second half of a failed ask has at most that is not
// asked about as a whole, once the first half was answered: the second half would only fail
// again. A larger half is worth a request, for the fault may be gone.
const fewSuspects = 3

// narrow splits the front of the queue, the second half of a failed ask, if that half has few records.
func narrow(queue []ask) []ask {
	if n := len(queue[0].sel); n < 2 || n > fewSuspects {
		return queue
	}
	return append(queue[0].suspects(), queue[1:]...)
}

// resolve asks hosts until every record of p is answered or rejected. Halves
// of a split are asked for at once; a record that failed alone waits behind
// the rest of its batch, whose answers show whether its host is well.
func (a *asker) resolve(ctx context.Context, p *place, sel []int32, started func()) error {
	var queue []ask
	if len(sel) > 0 {
		queue = append(queue, ask{sel: sel})
	}
	defer func() {
		if !p.failingAlone {
			a.resolved(p)
		}
	}()
	for {
		if len(queue) == 0 {
			queue = p.disown()
		}
		if len(queue) == 0 {
			break
		}
		q := queue[0]
		queue = queue[1:]
		if q.aloneFailures > 0 && !p.failingAlone { // records that fail alone come last, so all that are left do
			p.failingAlone = true
			a.resolved(p)
		}
		rejects := len(p.rejects)
		next, err := a.try(ctx, p, q, started)
		if err != nil {
			return err
		}
		if q.firstHalf && len(next) == 0 && len(p.rejects) == rejects {
			queue = narrow(queue)
		}
		if len(next) == 1 && next[0].aloneFailures > 0 {
			next[0].firstHalf = false // the record waits, and is asked about again behind others
			queue = append(queue, next[0])
		} else {
			queue = append(next, queue...)
		}
	}
	a.rejectFlaws(p)
	p.sortRejects()
	if len(p.answers.List) == 0 {
		p.attach(nil, nil, nil)
	}
	return nil
}

// resolved tells the rest of the job that p waits for no host any more, or for hosts
// that answer a record which fails alone.
func (a *asker) resolved(p *place) {
	a.evidence.unresolved.Add(-1)
	a.sizer.Resolved(p.level)
}

// try sends one request, does what the blame table says about its end, and
// returns what is still to be asked for.
func (a *asker) try(ctx context.Context, p *place, q ask, started func()) ([]ask, error) {
	x, err := a.prepare(a.asking, p, q)
	if err != nil {
		return nil, err
	}
	got := a.window.needsHost(p.seq)
	lease, err := a.pool.Acquire(a.asking, workers.Wish{Order: p.seq, Avoid: q.avoid, Exclusive: q.exclusive, Proven: q.aloneFailures > 0 || q.miscounted})
	got()
	if err != nil {
		return nil, err
	}
	defer lease.Cancel()
	started()
	a.progress.asks()
	if limit := lease.Member().PayloadLimit(); limit > 0 && len(x.Body) > limit && len(q.sel) > 1 && lease.Member().Good() {
		x.drop()
		return q.halves(), nil
	}
	o, lease, err := a.invoke(ctx, &q, lease, x)
	defer lease.Cancel() // perhaps of another host than before
	if errors.Is(err, errNoRoom) {
		q.reserve = x.used
		return []ask{q}, nil
	}
	if err != nil {
		return nil, err
	}
	if o.Cause == workers.Good {
		a.evidence.failedAlone.Store(0)
		a.keepCanary(p, q.sel[0])
		lease.Release(o, workers.Blame(o, workers.State{Records: len(q.sel)}))
		return nil, nil
	}
	q.payload = len(x.Body)
	v := a.blame(ctx, &q, lease, o)
	return a.obey(p, q, lease.Member(), o, v)
}

// blame asks the blame table about a failed request, with all that is known of
// the records, the host and the job, and releases the host.
func (a *asker) blame(ctx context.Context, q *ask, lease *workers.Lease, o workers.Outcome) workers.Verdict {
	host, one := lease.Member(), len(q.sel) == 1
	q.tries++
	q.backoffTries++
	// Another record may have brought the host down under this record. That is
	// known only once this record is asked about with nothing beside it.
	q.exclusive = one && o.Cause == workers.Broken
	taken := o.Cause == workers.TooLarge && a.pool.Takes(q.payload, host) // so the host may be at fault
	if one && (taken || blamesRecord(o.Cause, host.Good())) && !(q.exclusive && lease.Shared()) {
		if q.aloneFailures++; q.aloneFailures == 1 {
			q.since = a.pool.Clock()
			a.evidence.failedAlone.Add(1)
		}
	}
	answered := q.aloneFailures > 0 && host.LastGood() > q.since
	if !answered && (q.aloneFailures > 1 || q.aloneFailures > 0 && a.evidence.failedAlone.Load() >= workers.ManyAlone) {
		answered = a.probe(ctx, lease) // other records may never be asked about while this record is in their way
	}
	good, failed := a.pool.Clock() > 0 || a.progress.resumed.Load() > 0, int(a.evidence.failedAlone.Load())
	expecting := !good && a.pool.Expecting() // a host that is not ready yet may answer all records
	if expecting {
		failed = min(failed, workers.ManyAlone-1)
	}
	v := workers.Blame(o, workers.State{
		Records: len(q.sel), Tries: q.tries, Attempts: a.plan.Spec.Attempts, Alone: q.aloneFailures,
		HostGood: host.Good(), JobGood: good,
		AnsweredBetween: answered, Taken: taken,
		BetterHost:  q.aloneFailures < patience*a.plan.Spec.Attempts && a.pool.Better(host),
		OthersLeft:  expecting || a.othersLeft() && q.aloneFailures < patience*a.plan.Spec.Attempts,
		FailedAlone: failed,
	})
	lease.Release(o, v)
	if q.avoid = nil; v.Elsewhere {
		q.avoid = host
	}
	return v
}

// obey does what the blame table said, and returns what is still to be asked for.
func (a *asker) obey(p *place, q ask, host *workers.Member, o workers.Outcome, v workers.Verdict) ([]ask, error) {
	switch v.Action {
	case workers.Split:
		return q.split(o.Cause, a.pool.Clock() == 0), nil
	case workers.Reject:
		a.reject(p, int(q.sel[0]), manifest.Reject{Reason: reasonOf(o), Status: o.Status, Host: host.Name(),
			Attempts: max(q.tries, 1), Message: o.Message})
		return nil, nil
	case workers.Stop:
		class := map[workers.Exit]job.Class{workers.ExitConfig: job.Usage, workers.ExitInput: job.BadInput, workers.ExitHosts: job.NoHosts}[v.Exit]
		return nil, &job.Failure{Class: class, Hint: v.Why, Err: fmt.Errorf("%s: record %d: host %s: %s%s%s",
			p.object.URI(), p.number(int(q.sel[0])), host.Name(), said(o.Status, o.Message), o.Message, a.sent(q))}
	case workers.Retry:
		p.retries++
		a.progress.retries.Add(1)
		return []ask{q}, a.pause(a.asking, q.backoffTries)
	case workers.Wait, workers.DropHost, workers.PauseHost:
		q.tries-- // the request said nothing about the records
		q.backoffTries--
		p.retries++
		a.progress.retries.Add(1)
		return []ask{q}, nil
	}
	return nil, fmt.Errorf("the blame table says %d of %+v", v.Action, o)
}

// said is the status of a response whose message does not begin with it.
func said(code int, message string) string {
	status := fmt.Sprintf("status %d", code)
	if code == 0 || strings.HasPrefix(message, status) {
		return ""
	}
	return status + ": "
}

// sent tells what a failed request held, without repeating the records.
func (a *asker) sent(q ask) string {
	contentType, _ := a.codec.Media()
	return fmt.Sprintf("; sent was a payload of %d bytes, %s, with records: %d", q.payload, contentType, len(q.sel))
}

// blamesRecord tells whether a record that failed alone may be at fault.
func blamesRecord(c workers.Cause, hostGood bool) bool {
	switch c {
	case workers.Busy, workers.Unreachable, workers.Denied, workers.Redirected:
		return false
	case workers.TooLarge, workers.Oversized:
		return false // the record is at fault, which needs no proof
	case workers.Unfit:
		return hostGood
	}
	return true
}

// patience is how many times --attempts a record may fail alone, in a job without a
// good answer, before the batches behind the record are not waited for: these batches may
// themselves wait for the record.
const patience = 4

// The full-jitter backoff between tries.
const (
	backoffFirst = 100 * time.Millisecond
	backoffMost  = 30 * time.Second
)

// pause pays for a retry from the fleet's budget and waits its backoff.
func (r *run) pause(ctx context.Context, failures int) error {
	if err := r.pool.SpendRetry(ctx); err != nil {
		return err
	}
	return workers.Sleep(ctx, rand.N(min(backoffMost, backoffFirst<<min(failures-1, 16))))
}

// reasonOf is the reason of a record that no host would answer.
func reasonOf(o workers.Outcome) string {
	switch o.Cause {
	case workers.TooLarge:
		return "payload_too_large"
	case workers.Oversized:
		return "response_too_large"
	case workers.Garbled, workers.Foreign:
		return "bad_answer"
	case workers.Unproved:
		return "unproved"
	case workers.Refused, workers.Unfit, workers.Conflict:
		return "host_refused"
	}
	return "host_failed"
}
