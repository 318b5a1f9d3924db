package transform

import (
	"encoding/binary"
	"fmt"

	"github.com/batchmill/batchmill/transform/manifest"
	"github.com/batchmill/batchmill/transform/roster"
)

// fates are what is known of each object's end. In memory they take 6 bytes an object;
// the rest is in a roster, where the newest word on an object counts. Each
// object has one owner at a time, and the owners may be at work at the same time.
type fates struct {
	plan   *Plan
	told   roster.List
	newest []uint32 // by object: the number of what was told last, from 1; 0 where nothing was
	marks  []mark   // set before the run's goroutines start, and only read by them
	final  []bool   // objects whose end stands in this run's manifest
}

// mark is what is known of an object in a bit.
type mark uint8

const (
	settledMark   mark = 1 << iota // it needs no further work
	intentMark                     // its outputs may have their names
	publishedMark                  // its output has its name since it was settled last
	oursMark                       // its output may be replaced: it is an earlier run's
	retryMark                      // its hosts' rejects are asked about again
	thereMark                      // something bears its output's name
)

func newFates(p *Plan) *fates {
	n := p.count()
	return &fates{plan: p, newest: make([]uint32, n), marks: make([]mark, n), final: make([]bool, n)}
}

func (f *fates) has(i int, m mark) bool { return f.marks[i]&m != 0 }
func (f *fates) set(i int, m mark)      { f.marks[i] |= m }
func (f *fates) clear(i int, m mark)    { f.marks[i] &^= m }

// settle notes that object i needs no further work.
func (f *fates) settle(i int, s manifest.Status) {
	f.clear(i, intentMark|publishedMark)
	f.set(i, settledMark)
	if s == manifest.Published {
		f.set(i, publishedMark)
	}
}

// reopen notes that object i is to be built again. What was published of it is ours to replace.
func (f *fates) reopen(i int) {
	if f.has(i, settledMark) && f.has(i, publishedMark) {
		f.set(i, oursMark)
	}
	f.clear(i, settledMark|intentMark|publishedMark)
}

// put notes what became of object i, but for what the plan knows of it.
func (f *fates) put(i int, o *manifest.Object) error {
	var room [512]byte
	number, err := f.told.Add(packFate(room[:0], o))
	if err != nil {
		return rosterError(err)
	}
	if number >= roster.MaxNumber {
		return fmt.Errorf("the log tells more than %d times what became of an object", number)
	}
	f.newest[i] = uint32(number) + 1
	return nil
}

// The parts that not every object's end has.
const (
	hasOutput = 1 << iota
	hasRejects
)

func packFate(dst []byte, o *manifest.Object) []byte {
	parts := byte(0)
	if o.Output != nil {
		parts |= hasOutput
	}
	if o.Rejects != nil {
		parts |= hasRejects
	}
	dst = append(dst, parts)
	for _, n := range []int64{o.In, o.Out, o.Answered, o.Rejected, o.Requests, o.Retries} {
		dst = binary.AppendVarint(dst, n)
	}
	for _, text := range []string{string(o.Status), o.OnBad, o.Error} {
		dst = appendText(dst, text)
	}
	if o.Output != nil {
		dst = appendText(binary.AppendVarint(dst, o.Output.Size), o.Output.SHA256)
	}
	if o.Rejects != nil {
		dst = appendText(dst, o.Rejects.SHA256)
	}
	return dst
}

// of is what became of o; nil where nothing is known.
func (f *fates) of(o *object) (*manifest.Object, error) {
	if f.newest[o.index] == 0 {
		return nil, nil
	}
	var room [512]byte
	record, err := f.told.Get(room[:0], int(f.newest[o.index])-1)
	if err != nil {
		return nil, rosterError(err)
	}
	if len(record) == 0 {
		return nil, rosterError(errUnpacked)
	}
	parts, u := record[0], unpacker{rest: record[1:]}
	m := &manifest.Object{Input: o.input()}
	for _, n := range []*int64{&m.In, &m.Out, &m.Answered, &m.Rejected, &m.Requests, &m.Retries} {
		*n = u.number()
	}
	m.Status, m.OnBad, m.Error = manifest.Status(u.text()), u.text(), u.text()
	out := f.plan.Output
	if parts&hasOutput != 0 {
		m.Output = &manifest.Output{URI: out.URI(o.out), Size: u.number(), SHA256: u.text()}
	}
	if parts&hasRejects != 0 {
		m.Rejects = &manifest.Rejects{URI: out.URI(o.rejects), SHA256: u.text()}
	}
	if u.failed {
		return nil, rosterError(errUnpacked)
	}
	return m, nil
}

// input is the object as a manifest names it.
func (o *object) input() manifest.Input {
	return manifest.Input{URI: o.uri(), Size: o.info.Size, ETag: o.info.ETag, MTime: o.info.ModTime.UTC()}
}

// records is how many records o was found to have when it was read to its end
// before; 0 where that is not known.
func (f *fates) records(o *object) (int64, error) {
	m, err := f.of(o)
	if m == nil || err != nil {
		return 0, err
	}
	return m.In, nil
}

func (f *fates) close() error { return rosterError(f.told.Close()) }
