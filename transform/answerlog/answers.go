package answerlog

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"iter"
	"math"

	"github.com/batchmill/batchmill/formats"
	"github.com/batchmill/batchmill/transform/manifest"
)

// The parts of what an answers entry says of a record.
const (
	formBits = 3
	noReject = 1
)

var errCutEntry = errors.New("the entry ends too early")

// A Reject is a record of a batch that gets no answer.
type Reject struct {
	Index int  // in the batch
	Flaw  bool // the record itself is flawed; no host was asked
	Line  manifest.Reject
}

// Batch is what hosts said about consecutive records of one object: an answer or
// a reject for each record. An entry of [KindAnswers] is made of a Batch.
type Batch struct {
	Object  int   // index in the job
	First   int64 // number of the first record in its object, from 1
	Answers formats.Answers
	Rejects []Reject // of the records without an answer, ascending by index
}

// Append appends the body of the batch's entry to dst. The body, after the kind, is
//
//	object, first, count, gap   uvarints; first counts from 1
//	count times                 uvarint length<<3 | form
//	the answers                 their bytes, with gap bytes of no meaning
//	                            between two of them
//	for each record that was rejected by a host
//	  length                    uvarint
//	  the reject                JSON, without what the input tells
//
// Form is the Form of [formats.Answer]. A flawed record has form 0 like a rejected
// record, and the flag noReject in place of a length: the input tells its reject.
func (b *Batch) Append(dst []byte) []byte {
	dst = binary.AppendUvarint(dst, uint64(b.Object))
	dst = binary.AppendUvarint(dst, uint64(b.First))
	dst = binary.AppendUvarint(dst, uint64(len(b.Answers.List)))
	list := b.Answers.List
	gap, even := evenGap(list)
	dst = binary.AppendUvarint(dst, uint64(gap))
	rejects := b.Rejects
	for _, a := range list {
		head := uint64(a.End-a.Start)<<formBits | uint64(a.Form)
		if a.Form == formats.NoAnswer {
			if head = 0; rejects[0].Flaw {
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
		dst = append(dst, b.Answers.Data[list[0].Start:list[len(list)-1].End]...)
	} else {
		for i := range list {
			dst = append(dst, b.Answers.Bytes(i)...)
		}
	}
	for i := range b.Rejects {
		if r := &b.Rejects[i]; !r.Flaw {
			dst = appendReject(dst, &r.Line)
		}
	}
	return dst
}

// AppendEntry appends the batch's entry, of [KindAnswers], to dst.
func (b *Batch) AppendEntry(dst []byte) []byte { return AppendEntry(dst, KindAnswers, b.Append) }

// AppendRetried appends the entry of record i alone, of [KindRetried], to dst.
func (b *Batch) AppendRetried(dst []byte, i int) []byte {
	return AppendEntry(dst, KindRetried, b.one(i).Append)
}

// one makes a batch of record i alone, as an entry of [KindRetried] has it.
func (b *Batch) one(i int) *Batch { return b.part(i, i+1) }

// part makes a batch of the records from number from to number to, which is not among them.
func (b *Batch) part(from, to int) *Batch {
	part := &Batch{Object: b.Object, First: b.First + int64(from)}
	part.Answers = formats.Answers{Data: b.Answers.Data, List: b.Answers.List[from:to]}
	for _, r := range b.Rejects {
		if from <= r.Index && r.Index < to {
			part.Rejects = append(part.Rejects, r)
		}
	}
	return part
}

// Parts cuts the batch where an entry would hold several answers and more than so many bytes of them.
func (b *Batch) Parts(bytes int64) iter.Seq[*Batch] {
	return func(yield func(*Batch) bool) {
		from, size := 0, int64(0)
		for i, a := range b.Answers.List {
			n := int64(a.End - a.Start)
			if n > 0 && size > 0 && size+n > bytes {
				if !yield(b.part(from, i)) {
					return
				}
				from, size = i, 0
			}
			size += n
		}
		yield(b.part(from, len(b.Answers.List)))
	}
}

// evenGap is how many bytes stand between two answers, where the number is the same
// everywhere and no record lacks an answer: then one copy logs all answers.
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

// ParseReject reads a reject's text, which [Answers.Overlay] finds.
func ParseReject(text []byte) (manifest.Reject, error) {
	var r hostReject
	err := json.Unmarshal(text, &r)
	return manifest.Reject{Reason: r.Reason, Status: r.Status, Host: r.Host, Attempts: r.Attempts, Message: r.Message}, err
}

// Answers is what the log says about consecutive records of one object.
type Answers struct {
	Object int   // index in the job
	First  int64 // number of the first record, from 1
	gap    uint64
	heads  []uint64 // length<<formBits | form, one a record
	data   []byte   // the answers from heads[0] on
	lines  []byte   // the rejects from heads[0] on
}

// ParseAnswers reads the body of an entry of [KindAnswers] or [KindRetried]. The
// result shares its memory.
func ParseAnswers(body []byte) (*Answers, error) {
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
	a := &Answers{Object: int(head[0]), First: int64(head[1]), gap: head[3], heads: make([]uint64, head[2])}
	size := uint64(0)
	for i := range a.heads {
		v, n := binary.Uvarint(body)
		if n <= 0 {
			return nil, errCutEntry
		}
		a.heads[i], body = v, body[n:]
		if size += answerSize(v); size > uint64(len(body)) || answerSize(v) > uint64(len(body)) {
			return nil, errCutEntry
		}
	}
	if len(a.heads) > 1 {
		size += a.gap * uint64(len(a.heads)-1)
	}
	if size > uint64(len(body)) {
		return nil, errCutEntry
	}
	a.data, a.lines = body[:size], body[size:]
	return a, nil
}

func formOf(head uint64) formats.Form { return formats.Form(head & (1<<formBits - 1)) }

// answerSize is the number of bytes of the answer that head describes.
func answerSize(head uint64) uint64 {
	if formOf(head) == formats.NoAnswer {
		return 0
	}
	return head >> formBits
}

// End is the number of the record behind the last record.
func (a *Answers) End() int64 { return a.First + int64(len(a.heads)) }

// Count tells how many records are answered, how many hosts rejected, and how
// many had a flaw, so that no host was asked.
func (a *Answers) Count() (answered, rejected, flawed int64) {
	for _, h := range a.heads {
		switch {
		case formOf(h) != formats.NoAnswer:
			answered++
		case h == 0:
			rejected++
		default:
			flawed++
		}
	}
	return answered, rejected, flawed
}

// Cut cuts the first n records off a, and returns these. The two share their memory.
func (a *Answers) Cut(n int) (*Answers, error) {
	cut := &Answers{Object: a.Object, First: a.First, gap: a.gap, heads: a.heads[:n]}
	var size uint64
	lines := a.lines
	for _, h := range cut.heads {
		size += answerSize(h) + a.gap
		if h == 0 {
			_, rest, err := nextReject(lines)
			if err != nil {
				return nil, err
			}
			lines = rest
		}
	}
	size = min(size, uint64(len(a.data))) // no gap stands behind the last answer
	cut.data, a.data = a.data[:size], a.data[size:]
	cut.lines = a.lines[:len(a.lines)-len(lines)]
	a.lines = lines
	a.heads = a.heads[n:]
	a.First += int64(n)
	return cut, nil
}

func nextReject(lines []byte) (text, rest []byte, err error) {
	size, n := binary.Uvarint(lines)
	if n <= 0 || size > uint64(len(lines)-n) {
		return nil, nil, errCutEntry
	}
	return lines[n : n+int(size)], lines[n+int(size):], nil
}

// Overlay puts what a knows over what to has, whose first record has the number
// first and which has a place for every record of a. The text of each record that a host rejected goes
// into rejects by the record's index in to, and leaves rejects where a has an answer; see [ParseReject].
func (a *Answers) Overlay(to *formats.Answers, first int64, rejects map[int][]byte) error {
	at, rest := uint32(len(to.Data)), a.lines
	to.Data = append(to.Data, a.data...)
	for k, h := range a.heads {
		i := int(a.First-first) + k
		form := formOf(h)
		switch {
		case form != formats.NoAnswer:
			end := at + uint32(h>>formBits)
			to.List[i] = formats.Answer{Start: at, End: end, Form: form}
			at = end + uint32(a.gap)
			delete(rejects, i)
		case h == 0:
			text, more, err := nextReject(rest)
			if err != nil {
				return err
			}
			rest, rejects[i] = more, text
		}
	}
	return nil
}
