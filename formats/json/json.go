// Package json scans JSON text in place. Package json says whether text is
// valid, where the parts of a value stand, and turns string literals into text
// and back. The package builds no trees and no maps, and no number goes
// through a float: a value that is not a string stays the bytes it was.
//
// [Valid] is the gate. A function that takes "valid" text trusts that the text
// has passed Valid; on other text the result means nothing, but nothing
// panics.
package json

import "github.com/batchmill/batchmill/formats"

// white is the set of JSON's white space, as bits.
const white = 1<<' ' | 1<<'\t' | 1<<'\n' | 1<<'\r'

// space returns the index of the first byte at or after i that is no white space.
func space(data []byte, i int) int {
	for i < len(data) && data[i] <= ' ' && white>>data[i]&1 != 0 {
		i++
	}
	return i
}

// Trim is where data stands without the white space around it. The span of
// white space alone is empty, at the end of data.
func Trim(data []byte) formats.Span {
	start, end := space(data, 0), len(data)
	for end > start && data[end-1] <= ' ' && white>>data[end-1]&1 != 0 {
		end--
	}
	return formats.Span{Start: uint32(start), End: uint32(end)}
}

// KindOf is the kind of a valid value, which may have white space before it.
func KindOf(value []byte) formats.Kind {
	i := space(value, 0)
	if i == len(value) {
		return formats.Null
	}
	switch value[i] {
	case '"':
		return formats.String
	case '{', '[':
		return formats.JSON
	case 't', 'f':
		return formats.Bool
	case 'n':
		return formats.Null
	}
	return formats.Number
}

// IsNumber tells whether text is one JSON number and nothing else: no white
// space, no leading zero or plus sign, a digit on both sides of a point.
func IsNumber(text []byte) bool { return number(text, 0) == len(text) }
