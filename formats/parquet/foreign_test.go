package parquet

import (
	"bytes"
	"io"
	"math/rand/v2"
	"slices"
	"testing"

	pq "github.com/parquet-go/parquet-go"
	wire "github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"

	"github.com/batchmill/batchmill/formats/parquet/splice"
	"github.com/batchmill/batchmill/formats/parquet/thrift"
)

// foreignValues are values of every kind, as they stand behind a field's head.
var foreignValues = []struct {
	kind thrift.Kind
	raw  []byte
}{
	{thrift.True, nil}, {thrift.False, nil}, {thrift.Byte, []byte{200}}, {thrift.I16, []byte{0x80, 0x01}}, {thrift.I32, []byte{9}},
	{thrift.I64, []byte{255, 255, 255, 255, 255, 255, 255, 255, 255, 1}}, {thrift.Double, []byte("8 bytes.")}, {thrift.Binary, []byte("\x03abc")},
	{thrift.List, []byte{0x21, 1, 2}}, {thrift.List, []byte{0x00}}, {thrift.List, []byte{0x1c, 0x11, 0}}, {thrift.Set, []byte{0x18, 1, 'x'}},
	{thrift.Map, []byte{0}}, {thrift.Map, []byte{1, 0x8c, 1, 'k', 0x12, 0}}, {thrift.Struct, []byte{0}}, {thrift.Struct, []byte{0x19, 0x15, 4, 0}},
	{thrift.UUID, []byte("sixteen bytes...")},
}

// foreign copies the struct that r stands at, and gives the struct and each
// struct within a field that Parquet does not have, of any kind, in front of
// its end or in front of its other fields.
func foreign(rng *rand.Rand, r *thrift.Reader, dst []byte) []byte {
	last := 0
	more := func(id int) {
		v := foreignValues[rng.IntN(len(foreignValues))]
		dst = append(thrift.AppendField(dst, last, id, v.kind), v.raw...)
		last = id
	}
	first := rng.IntN(2) == 0
	if first {
		more(200 + rng.IntN(30000))
	}
	for id, kind := r.Field(0); kind != thrift.Stop; id, kind = r.Field(id) {
		dst = thrift.AppendField(dst, last, id, kind)
		last = id
		dst = foreignIn(rng, r, dst, kind)
	}
	if !first {
		more(last + 100 + rng.IntN(100))
	}
	return append(dst, byte(thrift.Stop))
}

// foreignIn copies a field's value.
func foreignIn(rng *rand.Rand, r *thrift.Reader, dst []byte, kind thrift.Kind) []byte {
	switch kind {
	case thrift.Struct:
		return foreign(rng, r, dst)
	case thrift.List:
		elem, n := r.List()
		dst = thrift.AppendList(dst, elem, n)
		for range n {
			switch elem {
			case thrift.Struct:
				dst = foreign(rng, r, dst)
			case thrift.True, thrift.False:
				dst = append(dst, r.Skip(thrift.Byte)...)
			default:
				dst = append(dst, r.Skip(elem)...)
			}
		}
		return dst
	}
	return append(dst, r.Skip(kind)...)
}

// foreigner is foreign for a whole struct.
func foreigner(t *testing.T, rng *rand.Rand) func([]byte) []byte {
	return func(data []byte) []byte {
		r := thrift.NewReader(data)
		out := foreign(rng, &r, nil)
		if r.Err() != nil || r.Offset() != len(data) {
			t.Fatalf("%d of %d bytes: %v", r.Offset(), len(data), r.Err())
		}
		return out
	}
}

