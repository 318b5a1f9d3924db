package transform

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/batchmill/batchmill/formats"
	"github.com/batchmill/batchmill/workers"
)

// ask is some records of a batch that are to be asked for in one request.
type ask struct {
	sel   []int32 // ascending indexes into the batch
	tries int     // failed tries that count; halves inherit them
	again int     // failed tries of exactly these records, for the backoff
	first bool    // it is the first half of what failed: when it is answered, the fault is in the other one
	alone int     // how often its one record failed alone
	since uint64  // the fleet's clock when it first failed alone
	avoid *workers.Member
	quiet bool  // to be asked about with nothing else in flight at the host
	bytes int   // of the last payload
	room  int64 // bytes of response that did not find room the last time
}

// halves cuts an ask in two. They inherit its tries: what was tried already
// is not tried again at every level.
func (a ask) halves() []ask {
	mid := len(a.sel) / 2
	a.again, a.first = 0, false
	left, right := a, a
	left.sel, right.sel = a.sel[:mid:mid], a.sel[mid:]
	return []ask{left, right}
}

// suspects are the halves of an ask in which some record is at fault.
func (a ask) suspects() []ask {
	halves := a.halves()
	halves[0].first = true
	return halves
}

// fewSuspects is of how many records at most the second half of what failed is not
// asked about as a whole, once the first half was answered: it would only fail
// again. In larger ones that is worth a request, for the fault may be gone.
const fewSuspects = 3

// narrow takes the front of the queue, the second half of what failed, apart if it has few records.
func narrow(queue []ask) []ask {
	if n := len(queue[0].sel); n < 2 || n > fewSuspects {
		return queue
	}
	return append(queue[0].suspects(), queue[1:]...)
}

// pending lists the records of p's batch that no flaw, no answer and no reject
// has settled.
func (p *place) pending() []int32 {
	sel, flaws, rejects := p.sel[:0], p.batch.Flaws, p.rejects
	for i := range p.batch.Len() {
		switch {
		case len(flaws) > 0 && flaws[0].Index == i:
			flaws = flaws[1:]
		case len(rejects) > 0 && rejects[0].index == i:
			rejects = rejects[1:]
		case len(p.answers.List) > 0 && p.answers.List[i].Form != formats.NoAnswer:
		default:
			sel = append(sel, int32(i))
		}
	}
	p.sel = sel
	return sel
}

// exchange is one request and its response, with the memory they hold in the
// window beside their place: the payload, where it is not a part of the arena,
// and room for the response. Room is taken before a host is occupied, as far as
// earlier responses tell how much it will be.
type exchange struct {
	workers.Request
	run     *run
	place   *place
	payload int64
	room    int64 // for the response
	used    int64 // of it
}

// prepare renders what a asks for.
func (r *run) prepare(ctx context.Context, p *place, a ask) (*exchange, error) {
	c := r.plan.codec
	x := &exchange{run: r, place: p, room: max(a.room, r.answerSize.Load()*int64(len(a.sel)))}
	body := c.encoder.Encode(p.payload[:0], p.batch, a.sel)
	if !aliases(body, p.batch, a.sel[0]) {
		p.payload = body // rendered; else it is a part of the arena
		x.payload = int64(len(body))
	}
	if err := r.window.grow(ctx, p, x.payload+x.room, false); err != nil {
		return nil, err
	}
	first := p.number(int(a.sel[0]))
	x.Request = workers.Request{
		Body: body, ContentType: c.payload.media, Accept: c.accept,
		Key:    fmt.Sprintf("%s/%s/%d/%d", r.state.job.ID, p.object.rel, first, len(a.sel)),
		Object: p.object.rel, First: first,
		Into: responses.get(), Reserve: x.reserve,
	}
	return x, nil
}

// aliases tells whether body is a part of b's arena, from record i on.
func aliases(body []byte, b *formats.Batch, i int32) bool {
	at := int(b.Recs[i].Start)
	return len(body) == 0 || at < len(b.Data) && &body[0] == &b.Data[at]
}

// reserve finds room for n more bytes of the response.
func (x *exchange) reserve(ctx context.Context, n int) error {
	x.used += int64(n)
	more := x.used - x.room
	if more <= 0 {
		return nil
	}
	err := x.run.window.grow(ctx, x.place, more, true)
	if err == nil {
		x.room += more
	}
	return err
}

// drop gives back what the exchange holds: nothing of its response is kept.
func (x *exchange) drop() {
	x.run.window.shrink(x.payload + x.room)
	responses.put(x.Into)
}

// keep gives back what the exchange holds but for the text of the answers,
// which the place owns now.
func (x *exchange) keep(text []byte) {
	x.place.held += int64(len(text))
	if more := int64(len(text)) - x.payload - x.room; more > 0 {
		x.run.window.charge(more) // decoded text may be larger than the response
	} else {
		x.run.window.shrink(-more)
	}
}

