package splice

// readSchema finds the columns of the top level in the list of schema
// elements: the root and, depth first, all below it.
func (f *File) readSchema() error {
	c := f.meta.list(fileSchema)
	left := c.listOf(kindStruct)
	if left == 0 || left > maxElements {
		return bad("a schema of %d elements; there must be 1 to %d", left, maxElements)
	}
	f.root = c.message(&elementShape)
	if err := c.err("the schema's root"); err != nil {
		return err
	}
	children := f.root.int(elementChildren)
	for left--; children > 0; children-- {
		col, err := readColumn(&c, left)
		if err != nil {
			return err
		}
		left -= col.elements
		col.first = f.leaves
		f.leaves += col.leaves
		f.columns = append(f.columns, col)
	}
	if left != 0 || children < 0 {
		return bad("the schema is no tree: %d elements belong to no column", left)
	}
	return nil
}

// readColumn reads one column and what is nested in it, at most limit elements.
func readColumn(c *cursor, limit int) (col column, err error) {
	start := c.at
	for open := int64(1); open > 0; open-- {
		if col.elements++; col.elements > limit {
			return col, bad("the schema is no tree: it ends within a column")
		}
		e := c.message(&elementShape)
		if err := c.err(elementShape.name); err != nil {
			return col, err
		}
		if col.elements == 1 {
			col.name = string(e.text(elementName))
		}
		children := e.int(elementChildren)
		if children < 0 || children > 0 && e.has(elementType) {
			return col, bad("column %q: an element has %d children and a type", col.name, children)
		}
		if e.has(elementType) {
			col.leaves++
		}
		open += children
	}
	col.schema = c.b[start:c.at]
	return col, nil
}

// readOrders reads the order of each leaf's values. A list of another length
// tells nothing; without one, readers leave the bounds of values alone.
func (f *File) readOrders() {
	c := f.meta.list(fileOrders)
	if n := c.listOf(kindStruct); n == 0 || n != f.leaves {
		return
	}
	orders := make([][]byte, 0, f.leaves)
	for range f.leaves {
		start := c.at
		c.skip(kindStruct, 1)
		orders = append(orders, c.b[start:c.at])
	}
	if c.bad == "" {
		f.orders = orders
	}
}

// order is the ColumnOrder of a leaf, nil where it is not known.
func (f *File) order(leaf int) []byte {
	if f.orders == nil {
		return nil
	}
	return f.orders[leaf]
}

// DropBounds keeps the bounds of a leaf's values (min, max, column index) out
// of what is made of this file: they were made by another order of values than
// the leaf's type has.
func (f *File) DropBounds(leaf int) {
	if f.boundless == nil {
		f.boundless = map[int]bool{}
	}
	f.boundless[leaf] = true
}

// rootElement is the schema's root with another number of children.
func (f *File) rootElement(children int) []byte {
	root := f.root
	root.setInt(elementChildren, int64(children))
	return root.append(nil)
}
