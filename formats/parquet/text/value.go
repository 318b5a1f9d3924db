package text

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"strconv"

	pq "github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/deprecated"

	"github.com/batchmill/batchmill/formats"
	"github.com/batchmill/batchmill/formats/json"
)

// Every method below appends the text of v to dst, without quotes and escapes,
// and says what kind of text it is. Only dst is allocated. The physical type of
// a column says which method the column takes.

// Bool is for BOOLEAN.
func (l *Leaf) Bool(dst []byte, v bool) ([]byte, formats.Kind) {
	return strconv.AppendBool(dst, v), formats.Bool
}

// Int32 is for INT32.
func (l *Leaf) Int32(dst []byte, v int32) ([]byte, formats.Kind) {
	switch l.op {
	case plain:
		return strconv.AppendInt(dst, int64(v), 10), formats.Number
	case unsigned:
		return strconv.AppendUint(dst, uint64(uint32(v)), 10), formats.Number
	case date:
		return appendDate(dst, int64(v)), formats.String
	}
	return l.Int64(dst, int64(v))
}

// Int64 is for INT64.
func (l *Leaf) Int64(dst []byte, v int64) ([]byte, formats.Kind) {
	switch l.op {
	case unsigned:
		return strconv.AppendUint(dst, uint64(v), 10), formats.Number
	case decimal:
		return appendDecimal(dst, v, l.scale), formats.Number
	case clock:
		return appendClock(dst, v, l.scale), formats.String
	case timestamp:
		return appendTimestamp(dst, v, l.scale, l.utc), formats.String
	}
	return strconv.AppendInt(dst, v, 10), formats.Number
}

// Int96 is for INT96, which holds nothing but timestamps: the nanosecond of
// the day in its first eight bytes, the Julian day in the last four.
func (l *Leaf) Int96(dst []byte, v deprecated.Int96) ([]byte, formats.Kind) {
	const epoch = 2440588 // the Julian day of 1970-01-01
	nanos := int64(uint64(v[1])<<32 | uint64(v[0]))
	seconds, rest := divide(nanos, 1e9)
	seconds += (int64(int32(v[2])) - epoch) * daySeconds
	return appendInstant(dst, seconds, rest, 9), formats.String
}

// Float is for FLOAT.
func (l *Leaf) Float(dst []byte, v float32) ([]byte, formats.Kind) {
	return appendFloat(dst, float64(v), 32)
}

// Double is for DOUBLE.
func (l *Leaf) Double(dst []byte, v float64) ([]byte, formats.Kind) {
	return appendFloat(dst, v, 64)
}

// Bytes is for BYTE_ARRAY and FIXED_LEN_BYTE_ARRAY. A value that has not the
// size that its type asks for comes out as base64.
func (l *Leaf) Bytes(dst, v []byte) ([]byte, formats.Kind) {
	if l.op == utf8Text {
		return append(dst, v...), formats.String
	}
	if l.op == jsonText {
		return append(dst, v...), jsonKind(v)
	}
	if l.op == plain || !l.sized(v) {
		return base64.StdEncoding.AppendEncode(dst, v), formats.String
	}
	switch l.op {
	case decimal:
		return appendBigDecimal(dst, v, l.scale), formats.Number
	case float16:
		return appendFloat16(dst, binary.LittleEndian.Uint16(v))
	case uuid:
		return appendUUID(dst, v), formats.String
	}
	return appendInterval(dst, v), formats.String
}

// Value is for a boxed value of any type.
func (l *Leaf) Value(dst []byte, v pq.Value) ([]byte, formats.Kind) {
	switch v.Kind() {
	case pq.Boolean:
		return l.Bool(dst, v.Boolean())
	case pq.Int32:
		return l.Int32(dst, v.Int32())
	case pq.Int64:
		return l.Int64(dst, v.Int64())
	case pq.Int96:
		return l.Int96(dst, v.Int96())
	case pq.Float:
		return l.Float(dst, v.Float())
	case pq.Double:
		return l.Double(dst, v.Double())
	case pq.ByteArray, pq.FixedLenByteArray:
		return l.Bytes(dst, v.ByteArray())
	}
	return dst, formats.Null
}

// JSON appends v as a JSON value: Value, but strings are literals, and null is
// null. The result is valid JSON for every v.
func (l *Leaf) JSON(dst []byte, v pq.Value) []byte {
	if k := v.Kind(); k == pq.ByteArray || k == pq.FixedLenByteArray {
		if raw := v.ByteArray(); l.op == utf8Text || l.op == jsonText && jsonKind(raw) == formats.String {
			return json.AppendString(dst, raw)
		}
	}
	start := len(dst)
	dst, kind := l.Value(append(dst, '"'), v)
	switch kind {
	case formats.Null:
		return append(dst[:start], "null"...)
	case formats.String:
		return append(dst, '"')
	}
	return append(dst[:start], dst[start+1:]...)
}

// Checks tells whether Valid can be false at all for values of this column.
func (l *Leaf) Checks() bool {
	return l.op == utf8Text || l.op == jsonText || l.op == decimal && l.size == 0
}

// Valid tells whether v, a BYTE_ARRAY or FIXED_LEN_BYTE_ARRAY, is what its type
// says, so that its text is exact: a STRING, ENUM or JSON must be Unicode, a
// DECIMAL have 1 to 1024 bytes, a UUID, FLOAT16 or INTERVAL its own size.
func (l *Leaf) Valid(v []byte) bool {
	if l.op == utf8Text || l.op == jsonText {
		return l.NotUnicode(v) == ""
	}
	return l.op == plain || l.sized(v)
}

// NotUnicode says why v, a value of a STRING, ENUM or JSON column, is no Unicode; ""
// where v is, and for other columns. The surrogates count that a JSON value has in its
// escapes; text that is no valid JSON is a string, and has none.
func (l *Leaf) NotUnicode(v []byte) string {
	if l.op != utf8Text && l.op != jsonText {
		return ""
	}
	if at := formats.NotUTF8(v); at >= 0 {
		return formats.SayNotUTF8(v, at)
	}
	if l.op == jsonText && !json.IsUnicode(v) && jsonKind(v) == formats.JSON {
		return json.Unicode(v).Error()
	}
	return ""
}

// sized tells whether v has the size that the column's type asks for.
func (l *Leaf) sized(v []byte) bool {
	if l.op == decimal && l.size == 0 {
		return len(v) > 0 && len(v) <= maxDecimal
	}
	return len(v) == l.size && len(v) > 0
}

func jsonKind(v []byte) formats.Kind {
	if json.Valid(v) != nil {
		return formats.String
	}
	return formats.JSON
}

// appendUUID appends 16 bytes in RFC 9562's form.
func appendUUID(dst, v []byte) []byte {
	dst = append(hex.AppendEncode(dst, v[:4]), '-')
	dst = append(hex.AppendEncode(dst, v[4:6]), '-')
	dst = append(hex.AppendEncode(dst, v[6:8]), '-')
	dst = append(hex.AppendEncode(dst, v[8:10]), '-')
	return hex.AppendEncode(dst, v[10:16])
}
