package jsonl

import (
	"fmt"
	"slices"

	"github.com/batchmill/batchmill/formats"
)

// Wrap is what stands around the values of a payload.
type Wrap uint8

const (
	WrapLines     Wrap = iota // one value a line: application/jsonlines
	WrapArray                 // [value,value]
	WrapInstances             // {"instances":[value,value]}
)

// EncoderConfig says how payloads are rendered.
type EncoderConfig struct {
	Wrap Wrap
	// Verbatim: the input is JSON Lines, so its bytes are the values.
	Verbatim bool
	// Filter names the keys that are sent; nil sends all.
	Filter Filter
}

// Validate names the field that is wrong.
func (c EncoderConfig) Validate() error {
	if c.Wrap > WrapInstances {
		return fmt.Errorf("json payload: unknown wrap %d", c.Wrap)
	}
	if c.Filter != nil && len(c.Filter) == 0 {
		return fmt.Errorf("json payload: the input filter names no key; leave it out to send all")
	}
	return nil
}

type encoder struct{ EncoderConfig }

// NewEncoder renders records as JSON payloads.
func NewEncoder(c EncoderConfig) (formats.Encoder, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	return encoder{c}, nil
}

// Check reads rows once before they are rendered, for Encode has no way to
// say that one cannot be read.
func (e encoder) Check(b *formats.Batch) {
	if e.Verbatim && e.Filter == nil {
		return
	}
	var row formats.Row
	for i := range good(b) {
		if e.Verbatim {
			checkKeys(b, i, e.Filter)
			continue
		}
		checkRow(b, i, &row, e.Filter)
	}
}

// checkKeys adds a flaw if record i of a batch of JSON Lines lacks a key of f.
func checkKeys(b *formats.Batch, i int, f Filter) {
	rec := trim(b.Record(i))
	if !isObject(rec) {
		b.AddFlaw(i, formats.ReasonNoField, "the filter names keys, and the record is no object")
	} else if name, lacks := f.missing(rec); lacks {
		b.AddFlaw(i, formats.ReasonNoField, "no key %s, which the filter names", quote(name))
	}
}

// checkRow adds a flaw if record i cannot be read by fields, or lacks a key of f.
func checkRow(b *formats.Batch, i int, row *formats.Row, f Filter) bool {
	if err := b.Rows.Row(b, i, row); err != nil {
		b.AddFlaw(i, formats.ReasonInvalid, "cannot be written as JSON: %v", err)
		return false
	}
	for _, name := range f {
		if row.Shape != formats.Object {
			b.AddFlaw(i, formats.ReasonNoField, "the filter names keys, and the record has no names")
			return false
		}
		if !slices.Contains(row.Names, name) {
			b.AddFlaw(i, formats.ReasonNoField, "no field %s, which the filter names", quote(name))
			return false
		}
	}
	return true
}

func (e encoder) Encode(dst []byte, b *formats.Batch, sel []int32) []byte {
	first, last := sel[0], sel[len(sel)-1]
	if e.Wrap == WrapLines && e.Verbatim && e.Filter == nil && !b.Gaps && int(last-first) == len(sel)-1 {
		return b.Data[b.Recs[first].Start:b.Recs[last].End]
	}
	before, between, after := "", "\n", "\n"
	switch e.Wrap {
	case WrapArray:
		before, between, after = "[", ",", "]"
	case WrapInstances:
		before, between, after = `{"instances":[`, ",", "]}"
	}
	dst = append(dst, before...)
	var row formats.Row
	for k, i := range sel {
		if k > 0 {
			dst = append(dst, between...)
		}
		dst = e.appendRecord(dst, b, int(i), &row)
	}
	return append(dst, after...)
}

func (e encoder) appendRecord(dst []byte, b *formats.Batch, i int, row *formats.Row) []byte {
	switch {
	case !e.Verbatim:
		if err := b.Rows.Row(b, i, row); err != nil {
			return dst // Check has read it; a host must refuse what is left here
		}
		return appendRow(dst, row, e.Filter)
	case e.Filter == nil:
		return append(dst, body(b, i)...)
	}
	dst = append(dst, '{')
	dst = e.Filter.appendRaw(dst, trim(b.Record(i)))
	return append(dst, '}')
}
