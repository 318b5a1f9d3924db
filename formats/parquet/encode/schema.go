package encode

import (
	"fmt"
	"io"
	"reflect"

	pq "github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress"

	"github.com/batchmill/batchmill/formats"
)

// DefaultCodec compresses pages where nothing else is said.
const DefaultCodec = "snappy"

// Codecs are the names of codecs, for flags.
var Codecs = []string{"snappy", "zstd", "gzip", "lz4", "none"}

// codecOf is the codec called name, or a *ConfigError.
func codecOf(name string) (compress.Codec, error) {
	switch name {
	case "", DefaultCodec:
		return &pq.Snappy, nil
	case "zstd":
		return &pq.Zstd, nil
	case "gzip":
		return &pq.Gzip, nil
	case "lz4":
		return &pq.Lz4Raw, nil
	case "none":
		return &pq.Uncompressed, nil
	}
	return nil, configError("compression", "there is no codec %.100q; use one of %v", name, Codecs)
}

// A KeyValue is a pair of a file's metadata.
type KeyValue struct{ Key, Value string }

// nodeOf is a column's type in Parquet's words. All columns are optional. A
// list has the three levels that the format asks for, its elements being
// optional too, as most writers have lists. No column has a dictionary:
// parquet-go v0.32.0 cannot leave a dictionary that gets too large without
// taking memory for as many values as a page may have bytes, and without a
// bound a dictionary holds all values of a row group. Compression finds
// repeated values.
//
// https://github.com/apache/parquet-format/blob/master/LogicalTypes.md
func nodeOf(t formats.Type) pq.Node {
	switch t {
	case formats.Integer:
		return pq.Optional(pq.Leaf(pq.Int64Type))
	case formats.Boolean:
		return pq.Optional(pq.Leaf(pq.BooleanType))
	case formats.Text:
		return pq.Optional(pq.Encoded(pq.String(), &pq.Plain))
	case formats.Doubles:
		return pq.Optional(pq.List(pq.Optional(pq.Leaf(double))))
	case formats.Nested:
		return pq.Optional(pq.Encoded(pq.JSON(), &pq.Plain))
	}
	return pq.Optional(pq.Leaf(double))
}

// A group is a pq.Group whose fields keep their order.
type group struct {
	pq.Group
	fields []pq.Field
}

func (g *group) Fields() []pq.Field { return g.fields }

func (g *group) add(name string, node pq.Node) {
	g.Group[name] = node
	g.fields = append(g.fields, field{node, name})
}

// A field is a column of a group. Values are never taken from Go structs here.
type field struct {
	pq.Node
	name string
}

func (f field) Name() string                      { return f.name }
func (f field) Value(reflect.Value) reflect.Value { return reflect.Value{} }

func groupOf(columns []formats.Column) *group {
	g := &group{Group: pq.Group{}}
	for _, c := range columns {
		g.add(c.Name, nodeOf(c.Type))
	}
	return g
}

// newFile begins a Parquet file. buffered is how many bytes parquet-go may
// gather before a page ends by itself. Chunks have statistics, and the page
// index has the statistics of pages; page headers, which would hold whole
// values four times over, have none.
func newFile(dst io.Writer, root pq.Node, codec compress.Codec, buffered int, more ...pq.WriterOption) (w *pq.GenericWriter[any], err error) {
	defer guard(&err)
	options := append([]pq.WriterOption{
		pq.NewSchema("schema", root), pq.Compression(codec), pq.PageBufferSize(buffered),
		pq.DataPageStatistics(false), pq.CreatedBy("batchmill", "1", ""),
	}, more...)
	return pq.NewGenericWriter[any](dst, options...), nil
}

// guard, deferred, turns a panic of parquet-go into an error.
func guard(err *error) {
	if r := recover(); r != nil {
		*err = fmt.Errorf("parquet-go failed: %v", r)
	}
}
