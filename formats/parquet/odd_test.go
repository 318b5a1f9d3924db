package parquet

import (
	"math/rand/v2"
	"slices"
	"testing"

	pq "github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/encoding/rle"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
)

// TestOdd reads what is right, and what parquet-go would not write.
func TestOdd(t *testing.T) {
	plain := v1(2, format.Plain, int64s(1, 2))
	bitPacked := v1(4, format.Plain, append([]byte{0b0110_0000}, int64s(5, 6)...))
	bitPacked.header.DataPageHeader.V.DefinitionLevelEncoding = format.BitPacked
	stored := rawPage{format.PageHeader{Type: format.DataPageV2, UncompressedPageSize: 18, CompressedPageSize: 18,
		DataPageHeaderV2: thrift.New(format.DataPageHeaderV2{NumValues: 2, NumRows: 2, DefinitionLevelsByteLength: 2, IsCompressed: thrift.New(false)})},
		append([]byte{4, 1}, int64s(8, 9)...)}
	nulls := v1(3, format.RLEDictionary, levelled([]byte{6, 0}, nil))
	half := required(format.FixedLenByteArray)
	half.TypeLength, half.LogicalType.Value = thrift.New[int32](2), new(format.Float16Type)
	tests := []struct {
		name string
		file rawFile
		want []string
	}{
		{"FLOAT16", rawFile{element: half, rows: 2, pages: []rawPage{v1(2, format.Plain, []byte{0, 0x3c, 0, 0xc1})}}, []string{"#1", "#-2.5"}},
		{"an index page between", ints(4, plain, rawPage{format.PageHeader{Type: format.IndexPage, CompressedPageSize: 3}, []byte("abc")}, plain), []string{"#1", "#2", "#1", "#2"}},
		{"empty pages", ints(2, v1(0, format.Plain, nil), plain), []string{"#1", "#2"}},
		{"plain behind a dictionary", ints(5, dictionary(2, int64s(7, 8)), v1(3, oldDictionary, []byte{1, 3, 0b010}), plain), []string{"#7", "#8", "#7", "#1", "#2"}},
		{"bytes behind the values", ints(2, v1(2, format.Plain, int64s(1, 2, 3))), []string{"#1", "#2"}},
		{"levels of the old kind", maybe(4, bitPacked), []string{"_", "#5", "#6", "_"}},
		{"a stored page in a compressed chunk", rawFile{element: optional(format.Int64), codec: format.Snappy, pages: []rawPage{stored}, rows: 2}, []string{"#8", "#9"}},
		{"nulls alone, no dictionary needed", maybe(3, dictionary(0, nil), nulls), []string{"_", "_", "_"}},
		{"a run longer than its page", maybe(2, v1(2, format.Plain, levelled([]byte{0xfe, 0xff, 0xff, 0xff, 0x0f, 1}, int64s(3, 4)))), []string{"#3", "#4"}},
		{"a list over pages", lists(2, 4, listPage(0, 1), listPage(1, 2), listPage(1, 3), listPage(0, 4)), []string{"j[1,2,3]", "j[4]"}},
		{"a group of no rows that points nowhere", ints2(plain), []string{"#1", "#2"}},
	}
	for _, test := range tests {
		if got := mustRead(t, test.file.bytes()); !slices.Equal(got, test.want) {
			t.Errorf("%s: got %q, want %q", test.name, got, test.want)
		}
	}
}

// listPage is a page of one element.
func listPage(rep byte, v int64) rawPage {
	return v1(1, format.Plain, append(levelled([]byte{2, rep}, nil), levelled([]byte{2, 1}, int64s(v))...))
}

func ints2(p rawPage) rawFile {
	return edited(p, func(m *format.FileMetaData) {
		empty := m.RowGroups[0]
		empty.NumRows = 0
		empty.Columns = []format.ColumnChunk{{MetaData: format.ColumnMetaData{Type: format.Int64, DataPageOffset: 1 << 50}}}
		m.RowGroups = append(m.RowGroups, empty)
	})
}

// TestHybrid decodes what parquet-go encodes, at every width.
func TestHybrid(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for width := range 33 {
		for range 50 {
			values := make([]int32, rng.IntN(300))
			for i := range values {
				if values[i] = int32(rng.Uint64() & (1<<width - 1)); i > 0 && rng.IntN(3) > 0 {
					values[i] = values[i-1]
				}
			}
			data, err := (&rle.Encoding{BitWidth: width}).EncodeInt32(nil, values)
			if err != nil {
				t.Fatal(err)
			}
			got := make([]uint32, len(values))
			if err := decodeHybrid(got, data, width); err != nil {
				t.Fatalf("width %d: %v", width, err)
			}
			for i := range got {
				if got[i] != uint32(values[i]) {
					t.Fatalf("width %d: value %d is %d, want %d", width, i, got[i], values[i])
				}
			}
		}
	}
}

// TestDelta decodes what parquet-go encodes, of every width of differences.
func TestDelta(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 2))
	for width := range 65 {
		values := make([]int64, rng.IntN(600))
		for i := range values {
			values[i] = int64(rng.Uint64() & (1<<width - 1))
		}
		data, err := pq.DeltaBinaryPacked.EncodeInt64(nil, values)
		if err != nil {
			t.Fatal(err)
		}
		got, rest, err := decodeDelta(make([]int64, 0, len(values)), len(values), append(data, "rest"...))
		if err != nil || !slices.Equal(got, values) || string(rest) != "rest" {
			t.Fatalf("width %d: %v, %q left", width, err, rest)
		}
	}
}

// TestOldLevels has the example of the format's own description.
func TestOldLevels(t *testing.T) {
	got := make([]byte, 8)
	rest, err := unpackOld(got, []byte{0x05, 0x39, 0x77, 'x'}, 3)
	if want := []byte{0, 1, 2, 3, 4, 5, 6, 7}; err != nil || !slices.Equal(got, want) || string(rest) != "x" {
		t.Errorf("got %v, %q, %v", got, rest, err)
	}
}
