package roster

import (
	"hash/maphash"
	"iter"
	"math"
	"slices"
)

// An Index finds the numbers that texts were given, in 8 bytes a text: 4 bytes of
// a hash that no other program can predict, and 4 bytes of the number. Different texts may have
// the same hash, so what Find finds is to be compared with what is looked for. First Add
// all texts, second Sort, third Find.
type Index struct {
	seed maphash.Seed
	list []uint64 // hash<<32 | number
}

// MaxNumber is the largest number that an Index holds.
const MaxNumber = math.MaxUint32

// NewIndex makes an Index with room for size texts.
func NewIndex(size int) *Index {
	return &Index{seed: maphash.MakeSeed(), list: make([]uint64, 0, size)}
}

// Add gives text a number, which must be from 0 to [MaxNumber].
func (x *Index) Add(text string, number int) {
	x.list = append(x.list, maphash.String(x.seed, text)&^MaxNumber|uint64(number))
}

// Sort has to be called between Add and the other methods.
func (x *Index) Sort() { slices.Sort(x.list) }

// Find yields, ascending, all numbers whose text is the same as text, and seldom numbers
// of other texts.
func (x *Index) Find(text string) iter.Seq[int] {
	hash := maphash.String(x.seed, text) &^ MaxNumber
	at, _ := slices.BinarySearch(x.list, hash)
	return func(yield func(int) bool) {
		for ; at < len(x.list) && x.list[at]&^MaxNumber == hash; at++ {
			if !yield(int(x.list[at] & MaxNumber)) {
				return
			}
		}
	}
}
