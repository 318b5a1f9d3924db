package charset

import (
	"bytes"
	"encoding/binary"
	utf16pairs "unicode/utf16"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
)

// oneByte is an encoding of one byte a character.
type oneByte struct {
	text  [256][]byte   // of each byte; its escape where there is no character
	bytes map[rune]byte // the other way
}

func newOneByte(m *charmap.Charmap) *oneByte {
	o := &oneByte{bytes: map[rune]byte{}}
	for c := range 256 {
		r := m.DecodeByte(byte(c))
		if r == utf8.RuneError {
			o.text[c] = appendEscape(nil, byte(c))
			continue
		}
		o.text[c], o.bytes[r] = utf8.AppendRune(nil, r), byte(c)
	}
	return o
}

func (o *oneByte) decode(dst, src []byte, _ bool) ([]byte, int) {
	for _, c := range src {
		if c < utf8.RuneSelf && len(o.text[c]) == 1 {
			dst = append(dst, o.text[c][0])
		} else {
			dst = append(dst, o.text[c]...)
		}
	}
	return dst, len(src)
}

func (o *oneByte) encode(dst, text []byte) []byte {
	return eachRune(dst, text, func(dst []byte, r rune) []byte { return append(dst, o.bytes[r]) })
}

func (o *oneByte) width(text []byte) int64 {
	runes, escapes := count(text)
	return runes + escapes
}

// count counts the characters and the escapes of text.
func count(text []byte) (runes, escapes int64) {
	for _, c := range text {
		switch {
		case c >= 0xf8:
			escapes++
		case c&0xc0 != 0x80:
			runes++
		}
	}
	return runes, escapes / escapeLen
}

// eachRune appends what f appends for each character of text, and the byte that each
// escape stands for.
func eachRune(dst, text []byte, f func(dst []byte, r rune) []byte) []byte {
	for len(text) > 0 {
		if c, ok := escaped(text); ok {
			dst, text = append(dst, c), text[escapeLen:]
			continue
		}
		r, n := utf8.DecodeRune(text)
		if f != nil && (r != utf8.RuneError || n > 1) { // else the rest of a character that was cut
			dst = f(dst, r)
		}
		text = text[n:]
	}
	return dst
}

// utf16 is UTF-16 in one byte order.
type utf16 struct{ big bool }

func (u utf16) order() binary.ByteOrder {
	if u.big {
		return binary.BigEndian
	}
	return binary.LittleEndian
}

func (u utf16) decode(dst, src []byte, end bool) ([]byte, int) {
	order, i := u.order(), 0
	for ; i+2 <= len(src); i += 2 {
		r := rune(order.Uint16(src[i:]))
		switch {
		case r < utf8.RuneSelf:
			dst = append(dst, byte(r))
		case !utf16pairs.IsSurrogate(r):
			dst = utf8.AppendRune(dst, r)
		case i+4 > len(src) && !end:
			return dst, i
		default:
			pair := utf8.RuneError
			if i+4 <= len(src) {
				pair = utf16pairs.DecodeRune(r, rune(order.Uint16(src[i+2:])))
			}
			if pair == utf8.RuneError {
				dst = appendEscape(appendEscape(dst, src[i]), src[i+1])
				continue
			}
			dst = utf8.AppendRune(dst, pair)
			i += 2
		}
	}
	return escapeRest(dst, src, i, end)
}

// escapeRest escapes what is left of src from i on, if nothing follows.
func escapeRest(dst, src []byte, i int, end bool) ([]byte, int) {
	for ; end && i < len(src); i++ {
		dst = appendEscape(dst, src[i])
	}
	return dst, i
}

func (u utf16) encode(dst, text []byte) []byte {
	order := u.order().(binary.AppendByteOrder)
	return eachRune(dst, text, func(dst []byte, r rune) []byte {
		if high, low := utf16pairs.EncodeRune(r); high != utf8.RuneError {
			return order.AppendUint16(order.AppendUint16(dst, uint16(high)), uint16(low))
		}
		return order.AppendUint16(dst, uint16(r))
	})
}

func (u utf16) width(text []byte) int64 {
	runes, escapes := count(text)
	pairs := int64(0)
	for _, c := range text {
		if c >= 0xf0 && c < 0xf8 {
			pairs++
		}
	}
	return 2*(runes+pairs) + escapes
}

