package text

import (
	"bytes"
	"encoding/base64"
	"math"
	"math/big"
	"slices"
	"strings"
	"testing"

	pq "github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/deprecated"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"

	"github.com/batchmill/batchmill/formats"
)

// element is a leaf's schema element by its types.
func element(physical format.Type, lt format.LogicalTypeValue, size int32) *format.SchemaElement {
	return &format.SchemaElement{
		Name: "c", Type: thrift.New(physical), TypeLength: thrift.New(size),
		LogicalType: format.LogicalType{Value: lt},
	}
}

// old is a leaf's schema element with a converted type.
func old(physical format.Type, ct deprecated.ConvertedType, size int32) *format.SchemaElement {
	e := element(physical, nil, size)
	e.ConvertedType, e.Scale = thrift.New(ct), thrift.New[int32](3)
	return e
}

func leafOf(t testing.TB, e *format.SchemaElement) *Leaf {
	t.Helper()
	l, err := LeafOf(e)
	if err != nil {
		t.Fatal(err)
	}
	return &l
}

var (
	millis = format.TimeUnit{Value: new(format.MilliSeconds)}
	micros = format.TimeUnit{Value: new(format.MicroSeconds)}
	nanos  = format.TimeUnit{Value: new(format.NanoSeconds)}
)

func dec(scale int32) *format.DecimalType { return &format.DecimalType{Scale: scale, Precision: 38} }

func stamp(u format.TimeUnit, utc bool) *format.TimestampType {
	return &format.TimestampType{Unit: u, IsAdjustedToUTC: utc}
}

func be(digits string, size int) pq.Value {
	n, _ := new(big.Int).SetString(digits, 10)
	return pq.FixedLenByteArrayValue(twos(n, size))
}

// twos is n in two's complement, most significant byte first.
func twos(n *big.Int, size int) []byte {
	v := new(big.Int).Set(n)
	if n.Sign() < 0 {
		v.Add(v, new(big.Int).Lsh(big.NewInt(1), uint(8*size)))
	}
	return v.FillBytes(make([]byte, size))
}

const (
	int32T, int64T, int96T = format.Int32, format.Int64, format.Int96
	floatT, doubleT        = format.Float, format.Double
	arrayT, fixedT         = format.ByteArray, format.FixedLenByteArray
	number, str            = formats.Number, formats.String
)

func raw(s string) pq.Value { return pq.ByteArrayValue([]byte(s)) }

type valueTest struct {
	e    *format.SchemaElement
	v    pq.Value
	kind formats.Kind
	want string
}

var integerTests = []valueTest{
	{element(format.Boolean, nil, 0), pq.BooleanValue(true), formats.Bool, "true"},
	{element(format.Boolean, nil, 0), pq.BooleanValue(false), formats.Bool, "false"},
	{element(int32T, nil, 0), pq.NullValue(), formats.Null, ""},
	{element(int32T, nil, 0), pq.Int32Value(math.MinInt32), number, "-2147483648"},
	{element(int64T, nil, 0), pq.Int64Value(math.MinInt64), number, "-9223372036854775808"},
	{element(int64T, nil, 0), pq.Int64Value(math.MaxInt64), number, "9223372036854775807"},
	{element(int32T, &format.IntType{BitWidth: 8, IsSigned: true}, 0), pq.Int32Value(-128), number, "-128"},
	{element(int32T, &format.IntType{BitWidth: 32}, 0), pq.Int32Value(-1), number, "4294967295"},
	{element(int64T, &format.IntType{BitWidth: 64}, 0), pq.Int64Value(-1), number, "18446744073709551615"},
	{old(int64T, deprecated.Uint64, 0), pq.Int64Value(math.MinInt64), number, "9223372036854775808"},
	{old(int32T, deprecated.Uint8, 0), pq.Int32Value(255), number, "255"},
	{old(int32T, deprecated.Int16, 0), pq.Int32Value(-5), number, "-5"},
}

