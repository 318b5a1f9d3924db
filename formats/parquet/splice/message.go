package splice

import (
	"encoding/binary"
	"errors"

	"github.com/batchmill/batchmill/formats/parquet/thrift"
)

// Footers are read and edited as bytes: what is not changed is copied as it
// stands, field by field, so that a field this package knows nothing of, or an
// optional field that is absent, is not turned into something else by a decoder
// and an encoder in between.

// A cursor reads values, and structs by their shapes. Its first fault stays.
type cursor struct{ thrift.Reader }

func read(b []byte) cursor { return cursor{thrift.NewReader(b)} }

// err is the fault as an error that says what was being read; nil without one.
func (c *cursor) err(what string) error {
	if c.Err() == nil {
		return nil
	}
	return bad("%s %v, %d bytes into it", what, c.Err(), c.Offset())
}

var (
	errType    = errors.New("has a field of another type")
	errTwice   = errors.New("has a field that stands there twice")
	errMissing = errors.New("lacks a required field")
)

// A shape is what is known about a struct: the kinds of its fields by id, 0
// for fields that are not known, and the ids that must be there.
type shape struct {
	name     string
	kinds    [maxField + 1]thrift.Kind
	required []int
}

const maxField = 17 // the largest id in any shape

// A field is a value as it stands on the wire. A boolean is in its kind.
type field struct {
	kind thrift.Kind
	raw  []byte
}

// A message is a struct by fields. Fields that its shape does not know are
// left out: such fields may hold places in the file, which nobody would
// correct.
type message struct {
	shape  *shape
	fields [maxField + 1]field
}

// message reads a struct. Its fields alias the cursor's bytes.
func (c *cursor) message(s *shape) message {
	m := message{shape: s}
	for id, kind := c.Field(0); kind != thrift.Stop; id, kind = c.Field(id) {
		raw := c.Skip(kind)
		if id < 1 || id > maxField || s.kinds[id] == 0 {
			continue
		}
		c.match(m.fields[id].kind, kind, s.kinds[id])
		m.fields[id] = field{kind: kind, raw: raw}
	}
	for _, id := range s.required {
		if m.fields[id].kind == thrift.Stop {
			c.Fail(errMissing)
		}
	}
	return m
}

// match checks that a field stands there once and is of the kind it should be.
func (c *cursor) match(before, kind, want thrift.Kind) {
	if kind == thrift.False {
		kind = thrift.True
	}
	if kind != want {
		c.Fail(errType)
	}
	if before != thrift.Stop {
		c.Fail(errTwice)
	}
}

func (m *message) has(id int) bool { return m.fields[id].kind != thrift.Stop }

// int is an integer field; 0 where it is absent.
func (m *message) int(id int) int64 {
	if !m.has(id) {
		return 0
	}
	c := read(m.fields[id].raw)
	return c.Int(64)
}

// text is a binary field; nil where it is absent. The text aliases the message.
func (m *message) text(id int) []byte {
	if !m.has(id) {
		return nil
	}
	c := read(m.fields[id].raw)
	return c.Binary()
}

// list is a cursor at the head of a list field. An absent list is empty.
func (m *message) list(id int) cursor {
	if !m.has(id) {
		return read([]byte{0})
	}
	return read(m.fields[id].raw)
}

func (m *message) set(id int, raw []byte) {
	m.fields[id] = field{kind: m.shape.kinds[id], raw: raw}
}

func (m *message) setInt(id int, v int64) { m.set(id, binary.AppendVarint(nil, v)) }

func (m *message) setText(id int, s string) { m.set(id, thrift.AppendBinary(nil, s)) }

func (m *message) drop(ids ...int) {
	for _, id := range ids {
		m.fields[id] = field{}
	}
}

// append appends the struct by ascending ids, with its end.
func (m *message) append(dst []byte) []byte {
	return append(m.appendFields(dst, 1, maxField), byte(thrift.Stop))
}

// appendFields appends the fields from first to last, as they stand behind the
// last field before first, if there is any.
func (m *message) appendFields(dst []byte, first, last int) []byte {
	before := 0
	for id := range m.fields {
		if !m.has(id) {
			continue
		}
		if id >= first && id <= last {
			dst = append(thrift.AppendField(dst, before, id, m.fields[id].kind), m.fields[id].raw...)
		}
		before = id
	}
	return dst
}
