package transform

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"

	"github.com/batchmill/batchmill/formats"
	"github.com/batchmill/batchmill/transform/manifest"
)

// An answers entry holds what the hosts said about consecutive records of one
// object. Its body, after the kind, is
//
//	object, first, count, gap   uvarints; first counts from 1
//	count times                 uvarint length<<3 | form
//	the answers                 their bytes, with gap bytes of no meaning
//	                            between two of them
//	for each record that was rejected by a host
//	  length                    uvarint
//	  the reject                JSON, without what the input tells
//
// Form is that of formats.Answer. A flawed record has form 0 like a rejected
// one, and the flag noReject in place of a length: the input tells its reject.
const (
	formBits = 3
	noReject = 1
)

var errCutEntry = errors.New("the entry ends too early")

// logged is what the log says about consecutive records of one object.
type logged struct {
	object int
	first  int64
	gap    uint64   // bytes between two answers
	heads  []uint64 // length<<formBits | form, one a record
	data   []byte   // the answers from heads[0] on
	lines  []byte   // the rejects from heads[0] on
}

// appendAnswers appends the body of the entry for a settled place.
func appendAnswers(dst []byte, p *place) []byte {
	dst = binary.AppendUvarint(dst, uint64(p.object.index))
	dst = binary.AppendUvarint(dst, uint64(p.batch.First))
	dst = binary.AppendUvarint(dst, uint64(p.batch.Len()))
	gap, even := evenGap(p.answers.List)
	dst = binary.AppendUvarint(dst, uint64(gap))
	rejects := p.rejects
	for _, a := range p.answers.List {
		head := uint64(a.End-a.Start)<<formBits | uint64(a.Form)
		if a.Form == formats.NoAnswer {
			if head = 0; rejects[0].flaw {
				head = noReject << formBits
			}
			rejects = rejects[1:]
		}
		if head < 0x80 { // the usual case, without a call
			dst = append(dst, byte(head))
		} else {
			dst = binary.AppendUvarint(dst, head)
		}
	}
	if even {
		list := p.answers.List
		dst = append(dst, p.answers.Data[list[0].Start:list[len(list)-1].End]...)
	} else {
		for i := range p.answers.List {
			dst = append(dst, p.answers.Bytes(i)...)
		}
	}
	for i := range p.rejects {
		if r := &p.rejects[i]; !r.flaw {
			dst = appendReject(dst, &r.line)
		}
	}
	return dst
}

// evenGap is how many bytes stand between two answers, where it is the same
// everywhere and no record lacks one: then all are logged with one copy.
func evenGap(list []formats.Answer) (gap uint32, even bool) {
	if len(list) < 2 || list[0].Form == formats.NoAnswer || list[1].Start < list[0].End {
		return 0, false
	}
	gap = list[1].Start - list[0].End
	for i := 1; i < len(list); i++ {
		if list[i].Form == formats.NoAnswer || list[i].Start-list[i-1].End != gap {
			return 0, false
		}
	}
	return gap, true
}

// appendRetried appends the body of the entry for record i alone.
func appendRetried(dst []byte, p *place, i int) []byte {
	one := &place{object: p.object, work: &work{batch: &formats.Batch{First: p.number(i), Recs: p.batch.Recs[i : i+1]}}}
	one.answers = formats.Answers{Data: p.answers.Data, List: p.answers.List[i : i+1]}
	for _, r := range p.rejects {
		if r.index == i {
			one.rejects = []reject{r}
		}
	}
	return appendAnswers(dst, one)
}

// hostReject is the part of a reject that the input does not tell.
type hostReject struct {
	Reason   string `json:"reason"`
	Status   int    `json:"status,omitempty"`
	Host     string `json:"host,omitempty"`
	Attempts int    `json:"attempts,omitempty"`
	Message  string `json:"message,omitempty"`
}

func appendReject(dst []byte, r *manifest.Reject) []byte {
	text, _ := json.Marshal(hostReject{r.Reason, r.Status, r.Host, r.Attempts, r.Message}) // strings and numbers only
	return append(binary.AppendUvarint(dst, uint64(len(text))), text...)
}

