package parquet

import (
	"bytes"
	"errors"
	"maps"
	"math"
	"runtime"
	"strings"
	"testing"

	pq "github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"

	"github.com/batchmill/batchmill/formats"
)

// claim changes what a page's header says.
func claim(p rawPage, edit func(*format.PageHeader)) rawPage {
	edit(&p.header)
	return p
}

func edited(p rawPage, edit func(*format.FileMetaData)) rawFile {
	return rawFile{element: required(format.Int64), pages: []rawPage{p}, rows: 2, edit: edit}
}

func chunk(m *format.FileMetaData) *format.ColumnMetaData { return &m.RowGroups[0].Columns[0].MetaData }

func ints(n int64, pages ...rawPage) rawFile {
	return rawFile{element: required(format.Int64), pages: pages, rows: n}
}

func texts(n int64, pages ...rawPage) rawFile {
	return rawFile{element: required(format.ByteArray), pages: pages, rows: n}
}

func maybe(n int64, pages ...rawPage) rawFile {
	return rawFile{element: optional(format.Int64), pages: pages, rows: n}
}

func lists(n int64, values int64, pages ...rawPage) rawFile {
	return rawFile{element: repeated(format.Int64), pages: pages, rows: n,
		edit: func(m *format.FileMetaData) { chunk(m).NumValues = values }}
}

func squeezed(codec format.CompressionCodec, size int32, body string) rawFile {
	p := v1(2, format.Plain, []byte(body))
	p.header.UncompressedPageSize = size
	return rawFile{element: required(format.Int64), codec: codec, pages: []rawPage{p}, rows: 2}
}

// hostile are files that a test of one rule each refuses. Most are a few
// hundred bytes that ask for gigabytes, or make a careless reader panic.
func hostile() map[string]claimed {
	all := map[string]claimed{}
	for _, some := range []map[string]claimed{footerClaims(), pageClaims(), levelClaims(), valueClaims(), codecClaims()} {
		maps.Copy(all, some)
	}
	return all
}

// A claimed file and what the error about it says.
type claimed struct {
	file rawFile
	want string
}

func footerClaims() map[string]claimed {
	good := v1(2, format.Plain, int64s(1, 2))
	return map[string]claimed{
		"rows, negative":         {edited(good, func(m *format.FileMetaData) { m.RowGroups[0].NumRows = -1 }), "row group 1 has -1 rows"},
		"rows, other sum":        {edited(good, func(m *format.FileMetaData) { m.NumRows = 3 }), "of 3 rows, its row groups of 2"},
		"rows, overflow":         {edited(good, func(m *format.FileMetaData) { m.RowGroups[0].NumRows = math.MaxInt64 }), "2 values for 9223372036854775807 rows"},
		"values, fewer":          {edited(good, func(m *format.FileMetaData) { chunk(m).NumValues = 1 }), "1 values for 2 rows"},
		"values, more":           {edited(good, func(m *format.FileMetaData) { chunk(m).NumValues = 1 << 40 }), "1099511627776 values for 2 rows"},
		"chunk behind the end":   {edited(good, func(m *format.FileMetaData) { chunk(m).DataPageOffset = 1 << 40 }), "does not fit"},
		"chunk before the file":  {edited(good, func(m *format.FileMetaData) { chunk(m).DataPageOffset = -8 }), "does not fit"},
		"chunk too long":         {edited(good, func(m *format.FileMetaData) { chunk(m).TotalCompressedSize = math.MaxInt64 }), "does not fit"},
		"chunk of -1 bytes":      {edited(good, func(m *format.FileMetaData) { chunk(m).TotalCompressedSize = -1 }), "does not fit"},
		"chunk of another type":  {edited(good, func(m *format.FileMetaData) { chunk(m).Type = format.Double }), "chunk of DOUBLE"},
		"chunk elsewhere":        {edited(good, func(m *format.FileMetaData) { m.RowGroups[0].Columns[0].FilePath = "b" }), "another file"},
		"chunks, none":           {edited(good, func(m *format.FileMetaData) { m.RowGroups[0].Columns = nil }), "0 chunks for 1 columns"},
		"schema, none":           {edited(good, func(m *format.FileMetaData) { m.Schema = nil }), "no root"},
		"schema, many children":  {edited(good, func(m *format.FileMetaData) { m.Schema[0].NumChildren.V = math.MaxInt32 }), "schema ends"},
		"schema, loose ends":     {edited(good, func(m *format.FileMetaData) { m.Schema[0].NumChildren.V = 0 }), "1 of them hang together"},
		"schema, unknown type":   {edited(good, func(m *format.FileMetaData) { m.Schema[1].Type.V = 77 }), "unknown physical type 77"},
		"schema, no length":      {edited(good, func(m *format.FileMetaData) { m.Schema[1].Type.V = format.FixedLenByteArray }), "values of 0 bytes"},
		"schema, deep":           {edited(good, deep), "nest deeper"},
		"decimal without length": {edited(good, decimal), "values of 0 bytes"},
		"encrypted column":       {edited(good, secret), "is encrypted"},
		"signed footer":          {edited(good, func(m *format.FileMetaData) { m.EncryptionAlgorithm.Value = new(format.AesGcmV1) }), "is encrypted"},
	}
}

