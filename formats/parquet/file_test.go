package parquet

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"testing"

	pq "github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/deprecated"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"

	"github.com/batchmill/batchmill/formats"
)

// TestMessage writes under the schema that a file gives, and reads it.
func TestMessage(t *testing.T) {
	columns := []named{{"z", pq.Decimal(2, 9, pq.Int32Type)}, {"a", pq.Optional(pq.String())}}
	f := open(t, file(t, columns, nil, nil), Options{})
	message, err := f.Message()
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	w := pq.NewWriter(&out, message)
	row := pq.Row{pq.Int32Value(150).Level(0, 0, 0), pq.ByteArrayValue([]byte("b")).Level(0, 1, 1)}
	if _, err := w.WriteRows([]pq.Row{row}); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if got := mustRead(t, out.Bytes()); !slices.Equal(got, []string{`#1.50|"b`}) {
		t.Errorf("got %q", got)
	}
	if err := open(t, out.Bytes(), Options{}).Schema().Match(f.Schema()); err != nil {
		t.Error(err)
	}
}

func TestPlaces(t *testing.T) {
	columns := []named{{"a", pq.Int(64)}, {"m", pq.Map(pq.String(), pq.Int(32))}, {"b", pq.Int(64)}}
	f := open(t, file(t, columns, nil, nil), Options{})
	first, end := f.Leaves(1)
	if first != 1 || end != 3 || len(f.Elements(1)) != 4 || f.Elements(2)[0].Name != "02_b" || f.Metadata().NumRows != 0 {
		t.Errorf("leaves [%d, %d), elements %+v", first, end, f.Elements(1))
	}
}

// TestTypeStrings compares what older and newer writers say of the same type.
func TestTypeStrings(t *testing.T) {
	tests := []struct {
		old  deprecated.ConvertedType
		new  format.LogicalTypeValue
		want string
	}{
		{deprecated.UTF8, new(format.StringType), "STRING"},
		{deprecated.Decimal, &format.DecimalType{Precision: 9, Scale: 2}, "DECIMAL(9,2)"},
		{deprecated.Uint16, &format.IntType{BitWidth: 16}, "INT(16,false)"},
		{deprecated.TimestampMicros, &format.TimestampType{IsAdjustedToUTC: true, Unit: micros}, "TIMESTAMP(isAdjustedToUTC=true,unit=MICROS)"},
		{deprecated.Interval, nil, "CONVERTED(21)"},
	}
	for _, test := range tests {
		old := format.SchemaElement{ConvertedType: thrift.New(test.old), Scale: thrift.New[int32](2), Precision: thrift.New[int32](9)}
		if got := annotation(&old); got != test.want {
			t.Errorf("%d: %s, want %s", test.old, got, test.want)
		}
		if test.new == nil {
			continue
		}
		if got := annotation(&format.SchemaElement{LogicalType: format.LogicalType{Value: test.new}}); got != test.want {
			t.Errorf("%d, the new way: %s, want %s", test.old, got, test.want)
		}
	}
}

// A trap panics behind an offset, as a library might.
type trap struct {
	data []byte
	from int64
}

func (s trap) ReadAt(p []byte, off int64) (int, error) {
	if off > s.from {
		panic(fmt.Sprintf("at %d", off))
	}
	return bytes.NewReader(s.data).ReadAt(p, off)
}

// TestPanic has a panic below Open and below Next.
func TestPanic(t *testing.T) {
	rows := []pq.Row{}
	for i := range 20000 {
		rows = append(rows, pq.Row{pq.Int64Value(int64(i)).Level(0, 0, 0)})
	}
	data := file(t, []named{{"a", pq.Encoded(pq.Int(64), &pq.Plain)}}, rows, []int{10000}, pq.PageBufferSize(1000))
	f := open(t, data, Options{})
	f.src = trap{data, 1000}
	var b formats.Batch
	r := NewReader(f, f.Schema(), nil)
	var bad *FormatError
	for range 2 {
		if err := r.Next(&b, wide); !errors.As(err, &bad) || b.Len() != 0 || b.Size() != 0 {
			t.Errorf("got %v, %d records", err, b.Len())
		}
	}
	if _, err := Open(trap{data, 10}, int64(len(data)), Options{}); !errors.As(err, &bad) {
		t.Errorf("opening: %v", err)
	}
}
