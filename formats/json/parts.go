package json

import (
	"iter"

	"github.com/batchmill/batchmill/formats"
)

// Elements yields where the elements of data, a valid array, stand in it,
// without the white space around them. Elements yields nothing for another
// value.
func Elements(data []byte) iter.Seq[formats.Span] {
	return func(yield func(formats.Span) bool) {
		i, ok := open(data, '[')
		for ok && i < len(data) && data[i] != ']' {
			end := past(data, i)
			if end <= i || !yield(span(i, end)) {
				return
			}
			i = comma(data, end)
		}
	}
}

// Members yields where the members of data, a valid object, stand in it: the
// key as a literal with its quotes, and the value. Members come in the order
// of the text; a key that stands there twice comes twice.
func Members(data []byte) iter.Seq2[formats.Span, formats.Span] {
	return func(yield func(key, value formats.Span) bool) {
		i, ok := open(data, '{')
		for ok && i < len(data) && data[i] == '"' {
			key := past(data, i)
			colon := space(data, key)
			at := space(data, colon+1)
			end := past(data, at)
			if end <= at || !yield(span(i, key), span(at, end)) {
				return
			}
			i = comma(data, end)
		}
	}
}

func span(i, end int) formats.Span { return formats.Span{Start: uint32(i), End: uint32(end)} }

// open finds the first byte inside data, when data begins with bracket.
func open(data []byte, bracket byte) (int, bool) {
	i := space(data, 0)
	if i == len(data) || data[i] != bracket {
		return i, false
	}
	return space(data, i+1), true
}

// comma steps from the end of one part to the beginning of the next, or to the
// closing bracket.
func comma(data []byte, i int) int {
	i = space(data, i)
	if i < len(data) && data[i] == ',' {
		i = space(data, i+1)
	}
	return i
}

// past is the index behind the value that begins at data[i].
func past(data []byte, i int) int {
	if i >= len(data) {
		return i
	}
	switch data[i] {
	case '"':
		return pastLiteral(data, i+1)
	case '{', '[':
		return pastBrackets(data, i)
	}
	for i < len(data) && data[i] > ' ' && data[i] != ',' && data[i] != ']' && data[i] != '}' {
		i++
	}
	return i
}

// pastLiteral is the index behind the closing quote of the literal that data[i] is in.
func pastLiteral(data []byte, i int) int {
	if end := literal(data, i); end >= 0 {
		return end
	}
	return len(data)
}

// pastBrackets is the index behind the bracket that closes data[i].
func pastBrackets(data []byte, i int) int {
	for depth := 0; i < len(data); {
		c := data[i]
		i++
		if c == '"' {
			i = pastLiteral(data, i)
			continue
		}
		switch c | 0x20 { // which makes braces of brackets
		case '{':
			depth++
		case '}':
			if depth--; depth == 0 {
				return i
			}
		}
	}
	return len(data)
}
