package splice

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"runtime"
	"slices"
	"strings"
	"testing"

	wire "github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"

	"github.com/batchmill/batchmill/formats/parquet/thrift"
)

func openBytes(b []byte) (*File, error) { return Open(bytes.NewReader(b), int64(len(b))) }

// framed is footer bytes in a file without data.
func framed(footer []byte) []byte {
	out := append([]byte(magic), footer...)
	return append(binary.LittleEndian.AppendUint32(out, uint32(len(footer))), magic...)
}

func TestHostileFooters(t *testing.T) {
	b := write(t, makeRecord, []int{30, 20}, filters("id"))
	chunk := func(edit func(*format.ColumnChunk)) func(*format.FileMetaData) {
		return func(m *format.FileMetaData) { edit(&m.RowGroups[1].Columns[0]) }
	}
	end := open(t, b).end
	for name, tc := range map[string]struct {
		edit func(*format.FileMetaData)
		want string
	}{
		"rows of the file":    {func(m *format.FileMetaData) { m.NumRows++ }, "have 50 rows, and the file says 51"},
		"rows of a group":     {func(m *format.FileMetaData) { m.RowGroups[0].NumRows = -1 }, "row group 0: -1 rows"},
		"rows overflow":       {func(m *format.FileMetaData) { m.RowGroups[0].NumRows = math.MaxInt64 }, "too many rows"},
		"a chunk too few":     {func(m *format.FileMetaData) { m.RowGroups[1].Columns = m.RowGroups[1].Columns[1:] }, "row group 1: 12 column chunks"},
		"no schema":           {func(m *format.FileMetaData) { m.Schema = nil }, "a schema of 0 elements"},
		"no tree":             {func(m *format.FileMetaData) { m.Schema[0].NumChildren = wire.New[int32](3) }, "belong to no column"},
		"many children":       {func(m *format.FileMetaData) { m.Schema[0].NumChildren = wire.New[int32](1 << 30) }, "ends within a column"},
		"children below zero": {func(m *format.FileMetaData) { m.Schema[3].NumChildren = wire.New[int32](-1) }, "-1 children"},
		"root below zero":     {func(m *format.FileMetaData) { m.Schema[0].NumChildren = wire.New[int32](-5) }, "belong to no column"},
		"a leaf with leaves":  {func(m *format.FileMetaData) { m.Schema[1].NumChildren = wire.New[int32](2) }, "2 children and a type"},
		"data beyond the end": {chunk(func(c *format.ColumnChunk) { c.MetaData.DataPageOffset = end }), "do not lie in the file"},
		"data at the magic":   {chunk(func(c *format.ColumnChunk) { c.MetaData.DataPageOffset = 3 }), "do not lie in the file"},
		"data below zero":     {chunk(func(c *format.ColumnChunk) { c.MetaData.DataPageOffset = -8 }), "field 9 of its metadata is negative"},
		"size below zero":     {chunk(func(c *format.ColumnChunk) { c.MetaData.TotalCompressedSize = -1 }), "field 7 of its metadata is negative"},
		"size overflows":      {chunk(func(c *format.ColumnChunk) { c.MetaData.TotalCompressedSize = math.MaxInt64 }), "do not lie in the file"},
		"plain size":          {chunk(func(c *format.ColumnChunk) { c.MetaData.TotalUncompressedSize = -1 }), "field 6 of its metadata is negative"},
		"values below zero":   {chunk(func(c *format.ColumnChunk) { c.MetaData.NumValues = -1 }), "field 5 of its metadata is negative"},
		"dictionary":          {chunk(func(c *format.ColumnChunk) { c.MetaData.DictionaryPageOffset = -1 }), "field 11 of its metadata is negative"},
		"bloom offset":        {chunk(func(c *format.ColumnChunk) { c.MetaData.BloomFilterOffset = 1 << 40 }), "bloom filter: "},
		"bloom length":        {chunk(func(c *format.ColumnChunk) { c.MetaData.BloomFilterLength = 1 << 30 }), "bloom filter: "},
		"bloom without length": {chunk(func(c *format.ColumnChunk) {
			c.MetaData.BloomFilterLength, c.MetaData.BloomFilterOffset = 0, end+10
		}), "the head of a bloom filter ends early"},
		"no bloom there": {chunk(func(c *format.ColumnChunk) {
			c.MetaData.BloomFilterLength, c.MetaData.BloomFilterOffset = 0, 4
		}), "bloom filter: "},
		"offset index beyond": {chunk(func(c *format.ColumnChunk) { c.OffsetIndexOffset = end - 1 }), "offset index: "},
		"offset index below":  {chunk(func(c *format.ColumnChunk) { c.OffsetIndexLength = -1 }), "offset index: "},
		"column index beyond": {chunk(func(c *format.ColumnChunk) { c.ColumnIndexLength = math.MaxInt32 }), "column index: "},
		"column index below":  {chunk(func(c *format.ColumnChunk) { c.ColumnIndexOffset = -4 }), "column index: "},
		"another file":        {chunk(func(c *format.ColumnChunk) { c.FilePath = "../part-0.parquet" }), `in another file, "../part-0.parquet"`},
		"copied many times": {func(m *format.FileMetaData) {
			for range 60 {
				m.RowGroups, m.NumRows = append(m.RowGroups, m.RowGroups[0]), m.NumRows+30
			}
		}, "longer than the file"},
		"one chunk over and over": {func(m *format.FileMetaData) {
			for i := range m.RowGroups[1].Columns {
				m.RowGroups[1].Columns[i].MetaData.TotalCompressedSize = end - 5000
				m.RowGroups[1].Columns[i].MetaData.DataPageOffset = 4
			}
		}, "longer than the file"},
	} {
		m := footerOf(t, b)
		tc.edit(m)
		_, err := openBytes(withFooter(t, b, m))
		if wrong := (*FormatError)(nil); !errors.As(err, &wrong) || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v, want %q", name, err, tc.want)
		}
	}
}