func pageClaims() map[string]claimed {
	good := v1(2, format.Plain, int64s(1, 2))
	return map[string]claimed{
		"page of -1 bytes":         {ints(2, claim(good, func(h *format.PageHeader) { h.CompressedPageSize = -1 })), "a page of -1 bytes"},
		"page too long":            {ints(2, claim(good, func(h *format.PageHeader) { h.CompressedPageSize = math.MaxInt32 })), "left in its chunk"},
		"page of 2 GiB unpacked":   {ints(2, claim(good, func(h *format.PageHeader) { h.UncompressedPageSize = math.MaxInt32 })), "is larger than"},
		"page of -1 values":        {ints(2, claim(good, func(h *format.PageHeader) { h.DataPageHeader.V.NumValues = -1 })), "a page of -1 values"},
		"page of 2^31 values":      {ints(math.MaxInt32, claim(good, func(h *format.PageHeader) { h.DataPageHeader.V.NumValues = math.MaxInt32 })), "takes more than"},
		"page with more values":    {ints(2, v1(3, format.Plain, int64s(1, 2, 3))), "a page of 3 values where the chunk has 2 left"},
		"page cut":                 {ints(2, v1(2, format.Plain, int64s(1))), "ends early"},
		"page of no kind":          {ints(2, claim(good, func(h *format.PageHeader) { h.Type = 99 })), "a page of type 99"},
		"page without its header":  {ints(2, claim(good, func(h *format.PageHeader) { h.DataPageHeader.Valid = false })), "without the header"},
		"page with another sum":    {ints(2, claim(good, func(h *format.PageHeader) { h.CRC = 1 })), "checksum"},
		"page of unknown encoding": {ints(2, v1(2, 42, int64s(1, 2))), "does not read"},
		"empty pages for ever":     {ints(2, v1(0, format.Plain, nil), v1(0, format.Plain, nil)), "ends with 2 values to come"},
		"rows, fewer":              {ints(2, v1(1, format.Plain, int64s(1))), "ends with 1 values to come"},
		"levels of -1 bytes":       {maybe(2, v2Page(-1)), "levels of 0 and -1 bytes"},
		"levels of 2 GiB":          {maybe(2, v2Page(math.MaxInt32)), "levels of"},
	}
}

