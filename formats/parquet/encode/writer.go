package encode

import (
	"io"

	pq "github.com/parquet-go/parquet-go"

	"github.com/batchmill/batchmill/formats"
)

const (
	// DefaultRowGroup is how many rows a row group has where nothing is said.
	DefaultRowGroup = 1 << 17
	// groupBytes is the size in bytes, before encoding, at which a row group ends
	// early. groupBytes bounds what a writer holds in memory.
	groupBytes = 64 << 20
)

// WriterConfig says how a file is written.
type WriterConfig struct {
	// Columns are the file's columns in order: JoinerConfig.Columns, followed by
	// JoinerConfig.AnswerColumns of the job's fixed layout.
	Columns []formats.Column
	// Codec is one of [Codecs]; "" means [DefaultCodec].
	Codec string
	// RowGroup is how many rows a row group has; 0 means [DefaultRowGroup].
	RowGroup int
	// KeyValue goes into the file's metadata, sorted by key.
	KeyValue []KeyValue
}

// A writer writes parts as one Parquet file. Row groups and pages end by the
// sequence of rows alone, so that the same rows make the same bytes.
type writer struct {
	out     *pq.GenericWriter[any]
	columns []formats.Column
	leaves  []leaf
	most    int // rows of a row group
	rows    int // of the current row group
	bytes   int
	part    part
	readers []columnReader
	err     error // the last word
}

// NewWriter begins a Parquet file on dst. Each Write takes whole parts, as
// [NewJoiner]'s Join appends them, and keeps nothing of its argument. Close
// writes the footer, for no rows too, and leaves dst open. Up to 64 MiB of
// values, encoded and compressed, are in memory. The error is a *ConfigError.
func NewWriter(dst io.Writer, c WriterConfig) (io.WriteCloser, error) {
	codec, err := codecOf(c.Codec)
	if err != nil {
		return nil, err
	}
	w := &writer{columns: c.Columns, most: c.RowGroup}
	if w.most <= 0 {
		w.most = DefaultRowGroup
	}
	if w.out, err = newFile(dst, groupOf(c.Columns), codec, neverFull); err != nil {
		return nil, err
	}
	for _, kv := range c.KeyValue {
		w.out.SetKeyValueMetadata(kv.Key, kv.Value)
	}
	w.leaves = leavesOf(w.out, c.Columns)
	return w, nil
}

// Write implements io.Writer.
func (w *writer) Write(parts []byte) (int, error) {
	if w.err != nil {
		return 0, w.err
	}
	if w.err = w.write(parts); w.err != nil {
		return 0, w.err
	}
	return len(parts), nil
}

func (w *writer) write(rest []byte) (err error) {
	defer guard(&err)
	for len(rest) > 0 {
		if rest, err = w.part.next(rest); err != nil {
			return err
		}
		if w.part.kept != nil {
			return errPart
		}
		if w.readers, err = w.part.readers(w.readers[:0], w.columns); err != nil {
			return err
		}
		for range w.part.rows {
			if err := w.row(); err != nil {
				return err
			}
		}
		for k := range w.leaves {
			if err := w.leaves[k].handOver(); err != nil {
				return err
			}
		}
	}
	return nil
}

// row writes one row, and ends the row group if the group is full.
func (w *writer) row() error {
	for k := range w.leaves {
		n, err := w.leaves[k].put(w.readers[k].next())
		if err != nil {
			return err
		}
		w.bytes += n
	}
	if w.rows++; w.rows < w.most && w.bytes < groupBytes {
		return nil
	}
	w.rows, w.bytes = 0, 0
	return endGroup(w.out, w.leaves)
}

// endGroup ends the pages of a row group, and the row group.
func endGroup(out *pq.GenericWriter[any], leaves []leaf) error {
	for k := range leaves {
		if err := leaves[k].endPage(); err != nil {
			return err
		}
	}
	return out.Flush()
}

// Close implements io.Closer.
func (w *writer) Close() error {
	if w.err == nil {
		w.err = w.end()
	}
	err := w.err
	if err == nil {
		w.err = io.ErrClosedPipe
	}
	return err
}

func (w *writer) end() (err error) {
	defer guard(&err)
	if err := endGroup(w.out, w.leaves); err != nil {
		return err
	}
	return w.out.Close()
}
