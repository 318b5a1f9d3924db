package transform

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/batchmill/batchmill/formats"
	"github.com/batchmill/batchmill/workers"
)

// exchange is one request and its response, with the memory that the two hold in the
// window beside their place: the payload, where that is not a part of the arena,
// and room for the response. Room is taken before a host is occupied, as far as
// earlier responses tell how many bytes the response will have.
type exchange struct {
	workers.Request
	window  *window
	place   *place
	payload int64 // bytes
	taken   int64 // bytes for the response
	used    int64 // of taken
}

// prepare renders what q asks for.
func (a *asker) prepare(ctx context.Context, p *place, q ask) (*exchange, error) {
	x := &exchange{window: a.window, place: p, taken: max(q.reserve, a.answerSize.Load()*int64(len(q.sel)))}
	body := a.codec.Encoder.Encode(p.payload[:0], p.batch, q.sel)
	if !aliases(body, p.batch, q.sel[0]) {
		p.payload = body // rendered; else the body is a part of the arena
		x.payload = int64(len(body))
	}
	if err := a.window.grow(ctx, p.seq, x.payload+x.taken, false); err != nil {
		return nil, err
	}
	x.Request = a.request(p, body, q.sel[0])
	x.Key += fmt.Sprintf("/%d", len(q.sel))
	x.Into, x.Reserve = responses.get(int(x.taken)), x.reserve
	return x, nil
}

// request is a request about records of p from record i on. Its key names the
// job, the object and the first record.
func (a *asker) request(p *place, body []byte, i int32) workers.Request {
	first := p.number(int(i))
	contentType, accept := a.codec.Media()
	job, _ := a.ledger.Job()
	return workers.Request{Body: body, ContentType: contentType, Accept: accept, Object: p.object.Path, First: first,
		Key: fmt.Sprintf("%s/%s/%d", job, p.object.Path, first)}
}

// aliases tells whether body is a part of b's arena, from record i on.
func aliases(body []byte, b *formats.Batch, i int32) bool {
	at := int(b.Recs[i].Start)
	return len(body) == 0 || at < len(b.Data) && &body[0] == &b.Data[at]
}

// reserve finds room for n more bytes of the response.
func (x *exchange) reserve(ctx context.Context, n int) error {
	x.used += int64(n)
	more := x.used - x.taken
	if more <= 0 {
		return nil
	}
	err := x.window.grow(ctx, x.place.seq, more, true)
	if err == nil {
		x.taken += more
	}
	return err
}

// drop gives back what the exchange holds: nothing of its response is kept.
func (x *exchange) drop() {
	x.window.shrink(x.payload + x.taken)
	responses.put(x.Into)
}

// keep gives back what the exchange holds but for the text of the answers,
// which the place owns now. A large text counts with the buffer's unused end.
func (x *exchange) keep(text []byte) {
	held := int64(len(text))
	if held > keepAlways {
		held = int64(cap(text))
	}
	x.place.bytes += held
	if more := held - x.payload - x.taken; more > 0 {
		x.window.charge(more) // decoded text may be larger than the response
	} else {
		x.window.shrink(-more)
	}
}

// invoke sends the request and takes its answers. The outcome is known after
// parsing, and is returned with the lease of the host that the outcome is about; an error is
// errNoRoom, or says that the job has ended.
func (a *asker) invoke(ctx context.Context, q *ask, lease *workers.Lease, x *exchange) (workers.Outcome, *workers.Lease, error) {
	x.place.requests++
	lease.Records = len(q.sel)
	resp, lease, err := a.send(ctx, lease, x)
	switch {
	case ctx.Err() != nil:
		return workers.Outcome{}, lease, ctx.Err() // the job's end; the exchange's memory goes with it
	case errors.Is(err, errNoRoom):
		x.drop()
		return workers.Outcome{}, lease, errNoRoom
	}
	o := a.classify(resp, err)
	var text []byte
	oneLine := false
	if o.Cause == workers.Good {
		o, text, oneLine = a.accept(x.place, q, lease.Member(), resp, o)
	}
	if o.Cause != workers.Good {
		x.drop()
		if host := lease.Member(); o.Cause == workers.TooLarge && a.pool.Takes(len(x.Body), host) {
			return o, lease, nil // the host may be at fault, and not the size
		}
		a.sizer.Failed(x.place.level, lease.Member(), o.Cause, timedOut(resp, err), oneLine)
		return o, lease, nil
	}
	x.keep(text)
	x.place.note(*q, lease.Member(), resp.Trust)
	a.learnAnswerSize(len(resp.Body) / len(q.sel))
	a.sizer.Answered(x.place.level, lease.Member(), len(q.sel), len(resp.Body), lease.Took())
	return o, lease, nil
}

