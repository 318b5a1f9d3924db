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
// of it: as data they would join with the LF behind an output record.
type Decoder struct{ Dialect }

var errTooLong = errors.New("response of 4 GiB or more; lower --max-response")

// Decode implements formats.Decoder. The answers have CSVForm.
func (d *Decoder) Decode(dst []formats.Answer, body []byte, want int) ([]formats.Answer, []byte, error) {
	dialect := d.orDefault()
	if len(body) > math.MaxUint32 {
		return dst, body, &formats.SyntaxError{Message: errTooLong.Error()}
	}
	body = bytes.TrimSuffix(body, []byte("\r"))
	found := finder{dst: dst, want: want}
	var err error
	if bytes.IndexByte(body, dialect.Quote) < 0 {
		found.lines(body)
	} else {
		err = found.records(body, &cutter{dialect})
	}
	if err != nil {
		return dst, body, err
	}
	if found.got != want {
		return dst, body, &formats.CountError{Got: found.got, Want: want}
	}
	return found.dst, body, nil
}

// Whole implements formats.Decoder: it asks for the final line end. That it
// stands outside quotes is Decode's to find.
func (d *Decoder) Whole(body []byte) bool {
	return len(body) > 0 && body[len(body)-1] == '\n'
}

// finder collects answers; it counts on past want, for the error message, but
// a response of line ends cannot make it take more memory than was asked for.
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

// lines finds answers in a body without quotes, where lines are records.
func (f *finder) lines(body []byte) {
	for start := 0; start < len(body); {
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

func (f *finder) records(body []byte, c *cutter) error {
	for start := 0; start < len(body); {
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
