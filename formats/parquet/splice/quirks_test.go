package splice

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/deprecated"
	"github.com/parquet-go/parquet-go/format"
)

// edited is a file whose first row group's chunks were changed.
func edited(t *testing.T, b []byte, edit func(i int, c *format.ColumnChunk)) []byte {
	t.Helper()
	m := footerOf(t, b)
	for i := range m.RowGroups[0].Columns {
		edit(i, &m.RowGroups[0].Columns[i])
	}
	return withFooter(t, b, m)
}

// What writers of old say about where the dictionary is.
func TestDictionaryOffsets(t *testing.T) {
	b := write(t, makeSmall, []int{500})
	orig := footerOf(t, b).RowGroups[0].Columns[1].MetaData
	dict, data := orig.DictionaryPageOffset, orig.DataPageOffset
	for name, tc := range map[string]struct{ dict, data, wantDict, wantData int64 }{
		"right":               {dict, data, 0, data - dict},
		"left out":            {0, dict, -1, 0},
		"both the same":       {dict, dict, 0, 0},
		"behind the first":    {dict + 9, dict, 9, 0},
		"outside":             {1 << 20, dict, -1, 0},
		"too small to be one": {3, dict, -1, 0},
	} {
		if tc.dict == 1<<20 {
			tc.dict = int64(len(b)) - 20
		}
		in := edited(t, b, func(i int, c *format.ColumnChunk) {
			if i == 1 {
				c.MetaData.DictionaryPageOffset, c.MetaData.DataPageOffset = tc.dict, tc.data
			}
		})
		out := join(t, nil, Columns{open(t, in), []int{1}})
		got := footerOf(t, out).RowGroups[0].Columns[0].MetaData
		want := 4 + tc.wantDict
		if tc.wantDict < 0 {
			want = 0
		}
		if got.DictionaryPageOffset != want || got.DataPageOffset != 4+tc.wantData {
			t.Errorf("%s: dictionary at %d, data at %d", name, got.DictionaryPageOffset, got.DataPageOffset)
		}
		if !bytes.Equal(out[4:4+orig.TotalCompressedSize], b[dict:dict+orig.TotalCompressedSize]) {
			t.Errorf("%s: other bytes", name)
		}
	}
}

func TestOldPlaces(t *testing.T) {
	b := write(t, makeSmall, []int{100}, filters("a", "b"))
	in := edited(t, b, func(i int, c *format.ColumnChunk) {
		c.MetaData.BloomFilterLength = 0
		c.FileOffset = []int64{0, 77, c.MetaData.DataPageOffset}[i]
		c.MetaData.IndexPageOffset = []int64{0, c.MetaData.DataPageOffset + 1, 5}[i]
	})
	out := join(t, nil, Columns{open(t, in), nil})
	got, was := footerOf(t, out).RowGroups[0].Columns, footerOf(t, b).RowGroups[0].Columns
	for i, c := range got {
		if c.MetaData.BloomFilterLength != was[i].MetaData.BloomFilterLength {
			t.Errorf("column %d: a bloom filter of %d bytes, want %d", i, c.MetaData.BloomFilterLength, was[i].MetaData.BloomFilterLength)
		}
	}
	if got[0].FileOffset != 0 || got[1].FileOffset != got[1].MetaData.DictionaryPageOffset || got[2].FileOffset != got[2].MetaData.DataPageOffset {
		t.Errorf("file offsets %d %d %d", got[0].FileOffset, got[1].FileOffset, got[2].FileOffset)
	}
	if got[0].MetaData.IndexPageOffset != 0 || got[1].MetaData.IndexPageOffset != got[1].MetaData.DataPageOffset+1 || got[2].MetaData.IndexPageOffset != 0 {
		t.Errorf("index pages %d %d %d", got[0].MetaData.IndexPageOffset, got[1].MetaData.IndexPageOffset, got[2].MetaData.IndexPageOffset)
	}
	for i, c := range openPQ(t, out).RowGroups()[0].ColumnChunks() {
		sameChunk(t, fmt.Sprint("column ", i), c, openPQ(t, b).RowGroups()[0].ColumnChunks()[i], 100)
	}
}

