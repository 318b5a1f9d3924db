package encode

import (
	"errors"
	"fmt"
	"io"

	pq "github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress"

	"github.com/batchmill/batchmill/formats"
	"github.com/batchmill/batchmill/formats/parquet"
	"github.com/batchmill/batchmill/formats/parquet/arrow"
	"github.com/batchmill/batchmill/formats/parquet/splice"
)

// SplicedConfig says how a Parquet input becomes its joined output.
type SplicedConfig struct {
	// Source is the input for copying, and Input the same input for reading rows.
	Source *splice.File
	Input  *parquet.File
	// Keep are the input's columns in the output, by their places, in order;
	// nil keeps all.
	Keep []int
	// Columns are the answer's columns: JoinerConfig.AnswerColumns.
	Columns []formats.Column
	// Codec compresses the answers' pages, as in WriterConfig.
	Codec string
	// KeyValue goes into the file's metadata beside what the input has.
	KeyValue []KeyValue
	// Memory is how many bytes of answers and of re-encoded pages are held
	// in memory; 0 means [DefaultMemory].
	Memory int
	// Spill makes room for bytes beyond Memory; nil holds all bytes in memory. One
	// Spill is open at a time, and closed at the end of its row group.
	Spill func() (Spill, error)
}

// A splicedWriter takes parts with kept bits and writes a row group for each of
// the source's that has rows left.
type splicedWriter struct {
	SplicedConfig
	codec   compress.Codec
	out     *splice.Writer
	pool    spool
	group   int   // of the source
	row     int64 // within it
	kept    []byte
	rows    int64 // kept rows
	answers *side // nil before the group's first kept row
	part    part
	readers []columnReader
	source  *source // for re-encoding; nil before source is needed
	err     error
}

// NewSplicedWriter begins a Parquet file on dst whose row groups are the
// source's with the answers' columns added. Each Write takes whole parts, as
// the Join of a spliced joiner appends them, for the source's rows in order.
// Where all rows of a row group are kept its chunks are copied; a group of
// which rows are left out, or that the parts do not reach the end of, is
// written anew, and a group without rows is left out. For writing anew the
// input is read once from its beginning. Close ends the file and leaves dst
// and the source open.
//
// The errors are a *ConfigError, and those of [splice.NewWriter].
func NewSplicedWriter(dst io.Writer, c SplicedConfig) (io.WriteCloser, error) {
	codec, err := codecOf(c.Codec)
	if err != nil {
		return nil, err
	}
	if c.Memory <= 0 {
		c.Memory = DefaultMemory
	}
	w := &splicedWriter{SplicedConfig: c, codec: codec, pool: spool{left: c.Memory, open: c.Spill}}
	schema := []splice.Columns{{File: c.Source, Keep: c.Keep}}
	if len(c.Columns) > 0 {
		empty, err := w.emptySide()
		if err != nil {
			return nil, err
		}
		schema = append(schema, splice.Columns{File: empty})
	}
	if w.out, err = splice.NewWriter(dst, splice.Config{Schema: schema, Edits: w.edits()}); err != nil {
		return nil, err
	}
	return w, nil
}

// CheckSpliced tells what the footer of a source says that NewSplicedWriter, or the
// writing anew of its rows, would refuse. The errors are those of NewSplicedWriter.
func CheckSpliced(c SplicedConfig) error {
	w, err := NewSplicedWriter(io.Discard, c)
	if err != nil {
		return err
	}
	return w.(*splicedWriter).openSource()
}

// emptySide is a file of the answers' columns, for their schema.
func (w *splicedWriter) emptySide() (*splice.File, error) {
	s, err := w.newSide(groupOf(w.Columns), w.Columns, neverFull)
	if err != nil {
		return nil, err
	}
	return s.end()
}

// edits are the changes to the input's metadata. Arrow's schema gets the
// answers' columns; an Arrow schema that is damaged, or is not that of the
// file's columns, is left out, and readers go by Parquet's own schema.
func (w *splicedWriter) edits() []splice.Edit {
	var edits []splice.Edit
	for key, value := range w.Source.KeyValues() {
		if key != arrow.Key {
			continue
		}
		if value, err := w.extend(value); err == nil {
			edits = append(edits, splice.Edit{Key: key, Value: value})
		} else {
			edits = append(edits, splice.Edit{Key: key, Remove: true})
		}
	}
	for _, kv := range w.KeyValue {
		edits = append(edits, splice.Edit{Key: kv.Key, Value: kv.Value})
	}
	return edits
}

var arrowTypes = map[formats.Type]arrow.Type{
	formats.Integer: arrow.Int64, formats.Double: arrow.Double, formats.Boolean: arrow.Bool,
	formats.Text: arrow.Utf8, formats.Nested: arrow.Utf8, formats.Doubles: arrow.Doubles,
}

func (w *splicedWriter) extend(value string) (string, error) {
	fields, err := arrow.Fields(value)
	if err != nil {
		return "", err
	}
	names := w.Source.Names()
	if len(fields) != len(names) {
		return "", errors.New("another number of columns")
	}
	for k := range names {
		if fields[k] != names[k] {
			return "", errors.New("other columns")
		}
	}
	var more []arrow.Field
	for _, c := range w.Columns {
		more = append(more, arrow.Field{Name: c.Name, Type: arrowTypes[c.Type]})
	}
	return arrow.Extend(value, w.Keep, more)
}

