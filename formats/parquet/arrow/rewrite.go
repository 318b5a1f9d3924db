package arrow

import (
	"fmt"

	flatbuffers "github.com/google/flatbuffers/go"
)

// maxDepth bounds how deep tables nest; Arrow's own readers stop at 128.
const maxDepth = 100

// A copier copies tables from buf into b, children first, as a builder wants it.
type copier struct {
	buf  []byte
	b    *flatbuffers.Builder
	done map[source]flatbuffers.UOffsetT
	max  int // bytes that b may grow to
	left int // elements that vectors may still have, all together
}

// source is a table, vector or string that was copied. A source that several
// offsets point to is copied once: a small value cannot unfold into a large
// value.
type source struct {
	at int
	of shape
	k  kind
}

// rewrite is a new flatbuffer with the kept fields of buf's schema and the added fields.
func rewrite(buf []byte, keep []int, add []Field) (out []byte, err error) {
	// All bytes are checked before use. But the library panics at bytes that it
	// does not like, and a file must not end the process.
	defer func() {
		if r := recover(); r != nil {
			out, err = nil, broken("cannot be rebuilt: %v", r)
		}
	}()
	message, schema, err := open(buf)
	if err != nil {
		return nil, err
	}
	// Twice the size is room for other alignment, and for parts that the
	// writer shared; only vectors that overlap have more elements than fit in buf.
	c := &copier{buf: buf, b: flatbuffers.NewBuilder(len(buf) + 64*len(add) + 64),
		done: make(map[source]flatbuffers.UOffsetT), max: 2*len(buf) + 1024, left: len(buf) / 4}
	fields, err := c.keep(schema, keep)
	if err != nil {
		return nil, err
	}
	if fields, err = appendFields(c.b, fields, add); err != nil {
		return nil, err
	}
	header, err := c.rest(schema, schemaTable, schemaFields, c.b.CreateVectorOfTables(fields))
	if err != nil {
		return nil, err
	}
	root, err := c.rest(message, messageTable, messageHeader, header)
	if err != nil {
		return nil, err
	}
	c.b.Finish(root)
	return c.b.FinishedBytes(), nil
}

// keep copies the schema's fields, all or the named fields.
func (c *copier) keep(schema table, keep []int) ([]flatbuffers.UOffsetT, error) {
	at, n, err := schema.vector(schemaFields, 4)
	if err != nil {
		return nil, err
	}
	if keep == nil {
		return c.tables(at, n, fieldTable, 0)
	}
	var fields []flatbuffers.UOffsetT
	for _, i := range keep {
		if i < 0 || i >= n {
			return nil, broken("field %d is to be kept and there are %d", i, n)
		}
		field, err := c.table(at+4*i, fieldTable, 0)
		if err != nil {
			return nil, err
		}
		fields = append(fields, field)
	}
	return fields, nil
}

// tables copies the n tables whose offsets stand from byte at on.
func (c *copier) tables(at, n int, of shape, depth int) ([]flatbuffers.UOffsetT, error) {
	if c.left -= n; c.left < 0 {
		return nil, damaged(at, "vectors overlap")
	}
	list := make([]flatbuffers.UOffsetT, 0, n)
	for i := range n {
		t, err := c.table(at+4*i, of, depth)
		if err != nil {
			return nil, err
		}
		list = append(list, t)
	}
	return list, nil
}

// table copies the table that the offset at byte at points to.
func (c *copier) table(at int, of shape, depth int) (flatbuffers.UOffsetT, error) {
	if depth > maxDepth {
		return 0, damaged(at, "more than %d tables in one another", maxDepth)
	}
	t, err := tableAt(c.buf, at, of)
	if err != nil {
		return 0, err
	}
	from := source{at: t.pos, of: of, k: one}
	if copied, ok := c.done[from]; ok {
		return copied, nil
	}
	copied, err := c.content(t, of, depth)
	c.done[from] = copied
	return copied, err
}

