package roster

import (
	"encoding/binary"
	"errors"
)

// AppendText appends a text to a record, so that an [Unpacker] finds its end.
func AppendText(dst []byte, text string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(text))), text...)
}

// An Unpacker reads what was packed into a record: varints, as encoding/binary
// appends them, and texts. After a part that cannot be, all further parts are zero, and Err tells.
type Unpacker struct {
	rest   []byte
	failed bool
}

// Unpack begins to read a record, which must not change meanwhile.
func Unpack(record []byte) Unpacker { return Unpacker{rest: record} }

// Uint reads an unsigned varint.
func (u *Unpacker) Uint() uint64 {
	v, n := binary.Uvarint(u.rest)
	u.skip(n)
	return v
}

// Int reads a signed varint.
func (u *Unpacker) Int() int64 {
	v, n := binary.Varint(u.rest)
	u.skip(n)
	return v
}

// Byte reads a byte.
func (u *Unpacker) Byte() byte {
	if len(u.rest) == 0 {
		u.skip(0)
		return 0
	}
	b := u.rest[0]
	u.skip(1)
	return b
}

// Text reads a text.
func (u *Unpacker) Text() string {
	n := u.Uint()
	if n > uint64(len(u.rest)) {
		u.skip(0)
		return ""
	}
	text := string(u.rest[:n])
	u.rest = u.rest[n:]
	return text
}

// Err is nil unless the record was not what was read.
func (u *Unpacker) Err() error {
	if u.failed {
		return errors.New("a record is not what was written")
	}
	return nil
}

// skip passes over n bytes. No part is empty, so 0 bytes are a fault.
func (u *Unpacker) skip(n int) {
	if n <= 0 {
		u.failed, u.rest = true, nil
		return
	}
	u.rest = u.rest[n:]
}
