package corpus

import (
	"math/rand/v2"
	"strconv"
)

// names and words make the two strings. None needs quotes in CSV or an escape
// in JSON, so that only the notes with newlines are expensive to parse.
var (
	names = [...]string{"alder", "birch", "cedar", "elm", "hazel", "juniper", "larch", "maple", "oak", "poplar", "rowan", "spruce", "willow", "yew", "zelkova", "żywotnik"}
	words = [...]string{"early", "late", "wet", "dry", "tall", "broad", "new", "old", "north", "south", "shade", "sun", "rock", "clay", "sand", "peat"}
)

// A maker makes records. All formats draw the same values from one seed.
type maker struct {
	source *rand.PCG
	keys   []string
}

func (m *maker) appendCSV(dst []byte, id int64) []byte {
	dst = strconv.AppendInt(dst, id, 10)
	for range Numbers {
		dst = appendNumber(append(dst, ','), m.source.Uint64())
	}
	dst = append(dst, ',')
	bits := m.source.Uint64()
	dst = append(dst, names[bits&15]...)
	dst = append(dst, ',')
	if !twoLines(bits) {
		return append(appendWords(dst, bits), '\n')
	}
	dst = appendWords(append(dst, '"'), bits)
	dst = append(dst, "\n\"\"seen\"\" twice, "...)
	dst = appendWords(dst, bits>>8)
	return append(dst, '"', '\n')
}

func (m *maker) appendJSON(dst []byte, id int64) []byte {
	dst = strconv.AppendInt(append(dst, m.keys[0]...), id, 10)
	for _, key := range m.keys[1 : Numbers+1] {
		dst = appendNumber(append(dst, key...), m.source.Uint64())
	}
	bits := m.source.Uint64()
	dst = append(append(dst, m.keys[Numbers+1]...), '"')
	dst = append(append(dst, names[bits&15]...), '"')
	dst = append(append(dst, m.keys[Numbers+2]...), '"')
	dst = appendWords(dst, bits)
	if twoLines(bits) {
		dst = append(dst, `\n\"seen\" twice, `...)
		dst = appendWords(dst, bits>>8)
	}
	return append(dst, '"', '}', '\n')
}

// twoLines picks the records whose note holds a newline, from bits that
// nothing else of the record depends on.
func twoLines(bits uint64) bool { return (bits>>32)%newlineEvery == 0 }

// appendNumber writes a decimal with three digits after the point. Trailing
// zeros stay, so a float round trip on the way to the output would show.
func appendNumber(dst []byte, bits uint64) []byte {
	if bits&3 == 0 {
		dst = append(dst, '-')
	}
	dst = strconv.AppendUint(dst, (bits>>8)%1000, 10)
	fraction := (bits >> 32) % 1000
	return append(dst, '.', byte('0'+fraction/100), byte('0'+fraction/10%10), byte('0'+fraction%10))
}

func appendWords(dst []byte, bits uint64) []byte {
	dst = append(dst, words[bits>>4&15]...)
	dst = append(dst, ' ')
	return append(dst, words[bits>>12&15]...)
}
