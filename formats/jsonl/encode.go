package jsonl

import (
	"fmt"
	"slices"

	"github.com/batchmill/batchmill/formats"
	"github.com/batchmill/batchmill/formats/json"
)

// Wrap is what stands around the values of a payload.
type Wrap uint8

const (
	WrapLines     Wrap = iota // one value a line: application/jsonlines
	WrapArray                 // [value,value]
	WrapInstances             // {"instances":[value,value]}
	WrapSplit                 // {"dataframe_split":{"columns":[name,name],"data":[[value,value],[value,value]]}}
)

// EncoderConfig says how payloads are rendered.
type EncoderConfig struct {
	Wrap Wrap
	// Verbatim: the input is JSON Lines, so its bytes are the values.
	Verbatim bool
	// Names are the columns of WrapSplit; nil where records have no names.
	Names []string
	// Fixed: every record has exactly the Names, in their order. With Fixed only
	// the values that are sent need be read.
	Fixed bool
	// Filter names the keys that are sent; nil sends all.
	Filter Filter
}

// Validate names the field that is wrong.
func (c EncoderConfig) Validate() error {
	if c.Wrap > WrapSplit {
		return fmt.Errorf("json payload: unknown wrap %d", c.Wrap)
	}
	if c.Filter != nil && len(c.Filter) == 0 {
		return fmt.Errorf("json payload: --input-filter names no key; leave it out to send all")
	}
	if c.Fixed || c.Wrap == WrapSplit {
		return c.checkFilter()
	}
	return nil
}

// checkFilter finds a filter's name that no record can have.
func (c EncoderConfig) checkFilter() error {
	for _, name := range c.Filter {
		if !slices.Contains(c.Names, name) {
			return fmt.Errorf("json payload: --input-filter names %s, which is no column", quote(name))
		}
	}
	return nil
}

type encoder struct {
	EncoderConfig
	need  []bool // of Fixed records, what is sent; nil for all
	keys  []key  // of Fixed records, the same
	split *split
}

// NewEncoder renders records as JSON payloads.
func NewEncoder(c EncoderConfig) (formats.Encoder, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	e := encoder{EncoderConfig: c, need: c.need(), keys: c.keys()}
	if c.Wrap == WrapSplit {
		s, err := newSplit(c.Names, c.Filter)
		if err != nil {
			return nil, err
		}
		e.split = s
	}
	return e, nil
}

// need tells by their place which values of Fixed records are sent.
func (c EncoderConfig) need() []bool {
	if !c.Fixed || c.Filter == nil {
		return nil
	}
	need := make([]bool, len(c.Names))
	for i, name := range c.Names {
		need[i] = c.Filter.wants(name)
	}
	return need
}

// Check reads rows once before they are rendered, for Encode has no way to say
// that a row cannot be read, or is no Unicode.
func (e encoder) Check(b *formats.Batch) {
	if !e.Verbatim {
		formats.CheckText(b, func(_ int, name string) bool { return e.Filter.wants(name) })
	}
	if e.split != nil {
		e.split.check(b)
		return
	}
	if _, cells := b.Rows.(formats.Cells); cells || e.Verbatim && e.Filter == nil {
		return
	}
	row := formats.Row{Need: none}
	for i := range b.Recs {
		if b.Flaw(i) != nil {
			continue
		}
		if e.Verbatim {
			checkKeys(b, i, e.Filter)
			continue
		}
		checkRow(b, i, &row, e.Filter)
	}
}

// none asks for a row without its values.
var none = []bool{}

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
	if e.split != nil {
		return e.split.encode(dst, b, sel, e.need)
	}
	before, between, after := "", "\n", "\n"
	switch e.Wrap {
	case WrapArray:
		before, between, after = "[", ",", "]"
	case WrapInstances:
		before, between, after = `{"instances":[`, ",", "]}"
	}
	dst = append(dst, before...)
	row, cells := formats.Row{Need: e.need}, formats.Cells(nil)
	if e.Fixed {
		cells, _ = b.Rows.(formats.Cells)
	}
	for k, i := range sel {
		if k > 0 {
			dst = append(dst, between...)
		}
		if cells != nil {
			dst = e.appendCells(dst, b, cells, int(i))
		} else {
			dst = e.appendRecord(dst, b, int(i), &row)
		}
	}
	return append(dst, after...)
}

func (e encoder) appendRecord(dst []byte, b *formats.Batch, i int, row *formats.Row) []byte {
	switch {
	case !e.Verbatim:
		if err := b.Rows.Row(b, i, row); err != nil {
			return dst // Check has read the row; a host must refuse what is left here
		}
		return appendRow(dst, row, e.Filter)
	case e.Filter == nil:
		return append(dst, body(b, i)...)
	}
	dst = append(dst, '{')
	dst = e.Filter.appendRaw(dst, trim(b.Record(i)))
	return append(dst, '}')
}

// A key is a member of Fixed records that is sent.
type key struct {
	col  int
	text []byte // what stands before the value: a comma or brace, the name, a colon
}

func (c EncoderConfig) keys() (keys []key) {
	if !c.Fixed {
		return nil
	}
	for col, name := range c.Names {
		if !c.Filter.wants(name) {
			continue
		}
		text := []byte{','}
		if len(keys) == 0 {
			text[0] = '{'
		}
		keys = append(keys, key{col, append(json.AppendString(text, []byte(name)), ':')})
	}
	return keys
}

// appendCells appends a record whose fields come singly: most fields are
// numbers, and go into the payload as they are made.
func (e encoder) appendCells(dst []byte, b *formats.Batch, cells formats.Cells, i int) []byte {
	if len(e.keys) == 0 {
		dst = append(dst, '{')
	}
	for _, k := range e.keys {
		dst = append(dst, k.text...)
		from := len(dst)
		var kind formats.Kind
		if dst, kind = cells.AppendCell(dst, b, i, k.col); kind != formats.Number && kind != formats.Bool {
			dst = endValue(dst, from, kind)
		}
	}
	return append(dst, '}')
}

// endValue makes a value of dst[from:], the text of a value that is no number.
func endValue(dst []byte, from int, kind formats.Kind) []byte {
	end := len(dst)
	dst = appendValue(dst, formats.Value{Kind: kind, Text: dst[from:end:end]}) // appended behind the text, for the next line to move
	return dst[:from+copy(dst[from:], dst[end:])]
}
