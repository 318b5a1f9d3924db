package floor

import (
	"bytes"
	"encoding/binary"
	"io"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
)

// magic stands at both ends of a Parquet file.
const magic = "PAR1"

// A widened file is in, of which the first end bytes stay where they stand, with
// a column more.
type widened struct {
	in, answers io.ReaderAt // answers is a file of that column alone
	end         int64
	meta        *format.FileMetaData
	tail        []byte // what stands behind end
}

// widen returns what stands behind the last column chunk of in once the file has
// the answers as its last column: their chunks, the page index, the footer. No
// chunk that was there moves: the format wants each chunk in one piece, not
// those of a row group side by side. The index moves, for parquet-go takes it to
// be in one piece. meta is in's and becomes the output's.
func widen(in io.ReaderAt, meta *format.FileMetaData, answers []float64) ([]byte, error) {
	alone, err := encodeAnswers(meta, answers)
	if err != nil {
		return nil, err
	}
	source := bytes.NewReader(alone)
	file, err := parquet.OpenFile(source, source.Size(), parquet.SkipPageIndex(true))
	if err != nil {
		return nil, err
	}
	w := &widened{in: in, answers: source, end: dataEnd(meta), meta: meta}
	w.tail = append(w.tail, alone[len(magic):dataEnd(file.Metadata())]...)
	w.addColumn(file.Metadata())
	for _, step := range []func() error{w.moveColumnIndexes, w.moveOffsetIndexes, w.appendFooter} {
		if err := step(); err != nil {
			return nil, err
		}
	}
	return w.tail, nil
}

// dataEnd is where the last column chunk ends, in a file that has no Bloom
// filters and whose chunks stand in order.
func dataEnd(meta *format.FileMetaData) int64 {
	if len(meta.RowGroups) == 0 {
		return int64(len(magic))
	}
	columns := meta.RowGroups[len(meta.RowGroups)-1].Columns
	last := &columns[len(columns)-1].MetaData
	begin := last.DataPageOffset
	if last.DictionaryPageOffset > 0 {
		begin = last.DictionaryPageOffset
	}
	return begin + last.TotalCompressedSize
}

// encodeAnswers is a file of one column, in row groups as meta has them.
func encodeAnswers(meta *format.FileMetaData, answers []float64) ([]byte, error) {
	type row struct {
		Prediction float64 `parquet:"prediction"`
	}
	var out bytes.Buffer
	writer := parquet.NewGenericWriter[row](&out, parquet.Compression(&parquet.Snappy))
	rows := make([]row, 0, 1024)
	for _, group := range meta.RowGroups {
		for left := int(group.NumRows); left > 0; left -= len(rows) {
			rows = rows[:0]
			for _, answer := range answers[:min(left, cap(rows))] {
				rows = append(rows, row{answer})
			}
			answers = answers[len(rows):]
			if _, err := writer.Write(rows); err != nil {
				return nil, err
			}
		}
		if err := writer.Flush(); err != nil {
			return nil, err
		}
	}
	err := writer.Close()
	return out.Bytes(), err
}

// shift is how much further on the answers' chunks stand than they do alone.
func (w *widened) shift() int64 { return w.end - int64(len(magic)) }

// addColumn puts the one column of from behind those of the file.
func (w *widened) addColumn(from *format.FileMetaData) {
	w.meta.Schema[0].NumChildren.V++
	w.meta.Schema = append(w.meta.Schema, from.Schema[1])
	w.meta.ColumnOrders = append(w.meta.ColumnOrders, from.ColumnOrders...)
	for i := range w.meta.RowGroups {
		group, added := &w.meta.RowGroups[i], &from.RowGroups[i]
		added.Columns[0].MetaData.DataPageOffset += w.shift()
		group.Columns = append(group.Columns, added.Columns[0])
		group.TotalByteSize += added.TotalByteSize
		group.TotalCompressedSize += added.TotalCompressedSize
	}
}

// each calls do with every column chunk, and with the file that it came from.
func (w *widened) each(do func(c *format.ColumnChunk, from io.ReaderAt) error) error {
	for _, group := range w.meta.RowGroups {
		for i := range group.Columns {
			from := w.in
			if i == len(group.Columns)-1 {
				from = w.answers
			}
			if err := do(&group.Columns[i], from); err != nil {
				return err
			}
		}
	}
	return nil
}

func (w *widened) moveColumnIndexes() error {
	return w.each(func(c *format.ColumnChunk, from io.ReaderAt) error {
		index := make([]byte, c.ColumnIndexLength)
		_, err := from.ReadAt(index, c.ColumnIndexOffset)
		c.ColumnIndexOffset = w.end + int64(len(w.tail))
		w.tail = append(w.tail, index...)
		return err
	})
}

// moveOffsetIndexes changes what the indexes say for the answers alone: the
// other pages stand where they stood.
func (w *widened) moveOffsetIndexes() error {
	return w.each(func(c *format.ColumnChunk, from io.ReaderAt) error {
		index := make([]byte, c.OffsetIndexLength)
		_, err := from.ReadAt(index, c.OffsetIndexOffset)
		if err == nil && from == w.answers {
			index, err = shifted(index, w.shift())
		}
		c.OffsetIndexOffset, c.OffsetIndexLength = w.end+int64(len(w.tail)), int32(len(index))
		w.tail = append(w.tail, index...)
		return err
	})
}

// shifted is an offset index for pages that stand shift bytes further on.
func shifted(index []byte, shift int64) ([]byte, error) {
	protocol, pages := new(thrift.CompactProtocol), format.OffsetIndex{}
	if err := thrift.Unmarshal(protocol, index, &pages); err != nil {
		return nil, err
	}
	for i := range pages.PageLocations {
		pages.PageLocations[i].Offset += shift
	}
	return thrift.Marshal(protocol, &pages)
}

// appendFooter ends the file: https://github.com/apache/parquet-format#file-format
func (w *widened) appendFooter() error {
	footer, err := thrift.Marshal(new(thrift.CompactProtocol), w.meta)
	w.tail = append(w.tail, footer...)
	w.tail = binary.LittleEndian.AppendUint32(w.tail, uint32(len(footer)))
	w.tail = append(w.tail, magic...)
	return err
}
