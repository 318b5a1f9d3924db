package transform

import (
	"sync"

	"github.com/batchmill/batchmill/formats"
	"github.com/batchmill/batchmill/transform/answerlog"
	"github.com/batchmill/batchmill/transform/ledger"
	"github.com/batchmill/batchmill/transform/manifest"
	"github.com/batchmill/batchmill/transform/plan"
	"github.com/batchmill/batchmill/workers"
)

// place is one batch's seat in the window, from the cut to the output. A place has
// one owner at a time: the cutter, then the batch's goroutine, then (once
// joined is closed) the assembler. Between answered and joined, the assembler
// reads entries and answers, which the batch's goroutine does not write then.
type place struct {
	seq         int64 // the window's number of the place
	object      *plan.Object
	reader      formats.Reader // that cut the batch, to check its records
	bytes       int64          // that the place holds in the window
	span        int64          // bytes of the object, as stored, that are settled with the place
	rejectBytes int64          // of bytes, for rejects
	level       *workers.Level // what the batch helps to measure; nil for most

	// failingAlone: every record that is not settled has failed alone.
	failingAlone bool

	headerEnd []byte // how the object's header line ends

	*work                      // nil once joined, and in an object's last place
	answers formats.Answers    // of the batch's records, in their order
	rejects []answerlog.Reject // ascending by index once resolved
	counts  manifest.Counts    // of records, once joined

	logged *ledger.Logged // what the log holds of the batch; nil when hosts must be asked

	asked
	made

	answered chan struct{} // closed when every record is answered or rejected
	joined   chan struct{} // closed when out is complete

	end *objectEnd // the object ends here, and there is no batch; else nil
}

// made is what a place's answers are copied into.
type made struct {
	entries []byte // what is to be logged, framed
	out     []byte // the output records
	late    bool   // the assembler makes both
	early   int64  // bytes of answers, for which each of the two has room among copies
}

// asked is what came of the requests about a batch.
type asked struct {
	requests, retries int64
	accepted          []accepted // answers that may yet come into doubt
}

// objectEnd is the end of an object.
type objectEnd struct {
	err error // why the object cannot be finished; nil when all is well
	cut bool  // the job's limit ended the reading, and more records may come
}

// work is the memory that a batch needs until the batch is joined. Work is recycled:
// at small batches the collector would else be a third of the program's CPU.
type work struct {
	batch   *formats.Batch
	sel     []int32
	payload []byte
	decoded []formats.Answer
	list    []formats.Answer
}

var works = sync.Pool{New: func() any { return &work{batch: new(formats.Batch)} }}

func freeWork(w *work) {
	if max(cap(w.batch.Data), w.batch.Size()) <= keepAtMost && cap(w.payload) <= keepAtMost {
		w.batch.Reset()
		works.Put(w)
	}
}

// The buffers of a batch differ in size by their use, so each kind is
// recycled by itself: a small buffer that has to grow costs as much as a new buffer.
var responses, entries, outputs buffers

// buffers are byte slices for another use. The zero value is ready.
type buffers struct{ pool sync.Pool }

// keepAtMost is the largest buffer that is kept for another use, in bytes: a
// giant record must not hold its memory for the rest of the job.
const keepAtMost = 8 << 20

// keepAlways is up to what capacity a buffer serves for anything, in bytes.
const keepAlways = 64 << 10

// get is an empty buffer for about n bytes, of any capacity. A buffer that is far too large is
// left to the collector: behind a slow head it would be held for long, and counts by what stands in it.
func (s *buffers) get(n int) []byte {
	if b, ok := s.pool.Get().(*[]byte); ok && cap(*b) <= max(keepAlways, 4*n) {
		return (*b)[:0]
	}
	return nil
}

func (s *buffers) put(b []byte) {
	if cap(b) > 0 && cap(b) <= keepAtMost {
		s.pool.Put(&b)
	}
}

// number is the number in the object of record i of the batch.
func (p *place) number(i int) int64 { return p.batch.First + int64(i) }

// countAnswers is how many records of the batch are answered.
func (p *place) countAnswers() (n int64) {
	for i := range p.answers.List {
		if p.answers.List[i].Form != formats.NoAnswer {
			n++
		}
	}
	return n
}
