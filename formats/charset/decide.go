package charset

import (
	"bytes"
	"fmt"
)

// HeadLen is how many bytes of an object's beginning decide wants to see.
const HeadLen = 512

// marks are byte order marks, longer ones before those that they begin with.
var marks = []struct {
	bytes    string
	encoding *Encoding
}{
	{"\xff\xfe\x00\x00", unicodes["utf-32le"]}, {"\x00\x00\xfe\xff", unicodes["utf-32be"]},
	{"\xff\xfe", unicodes["utf-16le"]}, {"\xfe\xff", unicodes["utf-16be"]}, {mark, utf8Encoding},
}

// decide decides an object's encoding by its first bytes, its head, and by the encoding
// that was named for it; nil where none was. marked tells that a byte order mark decided.
// Without a name and a mark text is taken for UTF-8, but for text that has a NUL in
// every other byte: that is refused, with the cure.
func decide(head []byte, named *Encoding) (e *Encoding, marked bool, err error) {
	for _, m := range marks {
		if !bytes.HasPrefix(head, []byte(m.bytes)) {
			continue
		}
		switch {
		case named == nil:
			return m.encoding, m.encoding != utf8Encoding, nil
		case named == m.encoding, named.unit > 0 && named.scheme == nil && named.unit == m.encoding.unit:
			return m.encoding, true, nil
		}
		return nil, false, fmt.Errorf("it begins with the byte order mark of %s, and is said to be %s; leave the name out, or correct it", m.encoding, named)
	}
	switch {
	case named == nil:
		if wide := looksWide(head); wide != "" {
			return nil, false, fmt.Errorf("its bytes look like %s without a byte order mark; if it is, say --encoding %s", wide, wide)
		}
		return utf8Encoding, false, nil
	case named.unit > 0 && named.scheme == nil:
		return nil, false, fmt.Errorf("it has no byte order mark, so %s is not enough; name the byte order: %sle or %sbe", named, named, named)
	}
	return named, false, nil
}

// looksWide is the encoding that a head without a mark looks like: UTF-16 or UTF-32 in
// one byte order; "" for others.
func looksWide(head []byte) string {
	if bytes.IndexByte(head, 0) < 0 {
		return ""
	}
	for _, name := range []string{"utf-32le", "utf-32be", "utf-16le", "utf-16be"} {
		if unicodes[name].fits(head) {
			return name
		}
	}
	return ""
}

// leastUnits is how many units a head must have to be taken for UTF-16 or UTF-32.
const leastUnits = 2

// fits tells whether head can be text of e, and three of four units are ASCII. A NUL here
// and there is data of other text, and a whole object has whole units.
func (e *Encoding) fits(head []byte) bool {
	units, plain := len(head)/e.unit, 0
	if len(head) < HeadLen && len(head)%e.unit != 0 {
		return false
	}
	for i := range units {
		text, _ := e.scheme.decode(nil, head[i*e.unit:(i+1)*e.unit], true)
		switch c := text[0]; {
		case c == 0, c >= 0xf8 && e.unit == 4:
			return false // a NUL, or no character
		case len(text) == 1 && (c >= ' ' && c < 0x7f || c == '\t' || c == '\n' || c == '\r'):
			plain++
		}
	}
	return units >= leastUnits && 4*plain >= 3*units
}
