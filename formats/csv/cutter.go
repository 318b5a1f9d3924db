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
			return formats.Cut{Skip: c.isComment(data)} // under Full: too large even for a reject of one line
		}
		n = len(data)
	}
	if c.isComment(data) {
		return formats.Cut{N: n, Skip: true}
	}
	if bytes.IndexByte(data[:n], c.Quote) < 0 {
		return formats.Cut{N: n, Blank: blank(data[:n])}
	}
	return c.quoted(data, n, edge)
}

// isComment tells whether the line that begins data is a comment.
func (c *cutter) isComment(data []byte) bool { return c.Comment != 0 && data[0] == c.Comment }

// Plain implements formats.LineCutter: lines are special from a quote on, and comments.
func (c *cutter) Plain(data []byte) int {
	if c.Comment != 0 {
		return c.plainOrComment(data)
	}
	if i := bytes.IndexByte(data, c.Quote); i >= 0 {
		return i
	}
	return len(data)
}

// plainOrComment is Plain where lines may be comments. The look goes no further than a
// few times what plainOrComment finds: the Framer asks again behind each special line.
func (c *cutter) plainOrComment(data []byte) int {
	for size := 1 << 9; ; size *= 2 {
		found := data[:min(size, len(data))]
		if i := bytes.IndexByte(found, c.Quote); i >= 0 {
			found = found[:i]
		}
		if len(found) > 0 && c.isComment(found) {
			return 0
		}
		if i := bytes.Index(found, []byte{'\n', c.Comment}); i >= 0 {
			return i + 1
		}
		if len(found) < size {
			return len(found)
		}
	}
}

// blank tells whether line is a line end and nothing else.
func blank(line []byte) bool {
	if line[0] > '\r' { // nearly every line
		return false
	}
	body, end := split(line)
	return len(body) == 0 && len(end) > 0
}

// quoted cuts a record whose first line, data[:line], holds a quote. A record
// that breaks the rules is its first line, whatever was seen behind the line:
// any other end would let a bad quote swallow good records.
func (c *cutter) quoted(data []byte, line int, edge formats.Edge) formats.Cut {
	field, end := 0, line // a field begins at field, on the line up to data[:end]
	for {
		if field >= end { // the last field was quoted and held the line's end
			if end = lineFrom(data, field, edge); end == 0 && edge == formats.Full {
				return c.reject(line, field, "a record that is still open at --max-record,", "")
			} else if end == 0 {
				return formats.Cut{}
			}
		}
		open := bytes.IndexByte(data[field:end], c.Quote)
		if open < 0 {
			return formats.Cut{N: end}
		}
		open += field
		if open > field && data[open-1] != c.Delimiter && !(c.Trim && c.opens(data[field:open])) {
			return c.reject(line, open, "a quote inside an unquoted field", cureOfBlank(data[field:open]))
		}
		behind, closed := c.pastQuoted(data, open)
		if c.Trim {
			behind = c.pastBlanks(data, behind)
		}
		rest := data[behind:]
		switch {
		case edge == formats.More && len(bytes.TrimLeft(rest, "\r")) == 0:
			return formats.Cut{} // a further quote, or LF behind CRs, may follow
		case !closed:
			return c.reject(line, open, "a quote that is never closed", "")
		case len(rest) == 0 && edge == formats.EOF:
			return formats.Cut{N: behind}
		case lineEnd(rest) > 0:
			return formats.Cut{N: behind + lineEnd(rest)}
		case len(rest) == 0 || rest[0] != c.Delimiter:
			return c.reject(line, behind, "text behind a closing quote", c.cureOfEscape(data[open:behind]))
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

// opens tells whether a quote behind before begins a field, blanks aside. before begins with a field.
func (d Dialect) opens(before []byte) bool {
	for len(before) > 0 && d.isBlank(before[len(before)-1]) {
		before = before[:len(before)-1]
	}
	return len(before) == 0 || before[len(before)-1] == d.Delimiter
}

// reject is a bad record: its first line alone. at is the index of the byte
// that shows the fault, from the line's beginning.
func (d Dialect) reject(line, at int, what, cure string) formats.Cut {
	if cure == "" {
		cure = "double it inside a quoted field"
		if d.Escape != 0 {
			cure = "double it inside a quoted field, or put " + string(rune(d.Escape)) + " before it"
		}
	}
	return formats.Cut{
		N: line, Flaw: formats.ReasonQuote,
		Message: fmt.Sprintf("%s at column %d (in bytes, counted on over line breaks); %s", what, at+1, cure),
	}
}

// cureOfBlank is what to do about a quote that does not begin its field because of a blank before it.
func cureOfBlank(before []byte) string {
	if last := before[len(before)-1]; last != ' ' && last != '\t' {
		return ""
	}
	return "double it inside a quoted field, or say --trim if blanks may stand around quotes"
}

// cureOfEscape is what to do about quoted, a field that seems to close at a quote behind a backslash.
func (d Dialect) cureOfEscape(quoted []byte) string {
	if d.Escape != 0 || !bytes.HasSuffix(quoted, []byte{'\\', d.Quote}) {
		return ""
	}
	return `double it inside a quoted field, or say --escape '\' if a backslash escapes quotes`
}

// lineEnd is the length of the line end that text begins with, 0 without a line end.
func lineEnd(text []byte) int {
	if len(text) == 0 || text[0] > '\r' { // nearly always
		return 0
	}
	return lineEndOf(text)
}

func lineEndOf(text []byte) int {
	n := 0
	for n < len(text) && text[n] == '\r' {
		n++
	}
	if n < len(text) && text[n] == '\n' {
		return n + 1
	}
	return 0
}

// pastQuoted is the index behind the quoted field that opens at text[i], and
// whether the field was closed; without a closing quote the index is
// len(text).
func (d *Dialect) pastQuoted(text []byte, i int) (int, bool) {
	if d.Escape != 0 {
		return d.pastEscaped(text, i)
	}
	quote := d.Quote
	for i++; i < len(text); i++ {
		q := bytes.IndexByte(text[i:], quote)
		if q < 0 {
			break
		}
		if i += q + 1; i == len(text) || text[i] != quote {
			return i, true
		}
	}
	return len(text), false
}

// pastEscaped is pastQuoted where quotes may stand behind an Escape.
func (d *Dialect) pastEscaped(text []byte, i int) (int, bool) {
	for i++; i < len(text); i++ {
		q := bytes.IndexByte(text[i:], d.Quote)
		switch {
		case q < 0:
			return len(text), false
		case d.escapes(text[i : i+q]):
			i += q // one further, behind the quote, by the loop
			continue
		}
		if i += q + 1; i == len(text) || text[i] != d.Quote {
			return i, true
		}
	}
	return len(text), false
}
