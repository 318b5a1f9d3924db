package jsonl

import (
	"bytes"
	"unicode/utf8"

	"github.com/batchmill/batchmill/formats"
	"github.com/batchmill/batchmill/formats/json"
)

// trim is data without the white space around it.
func trim(data []byte) []byte {
	s := json.Trim(data)
	return data[s.Start:s.End]
}

// body is record i without its line end.
func body(b *formats.Batch, i int) []byte {
	rec := b.Record(i)
	if n := len(rec); n > 0 && rec[n-1] == '\n' {
		rec = rec[:n-1]
		if n > 1 && rec[n-2] == '\r' {
			rec = rec[:n-2]
		}
	}
	return rec
}

// isObject tells whether a trimmed valid value is an object.
func isObject(value []byte) bool { return len(value) > 0 && value[0] == '{' }

// keyIs tells whether lit, a string literal, stands for name, however it is escaped.
func keyIs(lit []byte, name string) bool {
	inner := lit[1 : len(lit)-1]
	for _, c := range inner {
		if c == '\\' || c >= utf8.RuneSelf {
			var room [64]byte
			return string(json.Unquote(room[:0], lit)) == name
		}
	}
	return string(inner) == name
}

// holdsKey tells whether object, valid and trimmed, has a member called name.
func holdsKey(object []byte, name string) bool {
	for key := range json.Members(object) {
		if keyIs(object[key.Start:key.End], name) {
			return true
		}
	}
	return false
}

// appendFlat appends valid JSON on one line: line breaks in it, which can only
// be white space there, become spaces.
func appendFlat(dst, value []byte) []byte {
	start := len(dst)
	dst = append(dst, value...)
	flatten(dst[start:])
	return dst
}

// flatten makes spaces of the line breaks in valid JSON.
func flatten(value []byte) {
	for _, c := range [...]byte{'\n', '\r'} {
		for rest := value; ; {
			i := bytes.IndexByte(rest, c)
			if i < 0 {
				break
			}
			rest[i] = ' '
			rest = rest[i+1:]
		}
	}
}

// appendValue appends a field as JSON.
func appendValue(dst []byte, v formats.Value) []byte {
	switch v.Kind {
	case formats.Null:
		return append(dst, "null"...)
	case formats.String:
		return json.AppendString(dst, v.Text)
	case formats.JSON:
		return appendFlat(dst, v.Text)
	}
	return append(dst, v.Text...)
}

// appendMembers appends the members of r that keep wants, without braces.
func appendMembers(dst []byte, r *formats.Row, keep Filter) []byte {
	first := true
	for k, name := range r.Names {
		if !keep.wants(name) {
			continue
		}
		if !first {
			dst = append(dst, ',')
		}
		first = false
		dst = append(json.AppendString(dst, []byte(name)), ':')
		dst = appendValue(dst, r.Values[k])
	}
	return dst
}

// appendRow appends a row as one JSON value.
func appendRow(dst []byte, r *formats.Row, keep Filter) []byte {
	switch {
	case r.Shape == formats.Object:
		return append(appendMembers(append(dst, '{'), r, keep), '}')
	case r.Shape == formats.Scalar && len(r.Values) == 1:
		return appendValue(dst, r.Values[0])
	}
	return appendList(dst, r.Values)
}
