package plan

import (
	"slices"

	"github.com/batchmill/batchmill/transform/store"
)

// Concurrency is how many operations of s should be under way at a time: what a
// distant store asks for, else near.
func Concurrency(s store.Store, near int) int {
	if d, ok := s.(store.Distant); ok {
		return d.Concurrency()
	}
	return near
}

// WindowMemory is the part of --memory that batches may take, in bytes. What distant
// stores hold for themselves counts too: half of each, since a store that is read
// holds nothing to be written.
func (p *Plan) WindowMemory() int64 {
	taken := int64(0)
	if d, ok := p.Output.(store.Distant); ok {
		taken += d.Memory() / 2
	}
	taken += p.readAhead()
	return max(int64(p.Spec.Memory)-taken, int64(p.Spec.Memory)/2)
}

// distantInputs are the distant stores that inputs are in, each once: inputs may
// share a bucket, or be in several buckets.
func distantInputs(inputs []Source) []store.Distant {
	var all []store.Distant
	for i := range inputs {
		if d, ok := inputs[i].Store.(store.Distant); ok && !slices.Contains(all, d) {
			all = append(all, d)
		}
	}
	return all
}

// aheadPiece is what an open reader holds before its first read, in bytes: an
// object's beginning, or all of a small object.
const aheadPiece = 1 << 20

// Ahead is how many objects should be open at a time before they are read, and
// how many bytes these may hold, each of them at most a piece; no objects where no input is distant.
func (p *Plan) Ahead() (objects int, bytes, piece int64) {
	for _, d := range p.distant { // objects come in order, so that mostly one store is asked at a time
		objects = max(objects, d.Concurrency())
	}
	if objects == 0 {
		return 0, 0, 0
	}
	return objects, max(p.readAhead(), aheadPiece), aheadPiece
}

// readAhead is how many bytes the readers of all distant inputs may hold.
func (p *Plan) readAhead() int64 {
	bytes := int64(0)
	for _, d := range p.distant {
		bytes += d.Memory() / 2
	}
	return bytes
}
