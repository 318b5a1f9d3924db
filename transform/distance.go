package transform

import (
	"slices"
	"time"

	"github.com/batchmill/batchmill/transform/store"
)

// concurrency is how many operations of s should be under way at a time: what a
// distant store asks for, else near.
func concurrency(s store.Store, near int) int {
	if d, ok := s.(store.Distant); ok {
		return d.Concurrency()
	}
	return near
}

// interval is how much answered work a crash may cost.
func (r *run) interval() time.Duration {
	if _, ok := r.plan.Output.(store.Distant); ok {
		return distantInterval
	}
	return commitInterval
}

// windowMemory is the part of --memory that batches may take. What distant
// stores hold for themselves counts too: half of each, since one that is read
// holds nothing to be written.
func (p *Plan) windowMemory() int64 {
	taken := int64(0)
	if d, ok := p.Output.(store.Distant); ok {
		taken += d.Memory() / 2
	}
	taken += p.readAhead()
	return max(int64(p.Spec.Memory)-taken, int64(p.Spec.Memory)/2)
}

// distantInputs are the distant stores that inputs are in, each once: inputs may
// share a bucket, or be in several.
func distantInputs(inputs []Source) []store.Distant {
	var all []store.Distant
	for i := range inputs {
		if d, ok := inputs[i].Store.(store.Distant); ok && !slices.Contains(all, d) {
			all = append(all, d)
		}
	}
	return all
}

// readAhead is how many bytes the readers of all distant inputs may hold.
func (p *Plan) readAhead() int64 {
	held := int64(0)
	for _, d := range p.distant {
		held += d.Memory() / 2
	}
	return held
}
