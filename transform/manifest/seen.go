package manifest

import (
	"hash/maphash"
	"slices"
)

// seen tells whether a text came before, in about 9 bytes a text. It keeps
// hashes only, 64 bits of a function that nobody else knows (its seed is of this
// set alone), so whoever chooses the texts cannot choose the hashes. Two different
// ones among n are taken for the same with a chance of n*n/2^65: one in 37
// million for a manifest of a million objects. The zero value is empty.
type seen struct {
	seed    maphash.Seed
	buckets [][]uint64 // by the hash's upper bits; each is sorted
}

// bucketBits makes buckets of a thousand hashes where there are a million: short
// enough to insert into, and grown one by one, so that growing costs no memory.
const bucketBits = 10

// add adds text, and tells whether it was there already.
func (s *seen) add(text string) bool {
	if s.buckets == nil {
		s.seed, s.buckets = maphash.MakeSeed(), make([][]uint64, 1<<bucketBits)
	}
	h := maphash.String(s.seed, text)
	b := &s.buckets[h>>(64-bucketBits)]
	at, found := slices.BinarySearch(*b, h)
	if !found {
		*b = slices.Insert(*b, at, h)
	}
	return found
}