func TestHostileFiles(t *testing.T) {
	b := write(t, makeSmall, []int{3})
	huge := bytes.Clone(b)
	binary.LittleEndian.PutUint32(huge[len(huge)-8:], math.MaxUint32)
	limit := make([]byte, maxFooter+13)
	copy(limit, magic)
	binary.LittleEndian.PutUint32(limit[len(limit)-8:], maxFooter+1)
	copy(limit[len(limit)-4:], magic)
	for name, tc := range map[string]struct {
		file []byte
		want string
	}{
		"nothing":      {nil, "0 bytes are too few"},
		"magic only":   {[]byte("PAR1PAR1"), "8 bytes are too few"},
		"no footer":    {framed(nil), "the footer ends early"},
		"text":         {[]byte("id,name\n1,a\n2,b\n"), "does not begin and end with PAR1"},
		"cut":          {b[:len(b)-1], "does not begin and end with PAR1"},
		"huge footer":  {huge, "longer than the file"},
		"large footer": {limit, "above the limit"},
		"long list":    {framed([]byte{0x29, 0xFC, 0xFF, 0xFF, 0xFF, 0xFF, 0x0F, 0}), "ends early"},
		"long name":    {framed([]byte{0x68, 0xFF, 0xFF, 0xFF, 0xFF, 0x0F}), "ends early"},
		"deep":         {framed(bytes.Repeat([]byte{0x0C, 0x28}, 4000)), "nests too deep"},
		"deep lists":   {framed(append([]byte{0xF9}, bytes.Repeat([]byte{0x19}, 4000)...)), "nests too deep"},
		"no kind":      {framed([]byte{0xFD, 1, 2}), "ends early"},
		"kind 15":      {framed([]byte{0xFF, 1, 2}), "unknown type 15"},
		"other type":   {framed([]byte{0x16, 2, 0}), "a field of another type"},
		"twice":        {framed([]byte{0x15, 2, 0x05, 2, 2, 0}), "stands there twice"},
		"large number": {framed([]byte{0x15, 0xFE, 0xFF, 0xFF, 0xFF, 0xFF, 0x01, 0}), "too large for its type"},
		"a long map":   {framed([]byte{0xFB, 0xFF, 0xFF, 0xFF, 0xFF, 0x0F, 0x55}), "ends early"},
	} {
		var err error
		grown := allocated(func() { _, err = openBytes(tc.file) })
		if wrong := (*FormatError)(nil); !errors.As(err, &wrong) || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v, want %q", name, err, tc.want)
		}
		if grown > 1<<20 {
			t.Errorf("%s: %d bytes of memory", name, grown)
		}
	}
}