var floatTests = []valueTest{
	{element(floatT, nil, 0), pq.FloatValue(0.1), number, "0.1"},
	{element(floatT, nil, 0), pq.FloatValue(16777216), number, "16777216"},
	{element(floatT, nil, 0), pq.FloatValue(math.SmallestNonzeroFloat32), number, "1e-45"},
	{element(floatT, nil, 0), pq.FloatValue(math.MaxFloat32), number, "3.4028235e+38"},
	{element(floatT, nil, 0), pq.FloatValue(1e-6), number, "0.000001"},
	{element(doubleT, nil, 0), pq.DoubleValue(0.1), number, "0.1"},
	{element(doubleT, nil, 0), pq.DoubleValue(float64(float32(0.1))), number, "0.10000000149011612"},
	{element(doubleT, nil, 0), pq.DoubleValue(math.Copysign(0, -1)), number, "-0"},
	{element(doubleT, nil, 0), pq.DoubleValue(5e-324), number, "5e-324"},
	{element(doubleT, nil, 0), pq.DoubleValue(1e-7), number, "1e-7"},
	{element(doubleT, nil, 0), pq.DoubleValue(1e20), number, "100000000000000000000"},
	{element(doubleT, nil, 0), pq.DoubleValue(-1e21), number, "-1e+21"},
	{element(doubleT, nil, 0), pq.DoubleValue(math.NaN()), str, "NaN"},
	{element(doubleT, nil, 0), pq.DoubleValue(math.Inf(1)), str, "Infinity"},
	{element(floatT, nil, 0), pq.FloatValue(float32(math.Inf(-1))), str, "-Infinity"},
	{element(fixedT, new(format.Float16Type), 2), pq.FixedLenByteArrayValue([]byte{0x66, 0x2e}), number, "0.1"},
	{element(fixedT, new(format.Float16Type), 2), pq.FixedLenByteArrayValue([]byte{0xff, 0x7b}), number, "65500"},
	{element(fixedT, new(format.Float16Type), 2), pq.FixedLenByteArrayValue([]byte{0x01, 0x80}), number, "-6e-8"},
	{element(fixedT, new(format.Float16Type), 2), pq.FixedLenByteArrayValue([]byte{0x00, 0x80}), number, "-0"},
	{element(fixedT, new(format.Float16Type), 2), pq.FixedLenByteArrayValue([]byte{0x00, 0xfc}), str, "-Infinity"},
	{element(fixedT, new(format.Float16Type), 2), pq.FixedLenByteArrayValue([]byte{0x01, 0x7c}), str, "NaN"},
}

var decimalTests = []valueTest{
	{element(int32T, dec(2), 0), pq.Int32Value(-5), number, "-0.05"},
	{element(int32T, dec(0), 0), pq.Int32Value(-5), number, "-5"},
	{element(int32T, dec(2), 0), pq.Int32Value(0), number, "0.00"},
	{element(int32T, dec(9), 0), pq.Int32Value(math.MinInt32), number, "-2.147483648"},
	{old(int32T, deprecated.Decimal, 0), pq.Int32Value(1234), number, "1.234"},
	{element(int64T, dec(18), 0), pq.Int64Value(math.MinInt64), number, "-9.223372036854775808"},
	{element(int64T, dec(25), 0), pq.Int64Value(7), number, "0.0000000000000000000000007"},
	{element(fixedT, dec(2), 16), be("99999999999999999999999999999999999999", 16), number, "999999999999999999999999999999999999.99"},
	{element(fixedT, dec(38), 16), be("-99999999999999999999999999999999999999", 16), number, "-0.99999999999999999999999999999999999999"},
	{element(fixedT, dec(0), 16), be("-170141183460469231731687303715884105728", 16), number, "-170141183460469231731687303715884105728"},
	{element(fixedT, dec(0), 16), be("10000000000000000000", 16), number, "10000000000000000000"},
	{element(fixedT, dec(1), 32), be("-1", 32), number, "-0.1"},
	{element(arrayT, dec(2), 0), raw("\x80"), number, "-1.28"},
	{element(arrayT, dec(0), 0), raw("\xff\x00"), number, "-256"},
	{element(arrayT, dec(2), 0), raw(""), str, ""},
}

