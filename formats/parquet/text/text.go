// Package text turns Parquet values into exact text, and nested columns into JSON. A
// column's physical type and its annotation decide what its values look like; the
// annotation is the logical type, or else the converted type that older writers set
// (https://github.com/apache/parquet-format/blob/master/LogicalTypes.md).
//
//	column                           kind     text
//	BOOLEAN                          Bool     true, false
//	INT32, INT64, INT(n, signed)     Number   -42
//	INT(n, unsigned)                 Number   18446744073709551615
//	FLOAT, DOUBLE, FLOAT16           Number   the shortest that reads back as the same value at
//	                                          that width: 0.1, 1e+21; exponents from 1e21 up, and below 1e-6
//	  NaN and infinities             String   NaN, Infinity, -Infinity
//	DECIMAL                          Number   with all digits of its scale: -0.05, 7.00
//	DATE                             String   2026-11-23
//	TIME                             String   13:45:00.000123, no zone
//	TIMESTAMP, adjusted to UTC       String   2026-11-23T13:45:00.5Z
//	TIMESTAMP, local                 String   2026-11-23T13:45:00.5
//	INT96                            String   a local timestamp in nanoseconds; the type knows no zone
//	INTERVAL                         String   ISO 8601, in the units it is stored in: P14M3DT1.5S, PT0S
//	STRING, ENUM                     String   as it stands
//	UUID                             String   f81d4fae-7dec-11d0-a765-00a0c91e6bf6
//	JSON                             JSON     as it stands; String where it is no valid JSON
//	BYTE_ARRAY and FIXED without     String   base64 with padding (RFC 4648, section 4)
//	  annotation, BSON, GEOMETRY,
//	  GEOGRAPHY, parts of a VARIANT
//	null, of any type                Null     empty
//	LIST, repeated field             JSON     an array
//	MAP with STRING or ENUM keys     JSON     an object, its members as stored, equal keys kept
//	MAP with other keys              JSON     an array of [key, value]
//	MAP without values               JSON     an array of keys
//	other groups                     JSON     an object
//
// A second has as many digits behind its point as it needs, and no point when
// it needs none. Years are of the proleptic Gregorian calendar; years outside
// of 0000 to 9999 have a sign, as in ISO 8601: +12345-01-01, -0044-03-15. Times
// outside of one day are written as they are counted: 25:00:00, -00:00:01.
// Inside JSON, strings have their quotes and null is null.
//
// Values that break the rules of their type, as a STRING that is not UTF-8,
// have a text too, but it would not be exact. [Leaf.Valid] finds them.
package text

import (
	"fmt"

	"github.com/parquet-go/parquet-go/deprecated"
	"github.com/parquet-go/parquet-go/format"
)

// op is how values become text, where the physical type does not say it.
type op uint8

const (
	plain op = iota
	unsigned
	decimal
	date
	clock
	timestamp
	utf8Text
	jsonText
	uuid
	interval
	float16
)

// A Leaf renders the values of one column. The zero Leaf renders them by their
// physical type alone. A Leaf does not change, and many goroutines may use a
// Leaf at once.
type Leaf struct {
	op    op
	utc   bool
	scale int   // of decimals; for times the digits of a second's fraction
	kinds uint8 // the physical types that the annotation may stand on, as bits
	size  int   // bytes of each value, 0 where sizes differ
}

// maxDecimal is how many bytes a decimal may take. The digits of a decimal
// grow with its bytes, and the work with the square of the digits; decimals in
// use have 16 bytes, some 32.
const maxDecimal = 1024

