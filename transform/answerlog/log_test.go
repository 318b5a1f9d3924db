package answerlog

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/batchmill/batchmill/formats"
	"github.com/batchmill/batchmill/transform/manifest"
)

// randomBatch is what hosts said about up to 8 records: answers side by side or
// with gaps of any size, rejects of hosts, and flaws.
func randomBatch(rnd *rand.Rand) *Batch {
	b := &Batch{Object: rnd.IntN(300), First: 1 + rnd.Int64N(1000)}
	even, gap := rnd.IntN(2) == 0, rnd.IntN(4)
	for i := range 1 + rnd.IntN(8) {
		switch {
		case !even && rnd.IntN(4) == 0:
			b.Answers.List = append(b.Answers.List, formats.Answer{})
			r := Reject{Index: i, Flaw: rnd.IntN(2) == 0}
			if !r.Flaw {
				r.Line = manifest.Reject{Reason: "host_refused", Status: 400 + i, Host: "http://h", Attempts: i, Message: "é\n\x00"}
			}
			b.Rejects = append(b.Rejects, r)
		default:
			if !even {
				gap = rnd.IntN(200)
			}
			at := uint32(len(b.Answers.Data))
			b.Answers.Data = fmt.Appendf(b.Answers.Data, "%0*d", rnd.IntN(20), i)
			b.Answers.List = append(b.Answers.List, formats.Answer{Start: at, End: uint32(len(b.Answers.Data)), Form: formats.Form(1 + rnd.IntN(3))})
			b.Answers.Data = append(b.Answers.Data, make([]byte, gap)...)
		}
	}
	return b
}

// said is what b says of each record, in words.
func said(a *formats.Answers, rejects map[int]manifest.Reject) (words []string) {
	for i := range a.List {
		r, rejected := rejects[i]
		words = append(words, fmt.Sprintf("%d %q %v %+v", a.List[i].Form, a.Bytes(i), rejected, r))
	}
	return words
}

// TestBatchComesBack: an entry of answers says of every record what the batch
// said, read whole or in parts, and what one record's later entry says of that record wins.
func TestBatchComesBack(t *testing.T) {
	for seed := range uint64(2000) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		b := randomBatch(rnd)
		want := map[int]manifest.Reject{}
		for _, r := range b.Rejects {
			if !r.Flaw {
				want[r.Index] = r.Line
			}
		}
		rest, err := ParseAnswers(b.Append(nil))
		if err != nil || rest.Object != b.Object || rest.First != b.First || len(rest.heads) != len(b.Answers.List) {
			t.Fatalf("seed %d: %+v, %v", seed, rest, err)
		}
		got, texts := formats.Answers{List: make([]formats.Answer, len(rest.heads))}, map[int][]byte{}
		for len(rest.heads) > 0 {
			part, err := rest.Cut(1 + rnd.IntN(len(rest.heads)))
			if err == nil {
				err = part.Overlay(&got, b.First, texts)
			}
			if err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
		}
		again, err := ParseAnswers(b.one(rnd.IntN(len(b.Answers.List))).Append(nil))
		if err == nil {
			err = again.Overlay(&got, b.First, texts)
		}
		rejects := map[int]manifest.Reject{}
		for i, text := range texts {
			var bad error
			rejects[i], bad = ParseReject(text)
			err = errors.Join(err, bad)
		}
		if w := said(&b.Answers, want); err != nil || !reflect.DeepEqual(said(&got, rejects), w) {
			t.Fatalf("seed %d: %q, %v, want %q", seed, said(&got, rejects), err, w)
		}
	}
}

// TestParts: the parts of a batch say together what the batch says, and only an answer that
// is larger than a part is allowed to be makes a larger one.
func TestParts(t *testing.T) {
	for seed := range uint64(2000) {
		rnd := rand.New(rand.NewPCG(seed, 3))
		b := randomBatch(rnd)
		whole, err := ParseAnswers(b.Append(nil))
		if err != nil {
			t.Fatal(err)
		}
		want, got := formats.Answers{List: make([]formats.Answer, len(b.Answers.List))}, formats.Answers{List: make([]formats.Answer, len(b.Answers.List))}
		wantTexts, gotTexts := map[int][]byte{}, map[int][]byte{}
		if err := whole.Overlay(&want, b.First, wantTexts); err != nil {
			t.Fatal(err)
		}
		next, most := b.First, rnd.Int64N(60)
		for part := range b.Parts(most) {
			size, answers := int64(0), 0
			for i := range part.Answers.List {
				if n := len(part.Answers.Bytes(i)); n > 0 {
					size, answers = size+int64(n), answers+1
				}
			}
			if part.First != next || answers > 1 && size > most {
				t.Fatalf("seed %d: a part from %d on of %d bytes, want from %d, %d bytes", seed, part.First, size, next, most)
			}
			next += int64(len(part.Answers.List))
			a, err := ParseAnswers(part.Append(nil))
			if err == nil {
				err = a.Overlay(&got, b.First, gotTexts)
			}
			if err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
		}
		if !reflect.DeepEqual(said(&got, nil), said(&want, nil)) || !reflect.DeepEqual(gotTexts, wantTexts) || next != b.First+int64(len(b.Answers.List)) {
			t.Fatalf("seed %d: %q, want %q", seed, said(&got, nil), said(&want, nil))
		}
	}
}

// TestAnswersThatLie: a body that was cut or changed is an error or another
// batch's, and never a panic.
func TestAnswersThatLie(t *testing.T) {
	for seed := range uint64(3000) {
		rnd := rand.New(rand.NewPCG(seed, 2))
		body := randomBatch(rnd).Append(nil)
		body[rnd.IntN(len(body))] ^= byte(1 << rnd.IntN(8))
		a, err := ParseAnswers(body[:rnd.IntN(len(body)+1)])
		if err != nil || len(a.heads) == 0 {
			continue
		}
		into := formats.Answers{List: make([]formats.Answer, len(a.heads))}
		if part, err := a.Cut(1 + rnd.IntN(len(a.heads))); err == nil {
			_ = part.Overlay(&into, part.First, map[int][]byte{})
		}
	}
}
