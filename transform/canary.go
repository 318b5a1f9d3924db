package transform

import (
	"context"
	"fmt"
	"slices"

	"github.com/batchmill/batchmill/workers"
)

// A canary is a request about one record that was answered well. A record that
// fails alone is a reject only if its host answers others in between. Where the
// host was asked about no other, or where so many fail in a row that the host
// may have broken, the canary stands in for them.
type canary struct{ request workers.Request }

// keepCanary makes a canary of record i, if it is the first that was answered
// well, by this run's hosts or in the log.
func (r *run) keepCanary(p *place, i int32) {
	if r.canary.Load() != nil {
		return
	}
	c := r.plan.codec
	r.canary.CompareAndSwap(nil, &canary{workers.Request{
		Body:        slices.Clone(c.encoder.Encode(nil, p.batch, []int32{i})),
		ContentType: c.payload.media, Accept: c.accept,
		Key:    fmt.Sprintf("%s/%s/%d/canary", r.state.job.ID, p.object.rel, p.number(int(i))),
		Object: p.object.rel, First: p.number(int(i)),
	}})
}

// probe sends the canary to the leased host, and tells whether it answers it.
func (r *run) probe(ctx context.Context, lease *workers.Lease) bool {
	c := r.canary.Load()
	if c == nil {
		return false
	}
	q := c.request
	resp, err := lease.Probe(ctx, &q)
	if workers.Classify(resp, err).Cause != workers.Good {
		return false
	}
	if _, _, err := r.decode(r.plan.codec.decoder(resp.ContentType), nil, resp.Body, 1); err != nil {
		return false
	}
	r.failedAlone.Store(0)
	return true
}
