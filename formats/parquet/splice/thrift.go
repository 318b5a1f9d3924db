package splice

import (
	"encoding/binary"
	"math"
)

// The compact protocol of Thrift: https://github.com/apache/thrift, file
// doc/specs/thrift-compact-protocol.md. Footers are read and edited as bytes:
// what is not changed is copied as it stands, field by field, so that a field
// this package knows nothing of, or an optional one that is absent, is not
// turned into something else by a decoder and an encoder in between.

// The kinds of values, as the wire has them.
const (
	kindStop   = 0
	kindTrue   = 1 // in a shape: a boolean
	kindFalse  = 2
	kindByte   = 3
	kindI16    = 4
	kindI32    = 5
	kindI64    = 6
	kindDouble = 7
	kindBinary = 8
	kindList   = 9
	kindSet    = 10
	kindMap    = 11
	kindStruct = 12
	kindUUID   = 13
)

// maxDepth bounds how deep values may nest, and so the stack. Footers of
// today nest seven deep.
const maxDepth = 32

// A cursor reads values one after the other. The first fault sticks: what is
// read after it is zero, and no loop over it runs long.
type cursor struct {
	b   []byte
	at  int
	bad string // what is wrong with byte at; empty while all is well
}

func (c *cursor) fail(what string) {
	if c.bad == "" {
		c.bad = what
	}
}

// err is the fault as an error that says what was being read; nil without one.
func (c *cursor) err(what string) error {
	if c.bad == "" {
		return nil
	}
	return bad("%s: %s, %d bytes into it", what, c.bad, c.at)
}

// take is the next n bytes. It aliases c.b.
func (c *cursor) take(n uint64) []byte {
	if c.bad != "" || n > uint64(len(c.b)-c.at) {
		c.fail("it ends too early")
		return nil
	}
	c.at += int(n)
	return c.b[c.at-int(n) : c.at]
}

