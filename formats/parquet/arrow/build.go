package arrow

import flatbuffers "github.com/google/flatbuffers/go"

// elementName is the child of a list, called as in Parquet's LIST.
const elementName = "element"

// Values of Schema.fbs that added fields have.
const precisionDouble = 2

// appendFields builds fields and appends their places to list.
func appendFields(b *flatbuffers.Builder, list []flatbuffers.UOffsetT, add []Field) ([]flatbuffers.UOffsetT, error) {
	for _, f := range add {
		if f.Type > Doubles {
			return nil, broken("field %q has type %d, which is none", f.Name, f.Type)
		}
		list = append(list, buildField(b, f))
	}
	return list, nil
}

func buildField(b *flatbuffers.Builder, f Field) flatbuffers.UOffsetT {
	var children []flatbuffers.UOffsetT
	if f.Type == Doubles {
		children = append(children, buildField(b, Field{Name: elementName, Type: Double}))
	}
	name := b.CreateString(f.Name)
	// Readers want the vector of children even where there are none.
	nested := b.CreateVectorOfTables(children)
	id, t := buildType(b, f.Type)
	b.StartObject(len(layouts[fieldTable]))
	b.PrependUOffsetTSlot(fieldNameSlot, name, 0)
	b.PrependUOffsetTSlot(fieldType, t, 0)
	b.PrependUOffsetTSlot(fieldChildren, nested, 0)
	b.PrependBoolSlot(fieldNullable, true, false)
	b.PrependByteSlot(fieldTypeType, id, 0)
	return b.EndObject()
}

// buildType builds a type's own table, and gives its discriminant.
func buildType(b *flatbuffers.Builder, t Type) (byte, flatbuffers.UOffsetT) {
	id := [...]byte{Int64: typeInt, Double: typeFloat, Bool: typeBool, Utf8: typeUtf8, Doubles: typeList}[t]
	b.StartObject(len(layouts[typeTable+shape(id)]))
	switch t {
	case Int64:
		b.PrependInt32Slot(0, 64, 0)
		b.PrependBoolSlot(1, true, false)
	case Double:
		b.PrependInt16Slot(0, precisionDouble, 0)
	}
	return id, b.EndObject()
}
