package parquet

import (
	"fmt"
	"slices"
	"testing"

	pq "github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress"
	"github.com/parquet-go/parquet-go/deprecated"
	"github.com/parquet-go/parquet-go/encoding"
)

// TestTypes reads a value of every type, and nulls, and holds them against
// text that was written by hand.
func TestTypes(t *testing.T) {
	tests := []struct {
		name string
		node pq.Node
		v    pq.Value
		want string
	}{
		{"bool", pq.Leaf(pq.BooleanType), pq.BooleanValue(true), "?true"},
		{"int32", pq.Leaf(pq.Int32Type), pq.Int32Value(-7), "#-7"},
		{"int64", pq.Leaf(pq.Int64Type), pq.Int64Value(-1 << 63), "#-9223372036854775808"},
		{"int8", pq.Int(8), pq.Int32Value(-128), "#-128"},
		{"uint32", pq.Uint(32), pq.Int32Value(-1), "#4294967295"},
		{"uint64", pq.Uint(64), pq.Int64Value(-1), "#18446744073709551615"},
		{"int96", pq.Leaf(pq.Int96Type), pq.Int96Value(deprecated.Int96{1, 0, 2440589}), "\"1970-01-02T00:00:00.000000001"},
		{"float", pq.Leaf(pq.FloatType), pq.FloatValue(0.1), "#0.1"},
		{"double", pq.Leaf(pq.DoubleType), pq.DoubleValue(0.1), "#0.1"},
		{"binary", pq.Leaf(pq.ByteArrayType), pq.ByteArrayValue([]byte{0, 255}), "\"AP8="},
		{"fixed", pq.Leaf(pq.FixedLenByteArrayType(3)), pq.FixedLenByteArrayValue([]byte{1, 2, 3}), "\"AQID"},
		{"string", pq.String(), pq.ByteArrayValue([]byte("grüß|")), "\"grüß|"},
		{"enum", pq.Enum(), pq.ByteArrayValue([]byte("RED")), "\"RED"},
		{"json", pq.JSON(), pq.ByteArrayValue([]byte(`{"a": 1.10}`)), `j{"a": 1.10}`},
		{"uuid", pq.UUID(), pq.FixedLenByteArrayValue([]byte("0123456789abcdef")), "\"30313233-3435-3637-3839-616263646566"},
		{"date", pq.Date(), pq.Int32Value(1), "\"1970-01-02"},
		{"time", pq.Time(pq.Millisecond), pq.Int32Value(1001), "\"00:00:01.001"},
		{"timestamp", pq.Timestamp(pq.Microsecond), pq.Int64Value(1), "\"1970-01-01T00:00:00.000001Z"},
		{"nanos", pq.Timestamp(pq.Nanosecond), pq.Int64Value(-1), "\"1969-12-31T23:59:59.999999999Z"},
		{"decimal32", pq.Decimal(2, 9, pq.Int32Type), pq.Int32Value(-5), "#-0.05"},
		{"decimal64", pq.Decimal(3, 18, pq.Int64Type), pq.Int64Value(7000), "#7.000"},
		{"decimalF", pq.Decimal(1, 5, pq.FixedLenByteArrayType(3)), pq.FixedLenByteArrayValue([]byte{255, 255, 245}), "#-1.1"},
		{"decimalB", pq.Decimal(1, 5, pq.ByteArrayType), pq.ByteArrayValue([]byte{110}), "#11.0"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			columns := []named{{"r", test.node}, {"o", pq.Optional(test.node)}, {"l", pq.Repeated(test.node)}}
			full := pq.Row{test.v.Level(0, 0, 0), test.v.Level(0, 1, 1), test.v.Level(0, 1, 2), test.v.Level(1, 1, 2)}
			none := pq.Row{test.v.Level(0, 0, 0), pq.Value{}.Level(0, 0, 1), pq.Value{}.Level(0, 0, 2)}
			got := mustRead(t, file(t, columns, []pq.Row{full, none, full}, []int{2}))
			item := inJSON(test.want)
			all := fmt.Sprintf("%s|%s|j[%s,%s]", test.want, test.want, item, item)
			if want := []string{all, test.want + "|_|j[]", all}; !slices.Equal(got, want) {
				t.Errorf("got  %q\nwant %q", got, want)
			}
		})
	}
}

