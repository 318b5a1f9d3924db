package json

import (
	"unicode/utf16"
	"unicode/utf8"
)

// hex is the value of each hexadecimal digit, and -1 for every other byte.
var hex = func() (t [256]int8) {
	for c := range t {
		t[c] = -1
	}
	for c := range 10 {
		t['0'+c] = int8(c)
	}
	for c := range 6 {
		t['a'+c], t['A'+c] = int8(10+c), int8(10+c)
	}
	return t
}()

// Unquote appends the text of lit, a valid string literal with its quotes, to
// dst. As in encoding/json, half a surrogate pair and each byte that is not
// UTF-8 become U+FFFD: records and answers with such text are refused before, by
// [Unicode]. The result does not alias lit.
func Unquote(dst, lit []byte) []byte {
	if len(lit) < 2 {
		return dst
	}
	in := lit[1 : len(lit)-1]
	for i := 0; i < len(in); {
		start := i
		for i < len(in) && in[i] != '\\' && in[i] < utf8.RuneSelf {
			i++
		}
		dst = append(dst, in[start:i]...)
		if i == len(in) {
			break
		}
		if in[i] == '\\' {
			dst, i = unescape(dst, in, i)
			continue
		}
		r, n := utf8.DecodeRune(in[i:])
		dst = utf8.AppendRune(dst, r)
		i += n
	}
	return dst
}

// unescape appends what the escape sequence at in[i] stands for, and returns
// the index behind it.
func unescape(dst, in []byte, i int) ([]byte, int) {
	if i+1 >= len(in) {
		return dst, len(in)
	}
	c := in[i+1]
	switch c {
	case 'b':
		c = '\b'
	case 'f':
		c = '\f'
	case 'n':
		c = '\n'
	case 'r':
		c = '\r'
	case 't':
		c = '\t'
	case 'u':
		r := unit(in, i)
		i += 6
		if utf16.IsSurrogate(r) {
			if pair := utf16.DecodeRune(r, unit(in, i)); pair != utf8.RuneError {
				return utf8.AppendRune(dst, pair), i + 6
			}
			r = utf8.RuneError
		}
		return utf8.AppendRune(dst, r), min(i, len(in))
	}
	return append(dst, c), i + 2
}

// unit is the UTF-16 code unit that \uXXXX at in[i] stands for, -1 if there is none.
func unit(in []byte, i int) rune {
	if i+6 > len(in) || in[i] != '\\' || in[i+1] != 'u' {
		return -1
	}
	var r rune
	for _, c := range in[i+2 : i+6] {
		r = r<<4 | rune(hex[c])
	}
	return r
}

// AppendString appends s as a JSON string literal. AppendString escapes what
// must be escaped and nothing else; each byte that is not UTF-8 becomes
// \ufffd, which only messages may show: see [formats.CheckText].
func AppendString(dst, s []byte) []byte {
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' && c < utf8.RuneSelf {
			i++
			continue
		}
		n := 1
		if c >= utf8.RuneSelf {
			var r rune
			if r, n = utf8.DecodeRune(s[i:]); r != utf8.RuneError || n > 1 {
				i += n
				continue
			}
		}
		dst = appendEscape(append(dst, s[start:i]...), c)
		i += n
		start = i
	}
	return append(append(dst, s[start:]...), '"')
}

// appendEscape appends the escape sequence for one byte.
func appendEscape(dst []byte, c byte) []byte {
	const digit = "0123456789abcdef"
	switch c {
	case '"', '\\':
		return append(dst, '\\', c)
	case '\n':
		return append(dst, `\n`...)
	case '\r':
		return append(dst, `\r`...)
	case '\t':
		return append(dst, `\t`...)
	}
	if c >= utf8.RuneSelf {
		return append(dst, `\ufffd`...)
	}
	return append(dst, '\\', 'u', '0', '0', digit[c>>4], digit[c&15])
}