// parseAnswers reads an entry's body. The result shares its memory.
func parseAnswers(body []byte) (*logged, error) {
	var head [4]uint64
	for i := range head {
		v, n := binary.Uvarint(body)
		if n <= 0 {
			return nil, errCutEntry
		}
		head[i], body = v, body[n:]
	}
	if head[2] > uint64(len(body)) || head[3] > uint64(len(body)) || head[0] > math.MaxInt32 || head[1] > math.MaxInt64/2 { // a record takes a byte at least
		return nil, errCutEntry
	}
	l := &logged{object: int(head[0]), first: int64(head[1]), gap: head[3], heads: make([]uint64, head[2])}
	size := uint64(0)
	for i := range l.heads {
		v, n := binary.Uvarint(body)
		if n <= 0 {
			return nil, errCutEntry
		}
		l.heads[i], body = v, body[n:]
		if size += answerSize(v); size > uint64(len(body)) || answerSize(v) > uint64(len(body)) {
			return nil, errCutEntry
		}
	}
	if len(l.heads) > 1 {
		size += l.gap * uint64(len(l.heads)-1)
	}
	if size > uint64(len(body)) {
		return nil, errCutEntry
	}
	l.data, l.lines = body[:size], body[size:]
	return l, nil
}

// answerSize is the number of bytes of the answer that head describes.
func answerSize(head uint64) uint64 {
	if formats.Form(head&(1<<formBits-1)) == formats.NoAnswer {
		return 0
	}
	return head >> formBits
}

// end is the number of the record behind the last one.
func (l *logged) end() int64 { return l.first + int64(len(l.heads)) }

// take cuts the first n records off l.
func (l *logged) take(n int) (*logged, error) {
	cut := &logged{object: l.object, first: l.first, gap: l.gap, heads: l.heads[:n]}
	var size uint64
	lines := l.lines
	for _, h := range cut.heads {
		size += answerSize(h) + l.gap
		if h == 0 {
			_, rest, err := nextReject(lines)
			if err != nil {
				return nil, err
			}
			lines = rest
		}
	}
	size = min(size, uint64(len(l.data))) // no gap stands behind the last answer
	cut.data, l.data = l.data[:size], l.data[size:]
	cut.lines = l.lines[:len(l.lines)-len(lines)]
	l.lines = lines
	l.heads = l.heads[n:]
	l.first += int64(n)
	return cut, nil
}

func nextReject(lines []byte) (text, rest []byte, err error) {
	size, n := binary.Uvarint(lines)
	if n <= 0 || size > uint64(len(lines)-n) {
		return nil, nil, errCutEntry
	}
	return lines[n : n+int(size)], lines[n+int(size):], nil
}

// replay gives p the answers and rejects of l, which holds exactly its
// records, and over them those of later retries. With again, the hosts'
// rejects are left open, to be asked about once more.
func (p *place) replay(l *logged, later []*logged, again bool) error {
	if l.first != p.batch.First || len(l.heads) != p.batch.Len() {
		return fmt.Errorf("the log has records %d to %d for a batch of %d from %d", l.first, l.end()-1, p.batch.Len(), p.batch.First)
	}
	p.attach(nil, nil, nil)
	p.answers.Data = responses.get()
	lines := make(map[int][]byte)
	if err := p.overlay(l, lines); err != nil {
		return err
	}
	for _, x := range later {
		if err := p.overlay(x, lines); err != nil {
			return err
		}
	}
	if again {
		return nil
	}
	for i, text := range lines {
		var r hostReject
		if err := json.Unmarshal(text, &r); err != nil {
			return err
		}
		p.reject(i, manifest.Reject{Reason: r.Reason, Status: r.Status, Host: r.Host, Attempts: r.Attempts, Message: r.Message})
	}
	p.sortRejects()
	return nil
}

// overlay puts what l knows over what p has; lines holds the rejects so far, by index.
func (p *place) overlay(l *logged, lines map[int][]byte) error {
	at, rest := uint32(len(p.answers.Data)), l.lines
	p.answers.Data = append(p.answers.Data, l.data...)
	for k, h := range l.heads {
		i := int(l.first-p.batch.First) + k
		form := formats.Form(h & (1<<formBits - 1))
		switch {
		case form != formats.NoAnswer:
			end := at + uint32(h>>formBits)
			p.answers.List[i] = formats.Answer{Start: at, End: end, Form: form}
			at = end + uint32(l.gap)
			delete(lines, i)
		case h == 0:
			text, more, err := nextReject(rest)
			if err != nil {
				return err
			}
			rest, lines[i] = more, text
		}
	}
	return nil
}
