package splice

// The structs of a footer, by the ids of
// https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift.
// Only structs that hold places in the file, or are looked into, stand here;
// all others are carried as bytes.

const (
	fileVersion   = 1
	fileSchema    = 2
	fileRows      = 3
	fileGroups    = 4
	fileKeyValues = 5
	fileCreatedBy = 6
	fileOrders    = 7
	fileCrypto    = 8
	fileSigning   = 9
)

var fileShape = shape{
	name: "the footer",
	kinds: [maxField + 1]byte{
		fileVersion: kindI32, fileSchema: kindList, fileRows: kindI64, fileGroups: kindList, fileKeyValues: kindList,
		fileCreatedBy: kindBinary, fileOrders: kindList, fileCrypto: kindStruct, fileSigning: kindBinary,
	},
	required: []int{fileVersion, fileSchema, fileRows, fileGroups},
}

const (
	elementType     = 1
	elementName     = 4
	elementChildren = 5
)

var elementShape = shape{
	name: "a schema element",
	kinds: [maxField + 1]byte{
		elementType: kindI32, 2: kindI32, 3: kindI32, elementName: kindBinary, elementChildren: kindI32,
		6: kindI32, 7: kindI32, 8: kindI32, 9: kindI32, 10: kindStruct,
	},
	required: []int{elementName},
}

const (
	keyValueKey   = 1
	keyValueValue = 2
)

var keyValueShape = shape{
	name:     "a key of the metadata",
	kinds:    [maxField + 1]byte{keyValueKey: kindBinary, keyValueValue: kindBinary},
	required: []int{keyValueKey},
}

const (
	groupColumns    = 1
	groupBytes      = 2
	groupRows       = 3
	groupSorting    = 4
	groupOffset     = 5
	groupCompressed = 6
	groupOrdinal    = 7
)

var groupShape = shape{
	name: "a row group",
	kinds: [maxField + 1]byte{
		groupColumns: kindList, groupBytes: kindI64, groupRows: kindI64, groupSorting: kindList,
		groupOffset: kindI64, groupCompressed: kindI64, groupOrdinal: kindI16,
	},
	required: []int{groupColumns, groupBytes, groupRows},
}

const sortingColumn = 1

var sortingShape = shape{
	name:     "a sorting column",
	kinds:    [maxField + 1]byte{sortingColumn: kindI32, 2: kindTrue, 3: kindTrue},
	required: []int{sortingColumn},
}

const (
	chunkPath              = 1
	chunkOffset            = 2
	chunkMeta              = 3
	chunkOffsetIndex       = 4
	chunkOffsetIndexLength = 5
	chunkColumnIndex       = 6
	chunkColumnIndexLength = 7
	chunkCrypto            = 8
	chunkEncrypted         = 9
)

var chunkShape = shape{
	name: "a column chunk",
	kinds: [maxField + 1]byte{
		chunkPath: kindBinary, chunkOffset: kindI64, chunkMeta: kindStruct,
		chunkOffsetIndex: kindI64, chunkOffsetIndexLength: kindI32,
		chunkColumnIndex: kindI64, chunkColumnIndexLength: kindI32,
		chunkCrypto: kindStruct, chunkEncrypted: kindBinary,
	},
	required: []int{chunkOffset},
}

const (
	metaValues       = 5
	metaUncompressed = 6
	metaCompressed   = 7
	metaDataPage     = 9
	metaIndexPage    = 10
	metaDictionary   = 11
	metaStatistics   = 12
	metaBloom        = 14
	metaBloomLength  = 15
)

var metaShape = shape{
	name: "the metadata of a column chunk",
	kinds: [maxField + 1]byte{
		1: kindI32, 2: kindList, 3: kindList, 4: kindI32, metaValues: kindI64, metaUncompressed: kindI64,
		metaCompressed: kindI64, 8: kindList, metaDataPage: kindI64, metaIndexPage: kindI64, metaDictionary: kindI64,
		metaStatistics: kindStruct, 13: kindList, metaBloom: kindI64, metaBloomLength: kindI32,
		16: kindStruct, 17: kindStruct,
	},
	required: []int{1, 2, 3, 4, metaValues, metaUncompressed, metaCompressed, metaDataPage},
}

const (
	statsOldMax   = 1
	statsOldMin   = 2
	statsMax      = 5
	statsMin      = 6
	statsMaxExact = 7
	statsMinExact = 8
)

var statsShape = shape{
	name: "statistics",
	kinds: [maxField + 1]byte{
		statsOldMax: kindBinary, statsOldMin: kindBinary, 3: kindI64, 4: kindI64,
		statsMax: kindBinary, statsMin: kindBinary, statsMaxExact: kindTrue, statsMinExact: kindTrue,
	},
}

const bloomBytes = 1

var bloomShape = shape{
	name:     "the head of a bloom filter",
	kinds:    [maxField + 1]byte{bloomBytes: kindI32, 2: kindStruct, 3: kindStruct, 4: kindStruct},
	required: []int{bloomBytes},
}

const indexPages = 1

var offsetIndexShape = shape{
	name:     "an offset index",
	kinds:    [maxField + 1]byte{indexPages: kindList, 2: kindList},
	required: []int{indexPages},
}

const (
	pageOffset = 1
	pageSize   = 2
)

var pageShape = shape{
	name:     "a page of an offset index",
	kinds:    [maxField + 1]byte{pageOffset: kindI64, pageSize: kindI32, 3: kindI64},
	required: []int{pageOffset, pageSize, 3},
}

// typeOrder is a ColumnOrder that says TYPE_ORDER: field 1, an empty struct.
var typeOrder = []byte{1<<4 | kindStruct, kindStop, kindStop}
