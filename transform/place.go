package transform

import (
	"sync"

	"github.com/batchmill/batchmill/formats"
	"github.com/batchmill/batchmill/transform/manifest"
)

// place is one batch's seat in the window, from the cut to the sink. It has
// one owner at a time: the cutter, then the batch's goroutine, then (once
// joined is closed) the assembler. Between answered and joined, the assembler
// reads answers, which nobody writes then.
type place struct {
	seq         int64
	object      *object
	reader      formats.Reader
	rejectText  formats.Encoder // renders its records for rejects; nil where their bytes do
	held        int64           // bytes it holds in the window
	rejectBytes int64           // of them for rejects
	stuck       bool            // every record that is not settled has failed alone
	level       *level          // what its batch helps to measure; nil for most

	*work                   // nil once joined, and in an object's last place
	answers formats.Answers // of the batch's records, in their order
	rejects []reject        // ascending by index once settled
	out     []byte          // the output records

	// Counts of records, once joined: in the batch, answered, and in out.
	records, good, written int64

	logged  *logged   // what the log knows of the batch; nil when hosts must be asked
	later   []*logged // and what retries found out since
	entries []byte    // what is to be logged, framed

	requests, retries int64

	answered chan struct{} // closed when every record is answered or rejected
	joined   chan struct{} // closed when out is complete

	last bool  // the object ends here; there is no batch
	err  error // with last: why it cannot be finished
}

// reject is a record of a batch that gets no answer.
type reject struct {
	index int
	flaw  bool // the record itself shows it; no host was asked
	line  manifest.Reject
}

// work is the memory that a batch needs until it is joined. It is recycled:
// at small batches the collector would else be a third of the program's CPU.
type work struct {
	batch   *formats.Batch
	sel     []int32
	payload []byte
	decoded []formats.Answer
	list    []formats.Answer
}

var works = sync.Pool{New: func() any { return &work{batch: new(formats.Batch)} }}

// The buffers of a batch differ in size by what they are for, so each kind is
// recycled by itself: a small one that has to grow costs as much as a new one.
var responses, entries, outputs buffers

// buffers are byte slices for another use. The zero value is ready.
type buffers struct{ pool sync.Pool }

// keepAtMost is the largest buffer that is kept for another use, in bytes: one
// giant record must not hold its memory for the rest of the job.
const keepAtMost = 8 << 20

// get is an empty buffer, of any capacity.
func (s *buffers) get() []byte {
	if b, ok := s.pool.Get().(*[]byte); ok {
		return (*b)[:0]
	}
	return nil
}

func (s *buffers) put(b []byte) {
	if cap(b) > 0 && cap(b) <= keepAtMost {
		s.pool.Put(&b)
	}
}

func freeWork(w *work) {
	if max(cap(w.batch.Data), w.batch.Size()) <= keepAtMost && cap(w.payload) <= keepAtMost {
		w.batch.Reset()
		works.Put(w)
	}
}

// number is the number in the object of record i of the batch.
func (p *place) number(i int) int64 { return p.batch.First + int64(i) }

// firstAnswer is the first answer of the batch, if it has one.
func (p *place) firstAnswer() (int, bool) {
	for i := range p.answers.List {
		if p.answers.List[i].Form != formats.NoAnswer {
			return i, true
		}
	}
	return 0, false
}

func (p *place) countAnswers() (n int64) {
	for i := range p.answers.List {
		if p.answers.List[i].Form != formats.NoAnswer {
			n++
		}
	}
	return n
}

// recycle gives back the memory that is not needed once out is complete.
func (r *run) recycle(p *place) {
	freed := p.held - placeOverhead - int64(len(p.out)) - p.rejectBytes
	responses.put(p.answers.Data)
	p.work.list = p.answers.List
	p.answers = formats.Answers{}
	freeWork(p.work)
	p.work, p.reader = nil, nil
	if freed > 0 {
		p.held -= freed
		r.window.shrink(freed)
	}
}
