package transform

import (
	"slices"
	"sync/atomic"

	"github.com/batchmill/batchmill/workers"
)

// evidence is what tells a bad record from a broken host: what goes on in the
// rest of the job while a record fails alone.
type evidence struct {
	reading     atomic.Bool  // records are still to be read
	unresolved  atomic.Int64 // batches that have records which are neither settled nor failing alone
	failedAlone atomic.Int64 // records that failed alone since the last good answer
	canary      atomic.Pointer[workers.Request]
}

// keepCanary makes the canary of record i, if that is the first record that was
// answered well, by this run's hosts or in the log.
//
// A record that fails alone is a reject only if its host answers other records in between. Where
// the host was asked about no other record, or where workers.ManyAlone records fail in a row,
// so that the host may have broken, the canary stands in for other records.
func (a *asker) keepCanary(p *place, i int32) {
	if a.evidence.canary.Load() != nil {
		return
	}
	q := a.request(p, slices.Clone(a.codec.Encoder.Encode(nil, p.batch, []int32{i})), i)
	q.Key += "/canary"
	a.evidence.canary.CompareAndSwap(nil, &q)
}

// othersLeft tells whether some record is neither settled nor failing alone,
// in a batch at work, or still to be read by a cutter that has room for the record.
func (r *run) othersLeft() bool {
	return r.evidence.unresolved.Load() > 0 || r.evidence.reading.Load() && !r.window.blocked() && !r.sizer.Waiting()
}