// Write implements io.Writer.
func (w *splicedWriter) Write(parts []byte) (int, error) {
	if w.err == nil {
		w.err = w.write(parts)
	}
	if w.err != nil {
		return 0, w.err
	}
	return len(parts), nil
}

func (w *splicedWriter) write(rest []byte) (err error) {
	defer guard(&err)
	for len(rest) > 0 {
		if rest, err = w.part.next(rest); err != nil {
			return err
		}
		if w.part.kept == nil && w.part.rows < w.part.records {
			return errPart
		}
		if w.readers, err = w.part.readers(w.readers[:0], w.Columns); err != nil {
			return err
		}
		for i := range w.part.records {
			if err := w.record(w.part.kept == nil || bit(w.part.kept, i)); err != nil {
				return err
			}
		}
		if w.answers != nil {
			if err := w.answers.handOver(); err != nil {
				return err
			}
		}
	}
	return nil
}

// record takes the next record.
func (w *splicedWriter) record(keep bool) error {
	for w.group < w.Source.NumGroups() && w.Source.GroupRows(w.group) == 0 {
		w.group++
	}
	if w.group == w.Source.NumGroups() {
		return fmt.Errorf("more records than the %d rows of the input", w.Source.NumRows())
	}
	if w.row%8 == 0 {
		w.kept = append(w.kept, 0)
	}
	if keep {
		w.kept[w.row/8] |= 1 << (w.row % 8)
		w.rows++
		if err := w.answer(); err != nil {
			return err
		}
	}
	if w.row++; w.row < w.Source.GroupRows(w.group) {
		return nil
	}
	return w.endGroup()
}

// answer puts the next row of the part into the group's answers.
func (w *splicedWriter) answer() (err error) {
	if w.answers == nil && len(w.Columns) > 0 {
		if w.answers, err = w.newSide(groupOf(w.Columns), w.Columns, neverFull); err != nil {
			return err
		}
	}
	for k := range w.readers {
		if _, err := w.answers.leaves[k].put(w.readers[k].next()); err != nil {
			return err
		}
	}
	return nil
}

// endGroup writes what is left of the source's row group.
func (w *splicedWriter) endGroup() (err error) {
	if w.rows > 0 {
		if err = w.writeGroup(); err != nil {
			err = fmt.Errorf("row group %d: %w", w.group, err)
		}
	}
	if w.answers != nil {
		w.answers.release()
	}
	w.answers, w.kept, w.row, w.rows = nil, w.kept[:0], 0, 0
	w.group++
	return errors.Join(err, w.pool.close())
}

func (w *splicedWriter) writeGroup() error {
	parts := []splice.Part{{File: w.Source, Group: w.group, Keep: w.Keep}}
	if w.rows < w.Source.GroupRows(w.group) && (w.Keep == nil || len(w.Keep) > 0) {
		again, file, err := w.writeAgain()
		if err != nil {
			return err
		}
		defer again.release()
		parts[0] = splice.Part{File: file}
	} else if len(w.Keep) == 0 && w.Keep != nil {
		parts = nil
	}
	if w.answers != nil {
		file, err := w.answers.end()
		if err != nil {
			return err
		}
		parts = append(parts, splice.Part{File: file})
	}
	return w.out.RowGroup(parts...)
}

// Close implements io.Closer.
func (w *splicedWriter) Close() error {
	if w.err == nil {
		w.err = w.end()
	}
	err := w.err
	if err == nil {
		w.err = io.ErrClosedPipe
	}
	return errors.Join(err, w.pool.close())
}

func (w *splicedWriter) end() (err error) {
	defer guard(&err)
	if w.row > 0 {
		if err := w.endGroup(); err != nil {
			return err
		}
	}
	return w.out.Close()
}

// A side is a small Parquet file of one row group, made to be spliced from.
type side struct {
	out    *pq.GenericWriter[any]
	leaves []leaf
	file   *buffer
}

func (w *splicedWriter) newSide(root pq.Node, columns []formats.Column, buffered int) (*side, error) {
	s := &side{file: &buffer{spool: &w.pool}}
	var err error
	if s.out, err = newFile(s.file, root, w.codec, buffered, pq.ColumnPageBuffers(&w.pool)); err != nil {
		return nil, err
	}
	s.leaves = leavesOf(s.out, columns)
	return s, nil
}

func (s *side) handOver() error {
	for k := range s.leaves {
		if err := s.leaves[k].handOver(); err != nil {
			return err
		}
	}
	return nil
}

// close ends the file.
func (s *side) close() error {
	if err := endGroup(s.out, s.leaves); err != nil {
		return err
	}
	return s.out.Close()
}

// end ends the file and opens it for splicing.
func (s *side) end() (*splice.File, error) {
	if err := s.close(); err != nil {
		return nil, err
	}
	return splice.Open(s.file, s.file.size)
}

// release gives the file's memory back.
func (s *side) release() { s.file.release() }