func (c *cursor) byte() byte {
	if b := c.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (c *cursor) uvarint() uint64 {
	if c.bad != "" {
		return 0
	}
	v, n := binary.Uvarint(c.b[c.at:])
	if n <= 0 {
		c.fail("no variable-length number")
		return 0
	}
	c.at += n
	return v
}

// integer reads a zigzag number of at most bits bits.
func (c *cursor) integer(bits int) int64 {
	u := c.uvarint()
	v := int64(u>>1) ^ -int64(u&1)
	if v>>(bits-1) != 0 && v>>(bits-1) != -1 {
		c.fail("a number too large for its type")
		return 0
	}
	return v
}

func (c *cursor) binary() []byte { return c.take(c.uvarint()) }

// list reads the head of a list. Each element takes at least one byte, so a
// count that the remaining bytes cannot hold is a fault right away.
func (c *cursor) list() (kind byte, n int) {
	head := c.byte()
	size := uint64(head >> 4)
	if size == 15 {
		size = c.uvarint()
	}
	if size > uint64(len(c.b)-c.at) {
		c.fail("a list longer than its bytes")
	}
	if c.bad != "" {
		return 0, 0
	}
	return head & 15, int(size)
}

// listOf is list for elements of one kind, and their number.
func (c *cursor) listOf(want byte) int {
	kind, n := c.list()
	if n > 0 && kind != want {
		c.fail("a list of another type")
		return 0
	}
	return n
}

// field reads the head of a field; kindStop is the struct's end.
func (c *cursor) field(last int64) (id int64, kind byte) {
	head := c.byte()
	if head == kindStop {
		return 0, kindStop
	}
	if id = last + int64(head>>4); head>>4 == 0 {
		id = c.integer(16)
	}
	if id > math.MaxInt16 || head&15 == kindStop {
		c.fail("no field")
		return 0, kindStop
	}
	return id, head & 15
}

// skip passes over a value that stands in a field.
func (c *cursor) skip(kind byte, depth int) {
	if depth > maxDepth {
		c.fail("values nested too deep")
	}
	switch {
	case c.bad != "":
	case kind == kindTrue || kind == kindFalse: // the head holds the value
	case kind == kindByte:
		c.byte()
	case kind >= kindI16 && kind <= kindI64:
		c.integer(8 << (kind - kindByte))
	case kind == kindDouble:
		c.take(8)
	case kind == kindBinary:
		c.binary()
	case kind == kindUUID:
		c.take(16)
	default:
		c.skipNested(kind, depth)
	}
}

func (c *cursor) skipNested(kind byte, depth int) {
	switch kind {
	case kindList, kindSet:
		elem, n := c.list()
		for ; n > 0 && c.bad == ""; n-- {
			c.skipElement(elem, depth+1)
		}
	case kindMap:
		c.skipMap(depth)
	case kindStruct:
		for last, k := c.field(0); k != kindStop; last, k = c.field(last) {
			c.skip(k, depth+1)
		}
	default:
		c.fail("a value of no known type")
	}
}

func (c *cursor) skipMap(depth int) {
	n := c.uvarint()
	if n == 0 || c.bad != "" {
		return
	}
	kinds := c.byte()
	for ; n > 0 && c.bad == ""; n-- {
		c.skipElement(kinds>>4, depth+1)
		c.skipElement(kinds&15, depth+1)
	}
}

// skipElement passes over a value in a list or a map, where a boolean takes a
// byte of its own.
func (c *cursor) skipElement(kind byte, depth int) {
	if kind == kindTrue || kind == kindFalse {
		kind = kindByte
	}
	c.skip(kind, depth)
}

// A shape is what is known about a struct: the kinds of its fields by id, 0
// for those that are not known, and the ids that must be there.
type shape struct {
	name     string
	kinds    [maxField + 1]byte
	required []int
}

const maxField = 17 // the largest id in any shape

// A field is a value as it stands on the wire. A boolean is in its kind.
type field struct {
	kind byte
	raw  []byte
}

// A message is a struct by fields. Those that its shape does not know are
// left out: they may hold places in the file, which nobody would correct.
type message struct {
	shape  *shape
	fields [maxField + 1]field
}

// message reads a struct. Its fields alias c.b.
func (c *cursor) message(s *shape) message {
	m := message{shape: s}
	for id, kind := c.field(0); kind != kindStop; id, kind = c.field(id) {
		start := c.at
		c.skip(kind, 1)
		if id < 1 || id > maxField || s.kinds[id] == 0 {
			continue
		}
		c.match(m.fields[id].kind, kind, s.kinds[id])
		m.fields[id] = field{kind: kind, raw: c.b[start:c.at]}
	}
	for _, id := range s.required {
		if m.fields[id].kind == kindStop {
			c.fail("a required field is missing")
		}
	}
	return m
}

// match checks that a field stands there once and is of the kind it should be.
func (c *cursor) match(before, kind, want byte) {
	if kind == kindFalse {
		kind = kindTrue
	}
	if kind != want {
		c.fail("a field of another type")
	}
	if before != kindStop {
		c.fail("a field stands there twice")
	}
}

func (m *message) has(id int) bool { return m.fields[id].kind != kindStop }

// int is an integer field; 0 where it is absent.
func (m *message) int(id int) int64 {
	if !m.has(id) {
		return 0
	}
	c := cursor{b: m.fields[id].raw}
	return c.integer(64)
}

// text is a binary field; nil where it is absent. It aliases the message.
func (m *message) text(id int) []byte {
	if !m.has(id) {
		return nil
	}
	c := cursor{b: m.fields[id].raw}
	return c.binary()
}

// list is a cursor at the head of a list field. An absent one is empty.
func (m *message) list(id int) cursor {
	if !m.has(id) {
		return cursor{b: []byte{0}}
	}
	return cursor{b: m.fields[id].raw}
}

func (m *message) set(id int, raw []byte) {
	m.fields[id] = field{kind: m.shape.kinds[id], raw: raw}
}

func (m *message) setInt(id int, v int64) { m.set(id, binary.AppendVarint(nil, v)) }

func (m *message) setText(id int, s string) { m.set(id, appendText(nil, s)) }

func (m *message) drop(ids ...int) {
	for _, id := range ids {
		m.fields[id] = field{}
	}
}

// append appends the struct by ascending ids, with its end.
func (m *message) append(dst []byte) []byte {
	return append(m.appendFields(dst, 1, maxField), kindStop)
}

// appendFields appends the fields from first to last, as they stand behind
// the field before first, if there is one.
func (m *message) appendFields(dst []byte, first, last int) []byte {
	before := 0
	for id := range m.fields {
		if !m.has(id) {
			continue
		}
		if id >= first && id <= last {
			// No id is above 17, so a step of more than 15 is from nothing.
			if step := id - before; step <= 15 {
				dst = append(dst, byte(step)<<4|m.fields[id].kind)
			} else {
				dst = binary.AppendVarint(append(dst, m.fields[id].kind), int64(id))
			}
			dst = append(dst, m.fields[id].raw...)
		}
		before = id
	}
	return dst
}

func appendText(dst []byte, s string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}

func appendListHead(dst []byte, kind byte, n int) []byte {
	if n < 15 {
		return append(dst, byte(n)<<4|kind)
	}
	return binary.AppendUvarint(append(dst, 15<<4|kind), uint64(n))
}
