package csv

import (
	"bytes"
	"errors"
	"math"

	"github.com/batchmill/batchmill/formats"
)

// Decoder finds the answers in a text/csv response: one CSV record each. Line
// breaks inside quotes belong to the answer; blank lines are no answers. An
// answer that means "nothing" is therefore written "". CRs that end an
// unquoted answer are a broken line end (CR CR LF, or half a CRLF) and no part
// of the answer: as data the CRs would join with the LF behind an output
// record.
type Decoder struct {
	Dialect
	// IsHeader tells by its fields whether a response's first record is a header, which is
	// no answer; nil where no response has one.
	IsHeader func(fields []string) bool
}

var errTooLong = errors.New("response of 4 GiB or more; lower --max-response")

// Decode implements formats.Decoder. The answers have CSVForm.
func (d *Decoder) Decode(dst []formats.Answer, body []byte, want int) ([]formats.Answer, []byte, error) {
	dialect := d.orDefault()
	if len(body) > math.MaxUint32 {
		return dst, body, &formats.SyntaxError{Message: errTooLong.Error()}
	}
	body = bytes.TrimSuffix(body, []byte("\r"))
	found := finder{dst: dst, want: want}
	from := d.pastHeader(body, dialect)
	var err error
	if bytes.IndexByte(body, dialect.Quote) < 0 {
		found.lines(body, from)
	} else {
		err = found.records(body, from, &cutter{dialect})
	}
	if err != nil {
		return dst, body, err
	}
	if found.got != want {
		return dst, body, &formats.CountError{Got: found.got, Want: want}
	}
	return found.dst, body, nil
}

// pastHeader is where the answers begin: behind the first record, if that is a header.
func (d *Decoder) pastHeader(body []byte, dialect Dialect) int {
	if d.IsHeader == nil {
		return 0
	}
	c := &cutter{dialect}
	for start := 0; start < len(body); {
		cut := c.Cut(body[start:], formats.EOF)
		switch {
		case cut.Flaw != "":
			return 0
		case cut.Blank:
			start += cut.N
			continue
		case d.IsHeader(dialect.fieldTexts(body[start : start+cut.N])):
			return start + cut.N
		}
		return 0
	}
	return 0
}

// fieldTexts are the fields of a record as text, without the spaces around them.
func (d Dialect) fieldTexts(rec []byte) (fields []string) {
	rec = bytes.TrimRight(rec, "\r\n")
	for _, at := range d.fields(nil, rec) {
		fields = append(fields, string(bytes.TrimSpace(d.unquote(nil, rec[at.Start:at.End]))))
	}
	return fields
}

// Whole implements formats.Decoder: Whole asks for the final line end. Decode
// finds whether the line end stands outside quotes.
func (d *Decoder) Whole(body []byte) bool {
	return len(body) > 0 && body[len(body)-1] == '\n'
}

// finder collects answers. A finder counts on past want, for the error
// message, but a response of line ends cannot make a finder take more memory
// than want answers need.
type finder struct {
	dst       []formats.Answer
	got, want int
}

func (f *finder) add(body []byte, start, end int) {
	rec, _ := split(body[start:end])
	for len(rec) > 0 && rec[len(rec)-1] == '\r' {
		rec = rec[:len(rec)-1]
	}
	if f.got++; f.got <= f.want {
		f.dst = append(f.dst, formats.Answer{Start: uint32(start), End: uint32(start + len(rec)), Form: formats.CSVForm})
	}
}

// lines finds answers in a body without quotes, where lines are records, from an index on.
func (f *finder) lines(body []byte, start int) {
	for start < len(body) {
		end := bytes.IndexByte(body[start:], '\n') + 1 + start
		if end == start {
			end = len(body)
		}
		if !blank(body[start:end]) {
			f.add(body, start, end)
		}
		start = end
	}
}

func (f *finder) records(body []byte, start int, c *cutter) error {
	for start < len(body) {
		cut := c.Cut(body[start:], formats.EOF)
		if cut.Flaw != "" {
			return &formats.SyntaxError{Offset: int64(start), Message: cut.Message}
		}
		if !cut.Blank {
			f.add(body, start, start+cut.N)
		}
		start += cut.N
	}
	return nil
}