// LeafOf decides how the values of a leaf column are rendered. LeafOf fails
// where the annotation contradicts the physical type, or is out of bounds.
func LeafOf(e *format.SchemaElement) (Leaf, error) {
	if !e.Type.Valid || e.Type.V < format.Boolean || e.Type.V > format.FixedLenByteArray {
		return Leaf{}, fmt.Errorf("column %q has no physical type that is known", e.Name)
	}
	l := logical(e)
	if e.Type.V == format.FixedLenByteArray && l.size == 0 {
		l.size = int(e.TypeLength.V)
	}
	switch {
	case l.op != plain && l.kinds>>e.Type.V&1 == 0:
		return Leaf{}, fmt.Errorf("column %q is annotated as what a column of %s cannot be", e.Name, e.Type.V)
	case e.Type.V == format.FixedLenByteArray && l.size != int(e.TypeLength.V):
		return Leaf{}, fmt.Errorf("column %q has values of %d bytes; its annotation asks for %d", e.Name, e.TypeLength.V, l.size)
	case l.op == decimal && (l.scale < 0 || l.scale > maxDecimal || l.size > maxDecimal):
		return Leaf{}, fmt.Errorf("column %q is a decimal of scale %d and %d bytes; neither may be above %d", e.Name, l.scale, l.size, maxDecimal)
	}
	return l, nil
}

// Sets of physical types.
const (
	i32   = 1 << format.Int32
	i64   = 1 << format.Int64
	array = 1 << format.ByteArray
	fixed = 1 << format.FixedLenByteArray
)

// logical is the leaf by the element's annotation: the logical type before the converted type.
func logical(e *format.SchemaElement) Leaf {
	switch t := e.LogicalType.Value.(type) {
	case *format.StringType, *format.EnumType:
		return Leaf{op: utf8Text, kinds: array | fixed}
	case *format.JsonType:
		return Leaf{op: jsonText, kinds: array | fixed}
	case *format.DecimalType:
		return Leaf{op: decimal, scale: int(t.Scale), kinds: i32 | i64 | array | fixed}
	case *format.DateType:
		return Leaf{op: date, kinds: i32}
	case *format.TimeType:
		return Leaf{op: clock, scale: fraction(t.Unit), kinds: i32 | i64}
	case *format.TimestampType:
		return Leaf{op: timestamp, scale: fraction(t.Unit), utc: t.IsAdjustedToUTC, kinds: i64}
	case *format.IntType:
		return integer(t.IsSigned)
	case *format.UUIDType:
		return Leaf{op: uuid, size: 16, kinds: fixed}
	case *format.Float16Type:
		return Leaf{op: float16, size: 2, kinds: fixed}
	case nil:
		if e.ConvertedType.Valid {
			return converted(e)
		}
	}
	return Leaf{}
}

func integer(signed bool) Leaf {
	if signed {
		return Leaf{}
	}
	return Leaf{op: unsigned, kinds: i32 | i64}
}

// converted is the leaf by the annotation of older writers. Their timestamps
// are adjusted to UTC.
func converted(e *format.SchemaElement) Leaf {
	switch e.ConvertedType.V {
	case deprecated.UTF8, deprecated.Enum:
		return Leaf{op: utf8Text, kinds: array | fixed}
	case deprecated.Json:
		return Leaf{op: jsonText, kinds: array | fixed}
	case deprecated.Decimal:
		return Leaf{op: decimal, scale: int(e.Scale.V), kinds: i32 | i64 | array | fixed}
	case deprecated.Date:
		return Leaf{op: date, kinds: i32}
	case deprecated.TimeMillis:
		return Leaf{op: clock, scale: 3, kinds: i32 | i64}
	case deprecated.TimeMicros:
		return Leaf{op: clock, scale: 6, kinds: i32 | i64}
	case deprecated.TimestampMillis:
		return Leaf{op: timestamp, scale: 3, utc: true, kinds: i64}
	case deprecated.TimestampMicros:
		return Leaf{op: timestamp, scale: 6, utc: true, kinds: i64}
	case deprecated.Uint8, deprecated.Uint16, deprecated.Uint32, deprecated.Uint64:
		return integer(false)
	case deprecated.Interval:
		return Leaf{op: interval, size: 12, kinds: fixed}
	}
	return Leaf{}
}

// fraction is how many digits behind the second's point a unit has.
func fraction(unit format.TimeUnit) int {
	switch unit.Value.(type) {
	case *format.MilliSeconds:
		return 3
	case *format.MicroSeconds:
		return 6
	}
	return 9
}