// allocated is the memory that do asked for, in bytes.
func allocated(do func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	do()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

func TestEncrypted(t *testing.T) {
	b := write(t, makeSmall, []int{3})
	edit := func(do func(*format.FileMetaData)) []byte {
		m := footerOf(t, b)
		do(m)
		return withFooter(t, b, m)
	}
	pare := bytes.Clone(b)
	copy(pare, magicEncrypted)
	copy(pare[len(pare)-4:], magicEncrypted)
	for name, file := range map[string][]byte{
		"footer":    pare,
		"algorithm": edit(func(m *format.FileMetaData) { m.EncryptionAlgorithm.Value = &format.AesGcmV1{} }),
		"signature": edit(func(m *format.FileMetaData) { m.FooterSigningKeyMetadata = []byte("key") }),
		"a column": edit(func(m *format.FileMetaData) {
			m.RowGroups[0].Columns[1].CryptoMetadata.Value = &format.EncryptionWithFooterKey{}
		}),
		"metadata": edit(func(m *format.FileMetaData) { m.RowGroups[0].Columns[1].EncryptedColumnMetadata = []byte("x") }),
	} {
		_, err := openBytes(file)
		if locked := (*EncryptedError)(nil); !errors.As(err, &locked) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Offset indexes are read while row groups are written, when everything is paid
// for. A broken index costs the output its indexes, and no value.
func TestHostileIndexes(t *testing.T) {
	b := write(t, makeSmall, []int{300})
	c := footerOf(t, b).RowGroups[0].Columns[1]
	at := c.MetaData.DataPageOffset
	for name, index := range map[string]any{
		"nonsense": nil,
		"before":   format.OffsetIndex{PageLocations: []format.PageLocation{{Offset: 4, CompressedPageSize: 9}}},
		"too long": format.OffsetIndex{PageLocations: []format.PageLocation{{Offset: at, CompressedPageSize: 1 << 30}}},
		"negative": format.OffsetIndex{PageLocations: []format.PageLocation{{Offset: at, CompressedPageSize: -1}}},
		"far":      format.OffsetIndex{PageLocations: []format.PageLocation{{Offset: math.MaxInt64, CompressedPageSize: 1}}},
	} {
		raw := []byte{0x19, 0xFC, 0xFF}
		if index != nil {
			var err error
			if raw, err = wire.Marshal(new(wire.CompactProtocol), index); err != nil {
				t.Fatal(err)
			}
		}
		in := bytes.Clone(b)
		clear(in[c.OffsetIndexOffset:][:c.OffsetIndexLength])
		copy(in[c.OffsetIndexOffset:], raw)
		out := join(t, nil, Columns{File: open(t, in)})
		for _, c := range footerOf(t, out).RowGroups[0].Columns {
			if c.OffsetIndexOffset != 0 || c.OffsetIndexLength != 0 || c.ColumnIndexOffset != 0 || c.ColumnIndexLength != 0 {
				t.Errorf("%s: an index is left: %+v", name, c)
			}
		}
		if got, want := readRows[small](t, out, 300), readRows[small](t, b, 300); !slices.Equal(got, want) {
			t.Errorf("%s: the rows differ", name)
		}
	}
}

// Statistics that are nonsense are left out where they would have to be read.
func TestHostileStatistics(t *testing.T) {
	b := write(t, makeSmall, []int{20})
	in := rebuilt(t, b, func(k *chunk) { k.meta.set(metaStatistics, []byte{6<<4 | byte(thrift.I64), 2, byte(thrift.Stop)}) })
	f := open(t, in)
	for leaf := range f.leaves {
		f.DropBounds(leaf)
	}
	out := join(t, nil, Columns{File: f})
	if got, want := readRows[small](t, out, 20), readRows[small](t, b, 20); !slices.Equal(got, want) {
		t.Error("the rows differ")
	}
	if s := footerOf(t, out).RowGroups[0].Columns[0].MetaData.Statistics; s.MinValue != nil || s.MaxValue != nil {
		t.Errorf("statistics are left: %+v", s)
	}
}

// cutReader is a file that lost its bytes from one offset to another.
type cutReader struct {
	b        []byte
	from, to int64
	err      error
}

func (r cutReader) ReadAt(p []byte, at int64) (int, error) {
	if at < r.to && at+int64(len(p)) > r.from {
		return max(0, int(r.from-at)), r.err
	}
	return bytes.NewReader(r.b).ReadAt(p, at)
}

// A part of the source that cannot be read is an error, never missing bytes.
func TestShortReads(t *testing.T) {
	b := write(t, makeSmall, []int{300, 300}, filters("a", "b"))
	end := open(t, b).end
	broken := errors.New("broken")
	for _, fault := range []error{nil, io.EOF, io.ErrUnexpectedEOF, broken} {
		for at := int64(4); at < end; at += 61 {
			f, err := Open(cutReader{b, at, at + 1, fault}, int64(len(b)))
			if err != nil {
				t.Fatal(err)
			}
			w, err := NewWriter(io.Discard, Config{Schema: []Columns{{File: f}}})
			if err != nil {
				t.Fatal(err)
			}
			err = errors.Join(w.RowGroup(Part{File: f, Group: 0}), w.RowGroup(Part{File: f, Group: 1}), w.Close())
			want := fault
			if fault == nil || fault == io.EOF {
				want = io.ErrUnexpectedEOF
			}
			if wrong := (*FormatError)(nil); !errors.Is(err, want) || errors.As(err, &wrong) {
				t.Fatalf("byte %d lost with %v: %v", at, fault, err)
			}
		}
	}
	if _, err := Open(cutReader{b, 0, 1, broken}, int64(len(b))); !errors.Is(err, broken) {
		t.Error(err)
	}
	if _, err := Open(cutReader{b, end + 5, end + 6, nil}, int64(len(b))); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Error(err)
	}
}

// fullDisk takes n bytes.
type fullDisk struct {
	n   int
	err error
}

func (d *fullDisk) Write(p []byte) (int, error) {
	n := min(d.n, len(p))
	if d.n -= n; n < len(p) {
		return n, d.err
	}
	return n, nil
}

func TestWriteErrors(t *testing.T) {
	b := write(t, makeSmall, []int{300}, filters("a"))
	f := open(t, b)
	whole := len(join(t, nil, Columns{File: f}))
	full := errors.New("disk full")
	for n := 0; n < whole; n += 7 {
		for _, fault := range []error{full, nil} {
			w, err := NewWriter(&fullDisk{n, fault}, Config{Schema: []Columns{{File: f}}})
			if err != nil {
				t.Fatal(err)
			}
			first := w.RowGroup(Part{File: f})
			last := w.Close()
			want := full
			if fault == nil {
				want = io.ErrShortWrite
			}
			if !errors.Is(last, want) || first != nil && first != last {
				t.Fatalf("%d bytes: %v, then %v", n, first, last)
			}
		}
	}
}
