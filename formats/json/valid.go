package json

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/bits"

	"github.com/batchmill/batchmill/formats"
)

// MaxDepth is how deep arrays and objects may stand in each other. The limit
// is that of encoding/json, and bounds the stack that hostile text can take.
const MaxDepth = 10000

// The scanners below take the index where something begins and return the
// index behind it. A fault is returned as the complement of its offset, which
// is negative; tooDeep marks the only fault that the byte there does not
// explain.
const tooDeep = 1 << (bits.UintSize - 2)

// Valid returns nil if data is one JSON value with nothing but white space
// around it, else a *formats.SyntaxError with the offset of the first byte
// that is wrong. Valid accepts exactly what encoding/json.Valid accepts.
func Valid(data []byte) error {
	end := value(data, space(data, 0), MaxDepth)
	if end >= 0 {
		if end = space(data, end); end == len(data) {
			return nil
		}
		return &formats.SyntaxError{Offset: int64(end), Message: "more text after the end of the value"}
	}
	return fault(data, ^end)
}

// Prefix tells how far data, which begins with a value, is JSON: the index behind that value where the value
// is whole, else that of the first byte with which it cannot go on; len(data) where only more is missing.
func Prefix(data []byte) (end int, whole bool) {
	if end = value(data, 0, MaxDepth); end >= 0 {
		return end, true
	}
	return min(^end&^tooDeep, len(data)), false
}

// fault puts the fault at offset i into words.
func fault(data []byte, i int) error {
	e := &formats.SyntaxError{Offset: int64(i &^ tooDeep)}
	switch {
	case i&tooDeep != 0:
		e.Message = fmt.Sprintf("nested deeper than %d", MaxDepth)
	case i >= len(data):
		e.Message = "the text ends before the value does"
	case bytes.HasPrefix(data[i:], []byte("NaN")), bytes.HasPrefix(data[i:], []byte("Infinity")):
		e.Message = fmt.Sprintf("unexpected '%c': JSON has no word for NaN and infinities", data[i])
	case data[i] < ' ':
		e.Message = fmt.Sprintf("control character 0x%02x", data[i])
	case data[i] < 0x7f:
		e.Message = fmt.Sprintf("unexpected '%c'", data[i])
	default:
		e.Message = fmt.Sprintf("unexpected byte 0x%02x", data[i])
	}
	return e
}

// value scans the value that begins at data[i]; depth is how many more
// brackets it may open.
func value(data []byte, i, depth int) int {
	if i >= len(data) {
		return ^i
	}
	switch c := data[i]; c {
	case '"':
		return literal(data, i+1)
	case '{':
		return object(data, i, depth)
	case '[':
		return array(data, i, depth)
	case 't':
		return word(data, i, "true")
	case 'f':
		return word(data, i, "false")
	case 'n':
		return word(data, i, "null")
	}
	return number(data, i)
}

// object scans the object whose brace is data[i].
func object(data []byte, i, depth int) int {
	if depth == 0 {
		return ^(i | tooDeep)
	}
	i = space(data, i+1)
	if i < len(data) && data[i] == '}' {
		return i + 1
	}
	for {
		if i = key(data, i); i < 0 {
			return i
		}
		if i = space(data, i); i >= len(data) || data[i] != ':' {
			return ^i
		}
		i = space(data, i+1)
		if end := shortNumber(data, i); end > 0 { // most of what models are given
			i = end
		} else if i = value(data, i, depth-1); i < 0 {
			return i
		}
		if i = space(data, i); i >= len(data) {
			return ^i
		}
		if data[i] == '}' {
			return i + 1
		}
		if data[i] != ',' {
			return ^i
		}
		i = space(data, i+1)
	}
}

// key scans the literal that data[i] must begin. A short literal ends in the first look.
func key(data []byte, i int) int {
	if i >= len(data) || data[i] != '"' {
		return ^i
	}
	if i++; i+8 <= len(data) {
		if m := stop(binary.LittleEndian.Uint64(data[i:])); m != 0 {
			if end := i + bits.TrailingZeros64(m)>>3; data[end] == '"' {
				return end + 1
			}
		}
	}
	return literal(data, i)
}

