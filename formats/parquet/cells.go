package parquet

import "github.com/batchmill/batchmill/formats"

var _ formats.Cells = (*rows)(nil)

// AppendCell implements formats.Cells. A value that cannot be read is Null:
// check has made a flaw of its record.
func (s *rows) AppendCell(dst []byte, b *formats.Batch, i, col int) ([]byte, formats.Kind) {
	c, ok := b.Columns.(*columns)
	if !ok || i >= c.rows || col >= len(s.cells) || s.cells[col] < 0 {
		return dst, formats.Null
	}
	f := &s.fields[s.cells[col]]
	if f.nested == nil {
		return f.append(dst, &c.leaves[f.at], i, &s.file.leaves[f.first])
	}
	start := len(dst)
	dst, kind, err := s.appendNested(dst, c, f, i)
	if err != nil {
		return dst[:start], formats.Null
	}
	return dst, kind
}