// content copies a table: first what the table's slots point to, and last the table itself.
func (c *copier) content(t table, of shape, depth int) (flatbuffers.UOffsetT, error) {
	var refs [8]flatbuffers.UOffsetT
	for i, s := range layouts[of] {
		at := t.slot(i)
		if at == 0 || s.kind.scalar() {
			continue
		}
		if s.kind == typed {
			id := t.byte(i - 1)
			if id == 0 || int(typeTable)+int(id) >= len(layouts) {
				return 0, damaged(t.pos, "type %d is not known", id)
			}
			s = slot{kind: one, of: typeTable + shape(id)}
		}
		ref, err := c.ref(at, s, depth+1)
		if err != nil {
			return 0, err
		}
		refs[i] = ref
	}
	return c.write(t, of, refs), c.bound()
}

// rest copies a table but for slot by, for which it takes ref.
func (c *copier) rest(t table, of shape, by int, ref flatbuffers.UOffsetT) (flatbuffers.UOffsetT, error) {
	var refs [8]flatbuffers.UOffsetT
	for i, s := range layouts[of] {
		if at := t.slot(i); i != by && at != 0 && !s.kind.scalar() {
			var err error
			if refs[i], err = c.ref(at, s, 1); err != nil {
				return 0, err
			}
		}
	}
	refs[by] = ref
	return c.write(t, of, refs), nil
}

// ref copies what the offset at byte at points to.
func (c *copier) ref(at int, s slot, depth int) (flatbuffers.UOffsetT, error) {
	switch s.kind {
	case one:
		return c.table(at, s.of, depth)
	case many:
		first, n, err := vectorAt(c.buf, at, 4)
		if err != nil {
			return 0, err
		}
		list, err := c.tables(first, n, s.of, depth)
		if err != nil {
			return 0, err
		}
		return c.b.CreateVectorOfTables(list), c.bound()
	}
	return c.plain(at, s.kind)
}

// plain copies a string, or a vector of scalars.
func (c *copier) plain(at int, k kind) (flatbuffers.UOffsetT, error) {
	size := k.element()
	first, n, err := vectorAt(c.buf, at, size)
	if err != nil {
		return 0, err
	}
	from := source{at: first, k: k}
	if copied, ok := c.done[from]; ok {
		return copied, nil
	}
	var copied flatbuffers.UOffsetT
	if k == text {
		copied = c.b.CreateByteString(c.buf[first : first+n])
	} else {
		c.b.StartVector(size, n, size)
		for i := n - 1; i >= 0; i-- {
			c.place(first+i*size, size)
		}
		copied = c.b.EndVector(n)
	}
	c.done[from] = copied
	return copied, c.bound()
}

// write writes table t with new references.
func (c *copier) write(t table, of shape, refs [8]flatbuffers.UOffsetT) flatbuffers.UOffsetT {
	layout := layouts[of]
	c.b.StartObject(len(layout))
	for i, s := range layout {
		if refs[i] != 0 {
			c.b.PrependUOffsetTSlot(i, refs[i], 0)
		} else if at := t.slot(i); at != 0 && s.kind.scalar() {
			c.place(at, int(s.kind))
			c.b.Slot(i)
		}
	}
	return c.b.EndObject()
}

// place copies a scalar as it stands: a default that was written stays written.
func (c *copier) place(at, size int) {
	switch size {
	case 1:
		c.b.PrependByte(c.buf[at])
	case 2:
		c.b.PrependUint16(flatbuffers.GetUint16(c.buf[at:]))
	case 4:
		c.b.PrependUint32(flatbuffers.GetUint32(c.buf[at:]))
	case 8:
		c.b.PrependUint64(flatbuffers.GetUint64(c.buf[at:]))
	default:
		panic(fmt.Sprintf("no scalar has %d bytes", size))
	}
}

// bound stops a value whose parts overlap so that copies outgrow it.
func (c *copier) bound() error {
	if int(c.b.Offset()) > c.max {
		return broken("a copy of %d bytes takes more than %d", len(c.buf), c.max)
	}
	return nil
}
