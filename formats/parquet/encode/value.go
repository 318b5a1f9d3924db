package encode

import (
	"encoding/binary"
	"math"
	"unicode/utf8"

	"github.com/batchmill/batchmill/formats"
	"github.com/batchmill/batchmill/formats/json"
)

// A rule says what a column takes.
type rule struct {
	typ      formats.Type
	text     bool // values are text without types: a string column takes any
	declared bool // the type was given: with text, a string is taken for what its text says
	rounds   bool // a double may differ from its number
	answer   bool // NaN and infinities are doubles; integers are rounded only where the type was given
}

// A parsed value is what a column stores. Only the member of its type counts.
type parsed struct {
	null   bool
	number uint64 // the integer, the double's bits, or 1 for true
	bytes  []byte // a string, JSON text, or a list's doubles, little endian
	room   []byte // memory for bytes
	decode []byte // memory for the text that doubles are made of
}

// parse makes p of v, and is false if v is nothing that the column takes.
func (r rule) parse(v formats.Value, p *parsed) bool {
	p.null = v.Kind == formats.Null
	if p.null {
		return true
	}
	if r.answer && v.Kind == formats.String && r.typ == formats.Double {
		if f, special := parseSpecial(v.Text); special {
			p.number = math.Float64bits(f)
			return true
		}
	}
	if r.text && r.declared && v.Kind == formats.String && r.typ != formats.Text {
		if json.Sound(v.Text) != nil {
			return false
		}
		if v, p.decode = fromJSON(v.Text, p.decode[:0]); r.typ != formats.Nested && v.Kind == formats.Null {
			return false // the text null is not an empty field
		}
	}
	switch r.typ {
	case formats.Integer:
		n, ok := parseInteger(v.Text)
		p.number = uint64(n)
		return ok && v.Kind == formats.Number
	case formats.Double:
		return v.Kind == formats.Number && r.double(v.Text, &p.number)
	case formats.Boolean:
		p.number = uint64(len("false") - len(v.Text))
		return v.Kind == formats.Bool
	case formats.Text:
		p.bytes = v.Text
		return (v.Kind == formats.String || r.text || r.declared) && utf8.Valid(v.Text)
	case formats.Doubles:
		return v.Kind == formats.JSON && r.list(v.Text, p)
	case formats.Nested:
		return r.nested(v, p)
	}
	return false
}

func (r rule) double(text []byte, bits *uint64) bool {
	f, ok := parseDouble(text, !r.rounds)
	if r.answer && !r.declared && ok {
		ok = keepsInteger(f, text)
	}
	*bits = math.Float64bits(f)
	return ok
}

// element is an element of a list of doubles.
func (r rule) element(text []byte, bits *uint64) bool {
	switch kind := json.KindOf(text); {
	case kind == formats.Number:
		return r.double(text, bits)
	case kind == formats.String && r.answer:
		f, special := parseSpecial(text[1 : len(text)-1]) // with an escape it is none of these words
		*bits = math.Float64bits(f)
		return special
	}
	return false
}

// list reads an array that holds numbers, of answers also the words for NaN and infinities, and nothing else.
func (r rule) list(array []byte, p *parsed) bool {
	at := json.Trim(array)
	if array = array[at.Start:at.End]; len(array) == 0 || array[0] != '[' {
		return false
	}
	p.room = p.room[:0]
	for e := range json.Elements(array) {
		var bits uint64
		if !r.element(array[e.Start:e.End], &bits) {
			return false
		}
		p.room = binary.LittleEndian.AppendUint64(p.room, bits)
	}
	p.bytes = p.room
	return true
}

// nested is v as JSON text.
func (r rule) nested(v formats.Value, p *parsed) bool {
	p.bytes = v.Text
	if v.Kind == formats.Null {
		p.bytes = append(p.room[:0], "null"...)
	}
	if v.Kind == formats.String {
		p.room = json.AppendString(p.room[:0], v.Text)
		p.bytes = p.room
	}
	return utf8.Valid(p.bytes)
}

// fromJSON is a valid JSON value as rows have values. Text that has to be
// decoded is appended to dst.
func fromJSON(value, dst []byte) (formats.Value, []byte) {
	at := json.Trim(value)
	value = value[at.Start:at.End]
	switch kind := json.KindOf(value); kind {
	case formats.Null:
		return formats.Value{}, dst
	case formats.String:
		start := len(dst)
		dst = json.Unquote(dst, value)
		return formats.Value{Kind: kind, Text: dst[start:]}, dst
	default:
		return formats.Value{Kind: kind, Text: value}, dst
	}
}
