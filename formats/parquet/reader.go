package parquet

import (
	"errors"
	"io"
	"slices"

	"github.com/batchmill/batchmill/formats"
)

// Bounds of the bytes that are read at a time to find a page's header, and of
// the bytes that all columns together may spend on headers.
const (
	leastWindow = 4 << 10
	mostWindow  = 64 << 10
	allWindows  = 4 << 20
)

// reader reads batches. Only Next touches the fields that change.
type reader struct {
	file    *File
	rows    *rows
	w       workshop
	cursors []cursor // one for each needed leaf, in the order of rows.leaves
	group   int      // the row group after the current one
	left    int      // rows of the current group not yet taken
	offset  int64    // where the current group begins
	next    int64    // number of the next record
	err     error    // what ended the reading
}

// NewReader reads the records of f from the first one. schema is the job's: a
// file of another schema fails with a *SchemaError in the first Next. need
// lists the top-level columns to decode, by place; nil means all. Columns that
// are not needed are Null in rows, and are neither read nor checked.
//
// Batches go on over the ends of row groups. A batch's Offset is where the row
// group of its first record begins in the file. Caps.Bytes bounds the memory
// of decoded values, Columns.Size. Errors of Next are a *SchemaError, a
// *FormatError, or a *formats.ReadError; records before the error come first.
func NewReader(f *File, schema Schema, need []int) formats.Reader {
	r := &reader{file: f, next: 1, err: f.Schema().Match(schema)}
	if r.err != nil {
		return r
	}
	r.rows = newRows(f, need)
	if schema.As != nil {
		r.rows.names = schema.As
	}
	n := len(r.rows.leaves)
	window := min(max(leastWindow, min(mostWindow, allWindows/max(1, n))), f.o.MaxPage)
	r.w = workshop{src: f.src, o: f.o, window: window}
	r.cursors = make([]cursor, n)
	for i, l := range r.rows.leaves {
		r.cursors[i] = cursor{w: &r.w, leaf: &f.leaves[l]}
	}
	return r
}

// Next implements formats.Reader.
func (r *reader) Next(b *formats.Batch, caps formats.Caps) error {
	b.Reset()
	b.First = r.next
	if r.err != nil {
		return r.err
	}
	b.Rows, b.Offset = r.rows, r.offset
	c := columnsOf(b, len(r.cursors))
	caps.Records, caps.Bytes = max(1, caps.Records), min(caps.Bytes, maxSpan)
	if r.err = r.fill(b, c, caps); c.rows == 0 {
		b.Reset()
		return r.err
	}
	b.Recs = append(b.Recs, make([]formats.Span, c.rows)...)
	r.next += int64(c.rows)
	return nil
}

// fill takes rows until the batch is full. At an error the batch holds whole
// rows, except after a panic, when the batch holds no rows.
func (r *reader) fill(b *formats.Batch, c *columns, caps formats.Caps) (err error) {
	sound := false
	defer func() {
		if !sound {
			c.Reset()
		}
	}()
	defer guard(&err)
	for more := true; more && c.rows < caps.Records; {
		for r.left == 0 {
			if err := r.nextGroup(); err != nil {
				sound = true
				return err
			}
		}
		if c.rows == 0 {
			b.Offset = r.offset
		}
		if more, err = r.step(c, caps); err != nil {
			sound = true
			return err
		}
	}
	sound = true
	return nil
}

// nextGroup ends the current row group and begins the next; io.EOF after the last.
func (r *reader) nextGroup() error {
	for i := range r.cursors {
		if err := r.cursors[i].finish(); err != nil {
			return err
		}
	}
	if r.group == len(r.file.groups) {
		return io.EOF
	}
	g := r.file.groups[r.group]
	chunks := r.file.meta.RowGroups[r.group].Columns
	r.group++
	if int64(int(g.Rows)) != g.Rows {
		return &FormatError{Offset: g.Offset, Message: "more rows than can be counted"}
	}
	r.left, r.offset = int(g.Rows), g.Offset
	if r.left > 0 {
		for i, l := range r.rows.leaves {
			r.cursors[i].open(&chunks[l].MetaData)
		}
	}
	return nil
}

// step takes some rows from every column, at least one row, or finds that the
// batch is full.
func (r *reader) step(c *columns, caps formats.Caps) (more bool, err error) {
	n := min(caps.Records-c.rows, r.left)
	for i := range r.cursors {
		if n, err = r.cursors[i].ready(n); err != nil {
			return false, err
		}
	}
	room := caps.Bytes - c.size
	cost := r.cost(n)
	for n > 1 && cost > min(room, r.w.o.MaxRecord) {
		n /= 2
		cost = r.cost(n)
	}
	switch {
	case cost > r.w.o.MaxRecord: // one row
		c.large = append(c.large, largeRow{c.rows, cost})
		for i := range r.cursors {
			r.cursors[i].skip(&c.leaves[i])
		}
		cost = r.rows.emptyCost
	case cost > room && c.rows > 0:
		return false, nil
	default:
		for i := range r.cursors {
			r.cursors[i].take(&c.leaves[i], n)
		}
	}
	c.rows += n
	c.size += cost
	r.left -= n
	return true, nil
}

// cost is what the next n rows take in a batch, in bytes.
func (r *reader) cost(n int) int {
	if r.rows.fixedCost > 0 {
		return n * r.rows.fixedCost
	}
	cost := 0
	for i := range r.cursors {
		cost += r.cursors[i].cost(n)
	}
	return cost
}

// Check implements formats.Reader: Check finds records that are too large, and
// values that are not what their type says, which have no exact text.
func (r *reader) Check(b *formats.Batch) { r.rows.check(b, r.file.o.MaxRecord) }

// newRows plans what is decoded and rendered. need is as in NewReader.
func newRows(f *File, need []int) *rows {
	if need == nil {
		for i := range f.columns {
			need = append(need, i)
		}
	}
	need = slices.Compact(slices.Sorted(slices.Values(need)))
	r := &rows{file: f, at: make([]int, len(f.leaves)), names: f.Schema().Names}
	for i := range r.at {
		r.at[i] = -1
	}
	r.cells = slices.Repeat([]int{-1}, len(f.columns))
	fixed := true
	for _, top := range need {
		if top < 0 || top >= len(f.columns) {
			continue
		}
		c := &f.columns[top]
		r.cells[top] = len(r.fields)
		r.fields = append(r.fields, field{topColumn: c, top: top, at: len(r.leaves)})
		for l := c.first; l < c.end; l++ {
			r.at[l] = len(r.leaves)
			r.leaves = append(r.leaves, l)
			r.emptyCost += f.leaves[l].slotCost()
			fixed = fixed && f.leaves[l].width > 0 && f.leaves[l].maxRep == 0
		}
	}
	if fixed {
		r.fixedCost = r.emptyCost
	}
	return r
}

var errNoColumns = errors.New("the batch holds no Parquet columns")