// timedOut tells whether a request took too long, as batchmill or the host says.
func timedOut(resp workers.Response, err error) bool {
	return errors.Is(err, context.DeadlineExceeded) || err == nil && (resp.Status == 408 || resp.Status == 504)
}

// learnAnswerSize keeps a running mean of the bytes of response per record, rounded up.
func (a *asker) learnAnswerSize(n int) {
	old := a.answerSize.Load()
	a.answerSize.Store((7*old + int64(n) + 8) / 8) // a lost update does not matter
}

// maxAnswers is the most bytes of answers that a batch may have: the answers must fit
// one entry of the log (a GiB), and 32-bit spans.
const maxAnswers = 512 << 20

// accept finds the answers in a 2xx response, puts the answers beside their records, and
// returns the text that the answers are ranges of. A response that does not hold exactly one
// answer for each record asked about, or that is not believed, is refused whole. oneLine: it
// holds a single answer to several records.
func (a *asker) accept(p *place, q *ask, host *workers.Member, resp workers.Response, o workers.Outcome) (_ workers.Outcome, text []byte, oneLine bool) {
	r := a.codec.Response(resp.ContentType)
	if resp.Unframed && !r.Whole(resp.Body) {
		o.Cause, o.Message = workers.Broken, "the connection ended, and the response does not show that it is whole"
		return o, nil, false
	}
	list, text, err := r.Decode(p.decoded[:0], resp.Body, len(q.sel))
	p.decoded = list
	var miscount *formats.CountError
	switch {
	case err != nil && resp.Unframed:
		o.Cause, o.Message = workers.Broken, err.Error()
	case err != nil:
		q.miscounted = errors.As(err, &miscount) || q.miscounted
		oneLine = miscount != nil && miscount.Got == 1 && miscount.Want > 1
		o.Cause, o.Message = workers.Garbled, err.Error()
		if miscount != nil && miscount.Got == miscount.Want+1 && a.plan.Spec.AnswerHeader == "no" {
			o.Message += "; if the first is a header, say --answer-header yes"
		}
	case len(p.answers.Data)+len(text) > maxAnswers:
		o.Cause, o.Message = workers.Oversized, "the answers of one batch are larger than 512 MiB together"
	default:
		if o = a.prove(workers.Claim{Miscounted: q.miscounted, Asked: r.Asked}, r.Type, list, text, host, o); o.Cause == workers.Good {
			p.attach(q.sel, text, list)
			return o, text, false
		}
	}
	return o, nil, oneLine
}

// attach puts answer i of list, a range of body, beside record sel[i]. The
// first body becomes the place's own; later bodies are copied behind it.
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
		if cap(a.Data)-len(a.Data) < len(body) {
			rest := len(body) / len(sel) * int(int64(p.batch.Len())-p.countAnswers()) // if the others are as large
			a.Data = slices.Grow(a.Data, max(len(body), min(rest, 4*len(a.Data))))
		}
		a.Data = append(a.Data, body...)
		responses.put(body)
	}
	for i, at := range sel {
		a.List[at] = formats.Answer{Start: base + list[i].Start, End: base + list[i].End, Form: list[i].Form}
	}
}
