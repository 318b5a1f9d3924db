package arrow

import (
	"fmt"

	flatbuffers "github.com/google/flatbuffers/go"
)

// A table is a flatbuffers table whose own bytes and slots have been checked.
// The target of a slot's offset is not checked yet.
type table struct {
	buf   []byte
	pos   int // of the table
	slots int // of the vtable's first slot
	n     int // slots that the vtable has
}

func damaged(at int, format string, args ...any) error {
	return &Error{Offset: at, Message: fmt.Sprintf(format, args...)}
}

// follow is where the offset at byte at points to: behind the offset, with room for
// 4 bytes. Every walk ends, because offsets only point forward.
func follow(buf []byte, at int) (int, error) {
	to := at + int(flatbuffers.GetUint32(buf[at:]))
	if to < at+4 || to > len(buf)-4 {
		return 0, damaged(at, "an offset points to byte %d of %d", to, len(buf))
	}
	return to, nil
}

// tableAt checks the table that the offset at byte at points to.
func tableAt(buf []byte, at int, of shape) (table, error) {
	pos, err := follow(buf, at)
	if err != nil {
		return table{}, err
	}
	vtable := pos - int(flatbuffers.GetInt32(buf[pos:]))
	if vtable < 0 || vtable > len(buf)-4 {
		return table{}, damaged(pos, "a vtable at byte %d of %d", vtable, len(buf))
	}
	length, size := int(flatbuffers.GetUint16(buf[vtable:])), int(flatbuffers.GetUint16(buf[vtable+2:]))
	if length < 4 || length%2 != 0 || length > len(buf)-vtable || size < 4 || size > len(buf)-pos {
		return table{}, damaged(vtable, "a vtable of %d bytes for a table of %d", length, size)
	}
	t := table{buf: buf, pos: pos, slots: vtable + 4, n: (length - 4) / 2}
	return t, t.check(layouts[of], size)
}

// check looks whether every slot stands inside the table, and is a slot of layout.
func (t table) check(layout []slot, size int) error {
	for i := range t.n {
		off := int(flatbuffers.GetUint16(t.buf[t.slots+2*i:]))
		switch {
		case off == 0:
		case i >= len(layout):
			return damaged(t.pos, "slot %d of a table that has %d", i, len(layout))
		case off < 4 || off+layout[i].kind.size() > size:
			return damaged(t.pos, "slot %d at %d in a table of %d bytes", i, off, size)
		}
	}
	return nil
}

// slot is where slot i stands, 0 when the table does not have it.
func (t table) slot(i int) int {
	if i >= t.n {
		return 0
	}
	off := int(flatbuffers.GetUint16(t.buf[t.slots+2*i:]))
	if off == 0 {
		return 0
	}
	return t.pos + off
}

// byte is slot i, which is of one byte, 0 when the table does not have it.
func (t table) byte(i int) byte {
	if at := t.slot(i); at != 0 {
		return t.buf[at]
	}
	return 0
}

// vector is where the elements of slot i stand, each of size bytes, and their number.
func (t table) vector(i, size int) (at, n int, err error) {
	if at = t.slot(i); at == 0 {
		return 0, 0, nil
	}
	return vectorAt(t.buf, at, size)
}

// vectorAt checks the vector that the offset at byte at points to.
func vectorAt(buf []byte, at, size int) (first, n int, err error) {
	to, err := follow(buf, at)
	if err != nil {
		return 0, 0, err
	}
	n = int(flatbuffers.GetUint32(buf[to:]))
	if n < 0 || n > (len(buf)-to-4)/size {
		return 0, 0, damaged(to, "%d elements of %d bytes, more than there are", n, size)
	}
	return to + 4, n, nil
}

// open finds the Message at the root of buf, and its Schema.
func open(buf []byte) (message, schema table, err error) {
	if len(buf) < 8 {
		return message, schema, broken("a message of %d bytes", len(buf))
	}
	if message, err = tableAt(buf, 0, messageTable); err != nil {
		return message, schema, err
	}
	at := message.slot(messageHeader)
	if at == 0 || message.byte(messageHeaderType) != headerSchema {
		return message, schema, damaged(message.pos, "the message holds no schema")
	}
	schema, err = tableAt(buf, at, schemaTable)
	return message, schema, err
}

// fieldName is the name of the field that the offset at byte at points to.
func fieldName(buf []byte, at int) (string, error) {
	t, err := tableAt(buf, at, fieldTable)
	if err != nil {
		return "", err
	}
	first, n, err := t.vector(fieldNameSlot, 1)
	return string(buf[first : first+n]), err
}
