package csv

import (
	"bytes"

	"github.com/batchmill/batchmill/formats"
	"github.com/batchmill/batchmill/formats/json"
)

// split parts rec into what it says and its line end, which may be empty.
func split(rec []byte) (body, end []byte) {
	n := len(rec)
	switch {
	case n == 0 || rec[n-1] != '\n':
		return rec, nil
	case n > 1 && rec[n-2] == '\r':
		return rec[:n-2], rec[n-2:]
	}
	return rec[:n-1], rec[n-1:]
}

// fieldEnd is the index of the delimiter behind the field that begins at
// body[i], or len(body). body is a good record without its line end.
func (d Dialect) fieldEnd(body []byte, i int) int {
	if i < len(body) && body[i] == d.Quote {
		i, _ = d.pastQuoted(body, i)
	}
	if n := bytes.IndexByte(body[i:], d.Delimiter); n >= 0 {
		return i + n
	}
	return len(body)
}

// count is the number of fields of body, a good record without its line end.
func (d Dialect) count(body []byte) int {
	n := 1
	for {
		q := bytes.IndexByte(body, d.Quote)
		if q < 0 {
			return n + bytes.Count(body, []byte{d.Delimiter})
		}
		n += bytes.Count(body[:q], []byte{d.Delimiter})
		behind, _ := d.pastQuoted(body, q)
		body = body[behind:]
	}
}

// fields appends where body's fields stand, quotes included.
func (d Dialect) fields(dst []formats.Span, body []byte) []formats.Span {
	for i := 0; ; {
		end := d.fieldEnd(body, i)
		dst = append(dst, formats.Span{Start: uint32(i), End: uint32(end)})
		if end == len(body) {
			return dst
		}
		i = end + 1
	}
}

// unquote appends what field says. A field is plain text unless it begins with a quote.
func (d Dialect) unquote(dst, field []byte) []byte {
	if len(field) == 0 || field[0] != d.Quote {
		return append(dst, field...)
	}
	field = field[1:]
	for {
		q := bytes.IndexByte(field, d.Quote)
		if q < 0 {
			return append(dst, field...)
		}
		dst = append(dst, field[:q]...)
		if q+1 >= len(field) || field[q+1] != d.Quote {
			return dst // the closing quote
		}
		dst = append(dst, d.Quote)
		field = field[q+2:]
	}
}

// value is field by its type: an unquoted JSON number, null for an unquoted empty
// field, else a string. The value aliases field, or row.Buf where the field had to
// be decoded.
func (d Dialect) value(field []byte, row *formats.Row) formats.Value {
	switch {
	case len(field) == 0:
		return formats.Value{Kind: formats.Null}
	case field[0] == d.Quote && len(field) > 1:
		if inner := field[1 : len(field)-1]; bytes.IndexByte(inner, d.Quote) < 0 {
			return formats.Value{Kind: formats.String, Text: inner}
		}
		start := len(row.Buf)
		row.Buf = d.unquote(row.Buf, field)
		return formats.Value{Kind: formats.String, Text: row.Buf[start:]}
	case (field[0] == '-' || field[0] >= '0' && field[0] <= '9') && json.IsNumber(field):
		return formats.Value{Kind: formats.Number, Text: field}
	}
	return formats.Value{Kind: formats.String, Text: field}
}

// special tells whether text cannot stand in a field without quotes.
func (d Dialect) special(text []byte) bool {
	for _, c := range text {
		if c == d.Delimiter || c == d.Quote || c == '\n' || c == '\r' {
			return true
		}
	}
	return false
}

// appendField appends text as one field, quoted only when it has to be.
func (d Dialect) appendField(dst, text []byte) []byte {
	if d.special(text) {
		return d.appendQuoted(dst, text)
	}
	return append(dst, text...)
}

// appendRaw appends a field as it stands in another record. A field that ends
// in a bare CR gets quotes: at a record's end the field would lose the CR to
// the line end.
func (d Dialect) appendRaw(dst, field []byte) []byte {
	if n := len(field); n > 0 && field[n-1] == '\r' {
		return d.appendQuoted(dst, field)
	}
	return append(dst, field...)
}

// appendQuoted appends text as one quoted field. text may be the end of dst.
func (d Dialect) appendQuoted(dst, text []byte) []byte {
	dst = append(dst, d.Quote)
	for {
		q := bytes.IndexByte(text, d.Quote)
		if q < 0 {
			break
		}
		dst = append(append(dst, text[:q+1]...), d.Quote)
		text = text[q+1:]
	}
	return append(append(dst, text...), d.Quote)
}

// appendValue appends v as one field: null is empty, a number or bool stays as
// it is, JSON is its text in quotes.
func (d Dialect) appendValue(dst []byte, v formats.Value) []byte {
	switch v.Kind {
	case formats.Null:
		return dst
	case formats.JSON:
		return d.appendQuoted(dst, v.Text)
	}
	return d.appendField(dst, v.Text)
}

// quoteEnd puts dst[from:] into quotes, always or where it has to be.
func (d Dialect) quoteEnd(dst []byte, from int, always bool) []byte {
	end := len(dst)
	if !always && !d.special(dst[from:end]) {
		return dst
	}
	dst = d.appendQuoted(dst, dst[from:end]) // appended behind the text, for the next line to move
	return dst[:from+copy(dst[from:], dst[end:])]
}

// appendBlanks appends a record of n empty fields without a line end.
func (d Dialect) appendBlanks(dst []byte, n int) []byte {
	for range n - 1 {
		dst = append(dst, d.Delimiter)
	}
	return dst
}

// closeRecord ends the record dst[start:]. A record that would be a blank
// line, and so no record to its readers, becomes a quoted empty field.
func (d Dialect) closeRecord(dst []byte, start int, end []byte) []byte {
	if len(dst) == start {
		dst = append(dst, d.Quote, d.Quote)
	}
	if len(end) == 0 {
		return append(dst, '\n')
	}
	return append(dst, end...)
}

// HeaderLine is names as a CSV header, ended by LF; nil for no names.
func HeaderLine(d Dialect, names []string) []byte {
	if len(names) == 0 {
		return nil
	}
	d = d.orDefault()
	return d.closeRecord(d.appendNames(nil, names), 0, nil)
}

// appendNames appends names as fields.
func (d Dialect) appendNames(dst []byte, names []string) []byte {
	for i, name := range names {
		if i > 0 {
			dst = append(dst, d.Delimiter)
		}
		dst = d.appendField(dst, []byte(name))
	}
	return dst
}
