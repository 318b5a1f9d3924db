package json

import (
	"bytes"
	"slices"
)

// specials are the words that some programs write into JSON for numbers that JSON has no digits for.
var specials = [...]string{"NaN", "-Infinity", "Infinity"}

// QuoteSpecials makes strings of the bare words NaN, Infinity and -Infinity where values
// may stand: "NaN" and so on. All else, text that is not valid included, stays as it is. The
// result is data itself where no such word stands in it.
func QuoteSpecials(data []byte) []byte {
	if !bytes.Contains(data, []byte(specials[0])) && !bytes.Contains(data, []byte(specials[2])) {
		return data
	}
	var out []byte
	kept := 0
	for i := 0; i < len(data); {
		if data[i] == '"' {
			i = pastLiteral(data, i+1)
			continue
		}
		word := specialAt(data, i)
		if word == "" {
			i++
			continue
		}
		out = append(append(out, data[kept:i]...), '"')
		out = append(append(out, word...), '"')
		i += len(word)
		kept = i
	}
	if kept == 0 {
		return data
	}
	return append(out, data[kept:]...)
}

// IsSpecial tells whether value, valid and trimmed, is a string of one of the words that [QuoteSpecials] makes strings of.
func IsSpecial(value []byte) bool {
	return len(value) > 2 && value[0] == '"' && slices.Contains(specials[:], string(value[1:len(value)-1]))
}

// specialAt is the word that stands at data[i] by itself, "" for none.
func specialAt(data []byte, i int) string {
	if c := data[i]; c != 'N' && c != 'I' && c != '-' {
		return ""
	}
	for _, word := range specials {
		if bytes.HasPrefix(data[i:], []byte(word)) && ends(data, i-1) && ends(data, i+len(word)) {
			return word
		}
	}
	return ""
}

// ends tells whether a word may end beside data[i].
func ends(data []byte, i int) bool {
	if i < 0 || i >= len(data) {
		return true
	}
	switch data[i] {
	case ' ', '\t', '\n', '\r', ',', ':', '[', ']', '{', '}':
		return true
	}
	return false
}
