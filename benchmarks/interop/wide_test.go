package interop

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"math"
	"strconv"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"
)

// A column of the wide file. Its values are given as text, as arrow-go parses it.
type column struct {
	name string
	kind arrow.DataType
	text func(i int) string
	// scalars is what the record's JSON holds of it, in order; nil where that
	// is text, if it is a number, and otherwise one value that is none.
	scalars func(i int) []string
}

const null = array.NullValueStr

const wideRows, wideGroup = 1300, 500 // of 1,300 rows, groups of 500, 500 and 300

// flat are the columns without structure; every type that Arrow can give Parquet.
func flat() []column {
	list := []column{
		{"id", arrow.PrimitiveTypes.Int64, strconv.Itoa, nil},
		{"x", arrow.PrimitiveTypes.Float64, quarters, nil},
		{"flag", arrow.FixedWidthTypes.Boolean, func(i int) string { return strconv.FormatBool(i%3 == 0) }, nil},
		{"i8", arrow.PrimitiveTypes.Int8, signed(math.MinInt8, math.MaxInt8), nil},
		{"i16", arrow.PrimitiveTypes.Int16, signed(math.MinInt16, math.MaxInt16), nil},
		{"i32", arrow.PrimitiveTypes.Int32, signed(math.MinInt32, math.MaxInt32), nil},
		{"i64", arrow.PrimitiveTypes.Int64, signed(math.MinInt64, math.MaxInt64), nil},
		{"u8", arrow.PrimitiveTypes.Uint8, unsigned(math.MaxUint8), nil},
		{"u16", arrow.PrimitiveTypes.Uint16, unsigned(math.MaxUint16), nil},
		{"u32", arrow.PrimitiveTypes.Uint32, unsigned(math.MaxUint32), nil},
		{"u64", arrow.PrimitiveTypes.Uint64, unsigned(math.MaxUint64), nil},
		{"f16", arrow.FixedWidthTypes.Float16, halves, nil},
		{"f32", arrow.PrimitiveTypes.Float32, quarters, nil},
		{"f64", arrow.PrimitiveTypes.Float64, odd, nil},
		{"dec9", &arrow.Decimal128Type{Precision: 9, Scale: 2}, decimal("1234567.%02d", "%d.%02d", 100), nil},
		{"dec18", &arrow.Decimal128Type{Precision: 18, Scale: 4}, decimal("-12345678901234.%04d", "-%d.%04d", 10000), nil},
		{"dec38", &arrow.Decimal128Type{Precision: 38, Scale: 10}, decimal("1234567890123456789012345678.%010d", "%d.%010d", 1<<31), nil},
	}
	return append(list, plain()...)
}

// plain are those of the flat columns that hold no numbers.
func plain() []column {
	day := func(i int) string { return fmt.Sprintf("20%02d-%02d-%02d", i%90, 1+i%12, 1+i%28) }
	clock := func(fraction string) func(int) string {
		return func(i int) string { return fmt.Sprintf("%02d:%02d:%02d%s", i%24, i%60, i%59, fraction) }
	}
	stamp := func(fraction string) func(int) string {
		return func(i int) string { return day(i) + "T" + clock(fraction)(i) }
	}
	moment := func(unit arrow.TimeUnit, zone string) arrow.DataType {
		return &arrow.TimestampType{Unit: unit, TimeZone: zone}
	}
	return []column{
		{"day", arrow.FixedWidthTypes.Date32, day, nil},
		{"t_s", arrow.FixedWidthTypes.Time32s, clock(""), nil},
		{"t_ms", arrow.FixedWidthTypes.Time32ms, clock(".123"), nil},
		{"t_us", arrow.FixedWidthTypes.Time64us, clock(".123456"), nil},
		{"t_ns", arrow.FixedWidthTypes.Time64ns, clock(".123456789"), nil},
		{"ts_s", moment(arrow.Second, ""), stamp(""), nil},
		{"ts_ms", moment(arrow.Millisecond, ""), stamp(".123"), nil},
		{"ts_us", moment(arrow.Microsecond, ""), stamp(".123456"), nil},
		{"ts_ns", moment(arrow.Nanosecond, ""), stamp(".123456789"), nil},
		{"ts_s_utc", moment(arrow.Second, "UTC"), stamp("Z"), nil},
		{"ts_ms_utc", moment(arrow.Millisecond, "UTC"), stamp(".123Z"), nil},
		{"ts_us_berlin", moment(arrow.Microsecond, "Europe/Berlin"), stamp(".123456Z"), nil},
		{"ts_ns_utc", moment(arrow.Nanosecond, "UTC"), stamp(".123456789Z"), nil},
		{"word", arrow.BinaryTypes.String, word, nil},
		{"unique", arrow.BinaryTypes.LargeString, func(i int) string { return fmt.Sprintf("row \u00e4 %d \"quoted\"\n", i*7919) }, nil},
		{"raw", arrow.BinaryTypes.Binary, func(i int) string { return base64.StdEncoding.EncodeToString([]byte{0xFF, 0, byte(i), byte(i >> 8)}) }, nil},
		{"fixed", &arrow.FixedSizeBinaryType{ByteWidth: 5}, func(i int) string {
			return base64.StdEncoding.EncodeToString([]byte{0xFE, byte(i), 0, byte(i >> 8), 0x80})
		}, nil},
		{"dict", &arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Int16, ValueType: arrow.BinaryTypes.String}, colour, nil},
		{"nothing", arrow.Null, func(int) string { return null }, nil},
	}
}