func levelClaims() map[string]claimed {
	good := v1(2, format.Plain, int64s(1, 2))
	return map[string]claimed{
		"level above the highest":    {lists3(), "a level of 3"},
		"level runs short":           {maybe(9, v1(9, format.Plain, levelled([]byte{2 << 1, 1}, int64s(1, 2)))), "ends early"},
		"levels longer than a page":  {maybe(2, v1(2, format.Plain, []byte{255, 255, 255, 127, 4, 1})), "ends early"},
		"levels of no encoding":      {maybe(2, claim(good, func(h *format.PageHeader) { h.DataPageHeader.V.DefinitionLevelEncoding = 5 })), "encoded as"},
		"row that begins in another": {lists(1, 2, v1(2, format.Plain, append(levelled([]byte{4, 1}, nil), levelled([]byte{4, 1}, int64s(1, 2))...))), "begins with a repeated value"},
		"list without end":           {lists(1, 3, v1(2, format.Plain, append(levelled([]byte{2, 0, 2, 1}, nil), levelled([]byte{4, 1}, int64s(1, 2))...))), "ends with 1 values to come"},
		"more rows than told":        {lists(1, 2, v1(2, format.Plain, append(levelled([]byte{4, 0}, nil), levelled([]byte{4, 1}, int64s(1, 2))...))), "more rows than its row group"},
	}
}

func valueClaims() map[string]claimed {
	return map[string]claimed{
		"string longer than its page":  {texts(1, v1(1, format.Plain, []byte{255, 255, 255, 255, 'a'})), "a length of 4294967295 with 1 bytes left"},
		"strings cut":                  {texts(2, v1(2, format.Plain, []byte{1, 0, 0, 0, 'a'})), "ends early"},
		"index without dictionary":     {ints(2, v1(2, format.RLEDictionary, []byte{1, 4, 0})), "has none before them"},
		"index outside":                {ints(2, dictionary(1, int64s(1)), v1(2, format.RLEDictionary, []byte{1, 4, 1})), "an index of 1 into a dictionary of 1"},
		"index of 200 bits":            {ints(2, dictionary(1, int64s(1)), v1(2, format.RLEDictionary, []byte{200, 4, 1})), "indexes of 200 bits"},
		"index into nothing":           {ints(2, dictionary(0, nil), v1(2, format.RLEDictionary, []byte{0, 4})), "a dictionary of 0"},
		"indexes missing":              {ints(2, dictionary(1, int64s(1)), v1(2, format.RLEDictionary, nil)), "ends early"},
		"dictionary shorter than told": {ints(2, dictionary(3, int64s(1)), v1(2, format.RLEDictionary, []byte{0, 4})), "ends early"},
		"dictionary of 2^31 values":    {ints(2, dictionary(math.MaxInt32, int64s(1))), "a dictionary of 2147483647 values"},
		"dictionary twice":             {ints(2, dictionary(1, int64s(1)), dictionary(1, int64s(1))), "second dictionary"},
		"delta of 2^31 numbers":        {ints(2, v1(2, format.DeltaBinaryPacked, []byte{128, 1, 4, 255, 255, 255, 255, 7, 0})), "2147483647 numbers where 2 are due"},
		"delta in parts of nothing":    {ints(2, v1(2, format.DeltaBinaryPacked, []byte{128, 1, 0, 2, 0})), "in 0 parts"},
		"delta of 255 bits":            {ints(2, v1(2, format.DeltaBinaryPacked, []byte{128, 1, 4, 2, 0, 0, 255, 255, 255, 255, 1})), "ends early"},
		"delta of strings in integers": {ints(2, v1(2, format.DeltaByteArray, []byte{128, 1, 4, 2, 0})), "values of INT64 encoded as"},
		"length below nothing":         {texts(1, v1(1, format.DeltaLengthByteArray, []byte{128, 1, 4, 1, 1})), "a length of -1"},
		"length outside":               {texts(1, v1(1, format.DeltaLengthByteArray, []byte{128, 1, 4, 1, 80})), "a length of 40 with 0 bytes left"},
		"prefix outside":               {texts(1, v1(1, format.DeltaByteArray, []byte{128, 1, 4, 1, 2, 128, 1, 4, 1, 0})), "shares 1 bytes with one of 0"},
		"prefixes that explode":        {explode(), "more than"},
		"streams of another length":    {ints(2, v1(2, format.ByteStreamSplit, int64s(1))), "8 bytes for 2 values of 8"},
		"bits behind no length":        {rawFile{element: required(format.Boolean), rows: 2, pages: []rawPage{v1(2, format.RLE, []byte{9, 0, 0, 0, 1})}}, "ends early"},
	}
}

