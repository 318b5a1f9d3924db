package csv

import (
	"bytes"

	"github.com/batchmill/batchmill/formats"
	"github.com/batchmill/batchmill/formats/json"
)

// split parts rec into what it says and its line end, which may be empty. All CRs
// before the LF belong to the line end: CR CR LF is what programs leave that turn
// each LF of CRLF into CRLF.
func split(rec []byte) (body, end []byte) {
	n := len(rec)
	if n == 0 || rec[n-1] != '\n' {
		return rec, nil
	}
	for n--; n > 0 && rec[n-1] == '\r'; {
		n--
	}
	return rec[:n], rec[n:]
}

// oneEnd is a line end as text/csv knows it: CRLF for any number of CRs.
func oneEnd(end []byte) []byte { return end[max(0, len(end)-2):] }

// fieldEnd is the index of the delimiter behind the field that begins at
// body[i], or len(body). body is a good record without its line end.
func (d Dialect) fieldEnd(body []byte, i int) int {
	if d.Trim {
		i = d.pastBlanks(body, i)
	}
	if i < len(body) && body[i] == d.Quote {
		i, _ = d.pastQuoted(body, i)
	}
	if n := bytes.IndexByte(body[i:], d.Delimiter); n >= 0 {
		return i + n
	}
	return len(body)
}

// count is the number of fields of body, a good record without its line end.
func (d *Dialect) count(body []byte) int {
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

// isBlank tells whether Trim leaves c out.
func (d Dialect) isBlank(c byte) bool {
	return (c == ' ' || c == '\t') && c != d.Delimiter && c != d.Quote && c != d.Escape
}

// pastBlanks is the index of the first byte from text[i] on that is no blank.
func (d Dialect) pastBlanks(text []byte, i int) int {
	for i < len(text) && d.isBlank(text[i]) {
		i++
	}
	return i
}

// bare is field without the blanks around it, where d trims.
func (d Dialect) bare(field []byte) []byte {
	if d.Trim {
		field = field[d.pastBlanks(field, 0):]
		for len(field) > 0 && d.isBlank(field[len(field)-1]) {
			field = field[:len(field)-1]
		}
	}
	return field
}

// escapes tells whether the Escape bytes at the end of text make the byte behind them data.
func (d Dialect) escapes(text []byte) bool {
	if d.Escape == 0 {
		return false
	}
	n := len(text)
	for n > 0 && text[n-1] == d.Escape {
		n--
	}
	return (len(text)-n)%2 == 1
}

// unescape appends text, which holds no quote, with one Escape for two.
func (d Dialect) unescape(dst, text []byte) []byte {
	for d.Escape != 0 {
		at := bytes.IndexByte(text, d.Escape)
		if at < 0 || at+1 == len(text) {
			break
		}
		dst = append(dst, text[:at+1]...)
		if text = text[at+1:]; text[0] == d.Escape {
			text = text[1:]
		}
	}
	return append(dst, text...)
}

// unquote appends what field says. A field is plain text unless it begins with a quote.
func (d Dialect) unquote(dst, field []byte) []byte {
	field = d.bare(field)
	if len(field) == 0 || field[0] != d.Quote {
		return append(dst, field...)
	}
	field = field[1:]
	for {
		q := bytes.IndexByte(field, d.Quote)
		if q < 0 {
			return d.unescape(dst, field)
		}
		if d.escapes(field[:q]) {
			dst = append(d.unescape(dst, field[:q-1]), d.Quote)
			field = field[q+1:]
			continue
		}
		dst = d.unescape(dst, field[:q])
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
	field = d.bare(field)
	switch {
	case len(field) == 0:
		return formats.Value{Kind: formats.Null}
	case field[0] == d.Quote && len(field) > 1:
		if inner := field[1 : len(field)-1]; bytes.IndexByte(inner, d.Quote) < 0 && (d.Escape == 0 || bytes.IndexByte(inner, d.Escape) < 0) {
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

// special tells whether text cannot stand in a field without quotes. An Escape could,
// but not every program reads it there as data.
func (d Dialect) special(text []byte) bool {
	escape := d.Escape
	if escape == 0 {
		escape = d.Quote
	}
	for _, c := range text {
		if c == d.Delimiter || c == d.Quote || c == '\n' || c == '\r' || c == escape {
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
	if d.Escape != 0 {
		for _, c := range text {
			if c == d.Quote || c == d.Escape {
				dst = append(dst, d.Escape)
			}
			dst = append(dst, c)
		}
		return append(dst, d.Quote)
	}
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
// line or a comment, and so no record to its readers, gets quotes around its first field.
func (d Dialect) closeRecord(dst []byte, start int, end []byte) []byte {
	switch {
	case len(dst) == start:
		dst = append(dst, d.Quote, d.Quote)
	case d.Comment != 0 && dst[start] == d.Comment:
		rec := bytes.Clone(dst[start:])
		first := d.fieldEnd(rec, 0)
		dst = append(d.appendQuoted(dst[:start], rec[:first]), rec[first:]...)
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