// resplice copies all row groups that have rows into a new file.
func resplice(t *testing.T, data []byte) []byte {
	t.Helper()
	f, err := splice.Open(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	w, err := splice.NewWriter(&out, splice.Config{Schema: []splice.Columns{{File: f}}})
	if err != nil {
		t.Fatal(err)
	}
	for g := range f.NumGroups() {
		if f.GroupRows(g) == 0 {
			continue
		}
		if err := w.RowGroup(splice.Part{File: f, Group: g}); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// TestForeignFields: a field that nobody knows, of any kind and in any struct,
// changes no record, neither of the file nor of its copy.
func TestForeignFields(t *testing.T) {
	rng := rand.New(rand.NewPCG(11, 7))
	column := []named{{"a", pq.Optional(pq.Int(64))}, {"b", pq.List(pq.String())}, {"c", pq.Timestamp(pq.Microsecond)}}
	rows := make([]pq.Row, 9)
	for i := range rows {
		rows[i] = pq.Row{pq.ValueOf(int64(i)).Level(0, 1, 0), pq.ValueOf("text").Level(0, 1, 1), pq.ValueOf(int64(i)).Level(0, 0, 2)}
	}
	whole := file(t, column, rows, []int{4}, pq.KeyValueMetadata("k", "v"))
	want := mustRead(t, whole)
	at := open(t, whole, Options{}).footer
	ints := ints(5, dictionary(2, int64s(7, 8)), v1(3, oldDictionary, []byte{1, 3, 0b010}), v1(2, format.Plain, int64s(1, 2)))
	for range 100 {
		ints.wire = foreigner(t, rng)
		odd := ints.bytes()
		if got := mustRead(t, odd); !slices.Equal(got, []string{"#7", "#8", "#7", "#1", "#2"}) {
			t.Fatalf("got %q", got)
		}
		odd = withFooter(bytes.Clone(whole[:at]), ints.wire(whole[at:len(whole)-tailSize]))
		if got := mustRead(t, odd); !slices.Equal(got, want) {
			t.Fatalf("got %q, want %q", got, want)
		}
		if got := mustRead(t, resplice(t, odd)); !slices.Equal(got, want) {
			t.Fatalf("the copy has %q, want %q", got, want)
		}
	}
}

// TestForeignFooters: footers that parquet-go does not write, or refuses.
func TestForeignFooters(t *testing.T) {
	page := v1(2, format.Plain, int64s(1, 2))
	// Field 5 of the file, or field 8 of a chunk: a list of one key without a value.
	key := []byte{0x1c, 0x18, 1, 'k', 0}
	in := func(edit func(*format.FileMetaData)) []byte { return edited(page, edit).bytes() }
	withKeys := func(data []byte, path ...int) []byte {
		at := open(t, data, Options{}).footer
		r := thrift.NewReader(data[at : len(data)-tailSize])
		return withFooter(bytes.Clone(data[:at]), keysAt(&r, nil, key, path))
	}
	plain := in(nil)
	for name, data := range map[string][]byte{
		"a root with a type":              in(func(m *format.FileMetaData) { m.Schema[0].Type = wire.New(format.Boolean) }),
		"a key without a value":           withKeys(plain, 5),
		"a chunk's key without a value":   withKeys(plain, 4, 1, 3, 8),
		"a map's bounds without a number": withKeys(plain, 4, 1, 3, 17),
		"rows in no group": in(func(m *format.FileMetaData) {
			empty := m.RowGroups[0]
			empty.NumRows = 0
			empty.Columns = []format.ColumnChunk{{MetaData: *chunk(m)}}
			c := &empty.Columns[0].MetaData
			c.NumValues, c.DataPageOffset, c.DictionaryPageOffset, c.TotalCompressedSize = 0, 0, 4, 14
			m.RowGroups = []format.RowGroup{empty, m.RowGroups[0], empty}
		}),
	} {
		for what, data := range map[string][]byte{"the file": data, "its copy": resplice(t, data)} {
			if got := mustRead(t, data); !slices.Equal(got, []string{"#1", "#2"}) {
				t.Errorf("%s: %s has %q", name, what, got)
			}
		}
		if _, err := open(t, data, Options{}).Message(); err != nil {
			t.Errorf("%s: no schema for writing: %v", name, err)
		}
	}
}

// keysAt copies a struct and sets the field at a path through structs and lists to keys.
func keysAt(r *thrift.Reader, dst, keys []byte, path []int) []byte {
	last, set := 0, false
	here := func() {
		if len(path) == 1 && !set {
			kind := thrift.List
			if path[0] == 17 {
				kind, keys = thrift.Struct, []byte{0}
			}
			dst = append(thrift.AppendField(dst, last, path[0], kind), keys...)
			last, set = path[0], true
		}
	}
	for id, kind := r.Field(0); kind != thrift.Stop; id, kind = r.Field(id) {
		if id > path[0] {
			here()
		}
		dst = thrift.AppendField(dst, last, id, kind)
		last = id
		switch {
		case id != path[0] || len(path) == 1:
			dst = append(dst, r.Skip(kind)...)
		case kind == thrift.List:
			n := r.ListOf(thrift.Struct)
			dst = thrift.AppendList(dst, thrift.Struct, n)
			for range n {
				dst = keysAt(r, dst, keys, path[1:])
			}
		default:
			dst = keysAt(r, dst, keys, path[1:])
		}
	}
	here()
	return append(dst, byte(thrift.Stop))
}

// TestBoundsAreTold: a page beyond its bound says what would make room.
func TestBoundsAreTold(t *testing.T) {
	data := texts(1, v1(1, format.Plain, append([]byte{16, 39, 0, 0}, make([]byte, 10000)...))).bytes()
	two := file(t, []named{{"a", pq.String()}, {"b", pq.String()}}, []pq.Row{{pq.ValueOf(string(make([]byte, 9000))), pq.ValueOf(string(make([]byte, 9000))).Level(0, 0, 1)}}, nil,
		pq.Compression(&pq.Uncompressed))
	for _, c := range []struct {
		name      string
		data      []byte
		o         Options
		page, all int64
	}{
		{"a page", data, Options{MaxPage: 9000}, 10004, 0},
		{"all pages", two, Options{MaxPage: 1 << 20, Memory: 12000}, 0, 12001},
	} {
		var page, all int64
		c.o.Advice = func(p, a int64) string { page, all = p, a; return "take more" }
		_, err := read(open(t, c.data, c.o), nil, wide)
		if err == nil || err == io.EOF || !bytes.HasSuffix([]byte(err.Error()), []byte("; take more")) || page != c.page || all < c.all || c.all == 0 && all > 0 {
			t.Errorf("%s: %v; page %d, all %d", c.name, err, page, all)
		}
	}
}
