package parquet

// Rows is how many records the file says that it has: what tells how far a
// reader is, where its bytes do not come from front to back.
func (r *reader) Rows() int64 { return r.file.NumRows() }
