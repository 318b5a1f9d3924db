// Package csv reads and writes RFC 4180 with real-world manners: quoted line
// breaks, LF or CRLF kept as they are, a byte order mark stripped, a missing
// final line end accepted, delimiter and quote settable.
//
// The package is strict where guessing would lose records: a quote counts only
// at a field's beginning. A quote anywhere else, or a quote that never closes,
// makes its line a reject, and framing goes on at the next line. A CR is part
// of a line end only before LF. Blank lines are no records. NUL bytes are
// data.
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
}

// Validate returns an *OptionError when the two bytes cannot punctuate CSV.
func (d Dialect) Validate() error {
	d = d.orDefault()
	for _, b := range []struct {
		name string
		c    byte
	}{{"delimiter", d.Delimiter}, {"quote", d.Quote}} {
		if !punctuation(b.c) {
			return &OptionError{b.name, fmt.Sprintf("%q cannot be one; use a single ASCII punctuation character, tab or space", b.c)}
		}
	}
	if d.Delimiter == d.Quote {
		return &OptionError{"quote", fmt.Sprintf("%q is the delimiter too; choose another", d.Quote)}
	}
	return nil
}

// punctuation keeps out what would make numbers, names or lines ambiguous.
func punctuation(c byte) bool {
	switch {
	case c >= '0' && c <= '9', c|0x20 >= 'a' && c|0x20 <= 'z', c >= 0x7f:
		return false
	case c < ' ':
		return c == '\t' || c >= 0x1c // the ASCII separators
	}
	return c != '.' && c != '-' && c != '+'
}

// Plain tells whether d is what text/csv means: commas and double quotes.
func (d Dialect) Plain() bool { return d.orDefault() == Dialect{',', '"'} }

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
	HeaderAuto HeaderMode = iota // look for numbers in the first two records
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

// An AmbiguousHeaderError says that an object's first two records do not show
// whether the first is a header.
type AmbiguousHeaderError struct {
	First string // the first line, cut
}

func (e *AmbiguousHeaderError) Error() string {
	return fmt.Sprintf("cannot tell whether the first line is a header; say --header yes or --header no; it reads %q", e.First)
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
