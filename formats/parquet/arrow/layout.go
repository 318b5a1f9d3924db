package arrow

// kind is how a table's slot is stored: a scalar by its size in bytes, all
// other slots as an offset.
type kind uint8

const (
	byte1  kind = 1
	short2 kind = 2
	int4   kind = 4
	long8  kind = 8

	text  kind = 16 + iota // a string
	one                    // a table
	many                   // a vector of tables
	typed                  // the union Type; the slot before it holds the discriminant
	ints                   // a vector of 4 bytes each
	longs                  // a vector of 8 bytes each
)

// scalar tells that the value stands in the table itself.
func (k kind) scalar() bool { return k <= long8 }

// size is the bytes that a slot takes in its table.
func (k kind) size() int {
	if k.scalar() {
		return int(k)
	}
	return 4
}

// element is the size of what the offset's vector holds, in bytes.
func (k kind) element() int {
	switch k {
	case text:
		return 1
	case longs:
		return 8
	}
	return 4
}

// shape names a kind of table.
type shape uint8

const (
	messageTable shape = iota
	schemaTable
	fieldTable
	keyValueTable
	dictionaryTable
	typeTable // plus the discriminant of the union Type, from 1
)

// The discriminants that added fields need, and the discriminant of a Message that is a Schema.
const (
	typeInt, typeFloat, typeUtf8, typeBool, typeList = 2, 3, 5, 6, 12

	headerSchema = 1
)

// Slots that are used by name.
const (
	messageHeaderType, messageHeader = 1, 2

	schemaFields = 1

	fieldNameSlot, fieldNullable, fieldTypeType, fieldType, fieldChildren = 0, 1, 2, 3, 5
)

type slot struct {
	kind kind
	of   shape // of one and many
}

// layouts are the tables of Schema.fbs and Message.fbs, slot by slot. A table
// with more slots than listed, or a type behind the last type listed, is newer
// than this list and refused: slots that are not known cannot be checked.
var layouts = [...][]slot{
	// version, header_type, header (by hand), bodyLength, custom_metadata
	messageTable: {{kind: short2}, {kind: byte1}, {kind: one, of: schemaTable}, {kind: long8}, {many, keyValueTable}},
	// endianness, fields (by hand), custom_metadata, features
	schemaTable: {{kind: short2}, {many, fieldTable}, {many, keyValueTable}, {kind: longs}},
	// name, nullable, type_type, type, dictionary, children, custom_metadata
	fieldTable: {{kind: text}, {kind: byte1}, {kind: byte1}, {kind: typed},
		{one, dictionaryTable}, {many, fieldTable}, {many, keyValueTable}},
	keyValueTable: {{kind: text}, {kind: text}},
	// id, indexType, isOrdered, dictionaryKind
	dictionaryTable: {{kind: long8}, {one, typeTable + typeInt}, {kind: byte1}, {kind: short2}},

	typeTable + 1:         {},                                         // Null
	typeTable + typeInt:   {{kind: int4}, {kind: byte1}},              // bitWidth, is_signed
	typeTable + typeFloat: {{kind: short2}},                           // precision
	typeTable + 4:         {},                                         // Binary
	typeTable + typeUtf8:  {},                                         //
	typeTable + typeBool:  {},                                         //
	typeTable + 7:         {{kind: int4}, {kind: int4}, {kind: int4}}, // Decimal: precision, scale, bitWidth
	typeTable + 8:         {{kind: short2}},                           // Date: unit
	typeTable + 9:         {{kind: short2}, {kind: int4}},             // Time: unit, bitWidth
	typeTable + 10:        {{kind: short2}, {kind: text}},             // Timestamp: unit, timezone
	typeTable + 11:        {{kind: short2}},                           // Interval: unit
	typeTable + typeList:  {},                                         //
	typeTable + 13:        {},                                         // Struct_
	typeTable + 14:        {{kind: short2}, {kind: ints}},             // Union: mode, typeIds
	typeTable + 15:        {{kind: int4}},                             // FixedSizeBinary: byteWidth
	typeTable + 16:        {{kind: int4}},                             // FixedSizeList: listSize
	typeTable + 17:        {{kind: byte1}},                            // Map: keysSorted
	typeTable + 18:        {{kind: short2}},                           // Duration: unit
	typeTable + 19:        {},                                         // LargeBinary
	typeTable + 20:        {},                                         // LargeUtf8
	typeTable + 21:        {},                                         // LargeList
	typeTable + 22:        {},                                         // RunEndEncoded
	typeTable + 23:        {},                                         // BinaryView
	typeTable + 24:        {},                                         // Utf8View
	typeTable + 25:        {},                                         // ListView
	typeTable + 26:        {},                                         // LargeListView
}