var timeTests = []valueTest{
	{element(int32T, new(format.DateType), 0), pq.Int32Value(0), str, "1970-01-01"},
	{element(int32T, new(format.DateType), 0), pq.Int32Value(20780), str, "2026-11-23"},
	{element(int32T, new(format.DateType), 0), pq.Int32Value(-719528), str, "0000-01-01"},
	{element(int32T, new(format.DateType), 0), pq.Int32Value(-719529), str, "-0001-12-31"},
	{element(int32T, new(format.DateType), 0), pq.Int32Value(2932897), str, "+10000-01-01"},
	{old(int32T, deprecated.Date, 0), pq.Int32Value(math.MaxInt32), str, "+5881580-07-11"},
	{old(int32T, deprecated.Date, 0), pq.Int32Value(math.MinInt32), str, "-5877641-06-23"},
	{element(int32T, &format.TimeType{Unit: millis}, 0), pq.Int32Value(49500001), str, "13:45:00.001"},
	{element(int64T, &format.TimeType{Unit: micros}, 0), pq.Int64Value(49500000123), str, "13:45:00.000123"},
	{element(int64T, &format.TimeType{Unit: nanos}, 0), pq.Int64Value(86399999999999), str, "23:59:59.999999999"},
	{element(int64T, &format.TimeType{Unit: nanos}, 0), pq.Int64Value(100000000), str, "00:00:00.1"},
	{old(int32T, deprecated.TimeMillis, 0), pq.Int32Value(90000000), str, "25:00:00"},
	{old(int64T, deprecated.TimeMicros, 0), pq.Int64Value(-1000000), str, "-00:00:01"},
	{element(int64T, &format.TimeType{Unit: nanos}, 0), pq.Int64Value(math.MinInt64), str, "-2562047:47:16.854775808"},
	{element(int64T, stamp(millis, true), 0), pq.Int64Value(0), str, "1970-01-01T00:00:00Z"},
	{element(int64T, stamp(millis, true), 0), pq.Int64Value(-1), str, "1969-12-31T23:59:59.999Z"},
	{element(int64T, stamp(micros, false), 0), pq.Int64Value(1795441500500000), str, "2026-11-23T13:45:00.5"},
	{element(int64T, stamp(nanos, true), 0), pq.Int64Value(math.MinInt64), str, "1677-09-21T00:12:43.145224192Z"},
	{element(int64T, stamp(nanos, true), 0), pq.Int64Value(math.MaxInt64), str, "2262-04-11T23:47:16.854775807Z"},
	{element(int64T, stamp(millis, true), 0), pq.Int64Value(math.MinInt64), str, "-292275055-05-16T16:47:04.192Z"},
	{element(int64T, stamp(millis, true), 0), pq.Int64Value(math.MaxInt64), str, "+292278994-08-17T07:12:55.807Z"},
	{element(int64T, stamp(micros, true), 0), pq.Int64Value(math.MinInt64), str, "-290308-12-21T19:59:05.224192Z"},
	{old(int64T, deprecated.TimestampMillis, 0), pq.Int64Value(1500), str, "1970-01-01T00:00:01.5Z"},
	{old(int64T, deprecated.TimestampMicros, 0), pq.Int64Value(1), str, "1970-01-01T00:00:00.000001Z"},
	{element(int96T, nil, 0), pq.Int96Value(deprecated.Int96{0: 500_000_000, 2: 2440588}), str, "1970-01-01T00:00:00.5"},
	{element(int96T, nil, 0), pq.Int96Value(deprecated.Int96{}), str, "-4713-11-24T00:00:00"},
	{old(fixedT, deprecated.Interval, 12), pq.FixedLenByteArrayValue([]byte{14, 0, 0, 0, 3, 0, 0, 0, 220, 5, 0, 0}), str, "P14M3DT1.5S"},
	{old(fixedT, deprecated.Interval, 12), pq.FixedLenByteArrayValue(make([]byte, 12)), str, "PT0S"},
	{old(fixedT, deprecated.Interval, 12), pq.FixedLenByteArrayValue([]byte{4: 7, 11: 0}), str, "P7D"},
}

