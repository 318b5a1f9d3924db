package encode

import (
	"errors"
	"fmt"
	"io"

	pq "github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress"
	"github.com/parquet-go/parquet-go/deprecated"
	"github.com/parquet-go/parquet-go/encoding"
	"github.com/parquet-go/parquet-go/format"

	"github.com/batchmill/batchmill/formats"
	"github.com/batchmill/batchmill/formats/parquet"
	"github.com/batchmill/batchmill/formats/parquet/splice"
)

const (
	// againPage is how many bytes parquet-go may gather before a page of
	// re-encoded values ends. A row group is read at one go, in batches that
	// depend on the file alone, so its pages end the same way every time; and
	// required columns take their room at once.
	againPage = 1 << 20
	// Bounds of the batches that are read, in records and bytes.
	againRecords = 1000
	againBytes   = 4 << 20
)

// A source is the input as it is read for writing some of its rows anew.
type source struct {
	file   *parquet.File
	root   []pq.Field
	keep   []int // top-level columns
	leaves []int // theirs
	reader formats.Reader
	at     int64 // records that the reader has given
	batch  formats.Batch
	sel    []int32
	values []pq.Value
}

func (w *splicedWriter) openSource() error {
	if w.Input == nil {
		return errors.New("rows are left out, and there is no input to write the others anew from")
	}
	schema, err := w.Input.Message()
	if err != nil {
		return err
	}
	s := &source{file: w.Input, root: schema.Fields(), keep: w.Keep}
	if s.keep == nil {
		for k := range s.root {
			s.keep = append(s.keep, k)
		}
	}
	for _, k := range s.keep {
		for leaf, end := s.file.Leaves(k); leaf < end; leaf++ {
			s.leaves = append(s.leaves, leaf)
		}
	}
	s.reader = parquet.NewReader(s.file, s.file.Schema(), s.keep)
	w.source = s
	return nil
}

// writeAgain writes the kept rows of the current row group, the source's kept
// columns alone.
func (w *splicedWriter) writeAgain() (*side, *splice.File, error) {
	if w.source == nil {
		if err := w.openSource(); err != nil {
			return nil, nil, err
		}
	}
	s, err := w.newSide(w.source.node(w.group), nil, againPage)
	if err != nil {
		return nil, nil, err
	}
	var file *splice.File
	if err = w.copyRows(s); err == nil {
		err = s.close()
	}
	if err == nil {
		file, err = splice.Open(s.file, s.file.size)
	}
	if err == nil {
		// parquet-go writes some annotations otherwise and does not know all,
		// and row groups of one file have one schema.
		err = file.TakeSchema(w.Source, w.source.keep)
	}
	if err == nil {
		w.source.dropBounds(file)
	}
	if err != nil {
		s.release()
		return nil, nil, err
	}
	return s, file, nil
}

// dropBounds keeps bounds out of file that parquet-go, which does not know the
// column's annotation, has made by another order of values.
func (s *source) dropBounds(file *splice.File) {
	leaf := 0
	for _, k := range s.keep {
		for _, e := range s.file.Elements(k) {
			if e.NumChildren.V > 0 {
				continue
			}
			if ordersOtherwise(&e) {
				file.DropBounds(leaf)
			}
			leaf++
		}
	}
}

// ordersOtherwise tells whether parquet-go takes a column for a column without
// annotation, with values in another order or in none.
func ordersOtherwise(e *format.SchemaElement) bool {
	switch e.LogicalType.Value.(type) {
	case *format.Float16Type, *format.NullType, *format.VariantType, *format.GeometryType, *format.GeographyType:
		return true
	case nil:
		return e.Type.V == format.Int96 || e.ConvertedType.Valid &&
			(e.ConvertedType.V == deprecated.Interval || e.ConvertedType.V == deprecated.Decimal && e.Precision.V == 0)
	}
	return false
}

// node is the schema of the kept columns, with the codecs of a row group.
func (s *source) node(at int) pq.Node {
	root := &group{Group: pq.Group{}}
	chunks := s.file.Metadata().RowGroups[at].Columns
	for _, k := range s.keep {
		leaf, _ := s.file.Leaves(k)
		root.add(s.root[k].Name(), plainOf(s.root[k], func() compress.Codec {
			leaf++
			return writable(chunks[leaf-1].MetaData.Codec)
		}))
	}
	return root
}