// Page indexes that only some chunks have, or only one side.
func TestSomeIndexes(t *testing.T) {
	without := func(columns ...int) func(int, *format.ColumnChunk) {
		return func(i int, c *format.ColumnChunk) {
			for _, k := range columns {
				if i == k {
					c.OffsetIndexOffset, c.OffsetIndexLength, c.ColumnIndexOffset, c.ColumnIndexLength = 0, 0, 0, 0
				}
			}
		}
	}
	b, add := write(t, makeSmall, []int{300}), write(t, makeOther, []int{300})
	for name, tc := range map[string]struct {
		base, add []int
		want      string
	}{
		"all":        {nil, nil, "[true true true true]"},
		"some":       {[]int{1}, nil, "[true false true true]"},
		"not base":   {[]int{0, 1, 2}, nil, "[false false false false]"},
		"not answer": {nil, []int{0}, "[true true true false]"},
	} {
		in, more := edited(t, b, without(tc.base...)), edited(t, add, without(tc.add...))
		out := join(t, nil, Columns{File: open(t, in)}, Columns{File: open(t, more)})
		var has []bool
		for i, c := range openPQ(t, out).RowGroups()[0].ColumnChunks() {
			meta := footerOf(t, out).RowGroups[0].Columns[i]
			has = append(has, meta.OffsetIndexLength > 0 && meta.ColumnIndexLength > 0)
			from := append(openPQ(t, b).RowGroups()[0].ColumnChunks(), openPQ(t, add).RowGroups()[0].ColumnChunks()...)
			sameValues(t, name, values(t, c, 0), values(t, from[i], 0))
			if name == "not base" {
				sameValues(t, name, values(t, c, 250), values(t, from[i], 0)[250:])
			}
		}
		if fmt.Sprint(has) != tc.want {
			t.Errorf("%s: indexes %v, want %s", name, has, tc.want)
		}
	}
}

// Statistics are carried with the order they were made with, or left out.
func TestColumnOrders(t *testing.T) {
	plainFile := func(row func(*format.FileMetaData), b []byte) []byte {
		m := footerOf(t, b)
		row(m)
		return withFooter(t, b, m)
	}
	none := func(m *format.FileMetaData) { m.ColumnOrders = nil }
	odd := func(m *format.FileMetaData) { m.ColumnOrders = append(m.ColumnOrders, m.ColumnOrders[0]) }
	all := func(*format.FileMetaData) {}
	b, add := write(t, makeSmall, []int{20}), write(t, makeOther, []int{20})
	for name, tc := range map[string]struct {
		base, add func(*format.FileMetaData)
		orders    int
		stats     [2]bool // of the base, of the other
	}{
		"both":       {all, all, 4, [2]bool{true, true}},
		"not base":   {none, all, 0, [2]bool{true, true}},
		"wrong base": {odd, all, 0, [2]bool{true, true}},
		"not other":  {all, none, 4, [2]bool{true, false}},
		"neither":    {none, none, 0, [2]bool{true, true}},
	} {
		out := join(t, nil, Columns{File: open(t, plainFile(tc.base, b))}, Columns{File: open(t, plainFile(tc.add, add))})
		m := footerOf(t, out)
		if len(m.ColumnOrders) != tc.orders {
			t.Errorf("%s: %d orders, want %d", name, len(m.ColumnOrders), tc.orders)
		}
		for i, leaf := range []int{0, 3} {
			c := m.RowGroups[0].Columns[leaf]
			if has := c.MetaData.Statistics.MinValue != nil; has != tc.stats[i] || (c.ColumnIndexLength > 0) != tc.stats[i] || c.OffsetIndexLength == 0 {
				t.Errorf("%s: column %d: bounds %t, column index of %d bytes", name, leaf, has, c.ColumnIndexLength)
			}
		}
	}
}

func TestOldStatistics(t *testing.T) {
	old := func(b []byte, by string) []byte {
		m := footerOf(t, b)
		m.CreatedBy = by
		for i := range m.RowGroups[0].Columns {
			s := &m.RowGroups[0].Columns[i].MetaData.Statistics
			s.Min, s.Max = []byte("min"), []byte("max")
		}
		return withFooter(t, b, m)
	}
	b, add := write(t, makeSmall, []int{20}), write(t, makeOther, []int{20})
	for _, tc := range []struct {
		by   string
		want bool
	}{{"parquet-mr version 1.8.0", false}, {"impala version 1.3.0", true}} {
		base := open(t, old(b, "impala version 1.3.0"))
		m := footerOf(t, join(t, nil, Columns{File: base}, Columns{File: open(t, old(add, tc.by))}))
		s := m.RowGroups[0].Columns[3].MetaData.Statistics
		if (s.Min != nil) != tc.want || (s.Max != nil) != tc.want || s.MinValue == nil {
			t.Errorf("%s: %+v", tc.by, s)
		}
		if s := m.RowGroups[0].Columns[0].MetaData.Statistics; string(s.Min) != "min" || m.CreatedBy != "impala version 1.3.0" {
			t.Errorf("%+v, created by %s", s, m.CreatedBy)
		}
	}
}

