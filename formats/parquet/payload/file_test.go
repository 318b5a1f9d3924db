package payload

import (
	"bytes"
	"math/rand/v2"
	"reflect"
	"testing"

	pq "github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/deprecated"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"

	"github.com/batchmill/batchmill/formats"
	"github.com/batchmill/batchmill/formats/parquet"
)

// TestSchemaToTheLetter sends annotations that parquet-go does not keep.
func TestSchemaToTheLetter(t *testing.T) {
	half := format.SchemaElement{
		Name: "half", Type: thrift.New(format.FixedLenByteArray), TypeLength: thrift.New[int32](2), FieldID: 7,
		RepetitionType: thrift.New(format.Optional), LogicalType: format.LogicalType{Value: new(format.Float16Type)},
	}
	group := func(name string, rep format.FieldRepetitionType, children int32) format.SchemaElement {
		return format.SchemaElement{
			Name: name, RepetitionType: thrift.New(rep), NumChildren: thrift.New(children),
			ConvertedType: thrift.New(deprecated.MapKeyValue),
		}
	}
	leaf := func(name string, kind format.Type) format.SchemaElement {
		return format.SchemaElement{Name: name, Type: thrift.New(kind), RepetitionType: thrift.New(format.Required)}
	}
	key := leaf("key", format.ByteArray)
	key.ConvertedType = thrift.New(deprecated.UTF8)
	table := []format.SchemaElement{group("m", format.Required, 1), group("map", format.Repeated, 2), key, leaf("value", format.Int32)}

	w := begin(nil, 2)
	w.schema = append(append(w.schema, half), table...)
	str := func(s string) pq.Value { return pq.ByteArrayValue([]byte(s)) }
	w.chunk(&leavesOf([]format.SchemaElement{half})[0], []pq.Value{
		pq.FixedLenByteArrayValue([]byte{0x66, 0x2e}).Level(0, 1, 0), pq.NullValue(),
	})
	leaves := leavesOf(table)
	w.chunk(&leaves[0], []pq.Value{pq.NullValue(), str("a").Level(0, 1, 1), str("b").Level(1, 1, 1)})
	w.chunk(&leaves[1], []pq.Value{pq.NullValue(), pq.Int32Value(1).Level(0, 1, 2), pq.Int32Value(2).Level(1, 1, 2)})
	data := w.end(2)

	b, f := batchOf(t, data)
	sent := encode(t, b, EncoderConfig{Names: []string{"half", "m"}}, all(2))
	if !bytes.Equal(sent, data) {
		t.Error("a file of one row group does not come out as it was")
	}
	if !reflect.DeepEqual(f.Elements(0), []format.SchemaElement{half}) || !reflect.DeepEqual(f.Elements(1), table) {
		t.Errorf("%+v, %+v", f.Elements(0), f.Elements(1))
	}
	list, text, err := Decoder{}.Decode(nil, sent, 2)
	if err != nil {
		t.Fatal(err)
	}
	answers := formats.Answers{Data: text, List: list}
	for i, want := range []string{`{"half":0.1,"m":{}}`, `{"half":null,"m":{"a":1,"b":2}}`} {
		if got := string(answers.Bytes(i)); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

// TestLevelsReadBack writes levels of every width, in runs and without.
func TestLevelsReadBack(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	for most := 1; most <= 60; most += 1 + most/4 {
		var elements []format.SchemaElement
		for range most - 1 {
			elements = append(elements, format.SchemaElement{Name: "g", RepetitionType: thrift.New(format.Optional), NumChildren: thrift.New[int32](1)})
		}
		elements = append(elements, format.SchemaElement{Name: "x", RepetitionType: thrift.New(format.Optional), Type: thrift.New(format.Int32)})
		for _, run := range []int{1, 3, 40} {
			var values []pq.Value
			for len(values) < 200 {
				v, level := pq.NullValue(), r.IntN(most+1)
				if level == most {
					v = pq.Int32Value(int32(len(values)))
				}
				for range 1 + r.IntN(run) {
					values = append(values, v.Level(0, level, 0))
				}
			}
			w := begin(nil, 1)
			w.schema = append(w.schema, elements...)
			w.chunk(&leavesOf(elements)[0], values)
			b, _ := batchOf(t, w.end(len(values)))
			got, _ := parquet.AppendValues(nil, b, 0, all(len(values)))
			if !reflect.DeepEqual(got, values) {
				t.Fatalf("levels up to %d in runs of %d come back as others", most, run)
			}
		}
	}
}
