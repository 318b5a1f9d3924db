package csv

import (
	"bytes"
	"io"

	"github.com/batchmill/batchmill/formats"
)

// Sniff learns a job's schema from the beginning of an object, and reads
// little more than the first two records. An object without a record or header
// gives the zero Schema and no error: ask the next object. Names are kept as
// they are, empty and repeated ones too. Width is 0 with Ragged.
//
// With HeaderAuto a number in the first record means that there is no header;
// no number in the first record but a number in the second means that the
// first record is the header; anything else is an *AmbiguousHeaderError.
func Sniff(r io.Reader, o Options) (formats.Schema, error) {
	if err := o.Validate(); err != nil {
		return formats.Schema{}, err
	}
	d := o.orDefault()
	s := sniffer{d, formats.NewFramer(r, &cutter{d}, o.MaxRecord)}
	schema, err := s.schema(o.Header)
	if err == io.EOF {
		return formats.Schema{}, nil
	}
	if o.Ragged {
		schema.Width = 0
	}
	return schema, err
}

type sniffer struct {
	Dialect
	framer *formats.Framer
}

// schema is io.EOF for an object without records.
func (s *sniffer) schema(mode HeaderMode) (formats.Schema, error) {
	switch mode {
	case HeaderYes:
		line, err := s.framer.Line()
		if err != nil {
			return formats.Schema{}, err
		}
		return s.named(line), nil
	case HeaderNo:
		return s.unnamed()
	}
	return s.auto()
}

// unnamed takes the width of the first good record. A bad record says nothing.
func (s *sniffer) unnamed() (formats.Schema, error) {
	for {
		rec, good, err := s.record()
		if err != nil {
			return formats.Schema{}, err
		}
		if good {
			body, _ := split(rec)
			return formats.Schema{Width: s.count(body)}, nil
		}
	}
}

func (s *sniffer) auto() (formats.Schema, error) {
	first, good, err := s.record()
	if err != nil {
		return formats.Schema{}, err
	}
	if good && s.holdsNumber(first) {
		body, _ := split(first)
		return formats.Schema{Width: s.count(body)}, nil
	}
	second, alsoGood, err := s.record()
	if err != nil && err != io.EOF {
		return formats.Schema{}, err
	}
	if err == io.EOF || !good || !alsoGood || !s.holdsNumber(second) {
		return formats.Schema{}, &AmbiguousHeaderError{First: cut(first)}
	}
	return s.named(first), nil
}

// record is the next record, and whether the record is good.
func (s *sniffer) record() ([]byte, bool, error) {
	var b formats.Batch
	if err := s.framer.Next(&b, formats.Caps{Records: 1, Bytes: 1}); err != nil {
		return nil, false, err
	}
	return b.Record(0), len(b.Flaws) == 0, nil
}

func (s *sniffer) named(line []byte) formats.Schema {
	body, _ := split(line)
	schema := formats.Schema{Header: line}
	for _, f := range s.fields(nil, body) {
		schema.Names = append(schema.Names, string(s.unquote(nil, body[f.Start:f.End])))
	}
	schema.Width = len(schema.Names)
	return schema
}

// holdsNumber tells whether a field of rec is a number to a reader's eye.
func (s *sniffer) holdsNumber(rec []byte) bool {
	body, _ := split(rec)
	for _, f := range s.fields(nil, body) {
		if numeric(bytes.TrimSpace(s.unquote(nil, body[f.Start:f.End]))) {
			return true
		}
	}
	return false
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
