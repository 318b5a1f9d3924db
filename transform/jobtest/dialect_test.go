package jobtest

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/text/encoding/unicode"

	"github.com/batchmill/batchmill/formats/compress"
	"github.com/batchmill/batchmill/transform/codec"
	"github.com/batchmill/batchmill/transform/job"
	"github.com/batchmill/batchmill/transform/store"
)

// oddDialect is CSV that needs all of the flags about dialects.
func oddDialect(s *job.Spec) {
	s.Delimiter, s.Escape, s.Comment, s.SkipRows, s.Trim, s.Null = "semicolon", "backslash", "#", 2, true, "\\N"
}

// oddSkipped is how many lines of renderOdd are passed over.
const oddSkipped = 2 + 1 + 7

// renderOdd writes an object's records in oddDialect.
func renderOdd(records []matrixRecord) []byte {
	var b strings.Builder
	b.WriteString("sep=;\r\n\"a line that never closes\n# the header\n")
	line := func(fields []string) {
		for i, f := range fields {
			if i > 0 {
				b.WriteString(";")
			}
			switch {
			case f == "":
				f = "\\N"
			case strings.ContainsAny(f, "\"\\;#\n ") || strings.TrimSpace(f) != f:
				f = `"` + strings.NewReplacer(`"`, `\"`, `\`, `\\`).Replace(f) + `"`
			}
			b.WriteString([]string{"", " ", "\t"}[i%3] + f + []string{" ", "", "  "}[i%3])
		}
	}
	line(matrixColumns)
	b.WriteString("\r\r\n")
	for i := range records {
		line(fieldsOf(&records[i]))
		b.WriteString([]string{"\n", "\r\n", "\r\r\n"}[i%3] + "#\";\"\n")
	}
	return []byte(b.String())
}

// plainOfOdd makes plain CSV of text in oddDialect, byte by byte.
func plainOfOdd(text []byte) ([]byte, error) {
	var out bytes.Buffer
	w := csv.NewWriter(&out)
	var fields []string
	var field strings.Builder
	quoted, was := false, false // within quotes; the field had some
	end := func() {
		f := field.String()
		if !was {
			if f = strings.Trim(f, " \t\r"); f == "\\N" {
				f = ""
			}
		}
		fields, was = append(fields, f), false
		field.Reset()
	}
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '#' && len(fields) == 0 && field.Len() == 0 && !was && !quoted:
			return nil, fmt.Errorf("a comment at byte %d", i)
		case quoted && c == '\\':
			i++
			field.WriteByte(text[i])
		case c == '"' && !quoted:
			quoted, was = true, true
			field.Reset()
		case c == '"':
			quoted = false
		case quoted:
			field.WriteByte(c)
		case c == ';':
			end()
		case c == '\n':
			end()
			if len(fields) == 1 && fields[0] == "" {
				w.Flush()
				out.WriteString("\"\"\n") // the writer would make a blank line of it
			} else {
				_ = w.Write(fields)
			}
			fields = nil
		case !was:
			field.WriteByte(c)
		}
	}
	w.Flush()
	if quoted || fields != nil {
		return nil, fmt.Errorf("the last record does not end")
	}
	return out.Bytes(), w.Error()
}

// TestDialectInEveryPair: CSV in another dialect goes to hosts and outputs in every format as plain CSV does,
// compressed or not, in UTF-8 or UTF-16.
func TestDialectInEveryPair(t *testing.T) {
	oneBubble(t, func(t *testing.T) {
		inputs := map[string]*store.Memory{}
		for k, packing := range matrixPackings {
			packed, _ := compress.ByName(packing)
			inputs[packing] = store.NewMemory()
			for i, records := range matrixObjects() {
				text := renderOdd(records)
				if k%2 == 1 {
					text, _ = unicode.UTF16(unicode.LittleEndian, unicode.UseBOM).NewEncoder().Bytes(text)
				}
				if packing != "none" {
					text = pack(packed, text)
				}
				if err := inputs[packing].Put(objectName(i)+".csv"+packed.Ext(), text); err != nil {
					t.Fatal(err)
				}
			}
		}
		turn, cells := 0, 0
		defer func() { t.Attr("format_cells", strconv.Itoa(cells)) }()
		for c := range pairings() {
			if c.in != codec.FormatCSV || c.refused() != "" {
				continue
			}
			cells++
			turn = nextTurn(&c, turn)
			c.skipped, c.plain = oddSkipped, plainOfOdd
			c.runWith(t, inputs[c.packing], oddDialect, c.host(t))
			if t.Failed() {
				return
			}
		}
	})
}
