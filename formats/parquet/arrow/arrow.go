// Package arrow extends the schema that Arrow stores in Parquet files.
//
// Arrow keeps what Parquet's own schema cannot say (dictionaries, large and
// view types, durations, the name of a time zone) in the file's key-value
// metadata, under "ARROW:schema". The value is the base64 of an encapsulated
// IPC message: 0xFFFFFFFF, the length of the metadata as a little-endian int32,
// and a flatbuffer, a Message that holds a Schema. Files older than Arrow 0.15
// lack the 0xFFFFFFFF. A reader matches the stored fields with the file's
// columns by position, so a file that got columns needs a value that has these
// columns.
//
// Sources: https://arrow.apache.org/docs/format/Columnar.html#encapsulated-message-format
// and, in github.com/apache/arrow, format/Message.fbs and format/Schema.fbs.
// The rules of flatbuffers: https://flatbuffers.dev/internals/.
//
// No byte of a value is trusted: every offset is checked before it is followed,
// and the result is a copy of checked bytes, never bytes passed through.
package arrow

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"strings"
)

// Key is the key of the metadata that holds the schema.
const Key = "ARROW:schema"

// maxValue bounds a value in bytes. Ten thousand columns take less than two megabytes.
const maxValue = 16 << 20

// Type is the type of an added field.
type Type uint8

// The types that answers can have. Lists hold nullable doubles in a child
// called "element", as the Parquet column's child is called.
const (
	Int64 Type = iota
	Double
	Bool
	Utf8
	Doubles
)

// A Field is a nullable column that is added.
type Field struct {
	Name string
	Type Type
}

// An Error is a value that cannot be extended: the value is damaged, or holds
// what Schema.fbs does not know (yet). Without the value a reader falls back
// on Parquet's own schema, so the caller may drop the key, and should say so.
type Error struct {
	Offset  int // byte of the flatbuffer; -1 where the Error is not about one byte
	Message string
}

func (e *Error) Error() string {
	if e.Offset < 0 {
		return "arrow schema: " + e.Message
	}
	return fmt.Sprintf("arrow schema: byte %d: %s", e.Offset, e.Message)
}

// broken is an Error that is not about one byte.
func broken(format string, args ...any) error {
	return &Error{Offset: -1, Message: fmt.Sprintf(format, args...)}
}

// Extend returns value with the top-level fields keep, in that order (nil keeps
// all), and the fields add behind them. The rest stays: the schema's metadata,
// endianness and features, the message's version and metadata. Extend looks at
// no names; [Fields] tells whether the names are the file's. Every error is an
// [*Error].
func Extend(value string, keep []int, add []Field) (string, error) {
	buf, err := unwrap(value)
	if err != nil {
		return "", err
	}
	out, err := rewrite(buf, keep, add)
	if err != nil {
		return "", err
	}
	return wrap(out), nil
}

// Fields lists the names of value's top-level fields. Every error is an [*Error].
func Fields(value string) ([]string, error) {
	buf, err := unwrap(value)
	if err != nil {
		return nil, err
	}
	_, schema, err := open(buf)
	if err != nil {
		return nil, err
	}
	at, n, err := schema.vector(schemaFields, 4)
	if err != nil {
		return nil, err
	}
	names := make([]string, n)
	for i := range names {
		if names[i], err = fieldName(buf, at+4*i); err != nil {
			return nil, err
		}
	}
	return names, nil
}

// unwrap is the flatbuffer of a stored value.
func unwrap(value string) ([]byte, error) {
	if len(value) > maxValue {
		return nil, broken("%d bytes of base64, more than %d", len(value), maxValue)
	}
	// Some writers leave the base64's padding out.
	msg, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(value, "="))
	if err != nil {
		return nil, broken("not base64: %v", err)
	}
	if len(msg) >= 4 && binary.LittleEndian.Uint32(msg) == continuation {
		msg = msg[4:]
	}
	if len(msg) < 4 {
		return nil, broken("ends before the length of the message")
	}
	size, buf := binary.LittleEndian.Uint32(msg), msg[4:]
	if uint64(size) > uint64(len(buf)) {
		return nil, broken("holds %d of the message's %d bytes", len(buf), size)
	}
	return buf[:size], nil
}

const continuation = 0xFFFFFFFF

// wrap is the value for a flatbuffer. The message's length is a multiple of 8.
func wrap(buf []byte) string {
	size := (len(buf) + 7) &^ 7
	msg := binary.LittleEndian.AppendUint32(make([]byte, 0, 8+size), continuation)
	msg = binary.LittleEndian.AppendUint32(msg, uint32(size))
	msg = append(msg, buf...)
	return base64.StdEncoding.EncodeToString(msg[:8+size])
}
