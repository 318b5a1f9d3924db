package jsonl

import (
	"bytes"
	"slices"

	"github.com/batchmill/batchmill/formats"
	"github.com/batchmill/batchmill/formats/json"
)

// Join writes one line for each record that has its place in the output.
func (j *joiner) Join(dst []byte, b *formats.Batch, a *formats.Answers, _ *formats.Layout, placeholders bool) ([]byte, int) {
	var row formats.Row
	written := 0
	for i := range b.Recs {
		text, form := a.Bytes(i), a.List[i].Form
		if form == formats.NoAnswer && !placeholders {
			continue
		}
		switch {
		case !j.Input:
			dst = j.appendAlone(dst, text, form)
		case len(b.Flaws) > 0 && j.unfit(b, i):
			dst = j.appendMember(append(dst, '{'), text, form, false)
			dst = append(dst, '}')
		case !j.Verbatim:
			dst = j.appendFields(dst, b, i, &row, text, form)
		case j.Filter != nil:
			dst = j.appendFiltered(dst, trim(b.Record(i)), text, form)
		default:
			dst = j.appendRecord(dst, body(b, i), text, form)
		}
		dst = append(dst, '\n')
		written++
	}
	return dst, written
}

// unusable are the reasons that keep the bytes of a JSON Lines record out of the output.
var unusable = []formats.Reason{formats.ReasonTooLarge, formats.ReasonInvalid, formats.ReasonUnicode, formats.ReasonEncoding}

// unfit tells whether record i cannot stand beside its answer. A record keeps
// only its first flaw, so the reason alone does not tell: a record that lacks
// a key for the payload may hold the answer's key too.
func (j *joiner) unfit(b *formats.Batch, i int) bool {
	flaw := b.Flaw(i)
	if flaw == nil {
		return false
	}
	if !j.Verbatim || slices.Contains(unusable, flaw.Reason) {
		return true
	}
	return json.Valid(b.Record(i)) != nil || j.clashes(trim(b.Record(i)))
}

// appendRecord joins the bytes of a record, which go out as they stand up to
// the closing brace, and its answer.
func (j *joiner) appendRecord(dst, rec, text []byte, form formats.Form) []byte {
	s := json.Trim(rec)
	if !isObject(rec[s.Start:s.End]) {
		dst = append(append(dst, `{"`+inputName+`":`...), rec[s.Start:s.End]...)
		return append(j.appendMember(dst, text, form, true), '}')
	}
	closing := s.End - 1
	empty := len(trim(rec[s.Start+1:closing])) == 0
	dst = append(dst, rec[:closing]...)
	return append(j.appendMember(dst, text, form, !empty), '}')
}

// appendFiltered joins the members of a record that the filter names and,
// where the filter names the answer too, the answer.
func (j *joiner) appendFiltered(dst, rec, text []byte, form formats.Form) []byte {
	dst = append(dst, '{')
	kept := len(dst)
	if isObject(rec) {
		dst = j.Filter.appendRaw(dst, rec)
	} else if j.Filter.wants(inputName) {
		dst = append(append(dst, `"`+inputName+`":`...), rec...)
	}
	return append(j.appendMember(dst, text, form, len(dst) > kept), '}')
}

// appendFields joins a record of another format.
func (j *joiner) appendFields(dst []byte, b *formats.Batch, i int, row *formats.Row, text []byte, form formats.Form) []byte {
	dst = append(dst, '{')
	kept := len(dst)
	switch err := b.Rows.Row(b, i, row); {
	case err != nil: // Check has seen to it that such a record has no answer
	case row.Shape == formats.Object:
		dst = appendMembers(dst, row, j.Filter)
	case j.Filter.wants(inputName):
		dst = appendRow(append(dst, `"`+inputName+`":`...), row, nil)
	}
	return append(j.appendMember(dst, text, form, len(dst) > kept), '}')
}

