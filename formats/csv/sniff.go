package csv

import (
	"bytes"
	"io"

	"github.com/batchmill/batchmill/formats"
)

const (
	// sampled is how many records [Sniff] looks at, the header included.
	sampled = 100
	// sampledBytes bounds the memory of the look, beside the first record.
	sampledBytes = 1 << 20
)

// Sniff learns a job's schema from the beginning of an object, and reads
// little more than a hundred records. An object without a record or header
// gives the zero Schema and no error: ask the next object. Names are kept as
// they are, empty and repeated ones too. Width is 0 with Ragged.
//
// With HeaderAuto the fields of the first record and what stands below them decide
// (see rules); what does not decide is an *AmbiguousHeaderError. With Guessed, records of one field
// that another byte would part alike are a *DelimiterError.
func Sniff(r io.Reader, o Options) (formats.Schema, error) {
	if err := o.Validate(); err != nil {
		return formats.Schema{}, err
	}
	d := o.orDefault()
	s := sniffer{Dialect: d, null: o.Null, framer: formats.NewFramer(r, &cutter{d}, o.MaxRecord)}
	if err := s.look(o); err == io.EOF {
		return formats.Schema{}, nil
	} else if err != nil {
		return formats.Schema{}, err
	}
	if err := s.doubt(o); err != nil {
		return formats.Schema{}, err
	}
	schema, err := s.schema(o.Header)
	if o.Ragged {
		schema.Width = 0
	}
	return schema, err
}

// sniffer holds the first records of an object.
type sniffer struct {
	Dialect
	null   string
	framer *formats.Framer
	lines  []line
	failed error // why no more lines could be read; nil at the object's end
}

// A line is a record or a header, as it stood.
type line struct {
	text []byte
	good bool
}

func (l line) body() []byte {
	body, _ := split(l.text)
	return body
}

// look reads the first records; io.EOF is an object without any. Where a record behind
// the first cannot be read, the records before it have to do.
func (s *sniffer) look(o Options) error {
	if err := s.framer.SkipLines(o.SkipRows); err != nil {
		return err
	}
	if o.Header == HeaderYes {
		text, err := s.framer.Line()
		if err != nil {
			return err
		}
		s.lines = append(s.lines, line{text, true})
	}
	for size := 0; len(s.lines) < sampled && size < sampledBytes; {
		var b formats.Batch
		err := s.framer.Next(&b, formats.Caps{Records: 1, Bytes: 1})
		switch {
		case err != nil && len(s.lines) == 0:
			return err
		case err == io.EOF:
			return nil
		case err != nil:
			s.failed = err
			return nil
		}
		size += len(b.Data)
		s.lines = append(s.lines, line{b.Record(0), len(b.Flaws) == 0})
	}
	return nil
}

func (s *sniffer) schema(mode HeaderMode) (formats.Schema, error) {
	switch mode {
	case HeaderYes:
		return s.named(s.lines[0].text), nil
	case HeaderNo:
		return s.unnamed(), nil
	}
	found, err := s.judge()
	if err != nil && s.failed != nil {
		err = s.failed // what could not be read might have decided
	}
	if err != nil {
		return formats.Schema{}, err
	}
	schema := s.unnamed()
	if found.header {
		schema = s.named(s.lines[0].text)
	}
	schema.Why = found.why
	return schema, nil
}

// unnamed takes the width of the first good record. A bad record says nothing.
func (s *sniffer) unnamed() formats.Schema {
	for _, l := range s.lines {
		if l.good {
			return formats.Schema{Width: s.count(l.body())}
		}
	}
	return formats.Schema{}
}

func (s *sniffer) named(text []byte) formats.Schema {
	schema := formats.Schema{Header: text}
	body, _ := split(text)
	for _, f := range s.fields(nil, body) {
		schema.Names = append(schema.Names, string(s.unquote(nil, body[f.Start:f.End])))
	}
	schema.Width = len(schema.Names)
	return schema
}

// doubt is why the object's delimiter, or its first line, is hardly what o says.
func (s *sniffer) doubt(o Options) error {
	first := s.lines[0].body()
	if separator, ok := bytes.CutPrefix(first, []byte("sep=")); ok && len(separator) == 1 && punctuation(separator[0]) && (o.Guessed || o.Header == HeaderAuto) {
		return &SeparatorLineError{separator[0]}
	}
	if !o.Guessed || s.count(first) > 1 {
		return nil
	}
	for _, c := range []byte{';', '\t', '|', ','} {
		if c != s.Delimiter && c != s.Quote && c != s.Escape && c != s.Comment && s.parts(c) {
			return &DelimiterError{Used: s.Delimiter, Likely: c, Line: cut(s.lines[0].text)}
		}
	}
	return nil
}

// parts tells whether c seems to delimit fields: c parts all records alike, or records of
// one field hold several c each.
func (s *sniffer) parts(c byte) bool {
	other := s.Dialect
	other.Delimiter = c
	alike, lone, each, all := true, true, true, 0
	first := other.count(s.lines[0].body())
	for _, l := range s.lines {
		n := other.count(l.body())
		alike = alike && n == first
		lone = lone && s.count(l.body()) == 1
		each = each && n > 1
		all += n - 1
	}
	many := lone && all >= 2*len(s.lines)
	return each && (many || alike && len(s.lines) > 1)
}

// numeric is wider than JSON's grammar: 007, +3, .5 and 1. are numbers here,
// because nobody gives a column such a name.
func numeric(text []byte) bool {
	if len(text) > 0 && (text[0] == '-' || text[0] == '+') {
		text = text[1:]
	}
	whole := leadingDigits(text)
	text = text[whole:]
	fraction := 0
	if len(text) > 0 && text[0] == '.' {
		fraction = leadingDigits(text[1:])
		text = text[1+fraction:]
	}
	if whole+fraction == 0 {
		return false
	}
	if len(text) > 0 && text[0]|0x20 == 'e' {
		text = text[1:]
		if len(text) > 0 && (text[0] == '-' || text[0] == '+') {
			text = text[1:]
		}
		exponent := leadingDigits(text)
		return exponent > 0 && exponent == len(text)
	}
	return len(text) == 0
}

func leadingDigits(text []byte) int {
	n := 0
	for n < len(text) && text[n] >= '0' && text[n] <= '9' {
		n++
	}
	return n
}
