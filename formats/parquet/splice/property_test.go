package splice

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strconv"
	"testing"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress"
)

// A column that random schemas are made of.
type columnType struct {
	goType reflect.Type
	tags   []string
}

var leafTypes = []columnType{
	{reflect.TypeFor[bool](), []string{"", ",optional"}},
	{reflect.TypeFor[int32](), []string{"", ",delta", ",dict", ",optional"}},
	{reflect.TypeFor[int64](), []string{"", ",delta", ",timestamp", ",decimal(2:10)"}},
	{reflect.TypeFor[uint64](), []string{"", ",dict"}},
	{reflect.TypeFor[float32](), []string{"", ",optional", ",dict"}},
	{reflect.TypeFor[float64](), []string{"", ",split"}},
	{reflect.TypeFor[string](), []string{"", ",dict", ",optional", ",delta", ",enum", ",json"}},
	{reflect.TypeFor[[]byte](), []string{"", ",optional"}},
	{reflect.TypeFor[[16]byte](), []string{"", ",uuid"}},
	{reflect.TypeFor[*int64](), []string{",optional", ",optional,dict"}},
	{reflect.TypeFor[[]string](), []string{"", ",list"}},
	{reflect.TypeFor[[]int64](), []string{"", ",list"}},
	{reflect.TypeFor[map[string]float64](), []string{""}},
}

// randomStruct is a type of up to n fields, named with prefix.
func randomStruct(r *rand.Rand, prefix string, n, depth int) reflect.Type {
	var fields []reflect.StructField
	for i := range 1 + r.IntN(n) {
		name := fmt.Sprint(prefix, i)
		kind := leafTypes[r.IntN(len(leafTypes))]
		tag := kind.tags[r.IntN(len(kind.tags))]
		if depth > 0 && r.IntN(4) == 0 {
			kind.goType, tag = randomStruct(r, "N", 3, depth-1), ""
			switch r.IntN(3) {
			case 0:
				kind.goType = reflect.SliceOf(kind.goType)
			case 1:
				kind.goType, tag = reflect.PointerTo(kind.goType), ",optional"
			}
		}
		fields = append(fields, reflect.StructField{
			Name: name, Type: kind.goType, Tag: reflect.StructTag(fmt.Sprintf(`parquet:"%s%s"`, name, tag)),
		})
	}
	return reflect.StructOf(fields)
}

func fill(r *rand.Rand, v reflect.Value) {
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(r.IntN(2) == 0)
	case reflect.Int32, reflect.Int64:
		v.SetInt(int64(int32(r.Uint32()>>r.IntN(32))) * int64(1-2*r.IntN(2)))
	case reflect.Uint8, reflect.Uint64:
		v.SetUint(r.Uint64() >> r.IntN(64) & (1<<v.Type().Bits() - 1))
	case reflect.Float32, reflect.Float64:
		v.SetFloat(float64(float32(r.NormFloat64())))
	case reflect.String:
		v.SetString(fmt.Sprint(r.IntN(40)))
	case reflect.Array:
		for i := range v.Len() {
			fill(r, v.Index(i))
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), r.IntN(4), 4))
		for i := range v.Len() {
			fill(r, v.Index(i))
		}
	case reflect.Pointer:
		if r.IntN(3) > 0 {
			v.Set(reflect.New(v.Type().Elem()))
			fill(r, v.Elem())
		}
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		for i := range r.IntN(4) {
			v.SetMapIndex(reflect.ValueOf(fmt.Sprint("k", i)), reflect.ValueOf(r.Float64()))
		}
	case reflect.Struct:
		for i := range v.NumField() {
			fill(r, v.Field(i))
		}
	}
}

// LZ4_RAW has a test of its own, TestLZ4.
var codecs = []compress.Codec{
	&parquet.Uncompressed, &parquet.Snappy, &parquet.Gzip, &parquet.Zstd, &parquet.Brotli,
}

// randomFile is a file of rows with a random schema, written in random ways.
func randomFile(t *testing.T, r *rand.Rand, prefix string, groups []int) []byte {
	t.Helper()
	typ := randomStruct(r, prefix, 6, 2)
	schema := parquet.SchemaOf(reflect.New(typ).Interface())
	options := []parquet.WriterOption{
		schema, parquet.Compression(codecs[r.IntN(len(codecs))]), parquet.DataPageVersion(1 + r.IntN(2)),
		parquet.PageBufferSize(100 + r.IntN(4000)), parquet.DataPageStatistics(r.IntN(2) == 0),
	}
	if leaf := schema.Columns()[r.IntN(len(schema.Columns()))]; r.IntN(2) == 0 {
		if l, _ := schema.Lookup(leaf...); l.Node.Type().Kind() != parquet.Boolean {
			options = append(options, parquet.BloomFilters(parquet.SplitBlockFilter(10, leaf...)))
		}
	}
	var out bytes.Buffer
	w := parquet.NewWriter(&out, options...)
	for _, n := range groups {
		for range n {
			row := reflect.New(typ)
			fill(r, row.Elem())
			if err := w.Write(row.Interface()); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// Any columns of any two files: every value, page and filter comes out as it
// went in.
func TestRandomFiles(t *testing.T) {
	rounds := 60
	if testing.Short() {
		rounds = 10
	}
	t.Attr("random_files", strconv.Itoa(rounds))
	for seed := range uint64(rounds) {
		r := rand.New(rand.NewPCG(seed, 1))
		var groups []int
		for range 1 + r.IntN(3) {
			groups = append(groups, 1+r.IntN(200))
		}
		files := [][]byte{randomFile(t, r, "A", groups), randomFile(t, r, "B", groups)}
		var leaves []origin
		var columns []Columns
		for _, b := range files {
			c := Columns{File: open(t, b)}
			c.Keep = r.Perm(len(c.File.columns))[:1+r.IntN(len(c.File.columns))]
			for _, i := range c.Keep {
				for leaf := range c.File.columns[i].leaves {
					leaves = append(leaves, origin{b, c.File.columns[i].first + leaf})
				}
			}
			columns = append(columns, c)
		}
		out := join(t, nil, columns[0], columns[1])
		if !t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			sameFile(t, out, func(g int) int { return g }, leaves)
		}) {
			return
		}
	}
}
