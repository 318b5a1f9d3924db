package splice

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/batchmill/batchmill/formats/parquet/thrift"
)

// maxIndex bounds an index that is read into memory, in bytes: about five
// million pages of one chunk.
const maxIndex = 64 << 20

// read reads an extent that has to be held in memory.
func (f *File) read(e extent) ([]byte, error) {
	if e.n > maxIndex {
		return nil, bad("an index of %d bytes is above the limit of %d", e.n, maxIndex)
	}
	data := make([]byte, e.n)
	return data, f.readAt(data, e.at)
}

// chunkIndexes are the chunk's indexes for the new file, which has the chunk's pages
// delta bytes further on. Readers can do without indexes: where a chunk's
// offset index is broken or names pages outside of its chunk, the output has
// none at all, and the values are all there.
func (w *Writer) chunkIndexes(f *File, k *chunk, delta int64) (offsets, columns section, err error) {
	if offsets, err = movedIndex(f, k, delta); err == nil {
		columns, err = w.keep(f, k.columnIndex)
	}
	var broken *FormatError
	if errors.As(err, &broken) {
		w.unindexed = true
		return section{}, section{}, nil
	}
	return offsets, columns, err
}

// movedIndex is the chunk's offset index with delta added to every page. A
// page that is not among the bytes that were copied is an error.
func movedIndex(f *File, k *chunk, delta int64) (section, error) {
	if k.offsetIndex.n == 0 {
		return section{}, nil
	}
	src, err := f.read(k.offsetIndex)
	if err != nil {
		return section{}, err
	}
	c := read(src)
	m := c.message(&offsetIndexShape)
	if err := c.err(offsetIndexShape.name); err != nil {
		return section{}, err
	}
	pages, err := movePages(m.fields[indexPages].raw, k.data, delta)
	if err != nil {
		return section{}, fmt.Errorf("offset index: %w", err)
	}
	m.set(indexPages, pages)
	return section{data: m.append(nil)}, nil
}

// movePages is a list of pages with delta added to the offset of each.
func movePages(list []byte, in extent, delta int64) ([]byte, error) {
	var scratch [binary.MaxVarintLen64]byte
	c := read(list)
	n := c.ListOf(thrift.Struct)
	dst := thrift.AppendList(make([]byte, 0, len(list)+n), thrift.Struct, n)
	for range n {
		p := c.message(&pageShape)
		if c.Err() != nil {
			break
		}
		at, size := p.int(pageOffset), p.int(pageSize)
		if at < in.at || size < 0 || size > in.n || at-in.at > in.n-size {
			return nil, bad("a page of %d bytes at offset %d is not in its chunk, %d bytes at %d", size, at, in.n, in.at)
		}
		p.set(pageOffset, binary.AppendVarint(scratch[:0], at+delta))
		dst = p.append(dst)
	}
	return dst, c.err("the list of pages")
}

// distrust takes out of a chunk what its new file would make readers believe.
//
// min_value, max_value and the column index mean something only with the
// ColumnOrder that they were made with; where the output has another
// ColumnOrder for the leaf, all three go. Readers believe min and max, the
// predecessors, by the file's CreatedBy (PARQUET-251 and similar bugs); where
// CreatedBy changes, min and max go. Statistics that cannot be read go whole.
func (w *Writer) distrust(k *chunk, f *File, leaf, to int) {
	var ids []int
	if f.boundless[leaf] || w.orders != nil && !bytes.Equal(f.order(leaf), w.orders[to]) {
		ids = append(ids, statsMax, statsMin, statsMaxExact, statsMinExact)
		k.columnIndex = extent{}
	}
	if f != w.base && f.CreatedBy() != w.base.CreatedBy() {
		ids = append(ids, statsOldMax, statsOldMin)
	}
	if ids == nil || !k.meta.has(metaStatistics) {
		return
	}
	c := read(k.meta.fields[metaStatistics].raw)
	stats := c.message(&statsShape)
	if c.Err() != nil {
		k.meta.drop(metaStatistics)
		return
	}
	stats.drop(ids...)
	k.meta.set(metaStatistics, stats.append(nil))
}
