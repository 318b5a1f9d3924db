// Package charset reads text of other encodings as UTF-8. What an encoding has no
// character for is never replaced: a byte that cannot be decoded becomes an escape
// that is not UTF-8, so that no reader of text takes the byte for a character, and
// [Check] makes the record a reject. The escape keeps the byte: a stored record can
// be made again, and so can its place in the stored object.
package charset

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/encoding/ianaindex"

	"github.com/batchmill/batchmill/formats"
)

// An Encoding is how text is stored. UTF-8 is an Encoding too, in which nothing is
// decoded and everything is checked.
type Encoding struct {
	name   string
	scheme scheme // nil for UTF-8, and for UTF-16 and UTF-32 whose byte order is not known
	unit   int    // bytes of a unit of UTF-16 and UTF-32; 0 for others
}

// A scheme turns stored bytes into UTF-8 and back. A scheme does not change, and many
// goroutines may use it at once.
type scheme interface {
	// decode appends the text of src to dst, with an escape for each byte that has no
	// text, and tells how many bytes it took. The rest begins a character whose end is
	// not in src, and comes again; with end there is no rest.
	decode(dst, src []byte, end bool) ([]byte, int)
	// encode appends the stored bytes of text that decode has made.
	encode(dst, text []byte) []byte
	// width is how many bytes encode would append.
	width(text []byte) int64
}

// String is the name that the encoding was asked for by.
func (e *Encoding) String() string { return e.name }

// Identity tells whether stored text is UTF-8 already.
func (e *Encoding) Identity() bool { return e.scheme == nil && e.unit == 0 }

var utf8Encoding = &Encoding{name: "utf-8"}

// unicodes are the encodings of Unicode by name. Where the name does not say the byte
// order, a byte order mark has to.
var unicodes = map[string]*Encoding{
	"utf-8": utf8Encoding, "utf8": utf8Encoding, "us-ascii": utf8Encoding, "ascii": utf8Encoding,
	"utf-16": {name: "utf-16", unit: 2}, "utf16": {name: "utf-16", unit: 2},
	"utf-16le": {name: "utf-16le", scheme: utf16{}, unit: 2}, "utf-16be": {name: "utf-16be", scheme: utf16{big: true}, unit: 2},
	"utf-32": {name: "utf-32", unit: 4}, "utf32": {name: "utf-32", unit: 4},
	"utf-32le": {name: "utf-32le", scheme: utf32{}, unit: 4}, "utf-32be": {name: "utf-32be", scheme: utf32{big: true}, unit: 4},
}

// stateful are encodings in which the meaning of a byte depends on bytes far before it.
var stateful = []string{"iso-2022-jp", "csiso2022jp", "iso-2022-kr", "iso-2022-cn", "hz-gb-2312", "utf-7"}

// Find is the encoding of a name, as IANA registers names, or else as browsers know them.
func Find(name string) (*Encoding, error) {
	key := strings.ToLower(strings.TrimSpace(name))
	if e, ok := unicodes[key]; ok {
		return e, nil
	}
	if slices.Contains(stateful, key) {
		return nil, fmt.Errorf("%.100q is an encoding with states, which is not read; convert the text first, for example with: iconv -f %s -t utf-8", name, key)
	}
	for _, spelling := range []string{key, strings.ReplaceAll(key, "_", "-"), strings.Replace(key, "latin-", "latin", 1)} {
		enc, err := ianaindex.IANA.Encoding(spelling)
		if err != nil || enc == nil {
			enc, err = htmlindex.Get(spelling)
		}
		if err != nil || enc == nil || enc == encoding.Replacement {
			continue
		}
		if one, ok := enc.(*charmap.Charmap); ok {
			return &Encoding{name: key, scheme: newOneByte(one)}, nil
		}
		return &Encoding{name: key, scheme: multi{enc}}, nil
	}
	return nil, fmt.Errorf("%.100q is no encoding that is known; use a name such as utf-8, latin1, windows-1252, utf-16le, shift_jis or gb18030", name)
}

// Text is the text of data as UTF-8, a byte order mark left out. Decode has failed at
// byte at of data, if that is not negative.
func (e *Encoding) Text(data []byte) (text []byte, at int64, err error) {
	e, _, err = decide(data, e)
	if err != nil || e.Identity() {
		return data, -1, err
	}
	text, _ = e.scheme.decode(make([]byte, 0, len(data)+len(data)/8+utf8.UTFMax), data, true)
	if wrong := formats.NotUTF8(text); wrong >= 0 {
		return nil, e.scheme.width(text[:wrong]), nil
	}
	if e.unit > 0 && len(text) >= len(mark) && string(text[:len(mark)]) == mark {
		text = text[len(mark):]
	}
	return text, -1, nil
}

// mark is a byte order mark as UTF-8.
const mark = "\xef\xbb\xbf"

// escapeLen is how many bytes an escape of one byte takes. Each is 0xf8 or more, which
// no character of UTF-8 holds.
const escapeLen = 3

func appendEscape(dst []byte, c byte) []byte {
	return append(dst, 0xf8|c>>6, 0xf8|c>>3&7, 0xf8|c&7)
}

// escaped is the byte that an escape at the beginning of text stands for.
func escaped(text []byte) (byte, bool) {
	if len(text) < escapeLen || text[0] < 0xf8 {
		return 0, false
	}
	return text[0]&7<<6 | text[1]&7<<3 | text[2]&7, true
}

// stored is how a batch's text stands in its object.
type stored struct{ scheme }

func (s stored) Width(text []byte) int64   { return s.width(text) }
func (s stored) Encode(text []byte) []byte { return s.encode(nil, text) }
