package parquet

import (
	"math"
	"slices"
	"unsafe"

	"github.com/batchmill/batchmill/formats"
)

// columns holds the decoded records of a batch. columns owns all its memory:
// no page, dictionary or window is aliased.
type columns struct {
	leaves []column // in the order of the reader's plan
	rows   int
	size   int
	large  []largeRow
}

// A largeRow is a record over the maximum. Its values were not kept.
type largeRow struct{ index, size int }

// A column holds the values of one leaf: a slot for each row, or as many as a
// row has where the column repeats. Slots without a value have room for a
// value.
type column struct {
	data []byte   // width bytes for each slot; or the bytes of all, by ends
	ends []uint32 // where each slot's bytes end, when the width is not fixed
	rep  []uint8  // levels, when there are any
	def  []uint8
	rows []uint32 // where each row's slots end, when the column repeats
}

// Size implements formats.Columns.
func (c *columns) Size() int { return c.size }

// Reset implements formats.Columns.
func (c *columns) Reset() {
	for i := range c.leaves {
		c.leaves[i].reset()
	}
	c.rows, c.size, c.large = 0, 0, c.large[:0]
}

// columnsOf is b's columns with n leaves: the old columns if they are of this package.
func columnsOf(b *formats.Batch, n int) *columns {
	c, ok := b.Columns.(*columns)
	if !ok {
		c = new(columns)
		b.Columns = c
	}
	c.leaves = slices.Grow(c.leaves[:0], n)[:n]
	c.Reset()
	return c
}

func (c *column) reset() {
	*c = column{c.data[:0], c.ends[:0], c.rep[:0], c.def[:0], c.rows[:0]}
}

// start is where slot i's bytes begin, when the width is not fixed.
func (c *column) start(i int) uint32 {
	if i == 0 {
		return 0
	}
	return c.ends[i-1]
}

// slots is the range of row i's slots.
func (c *column) slots(i int, l *leaf) (from, to int) {
	if l.maxRep == 0 {
		return i, i + 1
	}
	if i > 0 {
		from = int(c.rows[i-1])
	}
	return from, int(c.rows[i])
}

// take appends the next n slots of p and removes them from p. Rows are unknown to take.
func (c *column) take(p *page, l *leaf, n int) {
	if l.maxRep > 0 {
		c.rep = append(c.rep, p.rep[p.pos:p.pos+n]...)
	}
	def := p.def
	if l.maxDef > 0 && def == nil {
		c.appendFull(l.maxDef, n)
	} else if l.maxDef > 0 {
		def = def[p.pos : p.pos+n]
		c.def = append(c.def, def...)
	}
	values := n
	switch {
	case def == nil && l.width > 0:
		c.data = append(c.data, p.values.data[p.vpos*l.width:(p.vpos+n)*l.width]...)
	case l.width > 0:
		values = c.scatter(p, l, def)
	default:
		values = c.takeBytes(p, l, def, n)
	}
	p.pos += n
	p.vpos += values
}

// appendFull appends the level of n slots that hold values.
func (c *column) appendFull(most uint8, n int) {
	at := len(c.def)
	c.def = slices.Grow(c.def, n)[:at+n]
	for i := range c.def[at:] {
		c.def[at+i] = most
	}
}

// scatter appends the values for the slots of def, and room for the slots that
// have no value. The result is how many values were taken.
func (c *column) scatter(p *page, l *leaf, def []uint8) (values int) {
	at := len(c.data)
	c.data = slices.Grow(c.data, len(def)*l.width)[:at+len(def)*l.width]
	dst, src := c.data[at:], p.values.data[p.vpos*l.width:]
	for i := 0; i < len(def); {
		from := i
		for i < len(def) && def[i] == l.maxDef {
			i++
		}
		copy(dst[from*l.width:i*l.width], src[values*l.width:])
		values += i - from
		for i < len(def) && def[i] != l.maxDef {
			i++
		}
	}
	return values
}

// takeBytes appends values of their own lengths. Slots that have none are empty.
func (c *column) takeBytes(p *page, l *leaf, def []uint8, n int) (values int) {
	c.ends = slices.Grow(c.ends, n)
	data, from := p.values.data, p.values.spans[p.vpos:]
	for i := range n {
		if def == nil || def[i] == l.maxDef {
			span := from[values]
			c.data = append(c.data, data[span.Start:span.End]...)
			values++
		}
		c.ends = append(c.ends, uint32(len(c.data)))
	}
	return values
}

// endRows notes where the rows of the slots from on end.
func (c *column) endRows(from int) {
	for i := from + 1; i < len(c.rep); i++ {
		if c.rep[i] == 0 {
			c.rows = append(c.rows, uint32(i))
		}
	}
	c.rows = append(c.rows, uint32(len(c.rep)))
}

// appendRow appends all of o, which is one row.
func (c *column) appendRow(o *column) {
	at := uint32(len(c.data))
	c.data = append(c.data, o.data...)
	for _, end := range o.ends {
		c.ends = append(c.ends, at+end)
	}
	c.rep = append(c.rep, o.rep...)
	c.def = append(c.def, o.def...)
	c.rows = append(c.rows, uint32(len(c.rep)))
}

// appendEmpty appends a row that was too large to keep.
func (c *column) appendEmpty(l *leaf) {
	if l.maxRep > 0 {
		c.rows = append(c.rows, uint32(len(c.rep)))
		return
	}
	if l.maxDef > 0 {
		c.def = append(c.def, 0)
	}
	if l.width == 0 {
		c.ends = append(c.ends, uint32(len(c.data)))
	}
	at := len(c.data)
	c.data = slices.Grow(c.data, l.width)[:at+l.width]
	clear(c.data[at:])
}

// slotCost is the memory that a slot takes in a column beside a value's own bytes.
func (l *leaf) slotCost() int {
	cost := l.width
	if l.width == 0 {
		cost = int(unsafe.Sizeof(uint32(0)))
	}
	if l.maxDef > 0 {
		cost++
	}
	if l.maxRep > 0 {
		cost++
	}
	return cost
}

const maxSpan = math.MaxInt32 // spans and ends count in 32 bits
