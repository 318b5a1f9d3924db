package splice

import "github.com/batchmill/batchmill/formats/parquet/thrift"

// The structs of a footer, by the ids of
// https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift.
// Only structs that hold places in the file, or are looked into, stand here; all other
// structs are carried as bytes.

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
	kinds: [maxField + 1]thrift.Kind{
		fileVersion: thrift.I32, fileSchema: thrift.List, fileRows: thrift.I64, fileGroups: thrift.List, fileKeyValues: thrift.List,
		fileCreatedBy: thrift.Binary, fileOrders: thrift.List, fileCrypto: thrift.Struct, fileSigning: thrift.Binary,
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
	kinds: [maxField + 1]thrift.Kind{
		elementType: thrift.I32, 2: thrift.I32, 3: thrift.I32, elementName: thrift.Binary, elementChildren: thrift.I32,
		6: thrift.I32, 7: thrift.I32, 8: thrift.I32, 9: thrift.I32, 10: thrift.Struct,
	},
	required: []int{elementName},
}

const (
	keyValueKey   = 1
	keyValueValue = 2
)

var keyValueShape = shape{
	name:     "a key of the metadata",
	kinds:    [maxField + 1]thrift.Kind{keyValueKey: thrift.Binary, keyValueValue: thrift.Binary},
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
	kinds: [maxField + 1]thrift.Kind{
		groupColumns: thrift.List, groupBytes: thrift.I64, groupRows: thrift.I64, groupSorting: thrift.List,
		groupOffset: thrift.I64, groupCompressed: thrift.I64, groupOrdinal: thrift.I16,
	},
	required: []int{groupColumns, groupBytes, groupRows},
}

const sortingColumn = 1

var sortingShape = shape{
	name:     "a sorting column",
	kinds:    [maxField + 1]thrift.Kind{sortingColumn: thrift.I32, 2: thrift.True, 3: thrift.True},
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
	kinds: [maxField + 1]thrift.Kind{
		chunkPath: thrift.Binary, chunkOffset: thrift.I64, chunkMeta: thrift.Struct,
		chunkOffsetIndex: thrift.I64, chunkOffsetIndexLength: thrift.I32,
		chunkColumnIndex: thrift.I64, chunkColumnIndexLength: thrift.I32,
		chunkCrypto: thrift.Struct, chunkEncrypted: thrift.Binary,
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
	kinds: [maxField + 1]thrift.Kind{
		1: thrift.I32, 2: thrift.List, 3: thrift.List, 4: thrift.I32, metaValues: thrift.I64, metaUncompressed: thrift.I64,
		metaCompressed: thrift.I64, 8: thrift.List, metaDataPage: thrift.I64, metaIndexPage: thrift.I64, metaDictionary: thrift.I64,
		metaStatistics: thrift.Struct, 13: thrift.List, metaBloom: thrift.I64, metaBloomLength: thrift.I32,
		16: thrift.Struct, 17: thrift.Struct,
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
	kinds: [maxField + 1]thrift.Kind{
		statsOldMax: thrift.Binary, statsOldMin: thrift.Binary, 3: thrift.I64, 4: thrift.I64,
		statsMax: thrift.Binary, statsMin: thrift.Binary, statsMaxExact: thrift.True, statsMinExact: thrift.True,
	},
}

const bloomBytes = 1

var bloomShape = shape{
	name:     "the head of a bloom filter",
	kinds:    [maxField + 1]thrift.Kind{bloomBytes: thrift.I32, 2: thrift.Struct, 3: thrift.Struct, 4: thrift.Struct},
	required: []int{bloomBytes},
}

const indexPages = 1

var offsetIndexShape = shape{
	name:     "an offset index",
	kinds:    [maxField + 1]thrift.Kind{indexPages: thrift.List, 2: thrift.List},
	required: []int{indexPages},
}

const (
	pageOffset = 1
	pageSize   = 2
)

var pageShape = shape{
	name:     "a page of an offset index",
	kinds:    [maxField + 1]thrift.Kind{pageOffset: thrift.I64, pageSize: thrift.I32, 3: thrift.I64},
	required: []int{pageOffset, pageSize, 3},
}

// typeOrder is a ColumnOrder that says TYPE_ORDER: field 1, an empty struct.
var typeOrder = []byte{1<<4 | byte(thrift.Struct), byte(thrift.Stop), byte(thrift.Stop)}