// Chunks of parquet-mr before 1.2.9 are copied with what may belong to them.
func TestPadding(t *testing.T) {
	for by, want := range map[string]bool{
		"parquet-mr version 1.2.8 (build x)": true, "parquet-mr version 1.2.9": false, "parquet-mr": false,
		"parquet-mr version 1.10.0": false, "parquet-mr version 0.9.9": true, "parquet-mr version 1.1.12": true, "": false,
		"parquet-cpp version 1.0.0": false, "parquet-mr version 99999999999999999999.1.1": false,
	} {
		if shortChunks(by) != want {
			t.Errorf("%s: %t", by, !want)
		}
	}
	b := write(t, makeSmall, []int{20})
	m := footerOf(t, b)
	m.CreatedBy = "parquet-mr version 1.2.8"
	in := withFooter(t, b, m)
	out := join(t, nil, Columns{File: open(t, in)})
	for i, c := range footerOf(t, out).RowGroups[0].Columns {
		was := m.RowGroups[0].Columns[i].MetaData
		at, from, n := c.MetaData.DataPageOffset, was.DataPageOffset, was.TotalCompressedSize
		if was.DictionaryPageOffset > 0 {
			at, from = c.MetaData.DictionaryPageOffset, was.DictionaryPageOffset
		}
		n += min(100, open(t, in).end-from-n)
		if c.MetaData.TotalCompressedSize != was.TotalCompressedSize || !bytes.Equal(out[at:at+n], in[from:from+n]) {
			t.Errorf("column %d: other bytes", i)
		}
	}
	w, err := NewWriter(new(bytes.Buffer), Config{Schema: []Columns{{File: open(t, b)}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.RowGroup(Part{File: open(t, in)}); err == nil {
		t.Error("chunks with wrong sizes in a file by another")
	}
}

type deep struct {
	M     map[string]int `parquet:"m"`
	Inner []string       `parquet:"inner,list"`
}

type exotic struct {
	When deprecated.Int96 `parquet:"when"`
	List []deep           `parquet:"list,list"`
	Null *struct {
		X *int32 `parquet:"x,optional"`
	} `parquet:"null,optional"`
}

func TestExotic(t *testing.T) {
	in := write(t, func(i int) exotic {
		e := exotic{When: deprecated.Int96{uint32(i), 2, 3}}
		if i%2 > 0 {
			e.List = []deep{{M: map[string]int{"a": i}}, {}, {Inner: []string{"x", ""}}}
		}
		return e
	}, []int{100, 100}, parquet.DataPageVersion(1))
	out := join(t, nil, Columns{File: open(t, in)})
	var leaves []origin
	for i := range openPQ(t, in).RowGroups()[0].ColumnChunks() {
		leaves = append(leaves, origin{in, i})
	}
	sameFile(t, out, func(g int) int { return g }, leaves)
}

// The bytes of LZ4_RAW chunks are compared, not the values: parquet-go v0.32.0
// returns garbage for a page that its codec decompresses into memory other
// than what it was given, as it does below a ratio of 3.
func TestLZ4(t *testing.T) {
	in := write(t, makeSmall, []int{500}, parquet.Compression(&parquet.Lz4Raw))
	out := join(t, nil, Columns{open(t, in), []int{2, 1, 0}})
	was, got := footerOf(t, in).RowGroups[0].Columns, footerOf(t, out).RowGroups[0].Columns
	for i := range got {
		if got[i].MetaData.Codec != format.Lz4Raw || !bytes.Equal(chunkBytes(out, &got[i].MetaData), chunkBytes(in, &was[2-i].MetaData)) {
			t.Errorf("column %d: other bytes", i)
		}
	}
}
