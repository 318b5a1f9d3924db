package encode

import (
	"bytes"
	"slices"

	"github.com/batchmill/batchmill/formats"
)

// EncoderConfig says how payloads are rendered as Parquet.
type EncoderConfig struct {
	Records Records
	// Filter names the columns to send, in order; nil sends all.
	Filter []string
	Codec  string // as in WriterConfig
}

type encoder struct {
	rows *rows
	file WriterConfig
}

// NewEncoder renders the records of a text format as payloads of
// application/x-parquet, each a small file. The errors are *ConfigError.
func NewEncoder(c EncoderConfig) (formats.Encoder, error) {
	as := JoinerConfig{Records: &c.Records, Filter: c.Filter}
	names := columnNames(c.Records.Columns)
	if err := unique(names); err != nil {
		return nil, err
	}
	for k, name := range c.Filter {
		if !slices.Contains(names, name) {
			return nil, configError("input-filter", "no column %.100q; %s", name, listNames(names))
		}
		if slices.Contains(c.Filter[:k], name) {
			return nil, configError("input-filter", "it names %.100q twice; a Parquet file has one column of a name", name)
		}
	}
	if c.Filter != nil && len(c.Filter) == 0 {
		return nil, configError("input-filter", "it names no column; leave it out to send all")
	}
	if _, err := codecOf(c.Codec); err != nil {
		return nil, err
	}
	columns := as.Columns()
	return &encoder{newRows(c.Records, columns, c.Filter == nil), WriterConfig{Columns: columns, Codec: c.Codec}}, nil
}

// Check implements formats.Encoder.
func (e *encoder) Check(b *formats.Batch) { e.rows.check(b) }

// Encode implements formats.Encoder.
func (e *encoder) Encode(dst []byte, b *formats.Batch, sel []int32) []byte {
	w := builders.Get().(*builder)
	defer builders.Put(w)
	w.begin(len(b.Recs), false, e.file.Columns)
	for _, i := range sel {
		w.next(int(i))
		e.rows.add(b, int(i), w)
	}
	file := bytes.NewBuffer(dst)
	if out, err := NewWriter(file, e.file); err == nil {
		// A buffer takes all bytes, and the part is a part as the builder makes parts.
		_, _ = out.Write(w.appendPart(nil))
		_ = out.Close()
	}
	return file.Bytes()
}
