package csv

import (
	"bytes"
	"fmt"

	"github.com/batchmill/batchmill/formats"
)

// cutter finds where records end. A line without quotes costs two searches
// for one byte each and no look at its fields.
type cutter struct{ Dialect }

// Cut implements formats.Cutter.
func (c *cutter) Cut(data []byte, edge formats.Edge) formats.Cut {
	n := bytes.IndexByte(data, '\n') + 1
	if n == 0 {
		if edge != formats.EOF {
			return formats.Cut{} // under Full: too large even for a reject of one line
		}
		n = len(data)
	}
	if bytes.IndexByte(data[:n], c.Quote) < 0 {
		return formats.Cut{N: n, Blank: blank(data[:n])}
	}
	return c.quoted(data, n, edge)
}

// Plain implements formats.LineCutter: lines are special from a quote on.
func (c *cutter) Plain(data []byte) int {
	if i := bytes.IndexByte(data, c.Quote); i >= 0 {
		return i
	}
	return len(data)
}

// blank tells whether line is a line end and nothing else.
func blank(line []byte) bool {
	return line[0] == '\n' || len(line) == 2 && line[0] == '\r' && line[1] == '\n'
}

// quoted cuts a record whose first line, data[:line], holds a quote. A record
// that breaks the rules is its first line, whatever was seen behind the line:
// any other end would let a bad quote swallow good records.
func (c *cutter) quoted(data []byte, line int, edge formats.Edge) formats.Cut {
	field, end := 0, line // a field begins at field, on the line up to data[:end]
	for {
		if field >= end { // the last field was quoted and held the line's end
			if end = lineFrom(data, field, edge); end == 0 && edge == formats.Full {
				return reject(line, field, "a record that is still open at --max-record,")
			} else if end == 0 {
				return formats.Cut{}
			}
		}
		open := bytes.IndexByte(data[field:end], c.Quote)
		if open < 0 {
			return formats.Cut{N: end}
		}
		open += field
		if open > field && data[open-1] != c.Delimiter {
			return reject(line, open, "a quote inside an unquoted field")
		}
		behind, closed := c.pastQuoted(data, open)
		rest := data[behind:]
		switch {
		case edge == formats.More && (len(rest) == 0 || len(rest) == 1 && rest[0] == '\r'):
			return formats.Cut{} // a further quote, or LF behind CR, may follow
		case !closed:
			return reject(line, open, "a quote that is never closed")
		case len(rest) == 0 && edge == formats.EOF:
			return formats.Cut{N: behind}
		case lineEnd(rest) > 0:
			return formats.Cut{N: behind + lineEnd(rest)}
		case len(rest) == 0 || rest[0] != c.Delimiter:
			return reject(line, behind, "text behind a closing quote")
		}
		field = behind + 1
	}
}

// lineFrom is the index behind the line end at or after i; without a line end
// lineFrom is the end of the object, or 0 where the end is not known yet.
func lineFrom(data []byte, i int, edge formats.Edge) int {
	if n := bytes.IndexByte(data[i:], '\n'); n >= 0 {
		return i + n + 1
	}
	if edge == formats.EOF {
		return len(data)
	}
	return 0
}

// reject is a bad record: its first line alone. at is the index of the byte
// that shows the fault, from the line's beginning.
func reject(line, at int, what string) formats.Cut {
	return formats.Cut{
		N: line, Flaw: formats.ReasonQuote,
		Message: fmt.Sprintf("%s at column %d (in bytes, counted on over line breaks); double it inside a quoted field", what, at+1),
	}
}

// lineEnd is the length of the line end that text begins with, 0 without a line end.
func lineEnd(text []byte) int {
	switch {
	case len(text) > 0 && text[0] == '\n':
		return 1
	case len(text) > 1 && text[0] == '\r' && text[1] == '\n':
		return 2
	}
	return 0
}

// pastQuoted is the index behind the quoted field that opens at text[i], and
// whether the field was closed; without a closing quote the index is
// len(text).
func (d Dialect) pastQuoted(text []byte, i int) (int, bool) {
	for i++; i < len(text); i++ {
		q := bytes.IndexByte(text[i:], d.Quote)
		if q < 0 {
			break
		}
		if i += q + 1; i == len(text) || text[i] != d.Quote {
			return i, true
		}
	}
	return len(text), false
}
