package splice

import (
	"fmt"
	"math"

	"github.com/batchmill/batchmill/formats/parquet/thrift"
)

// An extent is n bytes of a file from offset at.
type extent struct{ at, n int64 }

// A chunk is one column of one row group, by its metadata, and the places of
// all that belongs to the chunk. An extent without bytes stands for a part
// that the chunk lacks.
type chunk struct {
	head, meta  message
	data        extent
	padding     int64 // bytes behind data that are copied too
	columnIndex extent
	offsetIndex extent
	bloom       extent
}

// readGroups checks every row group and every chunk.
func (f *File) readGroups(size int64) error {
	c := f.meta.list(fileGroups)
	n := c.ListOf(thrift.Struct)
	if n > maxGroups {
		return bad("%d row groups are above the limit of %d", n, maxGroups)
	}
	left := size
	var rows int64
	for i := range n {
		start := c.Offset()
		g := c.message(&groupShape)
		if err := c.err(groupShape.name); err != nil {
			return err
		}
		f.groups = append(f.groups, group{raw: c.From(start), rows: g.int(groupRows)})
		used, err := f.checkGroup(&g, left)
		if err != nil {
			return fmt.Errorf("row group %d: %w", i, err)
		}
		left -= used
		if rows += f.groups[i].rows; rows < 0 {
			return bad("row group %d: too many rows", i)
		}
	}
	if rows != f.NumRows() {
		return bad("the row groups have %d rows, and the file says %d", rows, f.NumRows())
	}
	return c.err("the list of row groups")
}

// checkGroup checks a row group and returns the bytes that it takes, which
// must not be above left. Together row groups are no longer than their file:
// otherwise chunks overlap, and a small file would be copied into a huge file.
// The places in a group without rows are not looked at, as such a group has
// nothing to read or copy: Arrow's writers make dictionary pages there and put
// 0 for the data pages.
func (f *File) checkGroup(g *message, left int64) (used int64, err error) {
	rows := g.int(groupRows)
	if rows < 0 {
		return 0, bad("%d rows", rows)
	}
	chunks, err := f.chunks(nil, g)
	if err != nil || rows == 0 {
		return 0, err
	}
	for leaf, raw := range chunks {
		k, err := f.chunk(raw)
		if err != nil {
			return 0, fmt.Errorf("column %q: %w", f.columnOf(leaf), err)
		}
		for _, e := range [...]extent{k.data, k.columnIndex, k.offsetIndex, k.bloom} {
			if used += e.n; used > left {
				return 0, bad("column %q: the chunks up to its own are longer than the file", f.columnOf(leaf))
			}
		}
	}
	return used, nil
}

// columnOf is the name of the top-level column that a leaf belongs to.
func (f *File) columnOf(leaf int) string {
	for _, c := range f.columns {
		if leaf < c.first+c.leaves {
			return c.name
		}
	}
	return ""
}

// chunks appends the chunks of a row group, one for each leaf, as bytes.
func (f *File) chunks(dst [][]byte, g *message) ([][]byte, error) {
	c := g.list(groupColumns)
	if n := c.ListOf(thrift.Struct); n != f.leaves {
		return nil, bad("%d column chunks, and the schema has %d columns", n, f.leaves)
	}
	for range f.leaves {
		dst = append(dst, c.Skip(thrift.Struct))
	}
	return dst, c.err("the list of column chunks")
}

// chunk reads a chunk's metadata and checks every place in it.
func (f *File) chunk(raw []byte) (k chunk, err error) {
	c := read(raw)
	k.head = c.message(&chunkShape)
	if err := c.err(chunkShape.name); err != nil {
		return k, err
	}
	if k.head.has(chunkCrypto) || k.head.has(chunkEncrypted) {
		return k, &EncryptedError{Part: "a column"}
	}
	if path := k.head.text(chunkPath); len(path) > 0 {
		return k, bad("its data is in another file, %.100q; only data in the same file can be copied", path)
	}
	if !k.head.has(chunkMeta) {
		return k, bad("it has no metadata")
	}
	c = read(k.head.fields[chunkMeta].raw)
	k.meta = c.message(&metaShape)
	if err := c.err(metaShape.name); err != nil {
		return k, err
	}
	return k, f.places(&k)
}

