package splice

import (
	"bytes"
	"errors"
	"fmt"
	"math"

	"github.com/batchmill/batchmill/formats/parquet/thrift"
)

// A groupRecord is a row group that was written.
type groupRecord struct {
	chunks []chunkRecord
	tail   []byte // its fields behind the list of chunks, and its end
}

// A chunkRecord is a chunk that was written. Its indexes stand at the end of
// the file, so their places are not known before Close.
type chunkRecord struct {
	meta        []byte // its metadata, encoded anew
	offset      int64  // the value of ColumnChunk.file_offset
	columnIndex section
	offsetIndex section // moved to where the pages are now
	base        bool    // the chunk is one of the base's
}

// A section is bytes that are copied later: the bytes in data, or else bytes of file.
type section struct {
	data []byte
	file *File
	extent
}

func (s *section) size() int64 {
	if s.data != nil {
		return int64(len(s.data))
	}
	return s.n
}

// RowGroup writes one row group made of the parts' columns, in order. The
// columns must be the schema's, element for element, and all parts must have
// the same number of rows. The base must stay readable until Close; other files
// are read by RowGroup only.
//
// A bloom filter goes behind its row group's chunks. The group is sorted as
// the first part that says how it is sorted, as far as the sorting columns are
// kept.
func (w *Writer) RowGroup(parts ...Part) error {
	if w.err != nil {
		return w.err
	}
	rows, err := w.check(parts)
	if err != nil {
		return err
	}
	if err := w.begin(); err != nil {
		return w.fail(err)
	}
	b := groupBuilder{w: w, start: w.at}
	for i, p := range parts {
		if err := b.part(p); err != nil {
			return w.fail(fmt.Errorf("part %d, row group %d: %w", i, p.Group, err))
		}
	}
	if err := b.finish(); err != nil {
		return w.fail(err)
	}
	w.groups = append(w.groups, groupRecord{chunks: b.chunks, tail: b.tail(rows)})
	w.rows += rows
	return nil
}

// begin writes the magic in front of all else.
func (w *Writer) begin() error {
	if w.at > 0 {
		return nil
	}
	return w.write([]byte(magic))
}

// check holds the parts against the schema before anything is written.
func (w *Writer) check(parts []Part) (rows int64, err error) {
	next := 0
	for i, p := range parts {
		if next, err = w.checkPart(p, next); err != nil {
			return 0, fmt.Errorf("part %d: %w", i, err)
		}
		n := p.File.groups[p.Group].rows
		if i > 0 && n != rows {
			return 0, fmt.Errorf("part %d has %d rows, and those before it %d", i, n, rows)
		}
		rows = n
	}
	if next != len(w.columns) {
		return 0, fmt.Errorf("the parts have %d of the schema's %d columns", next, len(w.columns))
	}
	_, err = add(w.rows, rows)
	return rows, err
}

// checkPart checks a part whose first column is the schema's column next.
func (w *Writer) checkPart(p Part, next int) (int, error) {
	if p.File == nil || p.Group < 0 || p.Group >= len(p.File.groups) {
		return 0, fmt.Errorf("no row group %d", p.Group)
	}
	if by := p.File.CreatedBy(); p.File.padded && by != w.base.CreatedBy() {
		return 0, bad("chunks of %q can only stand in a file by the same: readers know by the name that their sizes are wrong", by)
	}
	picked, err := Columns{p.File, p.Keep}.pick()
	if err != nil {
		return 0, err
	}
	for _, col := range picked {
		if next >= len(w.columns) || !bytes.Equal(col.schema, w.columns[next].schema) {
			return 0, fmt.Errorf("column %q is not what the schema has at place %d", col.name, next)
		}
		next++
	}
	return next, nil
}

// A groupBuilder is a row group that is being written.
type groupBuilder struct {
	w            *Writer
	start        int64 // where its first chunk is
	chunks       []chunkRecord
	metas        []message // of the chunks, to be encoded when bloom filters are placed
	blooms       []section // of the chunks
	sorting      []byte
	sorted       int // sorting columns in sorting
	uncompressed int64
	compressed   int64
}

// part copies the chunks of a part.
func (b *groupBuilder) part(p Part) error {
	c := read(p.File.groups[p.Group].raw)
	g := c.message(&groupShape)
	chunks, err := p.File.chunks(b.w.spans[:0], &g)
	if err != nil {
		return err
	}
	b.w.spans = chunks
	picked, err := Columns{p.File, p.Keep}.pick()
	if err != nil {
		return err
	}
	if b.sorted == 0 {
		b.sortAs(&g, p.File.leaves, picked)
	}
	for _, col := range picked {
		for leaf := col.first; leaf < col.first+col.leaves; leaf++ {
			if err := b.chunk(p.File, chunks[leaf], leaf); err != nil {
				return fmt.Errorf("column %q: %w", col.name, err)
			}
		}
	}
	return nil
}

