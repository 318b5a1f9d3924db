package csv

import (
	"fmt"
	"sync"

	"github.com/batchmill/batchmill/formats"
	"github.com/batchmill/batchmill/formats/fields"
)

// columns lays rows of any format out as CSV records of one shape.
type columns struct {
	Dialect
	names []string       // nil: records are lists or scalars
	index map[string]int // by name; of equal names the first
	width int            // 0: any
	least int            // a filter picks this many fields, counted from the first
}

func newColumns(d Dialect, names []string, width int) *columns {
	c := &columns{Dialect: d, names: names, width: width}
	if names != nil {
		c.width = len(names)
		c.index = make(map[string]int, len(names))
	}
	for i := len(names) - 1; i >= 0; i-- {
		c.index[names[i]] = i
	}
	return c
}

// A mismatch is why a record cannot stand in the columns.
type mismatch struct {
	reason  formats.Reason
	message string
}

// scratch is memory for one batch's work, so that records cost none.
type scratch struct {
	row    formats.Row
	slots  []int32 // the value of each column, -1 where it is missing
	record []byte
	answer []byte
	spans  []formats.Span
	more   []formats.Span
	values fields.Values
}

var scratches = sync.Pool{New: func() any { return new(scratch) }}

// place fills s.slots with where each column's value stands in s.row.
func (c *columns) place(s *scratch) *mismatch {
	row := &s.row
	if c.names == nil {
		if row.Shape == formats.Object {
			return &mismatch{formats.ReasonNoColumn, "an object with keys where the job's first record has none; the columns are fixed by that record"}
		}
		if c.width > 0 && len(row.Values) != c.width {
			return &mismatch{formats.ReasonRagged, fmt.Sprintf("%d values where the job's first record has %d", len(row.Values), c.width)}
		}
		if len(row.Values) < c.least {
			return c.tooFew(len(row.Values))
		}
		s.slots = s.slots[:0]
		for i := range row.Values {
			s.slots = append(s.slots, int32(i))
		}
		return nil
	}
	if row.Shape != formats.Object {
		return &mismatch{formats.ReasonRagged, fmt.Sprintf("%d values without keys where the job's first record has keys", len(row.Values))}
	}
	return c.placeNamed(s)
}

// placeNamed finds a column for every key. Keys in column order, the usual
// case, cost one comparison each; with keys in column order, columns of one
// name keep their places.
func (c *columns) placeNamed(s *scratch) *mismatch {
	s.slots = s.slots[:0]
	for range c.names {
		s.slots = append(s.slots, -1)
	}
	for i, key := range s.row.Names {
		at, known := i, i < len(c.names) && c.names[i] == key
		if !known {
			at, known = c.index[key]
		}
		if !known {
			return &mismatch{formats.ReasonNoColumn, fmt.Sprintf("key %.100q is no column; the columns are the keys of the job's first record", key)}
		}
		if s.slots[at] >= 0 {
			return &mismatch{formats.ReasonKeyClash, fmt.Sprintf("key %.100q stands there twice; only one can go into its column", key)}
		}
		s.slots[at] = int32(i)
	}
	return nil
}

// load reads record i of b into s, ready for appendRow with the values of need.
func (c *columns) load(b *formats.Batch, i int, s *scratch, need []bool) *mismatch {
	s.row.Need = need
	if b.Rows == nil {
		return &mismatch{formats.ReasonInvalid, "the batch cannot be read by fields"}
	}
	if err := b.Rows.Row(b, i, &s.row); err != nil {
		return &mismatch{formats.ReasonInvalid, err.Error()}
	}
	return c.place(s)
}

// none asks for a row without its values: a look at a row's shape and names
// need not pay for decoding values.
var none = []bool{}

// check adds a flaw for every record that does not fit the columns.
func (c *columns) check(b *formats.Batch) {
	checkGood(b, func(i int, s *scratch) *mismatch { return c.load(b, i, s, none) })
}

// checkGood adds a flaw for every record without one that look finds fault with.
func checkGood(b *formats.Batch, look func(i int, s *scratch) *mismatch) {
	s := scratches.Get().(*scratch)
	defer scratches.Put(s)
	for i := range b.Recs {
		if b.Flaw(i) != nil {
			continue
		}
		if m := look(i, s); m != nil {
			b.AddFlaw(i, m.reason, "%s", m.message)
		}
	}
}

// appendRow appends the record that load has placed, without a line end. A
// missing value is an empty field.
func (c *columns) appendRow(dst []byte, s *scratch) []byte {
	for k, at := range s.slots {
		if k > 0 {
			dst = append(dst, c.Delimiter)
		}
		if at >= 0 {
			dst = c.appendValue(dst, s.row.Values[at])
		}
	}
	return dst
}

func (c *columns) tooFew(n int) *mismatch {
	return &mismatch{formats.ReasonNoField, fmt.Sprintf("%d fields, and the filter names field %d (counted from 0)", n, c.least-1)}
}

// checkLeast adds a flaw for every record of b, CSV of this dialect, that
// lacks a field the filter picks. checkLeast is for ragged records, whose
// width nothing else has checked.
func (c *columns) checkLeast(b *formats.Batch) {
	checkGood(b, func(i int, _ *scratch) *mismatch {
		body, _ := split(b.Record(i))
		if n := c.count(body); n < c.least {
			return c.tooFew(n)
		}
		return nil
	})
}