// appendMember appends the answer's member, if the filter wants it.
func (j *joiner) appendMember(dst, text []byte, form formats.Form, comma bool) []byte {
	if !j.keepAnswer {
		return dst
	}
	if comma {
		dst = append(dst, ',')
	}
	return j.appendAnswer(append(dst, j.member...), text, form)
}

// appendAlone appends an answer without its record.
func (j *joiner) appendAlone(dst, text []byte, form formats.Form) []byte {
	if value := trim(text); j.columns == nil && j.Filter != nil && form == formats.JSONForm && isObject(value) {
		start := len(dst)
		dst = append(j.Filter.appendRaw(append(dst, '{'), value), '}')
		flatten(dst[start:])
		return dst
	}
	return j.appendAnswer(dst, text, form)
}

// appendAnswer appends an answer as one JSON value on one line.
func (j *joiner) appendAnswer(dst, text []byte, form formats.Form) []byte {
	switch {
	case form == formats.NoAnswer:
		return append(dst, "null"...)
	case j.columns != nil:
		return j.columns.append(dst, text, form)
	case form == formats.JSONForm:
		return appendFlat(dst, text)
	case form == formats.LineForm:
		return json.AppendString(dst, text)
	default:
		return appendCSV(dst, text)
	}
}

// field is one field of a CSV record, and what stands behind it.
type field struct {
	text   []byte // of a quoted field what stands between its quotes
	quoted bool
	more   bool // a comma follows
	rest   []byte
}

// nextField takes the first field of rec. The result is false if a quote stands where none may.
func nextField(rec []byte) (field, bool) {
	if len(rec) == 0 || rec[0] != '"' {
		text, rest, more := bytes.Cut(rec, []byte{','})
		return field{text: text, more: more, rest: rest}, bytes.IndexByte(text, '"') < 0
	}
	for i := 1; ; i += 2 {
		n := bytes.IndexByte(rec[min(i, len(rec)):], '"')
		if n < 0 {
			return field{}, false
		}
		if i += n; i+1 < len(rec) && rec[i+1] == '"' {
			continue
		}
		f := field{text: rec[1:i], quoted: true, rest: rec[i+1:]}
		if len(f.rest) > 0 {
			if f.more = f.rest[0] == ','; !f.more {
				return field{}, false
			}
			f.rest = f.rest[1:]
		}
		return f, true
	}
}

// fitsCSV tells whether rec is one CSV record.
func fitsCSV(rec []byte) bool {
	if bytes.IndexByte(rec, '"') < 0 {
		return bytes.IndexByte(rec, '\n') < 0
	}
	for {
		f, ok := nextField(rec)
		if !ok || !f.quoted && bytes.IndexByte(f.text, '\n') >= 0 {
			return false
		}
		if !f.more {
			return true
		}
		rec = f.rest
	}
}

// appendCSV appends the one field of a CSV record as a JSON value, or several
// as an array: numbers as they stand, empty fields as null, the rest as strings.
func appendCSV(dst, rec []byte) []byte {
	f, ok := nextField(rec)
	if !ok {
		return append(dst, "null"...) // Fit has refused the answer
	}
	if !f.more {
		return f.appendTo(dst)
	}
	dst = f.appendTo(append(dst, '['))
	for f.more && ok {
		if f, ok = nextField(f.rest); ok {
			dst = f.appendTo(append(dst, ','))
		}
	}
	return append(dst, ']')
}

func (f field) appendTo(dst []byte) []byte {
	switch {
	case f.quoted && bytes.IndexByte(f.text, '"') >= 0:
		return json.AppendString(dst, bytes.ReplaceAll(f.text, []byte(`""`), []byte(`"`)))
	case f.quoted:
		return json.AppendString(dst, f.text)
	case len(f.text) == 0:
		return append(dst, "null"...)
	case json.IsNumber(f.text):
		return append(dst, f.text...)
	}
	return json.AppendString(dst, f.text)
}
