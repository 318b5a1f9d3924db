package text

import (
	stdjson "encoding/json"
	"math/rand/v2"
	"reflect"
	"testing"

	pq "github.com/parquet-go/parquet-go"

	"github.com/batchmill/batchmill/formats"
	"github.com/batchmill/batchmill/formats/json"
)

type point3 struct {
	X float64  `parquet:"x" json:"x"`
	Y *float32 `parquet:"y,optional" json:"y"`
	S string   `parquet:"s" json:"s"`
}

type gridLine struct {
	Line []int32 `parquet:"line" json:"line"`
}

type deep struct {
	Names []string           `parquet:"names,list" json:"names"`
	Grid  []gridLine         `parquet:"grid" json:"grid"`
	Tags  map[string]int64   `parquet:"tags" json:"tags"`
	Sub   *point3            `parquet:"sub,optional" json:"sub"`
	Many  []point3           `parquet:"many" json:"many"`
	Maps  map[string]*point3 `parquet:"maps" json:"maps"`
	Lists []struct {
		Raw  []byte   `parquet:"raw" json:"raw"`
		Deep []uint64 `parquet:"deep,list" json:"deep"`
	} `parquet:"lists,list" json:"lists"`
}

type nestedRow struct {
	ID   int64   `parquet:"id" json:"-"`
	Deep deep    `parquet:"deep" json:"deep"`
	Opt  *deep   `parquet:"opt,optional" json:"opt"`
	Rep  []int64 `parquet:"rep" json:"rep"`
	List []int64 `parquet:"list,list" json:"list"`
}

func randomString(r *rand.Rand) string {
	return []string{"", "a", "\u00e9\U0001f600", "quo\"te\\", "tab\t\nline", "{}"}[r.IntN(6)]
}

func randomSlice[T any](r *rand.Rand, one func() T) []T {
	s := make([]T, r.IntN(4))
	for i := range s {
		s[i] = one()
	}
	return s
}

func randomPoint(r *rand.Rand) *point3 {
	p := &point3{X: r.NormFloat64(), S: randomString(r)}
	if r.IntN(2) == 0 {
		p.Y = new(r.Float32())
	}
	return p
}

func randomDeep(r *rand.Rand) deep {
	d := deep{
		Names: randomSlice(r, func() string { return randomString(r) }),
		Grid:  randomSlice(r, func() gridLine { return gridLine{randomSlice(r, r.Int32)} }),
		Tags:  map[string]int64{},
		Many:  randomSlice(r, func() point3 { return *randomPoint(r) }),
		Maps:  map[string]*point3{},
	}
	for range r.IntN(4) {
		d.Tags[randomString(r)] = r.Int64()
		d.Maps[randomString(r)] = randomPoint(r)
	}
	if r.IntN(2) == 0 {
		d.Sub = randomPoint(r)
	}
	d.Lists = make([]struct {
		Raw  []byte   `parquet:"raw" json:"raw"`
		Deep []uint64 `parquet:"deep,list" json:"deep"`
	}, r.IntN(3))
	for i := range d.Lists {
		d.Lists[i].Raw = []byte(randomString(r))
		d.Lists[i].Deep = randomSlice(r, r.Uint64)
	}
	return d
}

func randomRow(r *rand.Rand) *nestedRow {
	row := &nestedRow{ID: r.Int64(), Deep: randomDeep(r), Rep: randomSlice(r, r.Int64)}
	if r.IntN(3) > 0 {
		row.Opt = new(randomDeep(r))
	}
	row.List = randomSlice(r, r.Int64)
	return row
}

// columnsOf renders the top-level columns of a schema.
func columnsOf(t testing.TB, schema *pq.Schema) []*Nested {
	t.Helper()
	var columns []*Nested
	first := 0
	elements := elementsOf(t, schema)[1:]
	for len(elements) > 0 {
		n, err := NestedOf(elements, first)
		if err != nil {
			t.Fatal(err)
		}
		columns = append(columns, n)
		_, first = n.Leaves()
		for open := 1; open > 0; open-- { // the column's own element, and those below
			open += int(elements[0].NumChildren.V)
			elements = elements[1:]
		}
	}
	return columns
}

// split is a row's values by leaf.
func split(row pq.Row) (leaves [][]pq.Value) {
	row.Range(func(_ int, values []pq.Value) bool {
		leaves = append(leaves, values)
		return true
	})
	return leaves
}