// array scans the array whose bracket is data[i].
func array(data []byte, i, depth int) int {
	if depth == 0 {
		return ^(i | tooDeep)
	}
	i = space(data, i+1)
	if i < len(data) && data[i] == ']' {
		return i + 1
	}
	for {
		if i = value(data, i, depth-1); i < 0 {
			return i
		}
		if i = space(data, i); i >= len(data) {
			return ^i
		}
		if data[i] == ']' {
			return i + 1
		}
		if data[i] != ',' {
			return ^i
		}
		i = space(data, i+1)
	}
}

// word scans true, false or null.
func word(data []byte, i int, w string) int {
	for k := range len(w) {
		if i+k >= len(data) || data[i+k] != w[k] {
			return ^(i + k)
		}
	}
	return i + len(w)
}

// shortNumber scans a number without an exponent, if the number and the byte
// behind it stand in the next 8 bytes, its sign not counted; 0 if they do not,
// or if there is no number of that form. shortNumber has no loop and hardly a
// branch: where numbers end, and whether they have a sign, is what a processor
// cannot predict.
func shortNumber(data []byte, i int) int {
	if i+9 > len(data) {
		return 0
	}
	i += int((uint16(data[i]^'-') - 1) >> 15)             // a sign
	x := binary.LittleEndian.Uint64(data[i:]) ^ '0'*ones  // digits become 0 to 9
	others := ((x &^ highs) + (0x80-10)*ones | x) & highs // marks what is no digit
	whole := bits.TrailingZeros64(others) >> 3
	if whole == 8 || whole == 0 || whole > 1 && data[i] == '0' {
		return 0
	}
	end := i + whole
	if data[end] == '.' {
		others &= others - 1
		k := bits.TrailingZeros64(others) >> 3
		if k == 8 || k == whole+1 {
			return 0
		}
		end = i + k
	}
	if data[end]|0x20 == 'e' {
		return 0
	}
	return end
}

// number scans -?(0|[1-9][0-9]*)(.[0-9]+)?([eE][+-]?[0-9]+)?
func number(data []byte, i int) int {
	if i < len(data) && data[i] == '-' {
		i++
	}
	if i < len(data) && data[i] == '0' {
		i++
	} else if i = digits(data, i); i < 0 {
		return i
	}
	if i < len(data) && data[i] == '.' {
		if i = digits(data, i+1); i < 0 {
			return i
		}
	}
	if i < len(data) && data[i]|0x20 == 'e' {
		i++
		if i < len(data) && (data[i] == '+' || data[i] == '-') {
			i++
		}
		return digits(data, i)
	}
	return i
}

// digits scans one digit or more.
func digits(data []byte, i int) int {
	start := i
	for i < len(data) && data[i]-'0' <= 9 {
		i++
	}
	if i == start {
		return ^i
	}
	return i
}

const (
	ones  = 0x0101010101010101
	highs = 0x80 * ones
)

// stop marks, by its high bit, the first byte of x (in memory order) that is a
// quote, a backslash or a control character. Bytes above the first may be
// marked falsely, for the borrow runs upwards. Flipping bit 1 moves the quote
// just below the space, so that one subtraction finds the quote and the
// control characters.
func stop(x uint64) uint64 {
	quote := (x ^ 0x02*ones) - 0x21*ones
	slash := (x ^ '\\'*ones) - ones
	return (quote | slash) &^ x & highs
}

// literal scans a string literal from the byte behind its opening quote.
func literal(data []byte, i int) int {
	for i+8 <= len(data) {
		m := stop(binary.LittleEndian.Uint64(data[i:]))
		if m == 0 {
			i += 8
			continue
		}
		i += bits.TrailingZeros64(m) >> 3
		if data[i] == '"' {
			return i + 1
		}
		if i = escape(data, i); i < 0 {
			return i
		}
	}
	for i < len(data) {
		switch c := data[i]; {
		case c == '"':
			return i + 1
		case c != '\\' && c >= ' ':
			i++
		default:
			if i = escape(data, i); i < 0 {
				return i
			}
		}
	}
	return ^i
}

// escape scans an escape sequence. A byte that begins none is a fault.
func escape(data []byte, i int) int {
	if data[i] != '\\' {
		return ^i
	}
	i++
	if i >= len(data) {
		return ^i
	}
	switch data[i] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return i + 1
	case 'u':
		for k := i + 1; k <= i+4; k++ {
			if k >= len(data) || hex[data[k]] < 0 {
				return ^k
			}
		}
		return i + 5
	}
	return ^i
}
