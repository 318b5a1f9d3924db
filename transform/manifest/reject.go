package manifest

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxMessage is the most bytes of a message that a reject keeps.
const maxMessage = 1 << 10

// A Reject is a record that got no answer: one line of a rejects file.
type Reject struct {
	Object   string // the input's path below --input
	Record   int64  // its number in the object, from 1
	Offset   int64  // where the record begins in the (decompressed) object, in bytes
	Reason   string // machine-readable
	Status   int    // the host's last HTTP status; 0 where no host was asked or none answered
	Host     string // the last host that was asked; empty where none was
	Attempts int    // how many tries with the record failed, in batches and alone
	Message  string // one line for people; written are the first 1 KiB
	Data     []byte // the record's bytes as they stood in the object
}

// AppendReject appends r to dst as one line of JSON with a newline. Data that
// is not UTF-8 stands in base64 under "data_base64", so that the exact bytes can always be
// had back; in the other texts, U+FFFD stands for bytes that are not UTF-8.
func AppendReject(dst []byte, r *Reject) []byte {
	dst = appendString(append(dst, `{"object":`...), r.Object)
	dst = strconv.AppendInt(append(dst, `,"record":`...), r.Record, 10)
	dst = strconv.AppendInt(append(dst, `,"offset":`...), r.Offset, 10)
	dst = appendString(append(dst, `,"reason":`...), r.Reason)
	dst = strconv.AppendInt(append(dst, `,"status":`...), int64(r.Status), 10)
	dst = appendString(append(dst, `,"host":`...), r.Host)
	dst = strconv.AppendInt(append(dst, `,"attempts":`...), int64(r.Attempts), 10)
	dst = appendString(append(dst, `,"message":`...), cut(r.Message))
	if utf8.Valid(r.Data) {
		dst = appendString(append(dst, `,"data":`...), r.Data)
	} else {
		dst = append(dst, `,"data_base64":"`...)
		dst = base64.StdEncoding.AppendEncode(dst, r.Data)
		dst = append(dst, '"')
	}
	return append(dst, '}', '\n')
}

// DecodeReject reads one line of a rejects file, with or without its newline.
func DecodeReject(line []byte) (Reject, error) {
	var j struct {
		Reject            // the keys are the fields' names
		Data       string // hides Reject.Data, which encoding/json would take for base64
		DataBase64 []byte `json:"data_base64"`
	}
	if err := json.Unmarshal(line, &j); err != nil {
		return Reject{}, fmt.Errorf("rejects file: %w", err)
	}
	r := j.Reject
	r.Data = j.DataBase64
	if r.Data == nil {
		r.Data = []byte(j.Data)
	}
	return r, nil
}

// cut makes s valid and at most maxMessage bytes long, without splitting a rune.
func cut(s string) string {
	s = strings.ToValidUTF8(clip(s, 4*maxMessage), "\uFFFD") // clipped first, as s may be huge
	return clip(s, maxMessage)
}

// clip is the first n bytes of s, or a few less where n bytes would split a rune.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for i := n; i > n-utf8.UTFMax && i > 0; i-- {
		if utf8.RuneStart(s[i]) {
			return s[:i]
		}
	}
	return s[:n] // not UTF-8 at all
}

// appendString appends s as a JSON string, on one line whatever stands in it.
func appendString[S string | []byte](dst []byte, s S) []byte {
	dst = append(dst, '"')
	from := 0 // s[from:i] needs no escape
	for i := 0; i < len(s); {
		c := s[i]
		if c >= 0x20 && c != '"' && c != '\\' && c < utf8.RuneSelf {
			i++
			continue
		}
		size, escape := 1, escapes[c%utf8.RuneSelf]
		if c >= utf8.RuneSelf {
			size, escape = wide(s[i:min(i+utf8.UTFMax, len(s))])
			if escape == "" {
				i += size
				continue
			}
		}
		dst = append(append(dst, s[from:i]...), escape...)
		i += size
		from = i
	}
	return append(append(dst, s[from:]...), '"')
}

// wide is the length of the rune that s begins with, and what is written in its
// place: a line separator, which some readers take for a line's end, or no UTF-8.
func wide[S string | []byte](s S) (size int, escape string) {
	r, size := utf8.DecodeRuneInString(string(s))
	switch {
	case r == utf8.RuneError && size == 1:
		return 1, `\ufffd`
	case r == '\u0085':
		return size, `\u0085`
	case r == '\u2028':
		return size, `\u2028`
	case r == '\u2029':
		return size, `\u2029`
	}
	return size, ""
}

// escapes holds what stands for each ASCII character that needs it.
var escapes = func() (t [utf8.RuneSelf]string) {
	for c := range 0x20 {
		t[c] = fmt.Sprintf(`\u%04x`, c)
	}
	t['\n'], t['\r'], t['\t'] = `\n`, `\r`, `\t`
	t['"'], t['\\'] = `\"`, `\\`
	return t
}()
