package formats

import (
	"fmt"
	"unicode/utf8"
)

// NotUTF8 is the index of the first byte of text that is no part of a character
// in UTF-8; -1 if there is none.
func NotUTF8(text []byte) int {
	if utf8.Valid(text) {
		return -1
	}
	for i := 0; i < len(text); {
		r, n := utf8.DecodeRune(text[i:])
		if r == utf8.RuneError && n == 1 {
			return i
		}
		i += n
	}
	return -1
}

// SayNotUTF8 says that text is not UTF-8 from its index at on.
func SayNotUTF8(text []byte, at int) string {
	return fmt.Sprintf("byte %d (0x%02x) is not UTF-8", at+1, text[at])
}

// CureNotUTF8 is what to do about a record of text that is not UTF-8.
const CureNotUTF8 = "correct the record, or name the file's encoding with --encoding, such as latin1 or windows-1252"

// CheckText adds a flaw for every record of text with a value that is not UTF-8, and
// so cannot stand in another format. wants tells which values have to: a value's place
// and its name, empty without; nil means all. A batch that is UTF-8 is searched once.
func CheckText(b *Batch, wants func(place int, name string) bool) {
	if utf8.Valid(b.Data) || b.Rows == nil {
		return
	}
	var row Row
	for i := range b.Recs {
		if b.Flaw(i) != nil || utf8.Valid(b.Record(i)) || b.Rows.Row(b, i, &row) != nil {
			continue // who renders the record looks whether Row can read it
		}
		if k, at := valueNotUTF8(&row, wants); k >= 0 {
			b.AddFlaw(i, ReasonUnicode, "%s%s; %s", where(&row, k), SayNotUTF8(row.Values[k].Text, at), CureNotUTF8)
		}
	}
}

// valueNotUTF8 is the place of the first value that is not UTF-8, and its byte that shows it; -1 for none.
func valueNotUTF8(row *Row, wants func(place int, name string) bool) (k, at int) {
	for k, v := range row.Values {
		name := ""
		if k < len(row.Names) {
			name = row.Names[k]
		}
		if at := NotUTF8(v.Text); at >= 0 && (wants == nil || wants(k, name)) {
			return k, at
		}
	}
	return -1, -1
}

// ColumnNotUTF8 names, for a message, the first column of record i that is not UTF-8; ""
// where that cannot be told.
func ColumnNotUTF8(b *Batch, i int) string {
	var row Row
	if b.Rows == nil || b.Rows.Row(b, i, &row) != nil {
		return ""
	}
	if k, _ := valueNotUTF8(&row, nil); k >= 0 {
		return where(&row, k)
	}
	return ""
}

// where names value k of a record in a message.
func where(row *Row, k int) string {
	switch {
	case row.Shape == Object:
		return fmt.Sprintf("column %.100q: ", row.Names[k])
	case row.Shape == List:
		return fmt.Sprintf("column %d (counted from 0): ", k)
	}
	return ""
}