// sortAs takes over how a row group is sorted, up to the first column that is
// not kept: the order of the sorting columns behind says nothing without that
// column.
func (b *groupBuilder) sortAs(g *message, leaves int, picked []column) {
	moved := make([]int, leaves) // from a leaf of the file to 1 + that of the output
	next := len(b.chunks)
	for _, col := range picked {
		for i := range col.leaves {
			next++
			moved[col.first+i] = next
		}
	}
	c := g.list(groupSorting)
	for range c.ListOf(thrift.Struct) {
		s := c.message(&sortingShape)
		leaf := s.int(sortingColumn)
		if c.Err() != nil || leaf < 0 || leaf >= int64(leaves) || moved[leaf] == 0 {
			return
		}
		s.setInt(sortingColumn, int64(moved[leaf]-1))
		b.sorting = s.append(b.sorting)
		b.sorted++
	}
}

// chunk copies one chunk and keeps what Close has to say about it.
func (b *groupBuilder) chunk(f *File, raw []byte, leaf int) error {
	k, err := f.chunk(raw)
	if err != nil {
		return err
	}
	if err := f.checkPages(&k); err != nil {
		return err
	}
	at, err := b.w.copy(f, extent{k.data.at, k.data.n + k.padding})
	if err != nil {
		return err
	}
	b.w.distrust(&k, f, leaf, len(b.chunks))
	rec := chunkRecord{base: f == b.w.base}
	// The field is deprecated. New writers put 0 there, most old writers the place
	// of the first page, and some old writers the place of the metadata behind the
	// chunk, which is not copied.
	if k.head.int(chunkOffset) != 0 {
		rec.offset = at
	}
	if rec.offsetIndex, rec.columnIndex, err = b.w.chunkIndexes(f, &k, at-k.data.at); err != nil {
		return err
	}
	k.move(at - k.data.at)
	b.chunks = append(b.chunks, rec)
	b.metas = append(b.metas, k.meta)
	b.blooms = append(b.blooms, section{file: f, extent: k.bloom})
	var err1, err2 error
	b.uncompressed, err1 = add(b.uncompressed, k.meta.int(metaUncompressed))
	b.compressed, err2 = add(b.compressed, k.meta.int(metaCompressed))
	return errors.Join(err1, err2)
}

// move adds delta to the places in the metadata. A place that is 0, or outside
// of what was copied, names nothing and is left out.
func (k *chunk) move(delta int64) {
	k.meta.setInt(metaDataPage, k.meta.int(metaDataPage)+delta)
	end := k.data.at + k.data.n + k.padding
	for _, id := range [...]int{metaIndexPage, metaDictionary} {
		if at := k.meta.int(id); at >= k.data.at && at < end {
			k.meta.setInt(id, at+delta)
		} else {
			k.meta.drop(id)
		}
	}
	if k.bloom.n == 0 {
		k.meta.drop(metaBloom, metaBloomLength)
	}
}

// keep is a section that can be read until Close: bytes of the base stay where
// they are, bytes of other files are read.
func (w *Writer) keep(f *File, e extent) (section, error) {
	if e.n == 0 || f == w.base {
		return section{file: f, extent: e}, nil
	}
	data, err := f.read(e)
	return section{data: data}, err
}

// finish copies the bloom filters and encodes the chunks' metadata.
func (b *groupBuilder) finish() error {
	for i := range b.chunks {
		m, bloom := &b.metas[i], b.blooms[i]
		if bloom.n > 0 {
			at, err := b.w.copy(bloom.file, bloom.extent)
			if err != nil {
				return fmt.Errorf("bloom filter: %w", err)
			}
			m.setInt(metaBloom, at)
			m.setInt(metaBloomLength, bloom.n)
		}
		b.chunks[i].meta = m.append(nil)
	}
	return nil
}

// tail is the row group behind its list of chunks.
func (b *groupBuilder) tail(rows int64) []byte {
	m := message{shape: &groupShape}
	m.set(groupColumns, nil)
	m.setInt(groupBytes, b.uncompressed)
	m.setInt(groupRows, rows)
	if b.sorted > 0 {
		m.set(groupSorting, append(thrift.AppendList(nil, thrift.Struct, b.sorted), b.sorting...))
	}
	m.setInt(groupOffset, b.start)
	m.setInt(groupCompressed, b.compressed)
	// An ordinal has 16 bits and is optional: only encryption needs it.
	if n := len(b.w.groups); n <= math.MaxInt16 {
		m.setInt(groupOrdinal, int64(n))
	}
	return append(m.appendFields(nil, groupColumns+1, maxField), byte(thrift.Stop))
}