// inJSON is a shown value as it stands in an array.
func inJSON(shown string) string {
	if shown[0] == '"' {
		return shown + "\""
	}
	return shown[1:]
}

// TestEncodings reads the same values under every encoding, codec and page
// version that parquet-go writes.
func TestEncodings(t *testing.T) {
	integers := []encoding.Encoding{&pq.Plain, &pq.RLEDictionary, &pq.DeltaBinaryPacked, &pq.ByteStreamSplit}
	floats := []encoding.Encoding{&pq.Plain, &pq.RLEDictionary, &pq.ByteStreamSplit}
	strings := []encoding.Encoding{&pq.Plain, &pq.RLEDictionary, &pq.DeltaLengthByteArray, &pq.DeltaByteArray}
	fixed := []encoding.Encoding{&pq.Plain, &pq.RLEDictionary, &pq.DeltaByteArray, &pq.ByteStreamSplit}
	bools := []encoding.Encoding{&pq.Plain, &pq.RLE}
	kinds := []struct {
		node      pq.Node
		encodings []encoding.Encoding
		value     func(i int) (pq.Value, string)
	}{
		{pq.Leaf(pq.BooleanType), bools, func(i int) (pq.Value, string) { return pq.BooleanValue(i%3 == 0), fmt.Sprintf("?%t", i%3 == 0) }},
		{pq.Leaf(pq.Int32Type), integers, func(i int) (pq.Value, string) {
			return pq.Int32Value(int32(i * i * 7919)), fmt.Sprintf("#%d", int32(i*i*7919))
		}},
		{pq.Leaf(pq.Int64Type), integers, func(i int) (pq.Value, string) {
			v := int64(i) * int64(i) * 7919 * 1e12
			return pq.Int64Value(v), fmt.Sprintf("#%d", v)
		}},
		{pq.Leaf(pq.FloatType), floats, func(i int) (pq.Value, string) {
			return pq.FloatValue(float32(i) / 4), fmt.Sprintf("#%v", float32(i)/4)
		}},
		{pq.Leaf(pq.DoubleType), floats, func(i int) (pq.Value, string) {
			return pq.DoubleValue(float64(i%97) / 4), fmt.Sprintf("#%v", float64(i%97)/4)
		}},
		{pq.String(), strings, func(i int) (pq.Value, string) {
			s := fmt.Sprintf("%0*d-%d", i%20, i%50, i%70)
			return pq.ByteArrayValue([]byte(s)), "\"" + s
		}},
		{pq.Decimal(0, 9, pq.FixedLenByteArrayType(4)), fixed, func(i int) (pq.Value, string) {
			return pq.FixedLenByteArrayValue([]byte{0, byte(i >> 16), byte(i >> 8), byte(i)}), fmt.Sprintf("#%d", i)
		}},
	}
	codecs := []compress.Codec{&pq.Uncompressed, &pq.Snappy, &pq.Gzip, &pq.Zstd, &pq.Brotli, &pq.Lz4Raw}
	for k, kind := range kinds {
		for _, enc := range kind.encodings {
			for _, codec := range codecs {
				for version := 1; version <= 2; version++ {
					name := fmt.Sprintf("%s/%s/%s/v%d", kind.node.Type(), enc, codec, version)
					rows, want := []pq.Row{}, []string{}
					for i := range 700 {
						v, text := kind.value(i + k)
						row, shown := pq.Row{v.Level(0, 0, 0), v.Level(0, 1, 1)}, text+"|"+text
						if i%7 == 3 {
							row[1], shown = pq.Value{}.Level(0, 0, 1), text+"|_"
						}
						rows, want = append(rows, row), append(want, shown)
					}
					node := pq.Encoded(kind.node, enc)
					data := file(t, []named{{"r", node}, {"o", pq.Optional(node)}}, rows, []int{300},
						pq.Compression(codec), pq.DataPageVersion(version), pq.PageBufferSize(600))
					if got := mustRead(t, data); !slices.Equal(got, want) {
						t.Errorf("%s: differs", name)
					}
				}
			}
		}
	}
}