// places finds and checks the chunk's extents.
func (f *File) places(k *chunk) error {
	for _, id := range [...]int{
		metaValues, metaUncompressed, metaCompressed, metaDataPage, metaIndexPage, metaDictionary, metaBloom, metaBloomLength,
	} {
		if k.meta.int(id) < 0 {
			return bad("field %d of its metadata is negative", id)
		}
	}
	if err := f.findData(k); err != nil {
		return err
	}
	if err := f.findBloom(k); err != nil {
		return err
	}
	var err error
	if k.offsetIndex, err = f.index(&k.head, chunkOffsetIndex, chunkOffsetIndexLength); err != nil {
		return fmt.Errorf("offset index: %w", err)
	}
	if k.columnIndex, err = f.index(&k.head, chunkColumnIndex, chunkColumnIndexLength); err != nil {
		return fmt.Errorf("column index: %w", err)
	}
	return nil
}

// findData finds the chunk's pages as Arrow's C++ reader does. The pages begin
// with the dictionary page if its offset is below that of the first data page,
// else with what the metadata calls the first data page: writers that leave
// the dictionary's offset out, or 0, mean the dictionary by it, and in some
// old files the dictionary's offset is nonsense. The length of the pages is
// what the metadata says, except for padding.
func (f *File) findData(k *chunk) error {
	k.data = extent{k.meta.int(metaDataPage), k.meta.int(metaCompressed)}
	if at := k.meta.int(metaDictionary); at >= int64(len(magic)) && at < k.data.at {
		k.data.at = at
	}
	// An empty chunk has no page, and its offset is often 0.
	if k.data.n > 0 || k.data.at > f.end {
		if err := f.inside(k.data); err != nil {
			return fmt.Errorf("pages: %w", err)
		}
	}
	if f.padded && k.data.n > 0 {
		k.padding = min(maxDictionaryHead, f.end-k.data.at-k.data.n)
	}
	return nil
}

// maxDictionaryHead bounds how many bytes may be missing from a chunk's size
// in files of old parquet-mr. Readers that know of the fault take 100 bytes
// more, and 100 bytes more are copied: bytes that a reader does not need harm
// nobody.
const maxDictionaryHead = 100

// findBloom finds the chunk's bloom filter. Old writers do not say how long
// the filter is; the filter's own head says the length.
func (f *File) findBloom(k *chunk) error {
	k.bloom = extent{k.meta.int(metaBloom), k.meta.int(metaBloomLength)}
	if k.bloom.at == 0 {
		k.bloom.n = 0
		return nil
	}
	if k.bloom.n == 0 {
		n, err := f.bloomLength(k.bloom.at)
		if err != nil {
			return fmt.Errorf("bloom filter: %w", err)
		}
		k.bloom.n = n
	}
	if err := f.inside(k.bloom); err != nil {
		return fmt.Errorf("bloom filter: %w", err)
	}
	return nil
}

func (f *File) bloomLength(at int64) (int64, error) {
	// Heads take some 15 bytes.
	head := make([]byte, max(0, min(64, f.end-at)))
	if err := f.readAt(head, at); err != nil {
		return 0, err
	}
	c := read(head)
	m := c.message(&bloomShape)
	if err := c.err(bloomShape.name); err != nil {
		return 0, err
	}
	if n := m.int(bloomBytes); n > 0 {
		return int64(c.Offset()) + n, nil
	}
	return 0, bad("%d bytes", m.int(bloomBytes))
}

// index is the place of an index, by the fields of its offset and its length.
func (f *File) index(m *message, at, length int) (extent, error) {
	e := extent{m.int(at), m.int(length)}
	if e == (extent{}) {
		return e, nil
	}
	return e, f.inside(e)
}

// inside checks that e is a part of the file, between its head and its footer.
func (f *File) inside(e extent) error {
	if e.at < int64(len(magic)) || e.n <= 0 || e.n > f.end-e.at {
		return bad("%d bytes at offset %d do not lie in the file, whose data ends at %d", e.n, e.at, f.end)
	}
	return nil
}

// add is the sum of two sizes that are not negative.
func add(a, b int64) (int64, error) {
	if b > math.MaxInt64-a {
		return 0, bad("sizes add up to more than a number can hold")
	}
	return a + b, nil
}
