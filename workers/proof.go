package workers

import (
	"slices"
	"sync"
)

// A Look is what answers look like from outside: their content type, and what the caller
// makes of their shape. Two Looks are equal where the answers may well be of one kind. The
// shape 0 is that of an answer which says nothing, such as null: any model may give it.
type Look struct {
	Type  string
	Shape uint64
}

// Proof says how answers compare with those that the same host gave about other records.
type Proof uint8

const (
	NoProof    Proof = iota // the host has answered nothing yet
	OtherType               // the host answers with another content type
	OtherShape              // the host answers with this content type, but such an answer was never seen
	SameLook                // the host has given such answers
)

// A Claim is a response that holds as many answers as were asked for, and what speaks for
// them and against them.
type Claim struct {
	Records int // in the request
	// Miscounted says that the records were in a request that got another number of
	// answers. A page of seven lines fits seven records, if batches are halved for long enough.
	Miscounted bool
	Asked      bool // the content type is one that the job asks for
	Page       bool // the answers begin as a page does, whatever their content type
	Prose      bool // an answer reads as a sentence does, and may be a message
	Proof      Proof
}

// Believed is the row of the blame table about a 2xx with as many answers as records. In
// a batch the number is proof enough, unless it was wrong before: then only answers that
// look like earlier ones of the same host are believed. A body about one record has a
// number that proves nothing, so its type and shape decide.
func Believed(c Claim) bool {
	switch {
	case c.Proof == SameLook:
		return true
	case c.Records > 1:
		return !c.Miscounted
	case c.Page:
		return false
	case c.Proof == NoProof:
		return c.Asked || !c.Miscounted || !c.Prose
	case c.Proof == OtherType:
		return c.Asked && !c.Miscounted
	}
	return !c.Miscounted
}

// looks are the kinds of answers that a host has given. The zero value is ready.
type looks struct {
	mu   sync.Mutex
	seen []Look
}

// maxLooks is how many kinds of answers are kept for a host: a model whose answers have
// more shapes than that shows by its shapes nothing.
const maxLooks = 64

// Prove compares answers with those that the host gave before.
func (m *Member) Prove(answers []Look) Proof {
	l := &m.looks
	l.mu.Lock()
	defer l.mu.Unlock()
	proof := SameLook
	for _, a := range answers {
		proof = min(proof, l.proof(a))
	}
	return proof
}

func (l *looks) proof(a Look) Proof {
	switch {
	case len(l.seen) == 0:
		return NoProof
	case slices.Contains(l.seen, a):
		return SameLook
	case !slices.ContainsFunc(l.seen, func(s Look) bool { return s.Type == a.Type }):
		return OtherType
	case a.Shape == 0:
		return SameLook
	}
	return OtherShape
}

// Gave notes what answers looked like that are believed.
func (m *Member) Gave(answers []Look) {
	l := &m.looks
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, a := range answers {
		if len(l.seen) < maxLooks && !slices.Contains(l.seen, a) {
			l.seen = append(l.seen, a)
		}
	}
}
