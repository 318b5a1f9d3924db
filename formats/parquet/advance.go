package parquet

import "errors"

// A carry is one row of a repeating column that began on a page before the
// current one. The carry was put together from all its pages and stands before
// what the current page has left.
type carry struct {
	rows int // 1 while there is one
	row  column
	size int // memory of the row in bytes, also where not all of the row was kept
}

// ready returns how many whole rows can be taken, at least one row and at most
// limit, after loading the pages that the rows need.
func (c *cursor) ready(limit int) (int, error) {
	if c.carry.rows > 0 {
		return 1, nil
	}
	if c.page.pos == c.page.slots {
		if err := c.load(); err != nil {
			return 0, err
		}
	}
	if c.leaf.maxRep == 0 {
		return min(limit, c.page.slots-c.page.pos), nil
	}
	if c.page.rep[c.page.pos] != 0 {
		return 0, c.wrap(errors.New("a row that begins with a repeated value"))
	}
	rows, _ := c.rowsIn(limit)
	if rows > 0 {
		return rows, nil
	}
	return 1, c.assemble()
}

// rowsIn counts the rows that end within the current page, up to limit, and
// their slots. The page's last row ends within it only if the chunk does.
func (c *cursor) rowsIn(limit int) (rows, slots int) {
	rep := c.page.rep[c.page.pos:]
	for i := 1; i < len(rep); i++ {
		if rep[i] == 0 {
			if rows++; rows == limit {
				return rows, i
			}
			slots = i
		}
	}
	if c.left == 0 && len(rep) > 0 {
		return rows + 1, len(rep)
	}
	return rows, slots
}

// assemble makes the carry of what the current page has left, which is one row
// or its beginning, and of the rest of that row on the pages behind.
func (c *cursor) assemble() error {
	c.carry.row.reset()
	c.carry.size = 0
	c.carryOn(c.page.slots - c.page.pos)
	for c.left > 0 {
		if err := c.load(); err != nil {
			return err
		}
		n := 0
		for n < c.page.slots && c.page.rep[n] != 0 {
			n++
		}
		if c.carryOn(n); n < c.page.slots {
			break
		}
	}
	c.carry.rows = 1
	return nil
}

// carryOn moves the page's next n slots to the carry. Slots behind the maximum
// of a record are only counted.
func (c *cursor) carryOn(n int) {
	c.carry.size += c.slotsCost(n)
	if c.carry.size > c.w.o.MaxRecord {
		c.skipSlots(n)
		return
	}
	c.carry.row.take(&c.page, c.leaf, n)
}

// slotsOf is how many slots the next rows take, of as many as ready told.
func (c *cursor) slotsOf(rows int) int {
	if c.leaf.maxRep == 0 {
		return rows
	}
	_, slots := c.rowsIn(rows)
	return slots
}

// cost is the memory that the next rows will take in a batch, in bytes.
func (c *cursor) cost(rows int) int {
	if c.carry.rows > 0 {
		return c.carry.size
	}
	return c.slotsCost(c.slotsOf(rows))
}

func (c *cursor) slotsCost(n int) int {
	cost := n * c.leaf.slotCost()
	if c.leaf.width > 0 {
		return cost
	}
	spans := c.page.values.spans
	if len(spans) == 0 {
		return cost
	}
	for _, span := range spans[c.page.vpos : c.page.vpos+c.valuesIn(n)] {
		cost += int(span.End - span.Start)
	}
	return cost
}

// valuesIn is how many of the page's next n slots hold a value.
func (c *cursor) valuesIn(n int) int {
	if c.page.def == nil {
		return n
	}
	values := 0
	for _, level := range c.page.def[c.page.pos : c.page.pos+n] {
		if level == c.leaf.maxDef {
			values++
		}
	}
	return values
}

// take moves the next rows to dst.
func (c *cursor) take(dst *column, rows int) {
	if c.carry.rows > 0 {
		dst.appendRow(&c.carry.row)
		c.carry.rows = 0
		return
	}
	from := len(dst.rep)
	dst.take(&c.page, c.leaf, c.slotsOf(rows))
	if c.leaf.maxRep > 0 {
		dst.endRows(from)
	}
}

// skip leaves the next row out, and puts an empty row into dst.
func (c *cursor) skip(dst *column) {
	dst.appendEmpty(c.leaf)
	if c.carry.rows > 0 {
		c.carry.rows = 0
		return
	}
	c.skipSlots(c.slotsOf(1))
}

func (c *cursor) skipSlots(n int) {
	values := c.valuesIn(n)
	c.page.pos += n
	c.page.vpos += values
}

// finish tells whether all of the chunk was taken.
func (c *cursor) finish() error {
	if c.carry.rows > 0 || c.page.pos < c.page.slots || c.left > 0 {
		return c.wrap(errors.New("the chunk has more rows than its row group"))
	}
	return nil
}
