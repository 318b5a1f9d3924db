package json

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/batchmill/batchmill/formats"
)

func TestUnicode(t *testing.T) {
	for _, c := range []struct {
		text string
		at   int64 // -1: it is Unicode
	}{
		{`{"a":"é\u00e9\ud83d\ude00\ufffd"}`, -1},
		{`"\\ud83d"`, -1}, {`"\\\\ud83d\n"`, -1}, {`"ud83d"`, -1}, {`"\uD83D\uDE00"`, -1}, {`"\ud7ff\ue000"`, -1},
		{`"\ud83d"`, 1}, {`"a\\\ud83d"`, 4}, {`"\ude00\ud83d"`, 1}, {`"\ud83d\ud83d\ude00"`, 1}, {`"\ud83d\ude00\ude00"`, 13},
		{`"\ud83d\n\ude00"`, 1}, {`"\ud83d\\ude00"`, 1}, {`["x","\uDFFF"]`, 6}, {`{"\ud800":1}`, 2},
		{"\"a\xe9\"", 2}, {"\"\xed\xa0\xbd\"", 1}, {"[1,\"\xff\\ud83d\"]", 4},
	} {
		err := Unicode([]byte(c.text))
		var syntax *formats.SyntaxError
		if errors.As(err, &syntax) != (c.at >= 0) || c.at >= 0 && syntax.Offset != c.at || IsUnicode([]byte(c.text)) != (err == nil) {
			t.Errorf("%s: %v, want byte %d", c.text, err, c.at)
		}
		if (Sound([]byte(c.text)) == nil) != (c.at < 0) {
			t.Errorf("%s: sound %v", c.text, Sound([]byte(c.text)))
		}
	}
}

// FuzzUnicode: a valid literal is Unicode exactly if nothing of its text is repaired.
func FuzzUnicode(f *testing.F) {
	for _, text := range []string{`"\ud83d\ude00"`, `"\ud83d"`, "\"\xff\"", `"\\ud83d"`, `"\ufffd"`, "\"\ufffd\""} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if Valid(text) != nil || len(text) < 2 || text[0] != '"' || text[len(text)-1] != '"' {
			return
		}
		repaired := strings.Count(string(Unquote(nil, text)), "\ufffd")
		meant := 0
		for i := 0; i < len(text); {
			switch {
			case text[i] == '\\' && unit(text, i) == utf8.RuneError:
				meant++
				i += 6
			case text[i] == '\\':
				i += 2
			case strings.HasPrefix(string(text[i:min(i+3, len(text))]), "\ufffd"):
				meant++
				i += 3
			default:
				i++
			}
		}
		if (Unicode(text) == nil) != (repaired == meant) {
			t.Errorf("%q: %v, but %d of %d U+FFFD are meant", text, Unicode(text), meant, repaired)
		}
	})
}
