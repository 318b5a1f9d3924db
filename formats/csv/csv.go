// Package csv reads and writes RFC 4180 with real-world manners: quoted line
// breaks, LF or CRLF kept as they are, a byte order mark stripped, a missing
// final line end accepted, delimiter and quote settable.
//
// The package is strict where guessing would lose records: a quote counts only
// at a field's beginning. A quote anywhere else, or a quote that never closes,
// makes its line a reject, and framing goes on at the next line. CRs are part
// of a line end only before LF, however many stand there: CR CR LF is one line
// end. Blank lines and comments are no records. NUL bytes are data.
//
// Where input, payload and output are CSV of one [Dialect], no field is
// parsed: a payload is a slice of the batch, a joined record is two copies.
// Other formats come and go through formats.Row.
package csv

import "fmt"

// A Dialect is how CSV is punctuated. The zero value is comma and double quote.
type Dialect struct {
	Delimiter byte // one ASCII byte; 0 means ','
	Quote     byte // one ASCII byte; 0 means '"'
	// Escape, in a quoted field, makes a quote or an Escape behind it data. Elsewhere
	// Escape is data itself. Doubled quotes count beside it. 0 means none.
	Escape byte
	// Comment begins a line that is no record, where a record could begin. 0 means none.
	Comment byte
	// Trim leaves out the spaces and tabs around a field, but not within its quotes.
	Trim bool
}

// Validate returns an *OptionError when the bytes cannot punctuate CSV.
func (d Dialect) Validate() error {
	d = d.orDefault()
	all := []struct {
		name string
		c    byte
	}{{"delimiter", d.Delimiter}, {"quote", d.Quote}, {"escape", d.Escape}, {"comment", d.Comment}}
	for i, b := range all {
		if b.c != 0 && !punctuation(b.c) {
			return &OptionError{b.name, fmt.Sprintf("%q cannot be one; use a single ASCII punctuation or control character, tab or space", b.c)}
		}
		for _, other := range all[:i] {
			if b.c != 0 && b.c == other.c {
				return &OptionError{b.name, fmt.Sprintf("%q is the %s too; choose another", b.c, other.name)}
			}
		}
	}
	return nil
}

// punctuation keeps out what would make numbers, names or lines ambiguous.
func punctuation(c byte) bool {
	switch {
	case c >= '0' && c <= '9', c|0x20 >= 'a' && c|0x20 <= 'z', c >= 0x7f:
		return false
	case c < ' ':
		return c != 0 && c != '\n' && c != '\r' // Hive's delimiter is 0x01
	}
	return c != '.' && c != '-' && c != '+'
}

// Plain tells whether records of d are what text/csv means: commas and double quotes.
// No record holds a comment.
func (d Dialect) Plain() bool {
	d.Comment = 0
	return d.orDefault() == Dialect{Delimiter: ',', Quote: '"'}
}

// writesAs tells whether fields that are written in d stand as those of other do.
// Trim is for reading.
func (d Dialect) writesAs(other Dialect) bool {
	d.Trim, other.Trim = false, false
	return d == other
}

func (d Dialect) orDefault() Dialect {
	if d.Delimiter == 0 {
		d.Delimiter = ','
	}
	if d.Quote == 0 {
		d.Quote = '"'
	}
	return d
}

// HeaderMode says whether an object begins with a header.
type HeaderMode uint8

const (
	HeaderAuto HeaderMode = iota // look at the first hundred records
	HeaderYes                    // the first line is the header
	HeaderNo                     // the first line is a record
)

// Options say how CSV objects are read. The zero value works.
type Options struct {
	Dialect
	Header HeaderMode
	// Ragged accepts records of any number of fields.
	Ragged bool
	// MaxRecord is the longest record in bytes, line end included; 0 means
	// formats.DefaultMaxRecord.
	MaxRecord int
	// Guessed: nobody has said what delimits fields, so [Sniff] may doubt the delimiter.
	Guessed bool
	// SkipRows is how many lines stand before the header or the first record, and are passed over.
	SkipRows int
	// Null, where it is not empty, is what a field without quotes says that has no value.
	Null string
	// Types are the columns' types in order, as [ResolveTypes] gives them; nil
	// is TypeAuto for all, at no cost.
	Types []Type
}

// An OptionError is a setting that cannot work.
type OptionError struct {
	Option  string // delimiter, quote, filter, answer name, column type
	Message string // what is wrong and what to do
}

func (e *OptionError) Error() string { return e.Option + ": " + e.Message }

// An AmbiguousHeaderError says that the first records of an object do not show
// whether the first is a header.
type AmbiguousHeaderError struct {
	First string // the first line, cut
	Why   string // what makes it doubtful
}

func (e *AmbiguousHeaderError) Error() string {
	return fmt.Sprintf("cannot tell whether the first line is a header (%s); say --header yes or --header no; it reads %q", e.Why, e.First)
}

// A DelimiterError says that another byte than the dialect's seems to delimit fields.
type DelimiterError struct {
	Used, Likely byte
	Line         string // what shows it, cut
}

func (e *DelimiterError) Error() string {
	return fmt.Sprintf("a wrong delimiter is suspected: its records have one field each where %q delimits fields, and many %q; the first line reads %q", e.Used, e.Likely, e.Line)
}

// A SeparatorLineError is an object whose first line is for Excel, and names the delimiter.
type SeparatorLineError struct{ Delimiter byte }

func (e *SeparatorLineError) Error() string {
	return fmt.Sprintf("its first line, %q, names the delimiter for Excel and is neither header nor record", "sep="+string(rune(e.Delimiter)))
}

// A HeaderError is an object that begins with another header than the job's.
type HeaderError struct {
	Want, Got string // both lines, cut, without line end
}

func (e *HeaderError) Error() string {
	return fmt.Sprintf("header %q differs from the job's header %q; objects of one job must begin with the same header", e.Got, e.Want)
}

// shownOfLine is how many bytes of a line an error message shows.
const shownOfLine = 200

// cut is line without its end, at most shownOfLine bytes of it.
func cut(line []byte) string {
	body, _ := split(line)
	if len(body) > shownOfLine {
		return string(body[:shownOfLine]) + "..."
	}
	return string(body)
}