// invoke sends the request and takes its answers. The outcome is judged after
// parsing, and stands with the lease of the host that it is about; an error is
// errNoRoom, or says that the job has ended.
func (r *run) invoke(ctx context.Context, a ask, lease *workers.Lease, x *exchange) (workers.Outcome, *workers.Lease, error) {
	x.place.requests++
	lease.Records = len(a.sel)
	resp, lease, err := r.ask(ctx, lease, x)
	switch {
	case ctx.Err() != nil:
		return workers.Outcome{}, lease, ctx.Err() // the job's end; its memory goes with it
	case errors.Is(err, errNoRoom):
		x.drop()
		return workers.Outcome{}, lease, errNoRoom
	}
	o := workers.Classify(resp, err)
	var text []byte
	if o.Cause == workers.Good {
		o, text = r.take(x.place, a.sel, resp, o)
	}
	if o.Cause != workers.Good {
		x.drop()
		if host := lease.Member(); o.Cause == workers.TooLarge && r.pool.Takes(len(x.Body), host) {
			return o, lease, nil // it may be the host, and not the size
		}
		r.sizer.failed(x.place.level, lease.Member(), o.Cause, timedOut(resp, err))
		return o, lease, nil
	}
	x.keep(text)
	r.learnAnswerSize(len(resp.Body) / len(a.sel))
	if len(a.sel) == x.place.batch.Len() && a.tries == 0 {
		r.sizer.answered(x.place.level, lease.Member(), len(a.sel), lease.Took())
	}
	return o, lease, nil
}

// timedOut tells whether a request took too long, as we or the host say.
func timedOut(resp workers.Response, err error) bool {
	return errors.Is(err, context.DeadlineExceeded) || err == nil && (resp.Status == 408 || resp.Status == 504)
}

// learnAnswerSize keeps a running mean of the bytes of response per record, rounded up.
func (r *run) learnAnswerSize(n int) {
	old := r.answerSize.Load()
	r.answerSize.Store((7*old + int64(n) + 8) / 8) // a lost update does not matter
}

// maxAnswers is the most bytes of answers that a batch may have: they must fit
// one entry of the log, and 32-bit spans.
const maxAnswers = maxEntry / 2

// take finds the answers in a 2xx response and puts them beside their records.
// Whatever does not hold exactly one answer for each record asked about is
// refused whole. It returns the text that the answers are ranges of.
func (r *run) take(p *place, sel []int32, resp workers.Response, o workers.Outcome) (workers.Outcome, []byte) {
	dec := r.plan.codec.decoder(resp.ContentType)
	if resp.Unframed && !dec.Whole(resp.Body) {
		o.Cause, o.Message = workers.Broken, "the connection ended, and the response does not show that it is whole"
		return o, nil
	}
	list, text, err := r.decode(dec, p.decoded[:0], resp.Body, len(sel))
	p.decoded = list
	switch {
	case err != nil && resp.Unframed:
		o.Cause, o.Message = workers.Broken, err.Error()
	case err != nil:
		o.Cause, o.Message = workers.Garbled, err.Error()
	case len(p.answers.Data)+len(text) > maxAnswers:
		o.Cause, o.Message = workers.Oversized, "the answers of one batch are larger than 512 MiB together"
	default:
		p.attach(sel, text, list)
		return o, text
	}
	return o, nil
}

// decode finds want answers. A response that is to be written as it came
// stands as the answer of its first record, and the others get empty ones.
func (r *run) decode(dec formats.Decoder, dst []formats.Answer, body []byte, want int) (list []formats.Answer, text []byte, err error) {
	if r.plan.Spec.Answers != "per-batch" {
		return dec.Decode(dst, body, want)
	}
	dst = append(dst, formats.Answer{End: uint32(len(body)), Form: formats.LineForm})
	for range want - 1 {
		dst = append(dst, formats.Answer{Form: formats.LineForm})
	}
	return dst, body, nil
}

// attach puts answer i of list, a range of body, beside record sel[i]. The
// first body becomes the place's own; others are copied behind it.
func (p *place) attach(sel []int32, body []byte, list []formats.Answer) {
	a := &p.answers
	if len(a.List) == 0 {
		a.List = slices.Grow(p.list[:0], p.batch.Len())[:p.batch.Len()]
		clear(a.List)
	}
	base := uint32(len(a.Data))
	if a.Data == nil && body != nil {
		a.Data = body[:len(body):cap(body)]
	} else {
		a.Data = append(a.Data, body...)
		responses.put(body)
	}
	for i, at := range sel {
		a.List[at] = formats.Answer{Start: base + list[i].Start, End: base + list[i].End, Form: list[i].Form}
	}
}

// drop takes back the answer of record i.
func (p *place) drop(i int) { p.answers.List[i] = formats.Answer{} }

// sortRejects puts the rejects in the order of records.
func (p *place) sortRejects() {
	slices.SortFunc(p.rejects, func(a, b reject) int { return a.index - b.index })
}