// nested are the columns with structure. They stand last, for how many scalars
// a record has of them differs.
func nested() []column {
	i32, text := arrow.PrimitiveTypes.Int32, arrow.BinaryTypes.String
	element := func(t arrow.DataType) arrow.Field { return arrow.Field{Name: "element", Type: t, Nullable: true} }
	field := func(name string, t arrow.DataType) arrow.Field {
		return arrow.Field{Name: name, Type: t, Nullable: true}
	}
	return []column{
		{"list", arrow.ListOfField(element(i32)), func(i int) string {
			return [...]string{`[]`, `[1]`, `[1,null,3]`}[i%3]
		}, func(i int) []string { return [...][]string{nil, {"1"}, {"1", "", "3"}}[i%3] }},
		{"record", arrow.StructOf(field("a", i32), field("b", text)), func(i int) string {
			return fmt.Sprintf(`{"a":%d,"b":null}`, i)
		}, func(i int) []string { return []string{strconv.Itoa(i), ""} }},
		{"deep", arrow.ListOfField(element(arrow.StructOf(field("c", text), field("d", arrow.ListOfField(element(i32)))))), func(i int) string {
			return fmt.Sprintf(`[{"c":"w","d":[%d,%d]},null,{"c":null,"d":[]}]`, i, i+1)
		}, func(i int) []string { return []string{"", strconv.Itoa(i), strconv.Itoa(i + 1), "", ""} }},
		{"map", arrow.MapOf(text, text), func(i int) string {
			return fmt.Sprintf(`[{"key":"k","value":"v%d"},{"key":"l","value":null}]`, i%5)
		}, func(int) []string { return []string{"", ""} }},
	}
}

func quarters(i int) string { return strconv.FormatFloat(float64(i%1000)*0.25, 'f', -1, 64) }

// halves are short in 16 bits too: 131.75 would be 131.8 there.
func halves(i int) string { return strconv.FormatFloat(float64(i%200)*0.5, 'f', -1, 64) }

// rare rows have values so large that nothing else in the record can be told
// from the score.
func rare(i int) bool { return i%10 == 0 }

func odd(i int) string {
	if rare(i) {
		return "1e300"
	}
	return [...]string{"NaN", "+Inf", "-Inf", "-0", "0.1", "5e-324"}[i%6]
}

func word(i int) string { return [...]string{"red", "green", "", "blue", "\u00fc"}[i%5] }

// colour is never empty: arrow-go v18.8.0 forgets the empty string in a
// dictionary's statistics.
func colour(i int) string { return [...]string{"red", "green", "blue", "\u00fc"}[i%4] }

// signed are both ends of the type, and small numbers.
func signed(low, high int64) func(int) string {
	return func(i int) string {
		if rare(i) {
			return strconv.FormatInt([...]int64{low, high}[i/10%2], 10)
		}
		return strconv.FormatInt([...]int64{0, int64(i % 100), -int64(i % 100)}[i%3], 10)
	}
}

func unsigned(high uint64) func(int) string {
	return func(i int) string {
		if rare(i) {
			return strconv.FormatUint(high, 10)
		}
		return strconv.Itoa(i % 200)
	}
}

// decimal has all digits that the type takes in rare rows, and few in others.
func decimal(large, small string, below int) func(int) string {
	return func(i int) string {
		if rare(i) {
			return fmt.Sprintf(large, i*1777%below)
		}
		return fmt.Sprintf(small, i%100, i*1777%below)
	}
}

// value is row i of the column; every seventh is null, but for id.
func (c column) value(i int) string {
	if c.name != "id" && (i+len(c.name))%7 == 0 {
		return null
	}
	return c.text(i)
}

// sent is what row i's JSON record holds of the column.
func (c column) sent(i int) []string {
	v := c.value(i)
	switch {
	case v == null:
		return []string{""}
	case c.scalars != nil:
		return c.scalars(i)
	case number(c.kind):
		return []string{v}
	}
	return []string{""}
}

func number(t arrow.DataType) bool {
	return arrow.IsInteger(t.ID()) || arrow.IsFloating(t.ID()) || arrow.IsDecimal(t.ID())
}

// answers is what the host must say to each row, sent whole.
func answers(columns []column, rows int) []answer {
	list := make([]answer, rows)
	for i := range list {
		var scalars []string
		for _, c := range columns {
			scalars = append(scalars, c.sent(i)...)
		}
		list[i].value = score(scalars...)
	}
	return list
}

// table makes the columns' rows.
func table(t *testing.T, columns []column, rows int) arrow.RecordBatch {
	t.Helper()
	var fields []arrow.Field
	for _, c := range columns {
		fields = append(fields, arrow.Field{Name: c.name, Type: c.kind, Nullable: c.name != "id"})
	}
	metadata := arrow.NewMetadata([]string{"owner"}, []string{"somebody \u00e4"})
	b := array.NewRecordBuilder(memory.DefaultAllocator, arrow.NewSchema(fields, &metadata))
	defer b.Release()
	for i, c := range columns {
		for row := range rows {
			if err := b.Field(i).AppendValueFromString(c.value(row)); err != nil {
				t.Fatalf("%s, row %d: %v", c.name, row, err)
			}
		}
	}
	return b.NewRecordBatch()
}

// arrowFile writes a batch with arrow-go.
func arrowFile(t *testing.T, batch arrow.RecordBatch, group int64, flags ...parquet.WriterProperty) string {
	t.Helper()
	var out bytes.Buffer
	tbl := array.NewTableFromRecords(batch.Schema(), []arrow.RecordBatch{batch})
	defer tbl.Release()
	props := parquet.NewWriterProperties(flags...)
	if err := pqarrow.WriteTable(tbl, &out, group, props, pqarrow.NewArrowWriterProperties(pqarrow.WithStoreSchema())); err != nil {
		t.Fatal(err)
	}
	return write(t, "wide.parquet", out.Bytes())
}
