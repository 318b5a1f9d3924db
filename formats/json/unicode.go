package json

import (
	"bytes"
	"fmt"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/batchmill/batchmill/formats"
)

// Unicode returns nil if data, valid JSON text, is Unicode: its bytes are UTF-8, and
// the surrogates in its escapes stand in pairs. Else the error is a
// *formats.SyntaxError with the offset of the first byte that is wrong. What is not
// Unicode has no text of its own, and is never repaired.
func Unicode(data []byte) error {
	if at := formats.NotUTF8(data); at >= 0 {
		return &formats.SyntaxError{Offset: int64(at), Message: fmt.Sprintf("0x%02x is not UTF-8", data[at])}
	}
	if at := loneSurrogate(data); at >= 0 {
		return &formats.SyntaxError{Offset: int64(at), Message: fmt.Sprintf("%s is half of a surrogate pair, which is no character", data[at:min(at+6, len(data))])}
	}
	return nil
}

// IsUnicode tells whether Unicode would return nil.
func IsUnicode(data []byte) bool { return utf8.Valid(data) && loneSurrogate(data) < 0 }

// Sound returns nil if data is one JSON value, as Valid has it, and Unicode.
func Sound(data []byte) error {
	if err := Valid(data); err != nil {
		return err
	}
	return Unicode(data)
}

// loneSurrogate is the index of the first escape of half a surrogate pair, -1 if there
// is none. Backslashes stand in literals only, each before the byte that it escapes.
func loneSurrogate(data []byte) int {
	if !bytes.Contains(data, []byte(`\u`)) {
		return -1
	}
	for i := 0; ; {
		n := bytes.IndexByte(data[i:], '\\')
		if n < 0 {
			return -1
		}
		i += n
		r := unit(data, i)
		switch {
		case !utf16.IsSurrogate(r):
			i = min(i+2, len(data))
		case utf16.DecodeRune(r, unit(data, i+6)) == utf8.RuneError:
			return i
		default:
			i += 12
		}
	}
}
