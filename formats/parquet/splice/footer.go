package splice

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/batchmill/batchmill/formats/parquet/thrift"
)

// Close writes the column indexes, the offset indexes and the footer. The
// indexes stand together, by row group and column, as some readers fetch all
// indexes at once. Close leaves the destination open. Without a row group the
// file is a good file with no rows.
func (w *Writer) Close() error {
	if w.err != nil {
		return w.err
	}
	if err := w.end(); err != nil {
		return w.fail(err)
	}
	w.fail(errClosed)
	return nil
}

var errClosed = errors.New("the Parquet file is closed already")

func (w *Writer) end() error {
	if err := w.begin(); err != nil {
		return err
	}
	w.dropIndexes()
	if err := w.indexes(func(k *chunkRecord) *section { return &k.columnIndex }); err != nil {
		return fmt.Errorf("column index: %w", err)
	}
	if err := w.indexes(func(k *chunkRecord) *section { return &k.offsetIndex }); err != nil {
		return fmt.Errorf("offset index: %w", err)
	}
	return w.footer()
}

// dropIndexes leaves page indexes out where a chunk's index is broken, and where
// none of the base's chunks has a page index. parquet-go v0.32.0 takes a file for indexed if any chunk is
// indexed, and cannot seek in chunks that are not; a few indexed columns would
// spoil all other columns.
func (w *Writer) dropIndexes() {
	var has, lacks bool
	for _, g := range w.groups {
		for _, k := range g.chunks {
			has = has || k.base && k.offsetIndex.size() > 0
			lacks = lacks || k.base && k.offsetIndex.size() == 0
		}
	}
	if !w.unindexed && (has || !lacks) {
		return
	}
	for _, g := range w.groups {
		for i := range g.chunks {
			g.chunks[i].offsetIndex, g.chunks[i].columnIndex = section{}, section{}
		}
	}
}

// indexes writes one kind of index and notes where each index stands.
func (w *Writer) indexes(of func(*chunkRecord) *section) (err error) {
	for i := range w.groups {
		for j := range w.groups[i].chunks {
			s := of(&w.groups[i].chunks[j])
			at, n := w.at, s.size()
			if s.data != nil {
				err = w.write(s.data)
			} else {
				_, err = w.copy(s.file, s.extent)
			}
			if err != nil {
				return err
			}
			*s = section{extent: extent{at, n}}
		}
	}
	return nil
}

// footer writes the footer in pieces, row group by row group.
func (w *Writer) footer() error {
	start := w.at
	m := w.fileMessage()
	b := m.appendFields(nil, 1, fileRows)
	b = thrift.AppendField(b, fileRows, fileGroups, thrift.List)
	b = thrift.AppendList(b, thrift.Struct, len(w.groups))
	for i := range w.groups {
		b = w.groups[i].append(b)
		if len(b) >= pieceSize {
			if err := w.write(b); err != nil {
				return err
			}
			b = b[:0]
		}
	}
	b = append(m.appendFields(b, fileGroups+1, maxField), byte(thrift.Stop))
	n := w.at - start + int64(len(b))
	if n > math.MaxInt32 {
		return bad("a footer of %d bytes is more than Parquet can have; write fewer row groups or columns", n)
	}
	b = binary.LittleEndian.AppendUint32(b, uint32(n))
	return w.write(append(b, magic...))
}

// fileMessage is the footer but for its row groups.
func (w *Writer) fileMessage() message {
	m := w.base.meta
	elements := 1
	schema := w.base.rootElement(len(w.columns))
	for i := range w.columns {
		elements += w.columns[i].elements
		schema = append(schema, w.columns[i].schema...)
	}
	m.set(fileSchema, append(thrift.AppendList(nil, thrift.Struct, elements), schema...))
	m.setInt(fileRows, w.rows)
	m.set(fileGroups, nil)
	m.drop(fileKeyValues, fileOrders)
	if w.keys != nil {
		m.set(fileKeyValues, w.keys)
	}
	if w.orders != nil {
		orders := thrift.AppendList(nil, thrift.Struct, len(w.orders))
		for _, order := range w.orders {
			orders = append(orders, order...)
		}
		m.set(fileOrders, orders)
	}
	return m
}

// append appends the row group.
func (g *groupRecord) append(dst []byte) []byte {
	dst = thrift.AppendField(dst, 0, groupColumns, thrift.List)
	dst = thrift.AppendList(dst, thrift.Struct, len(g.chunks))
	for i := range g.chunks {
		dst = g.chunks[i].append(dst)
	}
	return append(dst, g.tail...)
}

// append appends the chunk.
func (k *chunkRecord) append(dst []byte) []byte {
	m := message{shape: &chunkShape}
	m.setInt(chunkOffset, k.offset)
	m.set(chunkMeta, k.meta)
	if e := k.offsetIndex.extent; e.n > 0 {
		m.setInt(chunkOffsetIndex, e.at)
		m.setInt(chunkOffsetIndexLength, e.n)
	}
	if e := k.columnIndex.extent; e.n > 0 {
		m.setInt(chunkColumnIndex, e.at)
		m.setInt(chunkColumnIndexLength, e.n)
	}
	return m.append(dst)
}