// utf32 is UTF-32 in one byte order.
type utf32 struct{ big bool }

func (u utf32) order() binary.ByteOrder { return utf16(u).order() }

func (u utf32) decode(dst, src []byte, end bool) ([]byte, int) {
	order, i := u.order(), 0
	for ; i+4 <= len(src); i += 4 {
		if r := order.Uint32(src[i:]); r <= utf8.MaxRune && utf8.ValidRune(rune(r)) {
			dst = utf8.AppendRune(dst, rune(r))
			continue
		}
		for _, c := range src[i : i+4] {
			dst = appendEscape(dst, c)
		}
	}
	return escapeRest(dst, src, i, end)
}

func (u utf32) encode(dst, text []byte) []byte {
	order := u.order().(binary.AppendByteOrder)
	return eachRune(dst, text, func(dst []byte, r rune) []byte { return order.AppendUint32(dst, uint32(r)) })
}

func (u utf32) width(text []byte) int64 {
	runes, escapes := count(text)
	return 4*runes + escapes
}

// multi is an encoding of one or more bytes a character, in which each character
// stands for itself. The library decodes, and writes U+FFFD for what it cannot decode.
type multi struct{ encoding.Encoding }

var replacement = []byte("\ufffd")

func (m multi) decode(dst, src []byte, end bool) ([]byte, int) {
	start := len(dst)
	room := make([]byte, 4*len(src)+utf8.UTFMax)
	n, taken, _ := m.NewDecoder().Transform(room, src, end)
	if bytes.Contains(room[:n], replacement) || end && taken < len(src) {
		return m.stepwise(dst[:start], src, end)
	}
	return append(dst, room[:n]...), taken
}

// genuine is U+FFFD in GB18030, the one encoding here that has the character.
var genuine = []byte{0x84, 0x31, 0xa4, 0x37}

// stepwise decodes one character at a time, so that each is known by its bytes.
func (m multi) stepwise(dst, src []byte, end bool) ([]byte, int) {
	d := m.NewDecoder()
	i := 0
	for i < len(src) {
		var room [2 * utf8.UTFMax]byte
		n, taken := 0, 0
		for size := 1; taken == 0 && size <= len(room); size++ {
			n, taken, _ = d.Transform(room[:size], src[i:], end)
		}
		if taken == 0 {
			break
		}
		if text := room[:n]; !bytes.Equal(text, replacement) || bytes.Equal(src[i:i+taken], genuine) {
			dst = append(dst, text...)
		} else {
			dst, _ = escapeRest(dst, src[i:i+taken], 0, true)
		}
		i += taken
	}
	return escapeRest(dst, src, i, end)
}

func (m multi) encode(dst, text []byte) []byte {
	e := m.NewEncoder()
	for len(text) > 0 {
		n := 0 // up to the next escape
		for n < len(text) && text[n] < 0xf8 {
			n++
		}
		room := make([]byte, 4*n)
		if size, taken, err := e.Transform(room, text[:n], true); err == nil && taken == n {
			dst = append(dst, room[:size]...)
		} else {
			dst = m.encodeRunes(dst, text[:n])
		}
		if text = text[n:]; len(text) > 0 {
			n = min(escapeLen, len(text))
			dst = eachRune(dst, text[:n], nil)
			text = text[n:]
		}
	}
	return dst
}

// encodeRunes is for text with a character that the encoder does not know: a second
// spelling of another one, which like most of them has two bytes.
func (m multi) encodeRunes(dst, text []byte) []byte {
	e := m.NewEncoder()
	return eachRune(dst, text, func(dst []byte, r rune) []byte {
		stored, err := e.Bytes(utf8.AppendRune(nil, r))
		switch {
		case err != nil && r < 0x100:
			return append(dst, byte(r)) // Shift_JIS reads 0x80 as U+0080, and does not write it
		case err != nil:
			return append(dst, "??"...)
		}
		return append(dst, stored...)
	})
}

func (m multi) width(text []byte) int64 {
	plain := 0
	for plain < len(text) && text[plain] < utf8.RuneSelf {
		plain++
	}
	return int64(plain + len(m.encode(nil, text[plain:])))
}