// writable is the codec, or nil if the codec cannot be written; nil stands for the answers' codec.
func writable(codec format.CompressionCodec) compress.Codec {
	switch codec {
	case format.Uncompressed, format.Snappy, format.Gzip, format.Brotli, format.Zstd, format.Lz4Raw:
		return pq.LookupCompressionCodec(codec)
	}
	return nil
}

// A plainNode is a column of the source for writing: its types, and encodings
// that every reader knows.
type plainNode struct {
	pq.Node
	fields []pq.Field
	codec  compress.Codec
}

// plainOf makes a node and all nodes below; next gives the leaves' codecs in order.
func plainOf(n pq.Node, next func() compress.Codec) plainNode {
	p := plainNode{Node: n}
	if n.Leaf() {
		p.codec = next()
		return p
	}
	for _, f := range n.Fields() {
		p.fields = append(p.fields, field{plainOf(f, next), f.Name()})
	}
	return p
}

func (n plainNode) Fields() []pq.Field { return n.fields }

func (n plainNode) Compression() compress.Codec { return n.codec }

func (n plainNode) Encoding() encoding.Encoding {
	if n.Leaf() {
		return &pq.Plain
	}
	return nil
}

// copyRows writes the kept rows of the current row group to s.
func (w *splicedWriter) copyRows(s *side) error {
	first := w.source.file.RowGroups()[w.group].First - 1
	if err := w.source.skip(first); err != nil {
		return err
	}
	for w.source.at < first+w.row {
		from := w.source.at - first
		if err := w.source.next(w.row - from); err != nil {
			return err
		}
		w.source.sel = w.source.sel[:0]
		for i := range w.source.batch.Recs {
			if bit(w.kept, int(from)+i) {
				w.source.sel = append(w.source.sel, int32(i))
			}
		}
		if err := w.source.copyBatch(s); err != nil {
			return err
		}
	}
	return nil
}

// next reads a batch of at most n records.
func (s *source) next(n int64) error {
	err := s.reader.Next(&s.batch, formats.Caps{Records: int(min(n, againRecords)), Bytes: againBytes})
	if err == io.EOF {
		err = errors.New("the input has fewer rows than its footer says")
	}
	s.at += int64(s.batch.Len())
	return err
}

// skip passes over records that need not be written anew.
func (s *source) skip(to int64) error {
	for s.at < to {
		if err := s.next(to - s.at); err != nil {
			return err
		}
	}
	return nil
}

// copyBatch writes the selected records of the batch.
func (s *source) copyBatch(to *side) error {
	s.reader.Check(&s.batch)
	for _, i := range s.sel {
		// A record that is too large has no values here, and no other values may stand in for them.
		if f := s.batch.Flaw(int(i)); f != nil && f.Reason == formats.ReasonTooLarge {
			return fmt.Errorf("record %d must be written anew, and %s", s.batch.First+int64(i), f.Message)
		}
	}
	for k, leaf := range s.leaves {
		var decoded bool
		if s.values, decoded = parquet.AppendValues(s.values[:0], &s.batch, leaf, s.sel); !decoded {
			return errPart
		}
		if err := to.leaves[k].copy(s.values); err != nil {
			return err
		}
	}
	return nil
}

// copy writes whole rows of values with levels.
func (f *leaf) copy(values []pq.Value) error {
	size := 0
	for k, v := range values {
		f.values = append(f.values, v.Level(v.RepetitionLevel(), v.DefinitionLevel(), f.column))
		size += valueSize(v)
		if k+1 == len(values) || values[k+1].RepetitionLevel() == 0 {
			if err := f.endRow(size); err != nil {
				return err
			}
			size = 0
		}
	}
	return f.handOver()
}

// valueSize is what a value counts for in its page. A null counts too: a list
// may have any number of them.
func valueSize(v pq.Value) int {
	switch {
	case v.IsNull():
		return 1
	case v.Kind() == pq.ByteArray, v.Kind() == pq.FixedLenByteArray:
		return len(v.ByteArray())
	}
	return 8
}
