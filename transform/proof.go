package transform

import (
	"context"
	"fmt"

	"github.com/batchmill/batchmill/formats"
	"github.com/batchmill/batchmill/transform/codec"
	"github.com/batchmill/batchmill/workers"
)

// classify is [workers.Classify], and knows which types of a 2xx are certainly none of answers.
func (a *asker) classify(resp workers.Response, err error) workers.Outcome {
	o := workers.Classify(resp, err)
	if o.Cause == workers.Good && a.codec.Response(resp.ContentType).Foreign {
		o.Cause = workers.Foreign
		o.Message = fmt.Sprintf("the response is %s, which holds no answers; if it does, name the type with --accept", resp.ContentType)
	}
	return o
}

// mostLooks is how many answers of a response are looked at, in equal distances, where nothing
// speaks against them.
const mostLooks = 6

// prove lets a good outcome stand if the answers, as many as were asked for, are to be
// believed, and notes what the host's answers look like then.
func (a *asker) prove(c workers.Claim, contentType string, list []formats.Answer, text []byte, host *workers.Member, o workers.Outcome) workers.Outcome {
	if a.plan.Spec.Answers == "per-batch" {
		return o // nothing is counted, and nothing is looked at
	}
	step := (len(list) + mostLooks - 1) / mostLooks
	if c.Miscounted {
		step = 1
	}
	var room [mostLooks]workers.Look
	looks := room[:0]
	c.Records = len(list)
	for i := 0; i < len(list); i += step {
		shape, page, prose := codec.ShapeOf(text[list[i].Start:list[i].End], list[i].Form)
		c.Page, c.Prose = c.Page || page, c.Prose || prose
		if look := (workers.Look{Type: contentType, Shape: shape}); len(looks) == 0 || looks[len(looks)-1] != look {
			looks = append(looks, look)
		}
	}
	c.Proof = host.Prove(looks)
	if !workers.Believed(c) {
		o.Cause, o.Message = workers.Unproved, unproved(c, contentType)
		return o
	}
	host.Gave(looks)
	return o
}

// unproved says why answers are not believed, and what to do if they are right.
func unproved(c workers.Claim, contentType string) string {
	what := "a response"
	if contentType != "" {
		what += " of the type " + contentType
	}
	switch {
	case c.Page:
		return what + " begins as a page does, and the host has answered no other record so; if pages are the answers, have the host answer batches"
	case c.Proof == workers.NoProof || c.Proof == workers.OtherType:
		return what + " fits the number of records, but the host has answered no other record with this type; if these are answers, name the type with --accept"
	}
	return what + " fits the number of records, but an earlier one did not, and this host has given no such answer about other records; " +
		"if it is right, set --batch-records 1"
}

// probe sends the canary to the leased host, and tells whether the host answers it.
func (a *asker) probe(ctx context.Context, lease *workers.Lease) bool {
	canary := a.evidence.canary.Load()
	if canary == nil {
		return false
	}
	q := *canary
	resp, err := lease.Probe(ctx, &q)
	o := a.classify(resp, err)
	if o.Cause != workers.Good {
		return false
	}
	r := a.codec.Response(resp.ContentType)
	list, text, err := r.Decode(nil, resp.Body, 1)
	if err != nil || a.prove(workers.Claim{Asked: r.Asked}, r.Type, list, text, lease.Member(), o).Cause != workers.Good {
		return false
	}
	a.evidence.failedAlone.Store(0)
	return true
}
