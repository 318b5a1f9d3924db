package parquet

// Rows is how many records the footer tells of. Progress is counted in records
// where a reader's bytes do not come from front to back.
func (r *reader) Rows() int64 { return r.file.NumRows() }