// render is a row as a JSON object.
func render(t testing.TB, schema *pq.Schema, columns []*Nested, row pq.Row) []byte {
	t.Helper()
	leaves := split(row)
	out := []byte{'{'}
	for i, n := range columns {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(json.AppendString(out, []byte(schema.Fields()[i].Name())), ':')
		first, end := n.Leaves()
		start := len(out)
		var kind formats.Kind
		var err error
		if out, kind, err = n.Append(out, leaves[first:end]); err != nil {
			t.Fatal(err)
		}
		if (kind == formats.Null) != (len(out) == start) {
			t.Fatalf("kind %d of %q", kind, out[start:])
		}
		if kind == formats.Null {
			out = append(out, "null"...)
		}
	}
	return append(out, '}')
}

// TestNestedAgainstEncodingJSON shreds Go values with parquet-go and reads the
// JSON made of the shreds back into the same Go type.
func TestNestedAgainstEncodingJSON(t *testing.T) {
	schema := pq.SchemaOf(nestedRow{})
	columns := columnsOf(t, schema)
	r := rand.New(rand.NewPCG(5, 6))
	for range 3000 {
		row := randomRow(r)
		text := render(t, schema, columns, schema.Deconstruct(nil, row))
		if !stdjson.Valid(text) {
			t.Fatalf("not JSON: %s", text)
		}
		got := nestedRow{ID: row.ID}
		text[2] = 'X' // "id", so that it is not matched
		if err := stdjson.Unmarshal(text, &got); err != nil {
			t.Fatalf("%v: %s", err, text)
		}
		if !reflect.DeepEqual(&got, row) {
			want, _ := stdjson.Marshal(row)
			t.Fatalf("got  %s\nwant %s", text, want)
		}
	}
}

// FuzzNested bends the levels of good rows: an error, or valid JSON.
func FuzzNested(f *testing.F) {
	schema := pq.SchemaOf(nestedRow{})
	columns := columnsOf(f, schema)
	f.Add(uint64(1), []byte{0, 1, 2})
	f.Add(uint64(2), []byte{7, 3, 1, 9, 0, 2, 200, 200, 200})
	f.Add(uint64(3), []byte{})
	f.Fuzz(func(t *testing.T, seed uint64, bends []byte) {
		r := rand.New(rand.NewPCG(seed, 0))
		leaves := split(schema.Deconstruct(nil, randomRow(r)))
		for ; len(bends) >= 3; bends = bends[3:] {
			bend(leaves, bends, r)
		}
		for _, n := range columns {
			first, end := n.Leaves()
			text, kind, err := n.Append(nil, leaves[first:end])
			switch {
			case err != nil && (len(text) > 0 || kind != formats.Null):
				t.Fatalf("%v, and %q of kind %d", err, text, kind)
			case kind == formats.JSON && !stdjson.Valid(text):
				t.Fatalf("not JSON: %s", text)
			}
		}
	})
}

// bend changes one value of one leaf, or how many there are.
func bend(leaves [][]pq.Value, how []byte, r *rand.Rand) {
	leaf := &leaves[int(how[0])%len(leaves)]
	if len(*leaf) == 0 {
		*leaf = append(*leaf, at(pq.NullValue(), int(how[1]%5), int(how[2]%8)))
		return
	}
	i := r.IntN(len(*leaf))
	switch how[1] % 5 {
	case 0:
		(*leaf)[i].SetDefinitionLevel(int(how[2] % 10))
	case 1:
		(*leaf)[i].SetRepetitionLevel(int(how[2] % 6))
	case 2:
		*leaf = (*leaf)[:i]
	case 3:
		*leaf = append((*leaf)[:len(*leaf):len(*leaf)], (*leaf)[i])
	case 4:
		(*leaf)[i] = at(pq.Int32Value(int32(how[2])), (*leaf)[i].RepetitionLevel(), (*leaf)[i].DefinitionLevel())
	}
}

func BenchmarkNested(b *testing.B) {
	list := columnsOf(b, pq.NewSchema("row", pq.Group{"c": pq.Optional(pq.List(pq.Optional(pq.Leaf(pq.FloatType))))}))[0]
	var values []pq.Value
	for i := range 100 {
		values = append(values, pq.FloatValue(float32(i)/7).Level(min(i, 1), 3, 0))
	}
	dst := make([]byte, 0, 4096)
	b.ReportAllocs()
	for b.Loop() {
		var err error
		if dst, _, err = list.Append(dst[:0], [][]pq.Value{values}); err != nil {
			b.Fatal(err)
		}
	}
}
