package roster

import (
	"hash/maphash"
	"iter"
	"math"
	"slices"
)

// An Index finds the numbers that texts were given, in 8 bytes a text: half of
// them a hash that nobody else can predict, half the number. Different texts may have the same
// hash, so what it finds is to be compared with what is looked for. Add
// everything, then call Sort, then look.
type Index struct {
	seed maphash.Seed
	list []uint64 // hash<<32 | number
}

// MaxNumber is the largest number that an Index holds.
const MaxNumber = math.MaxUint32

// NewIndex makes an Index with room for so many texts.
func NewIndex(size int) *Index {
	return &Index{seed: maphash.MakeSeed(), list: make([]uint64, 0, size)}
}

// Add gives text a number, which must be from 0 to [MaxNumber].
func (x *Index) Add(text string, number int) {
	x.list = append(x.list, maphash.String(x.seed, text)&^MaxNumber|uint64(number))
}

// Sort has to be called between Add and the other methods.
func (x *Index) Sort() { slices.Sort(x.list) }

// Find yields, ascending, the numbers whose texts may be the same as text: all
// that are, and seldom others.
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

// Twice finds two numbers, former < latter, that were given to the same text
// according to same; of all such pairs the one whose latter is the smallest. An error of same
// ends it.
func (x *Index) Twice(same func(a, b int) (bool, error)) (former, latter int, found bool, err error) {
	latter = MaxNumber + 1
	for begin := 0; begin < len(x.list); {
		end := begin + 1
		for end < len(x.list) && (x.list[end]^x.list[begin])>>32 == 0 {
			end++
		}
		a, b, twice, err := firstTwice(x.list[begin:end], latter, same)
		if err != nil {
			return 0, 0, false, err
		}
		if twice {
			former, latter, found = a, b, true
		}
		begin = end
	}
	return former, latter, found, nil
}

// firstTwice looks among texts of one hash, for numbers below bound.
func firstTwice(list []uint64, bound int, same func(a, b int) (bool, error)) (a, b int, found bool, err error) {
	for j := 1; j < len(list); j++ {
		if b = int(list[j] & MaxNumber); b >= bound {
			break
		}
		for i := range j {
			a = int(list[i] & MaxNumber)
			if found, err = same(a, b); found || err != nil {
				return a, b, found, err
			}
		}
	}
	return 0, 0, false, nil
}