func codecClaims() map[string]claimed {
	return map[string]claimed{
		"snappy that claims":   {squeezed(format.Snappy, 16, "\xff\xff\xff\xff\x0f\x00"), "SNAPPY"},
		"snappy, short claim":  {squeezed(format.Snappy, 60<<20, "\x10"), "cannot hold"},
		"gzip of nothing":      {squeezed(format.Gzip, 16, "\x1f\x8b\x08"), "GZIP"},
		"lz4 that grows":       {squeezed(format.Lz4Raw, 16, "\x1f\x00\x01\x00\xff\xff\xff\xff\xff\x00"), "LZ4_RAW"},
		"zstd of noise":        {squeezed(format.Zstd, 16, "\x28\xb5\x2f\xfd\xff"), "ZSTD"},
		"brotli of noise":      {squeezed(format.Brotli, 16, "\xff\xff\xff"), "BROTLI"},
		"codec that is gone":   {squeezed(format.LZO, 16, "abc"), "does not read"},
		"codec nobody made":    {squeezed(55, 16, "abc"), "does not read"},
		"zstd, more than told": {squeezed(format.Zstd, 16, string(bomb())), "ZSTD"},
	}
}

// bomb is a megabyte of zeros, compressed.
func bomb() []byte {
	out, err := pq.Zstd.Encode(nil, make([]byte, 1<<20))
	if err != nil {
		panic(err)
	}
	return out
}

// explode is a page whose values share ever longer beginnings: n values that
// would take n times a megabyte.
func explode() rawFile {
	const n = 4096
	lengths, prefixes := make([]int32, n), make([]int32, n)
	lengths[0] = 1 << 20
	for i := range n - 1 {
		prefixes[i+1] = 1 << 20
	}
	body, _ := pq.DeltaBinaryPacked.EncodeInt32(nil, prefixes)
	more, _ := pq.DeltaBinaryPacked.EncodeInt32(nil, lengths)
	body = append(append(body, more...), make([]byte, 1<<20)...)
	return texts(n, v1(n, format.DeltaByteArray, body))
}

func deep(m *format.FileMetaData) {
	group := format.SchemaElement{Name: "g", NumChildren: thrift.New[int32](1)}
	for range 100000 {
		m.Schema = append(m.Schema[:len(m.Schema)-1], group, m.Schema[len(m.Schema)-1])
	}
}

func decimal(m *format.FileMetaData) {
	m.Schema[1].Type.V = format.FixedLenByteArray
	m.Schema[1].LogicalType.Value = &format.DecimalType{Precision: 4}
}

func secret(m *format.FileMetaData) {
	m.RowGroups[0].Columns[0].CryptoMetadata.Value = new(format.EncryptionWithFooterKey)
}

// levelled is levels of one byte a run, behind their length, and what follows.
func levelled(runs, rest []byte) []byte {
	return append(append([]byte{byte(len(runs)), 0, 0, 0}, runs...), rest...)
}

// lists3 is a column in groups, of levels up to 2, that has a level of 3.
func lists3() rawFile {
	r := maybe(1, v1(1, format.Plain, levelled([]byte{2, 3}, int64s(1))))
	r.edit = func(m *format.FileMetaData) {
		m.Schema = []format.SchemaElement{m.Schema[0], {Name: "g", NumChildren: thrift.New[int32](1), RepetitionType: thrift.New(format.Optional)}, m.Schema[1]}
	}
	return r
}

// v2Page is a page of version 2 with so many bytes of definition levels.
func v2Page(levels int32) rawPage {
	return rawPage{format.PageHeader{Type: format.DataPageV2, UncompressedPageSize: 16, CompressedPageSize: 16,
		DataPageHeaderV2: thrift.New(format.DataPageHeaderV2{NumValues: 2, NumRows: 2, DefinitionLevelsByteLength: levels})}, int64s(1, 2)}
}

