package jsonl

import (
	"fmt"

	"github.com/batchmill/batchmill/formats/json"
)

// elements makes lines of the elements of a JSON array, byte for byte: what is no part of
// an element becomes a space, but for one line end behind each element, and so do the line ends
// inside of an element. Every byte stays where it is, so that offsets hold, and all other bytes of
// elements are as they were. Only brackets, strings and commas are looked at; whether an
// element is valid is judged record by record.
//
//	[             _
//	 {"a": 1},    _{"a": 1}\n
//	 {"b":    ->  __{"b":___2}\n
//	   2}         __
//	]
type elements struct {
	state elementState
	off   int64  // of the next byte in the object
	open  []bool // the brackets that are open inside of the element: true for a brace
}

// elementState is where in an array the next byte stands.
type elementState uint8

const (
	beforeArray elementState = iota
	firstWanted              // behind the bracket
	nextWanted               // behind a comma
	inScalar                 // in a number, a word, or what should be one
	inBrackets
	inString
	inEscape
	closed    // behind an element, before its line end
	separated // behind the element's line end
	behindArray
)

// lines rewrites the next bytes of the array in place, up to the first that is wrong.
func (e *elements) lines(data []byte) (n int, err error) {
	for i, c := range data {
		var ok bool
		if data[i], ok = e.step(c); !ok {
			return i, fmt.Errorf("byte %d of the JSON array: %s", e.off, e.fault(c))
		}
		e.off++
	}
	return len(data), nil
}

// end is the fault of an array whose text ends here, or nil.
func (e *elements) end() error {
	if e.state == behindArray {
		return nil
	}
	return fmt.Errorf("the JSON array is not closed: it ends at byte %d; the file is cut off", e.off)
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }

// blank is c, or a space in the place of a line end.
func blank(c byte) byte {
	if c == '\n' || c == '\r' {
		return ' '
	}
	return c
}

// step takes the next byte, and says what stands in its place.
func (e *elements) step(c byte) (out byte, ok bool) {
	switch e.state {
	case beforeArray:
		if c == '[' {
			e.state, c = firstWanted, ' '
		}
		return blank(c), true
	case firstWanted, nextWanted:
		return e.begin(c)
	case inScalar, closed:
		return e.finish(c)
	case inBrackets:
		return e.inside(c)
	case inString, inEscape:
		return e.text(c)
	case separated:
		return e.between(c)
	}
	return blank(c), isSpace(c)
}

// begin takes a byte where an element is wanted.
func (e *elements) begin(c byte) (byte, bool) {
	switch {
	case isSpace(c):
		return blank(c), true
	case c == ']' && e.state == firstWanted:
		e.state = behindArray
		return ' ', true
	case c == '"':
		e.state = inString
	case c == '{' || c == '[':
		return c, e.push(c)
	case c == ',' || c == ']' || c == '}':
		return c, false
	default:
		e.state = inScalar
	}
	return c, true
}

// finish takes a byte in or behind an element whose line end is still to come.
func (e *elements) finish(c byte) (byte, bool) {
	switch {
	case isSpace(c):
		e.state = separated
	case c == ',':
		e.state = nextWanted
	case c == ']':
		e.state = behindArray
	case e.state == closed, c == '"', c == '{', c == '[', c == '}':
		return c, false
	default:
		return c, true
	}
	return '\n', true
}

// between takes a byte behind an element's line end.
func (e *elements) between(c byte) (byte, bool) {
	switch {
	case c == ',':
		e.state = nextWanted
	case c == ']':
		e.state = behindArray
	default:
		return blank(c), isSpace(c)
	}
	return ' ', true
}

// inside takes a byte of an element that is an array or an object.
func (e *elements) inside(c byte) (byte, bool) {
	switch c {
	case '"':
		e.state = inString
	case '{', '[':
		return c, e.push(c)
	case '}', ']':
		last := len(e.open) - 1
		if e.open[last] != (c == '}') {
			return c, false
		}
		e.open = e.open[:last]
		if last == 0 {
			e.state = closed
		}
	}
	return blank(c), true
}

func (e *elements) push(c byte) bool {
	e.open, e.state = append(e.open, c == '{'), inBrackets
	return len(e.open) <= json.MaxDepth
}

// text takes a byte of a string. A line end is never a part of one.
func (e *elements) text(c byte) (byte, bool) {
	switch {
	case c == '\n' || c == '\r':
		return c, false
	case e.state == inEscape:
		e.state = inString
	case c == '\\':
		e.state = inEscape
	case c == '"' && len(e.open) > 0:
		e.state = inBrackets
	case c == '"':
		e.state = closed
	}
	return c, true
}

// fault says what is wrong with byte c.
func (e *elements) fault(c byte) string {
	switch e.state {
	case firstWanted, nextWanted:
		return fmt.Sprintf("%q where an element should begin", c)
	case inScalar, closed, separated:
		return fmt.Sprintf("%q where a comma or the end of the array should be", c)
	case inString, inEscape:
		return "a line end inside of a string"
	case behindArray:
		return "more text behind the end of the array; if every line is a value, say --input-format jsonl"
	}
	if len(e.open) > json.MaxDepth {
		return fmt.Sprintf("nested deeper than %d", json.MaxDepth)
	}
	return fmt.Sprintf("%q closes a bracket of the other kind", c)
}
