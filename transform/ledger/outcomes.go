package ledger

import (
	"cmp"
	"encoding/binary"
	"encoding/json"
	"fmt"

	"github.com/batchmill/batchmill/transform/manifest"
	"github.com/batchmill/batchmill/transform/plan"
	"github.com/batchmill/batchmill/transform/roster"
)

// outcomes are what is known of each object's end. In memory an object takes 6 bytes;
// the rest is in a roster, where the newest record of an object counts. Each
// object has one owner at a time, and the owners may be at work at the same time.
type outcomes struct {
	plan   *plan.Plan
	told   roster.List
	newest []uint32 // by object: the number, from 1, of the newest record in told; 0 without
	marks  []mark   // set before the run's goroutines start, which only read marks
	final  []bool   // objects whose end stands in this run's manifest
}

// mark is what is known of an object in a bit.
type mark uint8

const (
	settledMark   mark = 1 << iota // the object needs no further work
	intentMark                     // the outputs may have their names
	publishedMark                  // the output has its name since the object was settled last
	oursMark                       // the output may be replaced: an earlier run of the job made it
	retryMark                      // the hosts' rejects are retried
	thereMark                      // something bears the output's name
	cutMark                        // the output may be of the object's first records, up to a --limit
)

func newOutcomes(p *plan.Plan) *outcomes {
	n := p.Count()
	return &outcomes{plan: p, newest: make([]uint32, n), marks: make([]mark, n), final: make([]bool, n)}
}

func (f *outcomes) has(i int, m mark) bool { return f.marks[i]&m != 0 }
func (f *outcomes) set(i int, m mark)      { f.marks[i] |= m }
func (f *outcomes) clear(i int, m mark)    { f.marks[i] &^= m }

// settle notes that object i needs no further work.
func (f *outcomes) settle(i int, s manifest.Status) {
	f.clear(i, intentMark|publishedMark)
	f.set(i, settledMark)
	if s == manifest.Published {
		f.set(i, publishedMark)
	}
}

// reopen notes that object i is to be built again. A published output of the object is the job's to replace.
func (f *outcomes) reopen(i int) {
	if f.has(i, settledMark) && f.has(i, publishedMark) {
		f.set(i, oursMark)
	}
	f.clear(i, settledMark|intentMark|publishedMark)
}

// put notes what became of object i, but for what the plan knows of the object.
func (f *outcomes) put(i int, o *manifest.Object) error {
	var room [512]byte
	number, err := f.told.Add(packOutcome(room[:0], o))
	if err != nil {
		return plan.TempFailure(err)
	}
	if number >= roster.MaxNumber {
		return fmt.Errorf("the log tells more than %d times what became of an object", number)
	}
	f.newest[i] = uint32(number) + 1
	return nil
}

// The parts that only some objects' ends have.
const (
	hasOutput = 1 << iota
	hasRejects
	hasReasons
	isCut
)

func packOutcome(dst []byte, o *manifest.Object) []byte {
	parts := byte(0)
	if o.Output != nil {
		parts |= hasOutput
	}
	if o.Rejects != nil {
		parts |= hasRejects
	}
	if len(o.Reasons) > 0 {
		parts |= hasReasons
	}
	if o.Cut {
		parts |= isCut
	}
	dst = append(dst, parts)
	for _, n := range []int64{o.In, o.Out, o.Answered, o.Rejected, o.Blank, o.SkippedLines, o.Requests, o.Retries} {
		dst = binary.AppendVarint(dst, n)
	}
	for _, text := range []string{string(o.Status), o.OnBad, o.Error} {
		dst = roster.AppendText(dst, text)
	}
	if o.Output != nil {
		dst = roster.AppendText(binary.AppendVarint(dst, o.Output.Size), o.Output.SHA256)
	}
	if o.Rejects != nil {
		dst = roster.AppendText(dst, o.Rejects.SHA256)
	}
	if len(o.Reasons) > 0 {
		text, _ := json.Marshal(o.Reasons) // texts and numbers only
		dst = roster.AppendText(dst, string(text))
	}
	return dst
}

// of is what became of o; nil where nothing is known.
func (f *outcomes) of(o *plan.Object) (*manifest.Object, error) {
	if f.newest[o.Index] == 0 {
		return nil, nil
	}
	var room [512]byte
	record, err := f.told.Get(room[:0], int(f.newest[o.Index])-1)
	if err != nil {
		return nil, plan.TempFailure(err)
	}
	u := roster.Unpack(record)
	parts := u.Byte()
	m := &manifest.Object{Input: o.Input(), Cut: parts&isCut != 0}
	for _, n := range []*int64{&m.In, &m.Out, &m.Answered, &m.Rejected, &m.Blank, &m.SkippedLines, &m.Requests, &m.Retries} {
		*n = u.Int()
	}
	m.Status, m.OnBad, m.Error = manifest.Status(u.Text()), u.Text(), u.Text()
	out := f.plan.Output
	if parts&hasOutput != 0 {
		m.Output = &manifest.Output{URI: out.URI(o.Output), Size: u.Int(), SHA256: u.Text()}
	}
	if parts&hasRejects != 0 {
		m.Rejects = &manifest.Rejects{URI: out.URI(o.Rejects), SHA256: u.Text()}
	}
	var reasons error
	if parts&hasReasons != 0 {
		reasons = json.Unmarshal([]byte(u.Text()), &m.Reasons)
	}
	if err := cmp.Or(u.Err(), reasons); err != nil {
		return nil, plan.TempFailure(err)
	}
	return m, nil
}

func (f *outcomes) close() error { return plan.TempFailure(f.told.Close()) }