func TestHostile(t *testing.T) {
	for name, test := range hostile() {
		t.Run(name, func(t *testing.T) {
			data := test.file.bytes()
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			err := readBytes(data)
			runtime.ReadMemStats(&after)
			var bad *FormatError
			var secret *EncryptedError
			if !errors.As(err, &bad) && !errors.As(err, &secret) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
			if bad != nil && strings.Contains(err.Error(), "not foreseen") {
				t.Errorf("a panic: %v", err)
			}
			if took := after.TotalAlloc - before.TotalAlloc; took > 16<<20+8*uint64(len(data)) {
				t.Errorf("took %d bytes for a file of %d", took, len(data))
			}
		})
	}
}

// readBytes opens a file and reads it to its end, or an error.
func readBytes(data []byte) error {
	f, err := Open(bytes.NewReader(data), int64(len(data)), Options{})
	if err != nil {
		return err
	}
	_, err = read(f, nil, formats.Caps{Records: 1000, Bytes: 1 << 20})
	return err
}

// TestHostileBytes has files that are broken outside of what Thrift says.
func TestHostileBytes(t *testing.T) {
	good := ints(2, v1(2, format.Plain, int64s(1, 2))).bytes()
	end := len(good)
	change := func(at int, text string) []byte {
		out := bytes.Clone(good)
		copy(out[at:], text)
		return out
	}
	list := func(head ...byte) []byte { return withFooter([]byte(magic), append([]byte{0x15, 2}, head...)) }
	tests := map[string]struct {
		data []byte
		want string
	}{
		"empty":                  {nil, "too short"},
		"two magics":             {[]byte("PAR1PAR1"), "too short"},
		"cut":                    {good[:end-3], "no Parquet file"},
		"another head":           {change(0, "XXXX"), "begins with"},
		"footer of 4 GiB":        {change(end-8, "\xff\xff\xff\xff"), "a footer of 4294967295 bytes"},
		"footer of nothing":      {change(end-8, "\x00\x00\x00\x00"), "ends early"},
		"footer cut":             {change(end-8, "\x05\x00\x00\x00"), "footer"},
		"encrypted footer":       {change(end-4, "PARE"), "is encrypted"},
		"list of 2^31 elements":  {list(0x19, 0xfc, 0xff, 0xff, 0xff, 0xff, 0x07), "ends early"},
		"bytes of 2^31":          {list(0x48, 0xff, 0xff, 0xff, 0xff, 0x07), "ends early"},
		"structures without end": {list(bytes.Repeat([]byte{0x1c}, 1<<20)...), "nests too deep"},
		"lists without end":      {list(bytes.Repeat([]byte{0x19}, 8<<20)...), "nests too deep"},
		"elements of one byte":   {list(append([]byte{0x29, 0xfc, 0x80, 0x80, 0x40}, make([]byte, 1<<20+1)...)...), "takes about"},
		"value of no kind":       {list(0x1e), "unknown type 14"},
	}
	for name, test := range tests {
		if err := readBytes(test.data); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, want %q", name, err, test.want)
		}
	}
	if err := readBytes(good); err != nil {
		t.Errorf("the good one: %v", err)
	}
}

// TestMemory has pages that are within bounds one by one.
func TestMemory(t *testing.T) {
	columns, row := []named{}, pq.Row{}
	for i := range 20 {
		columns = append(columns, named{"c", pq.String()})
		row = append(row, pq.ByteArrayValue(make([]byte, 1<<18)).Level(0, 0, i))
	}
	data := file(t, columns, []pq.Row{row}, nil, pq.Compression(&pq.Zstd))
	f := open(t, data, Options{Memory: 4 << 20})
	_, err := read(f, nil, wide)
	var bad *FormatError
	if !errors.As(err, &bad) || !strings.Contains(err.Error(), "take more than 4194304 bytes at a time") {
		t.Errorf("got %v", err)
	}
	if got, err := read(f, []int{2, 3}, wide); err != nil || len(got) != 1 {
		t.Errorf("two columns: %d records, %v", len(got), err)
	}
}
