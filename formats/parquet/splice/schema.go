package splice

import (
	"fmt"

	"github.com/batchmill/batchmill/formats/parquet/thrift"
)

// readSchema finds the columns of the top level in the list of schema
// elements: the root and, depth first, all elements below.
func (f *File) readSchema() error {
	c := f.meta.list(fileSchema)
	left := c.ListOf(thrift.Struct)
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

// readColumn reads a column and what is nested in the column, at most limit elements.
func readColumn(c *cursor, limit int) (col column, err error) {
	start := c.Offset()
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
	col.schema = c.From(start)
	return col, nil
}

// TakeSchema makes the schema elements of the file's columns those of the columns
// keep of from, byte for byte. The columns must be the same columns, which
// another writer may have annotated otherwise.
func (f *File) TakeSchema(from *File, keep []int) error {
	picked, err := Columns{from, keep}.pick()
	if err != nil {
		return err
	}
	if len(picked) != len(f.columns) {
		return fmt.Errorf("%d columns cannot have the schema of %d", len(f.columns), len(picked))
	}
	for i, col := range picked {
		if n := f.columns[i].leaves; n != col.leaves {
			return fmt.Errorf("column %q has %d leaves here and %d there", col.name, n, col.leaves)
		}
		col.first = f.columns[i].first
		f.columns[i] = col
	}
	return nil
}

// readOrders reads the order of each leaf's values. A list of another length
// tells nothing; without a list, readers leave the bounds of values alone.
func (f *File) readOrders() {
	c := f.meta.list(fileOrders)
	if n := c.ListOf(thrift.Struct); n == 0 || n != f.leaves {
		return
	}
	orders := make([][]byte, 0, f.leaves)
	for range f.leaves {
		orders = append(orders, c.Skip(thrift.Struct))
	}
	if c.Err() == nil {
		f.orders = orders
	}
}

// order is the ColumnOrder of a leaf, nil where the order is not known.
func (f *File) order(leaf int) []byte {
	if f.orders == nil {
		return nil
	}
	return f.orders[leaf]
}

// DropBounds keeps the bounds of a leaf's values (min, max, column index) out
// of what is made of this file: the bounds were made by another order of
// values than the leaf's type has.
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
