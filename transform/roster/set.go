package roster

import (
	"hash/maphash"
	"slices"
)

// A Set is a set of texts in about 9 bytes a text. The Set keeps hashes only, of 64
// bits, by a function that no other program can predict, so whoever chooses the texts cannot
// choose the hashes. Two different texts among n have the same hash with a chance
// of n*n/2^65: one in 37 million for a million texts. The zero value is empty.
type Set struct {
	seed    maphash.Seed
	buckets [][]uint64 // by the hash's upper bits; each bucket is sorted
}

// bucketBits makes buckets of a thousand hashes where there are a million: short
// enough to insert into, and grown one by one, so that growing costs no memory.
const bucketBits = 10

// Add adds text, and tells whether the set held text before.
func (s *Set) Add(text string) bool {
	if s.buckets == nil {
		s.seed, s.buckets = maphash.MakeSeed(), make([][]uint64, 1<<bucketBits)
	}
	bucket, h, at, found := s.find(text)
	if !found {
		*bucket = slices.Insert(*bucket, at, h)
	}
	return found
}

// Has tells whether the set holds text.
func (s *Set) Has(text string) bool {
	if s.buckets == nil {
		return false
	}
	_, _, _, found := s.find(text)
	return found
}

func (s *Set) find(text string) (bucket *[]uint64, h uint64, at int, found bool) {
	h = maphash.String(s.seed, text)
	bucket = &s.buckets[h>>(64-bucketBits)]
	at, found = slices.BinarySearch(*bucket, h)
	return bucket, h, at, found
}