var byteTests = []valueTest{
	{element(arrayT, new(format.StringType), 0), raw("a\"b\n\u00e9"), str, "a\"b\n\u00e9"},
	{element(arrayT, new(format.StringType), 0), raw(""), str, ""},
	{old(arrayT, deprecated.UTF8, 0), raw("x"), str, "x"},
	{old(arrayT, deprecated.Enum, 0), raw("RED"), str, "RED"},
	{element(arrayT, new(format.EnumType), 0), raw("RED"), str, "RED"},
	{element(arrayT, new(format.JsonType), 0), raw(` {"a": 1.10}`), formats.JSON, ` {"a": 1.10}`},
	{element(arrayT, new(format.JsonType), 0), raw("{"), str, "{"},
	{old(arrayT, deprecated.Json, 0), raw("null"), formats.JSON, "null"},
	{element(arrayT, new(format.BsonType), 0), raw("\x05\x00"), str, "BQA="},
	{old(arrayT, deprecated.Bson, 0), raw("\x05\x00"), str, "BQA="},
	{element(arrayT, nil, 0), raw("abc"), str, "YWJj"},
	{element(arrayT, nil, 0), raw(""), str, ""},
	{element(fixedT, nil, 3), pq.FixedLenByteArrayValue([]byte("\xff\xfe\xfd")), str, "//79"},
	{element(arrayT, new(format.GeometryType), 0), raw("abcd"), str, "YWJjZA=="},
	{element(fixedT, new(format.UUIDType), 16), pq.FixedLenByteArrayValue([]byte("\xf8\x1d\x4f\xae\x7d\xec\x11\xd0\xa7\x65\x00\xa0\xc9\x1e\x6b\xf6")), str, "f81d4fae-7dec-11d0-a765-00a0c91e6bf6"},
	{element(fixedT, new(format.UUIDType), 16), pq.FixedLenByteArrayValue([]byte("abc")), str, "YWJj"},
}

func TestValue(t *testing.T) {
	for _, test := range slices.Concat(integerTests, floatTests, decimalTests, timeTests, byteTests) {
		got, kind := leafOf(t, test.e).Value([]byte("<"), test.v)
		if string(got) != "<"+test.want || kind != test.kind {
			t.Errorf("%v %v %v %v: %q of kind %d, want %q of kind %d", test.e.Type.V, &test.e.LogicalType,
				test.e.ConvertedType, test.v, got, kind, "<"+test.want, test.kind)
		}
	}
}

func TestBigDecimals(t *testing.T) {
	for size := 1; size <= maxDecimal; size += 1 + size/8 {
		for _, scale := range []int32{0, 1, 7, int32(size), int32(2 * size)} {
			l := leafOf(t, element(format.ByteArray, dec(min(scale, maxDecimal)), 0))
			most := new(big.Int).Lsh(big.NewInt(1), uint(8*size-1))
			third := new(big.Int).Div(most, big.NewInt(-3))
			for _, n := range []*big.Int{new(big.Int).Neg(most), new(big.Int).Sub(most, big.NewInt(1)), third, big.NewInt(-1), big.NewInt(0)} {
				got, _ := l.Bytes(nil, twos(n, size))
				unscaled := strings.Replace(string(got), ".", "", 1)
				back, ok := new(big.Int).SetString(unscaled, 10)
				if !ok || back.Cmp(n) != 0 {
					t.Fatalf("%d bytes, scale %d: %s came out as %s", size, l.scale, n, got)
				}
				if at := strings.IndexByte(string(got), '.'); l.scale > 0 && len(got)-at-1 != l.scale || l.scale == 0 && at >= 0 {
					t.Fatalf("scale %d: %s", l.scale, got)
				}
			}
		}
	}
}

func TestLeafOfRefuses(t *testing.T) {
	for name, e := range map[string]*format.SchemaElement{
		"no physical type":    {Name: "c"},
		"type below all":      element(-1, new(format.StringType), 0),
		"type above all":      element(99, nil, 0),
		"uuid of 15 bytes":    element(format.FixedLenByteArray, new(format.UUIDType), 15),
		"float16 of 4 bytes":  element(format.FixedLenByteArray, new(format.Float16Type), 4),
		"string of ints":      element(format.Int32, new(format.StringType), 0),
		"timestamp in int32":  element(format.Int32, stamp(millis, true), 0),
		"negative scale":      element(format.Int32, dec(-1), 0),
		"scale past the top":  element(format.ByteArray, dec(math.MaxInt32), 0),
		"decimal of 4 KiB":    element(format.FixedLenByteArray, dec(0), 4096),
		"decimal of booleans": element(format.Boolean, dec(0), 0),
	} {
		if l, err := LeafOf(e); err == nil || !strings.Contains(err.Error(), `column "`) {
			t.Errorf("%s: %+v, %v", name, l, err)
		}
	}
	group := elementsOf(t, pq.NewSchema("row", pq.Group{"c": pq.Group{"a": pq.String()}}))[1]
	if _, err := LeafOf(&group); err == nil {
		t.Error("a group is a leaf")
	}
}

// elementsOf are the schema elements that a file holds for a schema.
func elementsOf(t testing.TB, schema *pq.Schema) []format.SchemaElement {
	t.Helper()
	var file bytes.Buffer
	if err := pq.NewWriter(&file, schema).Close(); err != nil {
		t.Fatal(err)
	}
	f, err := pq.OpenFile(bytes.NewReader(file.Bytes()), int64(file.Len()))
	if err != nil {
		t.Fatal(err)
	}
	return f.Metadata().Schema
}

