package transform

import (
	"fmt"
	"sync/atomic"

	"github.com/batchmill/batchmill/transform/answerlog"
	"github.com/batchmill/batchmill/transform/job"
)

// allowance stops a job that has more rejects than --max-rejects. Records that
// earlier runs settled count too.
type allowance struct {
	most    job.Allowance
	settled atomic.Int64 // records
	rejects atomic.Int64 // of the settled records
	last    atomic.Pointer[answerlog.Reject]
}

// carry counts records of an earlier run.
func (a *allowance) carry(settled, rejects int64) {
	a.settled.Add(settled)
	a.rejects.Add(rejects)
}

// count counts settled records, and is the end of a job that has too many rejects. The
// newest reject, unless it is nil, becomes the example in the error's message.
func (a *allowance) count(settled, rejects int64, newest *answerlog.Reject) error {
	if newest != nil {
		a.last.Store(newest)
	}
	all, bad := a.settled.Add(settled), a.rejects.Add(rejects)
	if !a.most.Exceeded(bad, all) {
		return nil
	}
	err := fmt.Errorf("%d of %d records are rejects, more than --max-rejects %s", bad, all, a.most)
	if last := a.last.Load(); last != nil {
		l := &last.Line
		err = fmt.Errorf("%w; the last one: %s: record %d: %s: %s%s", err, l.Object, l.Record, l.Reason, said(l.Status, l.Message), l.Message)
	}
	return &job.Failure{Class: job.BadInput, Err: err, Hint: "fix the input or the model, or raise --max-rejects"}
}