// TestWrittenLeaves renders values by the annotations that parquet-go writes.
func TestWrittenLeaves(t *testing.T) {
	date := pq.Int32Value(1)
	for want, test := range map[string]struct {
		node pq.Node
		v    pq.Value
	}{
		"x":                    {pq.Optional(pq.String()), pq.ByteArrayValue([]byte("x"))},
		"1970-01-02":           {pq.Date(), date},
		"0.01":                 {pq.Decimal(2, 9, pq.Int32Type), date},
		"0.001":                {pq.Decimal(3, 38, pq.FixedLenByteArrayType(16)), be("1", 16)},
		"4294967295":           {pq.Uint(32), pq.Int32Value(-1)},
		"1970-01-01T00:00:00Z": {pq.Timestamp(pq.Nanosecond), pq.Int64Value(0)},
		"1970-01-01T00:00:01":  {pq.TimestampAdjusted(pq.Microsecond, false), pq.Int64Value(1e6)},
		"PT0S":                 {pq.IntervalNode(), pq.FixedLenByteArrayValue(make([]byte, 12))},
		"1":                    {pq.Leaf(pq.Int64Type), pq.Int64Value(1)},
		"AAE=":                 {pq.Leaf(pq.FixedLenByteArrayType(2)), pq.FixedLenByteArrayValue([]byte{0, 1})},
	} {
		e := elementsOf(t, pq.NewSchema("row", pq.Group{"c": test.node}))[1]
		if got, _ := leafOf(t, &e).Value(nil, test.v); string(got) != want {
			t.Errorf("%s: %q", want, got)
		}
	}
}

func TestValid(t *testing.T) {
	tests := []struct {
		e      *format.SchemaElement
		v      string
		valid  bool
		checks bool
	}{
		{element(format.ByteArray, new(format.StringType), 0), "\u00e9", true, true},
		{element(format.ByteArray, new(format.StringType), 0), "\xe9", false, true},
		{element(format.ByteArray, new(format.JsonType), 0), "\"\xe9\"", false, true},
		{element(format.ByteArray, nil, 0), "\xe9", true, false},
		{element(format.ByteArray, dec(0), 0), "", false, true},
		{element(format.ByteArray, dec(0), 0), strings.Repeat("x", maxDecimal), true, true},
		{element(format.ByteArray, dec(0), 0), strings.Repeat("x", maxDecimal+1), false, true},
		{element(format.FixedLenByteArray, dec(0), 5), "12345", true, false},
		{element(format.FixedLenByteArray, new(format.UUIDType), 16), "12345", false, false},
	}
	for _, test := range tests {
		l := leafOf(t, test.e)
		if got := l.Valid([]byte(test.v)); got != test.valid || l.Checks() != test.checks {
			t.Errorf("%v %.20q: valid %t, checks %t", &test.e.LogicalType, test.v, got, l.Checks())
		}
	}
}

func TestJSON(t *testing.T) {
	str := element(format.ByteArray, new(format.StringType), 0)
	js := element(format.ByteArray, new(format.JsonType), 0)
	for _, test := range []struct {
		e    *format.SchemaElement
		v    pq.Value
		want string
	}{
		{str, pq.ByteArrayValue([]byte("a\"\n\u2028")), "\"a\\\"\\n\u2028\""},
		{str, pq.NullValue(), "null"},
		{js, pq.ByteArrayValue([]byte("[1.0]")), "[1.0]"},
		{js, pq.ByteArrayValue([]byte("[\"")), `"[\""`},
		{element(format.Double, nil, 0), pq.DoubleValue(math.NaN()), `"NaN"`},
		{element(format.Double, nil, 0), pq.DoubleValue(1.5), "1.5"},
		{element(format.Boolean, nil, 0), pq.BooleanValue(true), "true"},
		{element(format.ByteArray, nil, 0), pq.ByteArrayValue([]byte("abc")), `"` + base64.StdEncoding.EncodeToString([]byte("abc")) + `"`},
	} {
		if got := leafOf(t, test.e).JSON([]byte("<"), test.v); string(got) != "<"+test.want {
			t.Errorf("%v: %s, want %s", test.v, got, test.want)
		}
	}
}
