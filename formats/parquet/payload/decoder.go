package payload

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"unicode/utf8"

	"github.com/batchmill/batchmill/formats"
	"github.com/batchmill/batchmill/formats/json"
	"github.com/batchmill/batchmill/formats/parquet"
)

// A Decoder finds the answers in a response that is a Parquet file: row i is
// the answer of record i. A file of one column has its values as answers, a
// file of more columns JSON objects with a member for each column. Values are
// written as package text has them.
type Decoder struct {
	// Options bound what the file may ask for.
	Options parquet.Options
	// MaxText bounds the text of all answers together, in bytes; 0 means
	// 64 MiB and eight times the response.
	MaxText int
}

var _ formats.Decoder = Decoder{}

// Whole implements formats.Decoder: the file's end says where its footer
// begins, and that is inside the file.
func (Decoder) Whole(body []byte) bool {
	const ends = 2*len(magic) + 4
	n := len(body)
	return n >= ends && string(body[:len(magic)]) == magic && string(body[n-len(magic):]) == magic &&
		int64(binary.LittleEndian.Uint32(body[n-8:])) <= int64(n-ends)
}

// Decode implements formats.Decoder. The answers have JSONForm; the text that
// the answers stand in is new.
func (d Decoder) Decode(dst []formats.Answer, body []byte, want int) ([]formats.Answer, []byte, error) {
	f, err := parquet.Open(bytes.NewReader(body), int64(len(body)), d.Options)
	if err != nil {
		return dst, body, syntax(err)
	}
	if f.NumRows() != int64(want) {
		return dst, body, &formats.CountError{Got: int(min(f.NumRows(), math.MaxInt)), Want: want}
	}
	schema := f.Schema()
	if len(schema.Names) == 0 {
		return dst, body, &formats.SyntaxError{Message: "a Parquet file without columns"}
	}
	for _, name := range schema.Names {
		if !utf8.ValidString(name) {
			return dst, body, &formats.SyntaxError{Message: fmt.Sprintf("a column is called %.100q, which is not UTF-8", name)}
		}
	}
	t := table{in: parquet.NewReader(f, schema, nil), most: d.maxText(len(body)), list: dst}
	if err := t.read(want); err != nil {
		return dst, body, syntax(err)
	}
	if got := len(t.list) - len(dst); got != want {
		return dst, body, &formats.CountError{Got: got, Want: want}
	}
	return t.list, t.text, nil
}

func (d Decoder) maxText(body int) int {
	most := d.MaxText
	if most <= 0 {
		most = 64<<20 + 8*body
	}
	return min(most, math.MaxUint32)
}

// syntax makes an error of package parquet an error of a response.
func syntax(err error) error {
	var known *formats.SyntaxError
	if errors.As(err, &known) {
		return known
	}
	var broken *parquet.FormatError
	if !errors.As(err, &broken) {
		return &formats.SyntaxError{Message: err.Error()}
	}
	if broken.Column != "" {
		return &formats.SyntaxError{Offset: broken.Offset, Message: fmt.Sprintf("column %.200q: %s", broken.Column, broken.Message)}
	}
	return &formats.SyntaxError{Offset: broken.Offset, Message: broken.Message}
}

// batchBytes is how many bytes of values are decoded at a time.
const batchBytes = 4 << 20

// A table turns a file's rows into answers.
type table struct {
	in   formats.Reader
	most int // bytes of text
	row  formats.Row
	list []formats.Answer
	text []byte
}

// read reads all rows, which are want by the footer.
func (t *table) read(want int) error {
	var b formats.Batch
	for {
		err := t.in.Next(&b, formats.Caps{Records: max(want, 1), Bytes: batchBytes})
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		t.in.Check(&b)
		if len(b.Flaws) > 0 {
			return &formats.SyntaxError{Message: fmt.Sprintf("answer %d: %s", b.First+int64(b.Flaws[0].Index), b.Flaws[0].Message)}
		}
		for i := range b.Len() {
			if err := t.answer(&b, i); err != nil {
				return err
			}
		}
	}
}

// answer appends the answer that row i of b is.
func (t *table) answer(b *formats.Batch, i int) error {
	if err := b.Rows.Row(b, i, &t.row); err != nil {
		return err
	}
	start := len(t.text)
	if len(t.row.Values) == 1 {
		t.text = appendValue(t.text, t.row.Values[0])
	} else {
		t.text = appendObject(t.text, &t.row)
	}
	if len(t.text) > t.most {
		return &formats.SyntaxError{Message: fmt.Sprintf("the text of answers 1 to %d takes more than %d bytes; lower --batch-records", b.First+int64(i), t.most)}
	}
	t.list = append(t.list, formats.Answer{Start: uint32(start), End: uint32(len(t.text)), Form: formats.JSONForm})
	return nil
}

func appendObject(dst []byte, r *formats.Row) []byte {
	dst = append(dst, '{')
	for k, v := range r.Values {
		if k > 0 {
			dst = append(dst, ',')
		}
		dst = append(json.AppendString(dst, []byte(r.Names[k])), ':')
		dst = appendValue(dst, v)
	}
	return append(dst, '}')
}

func appendValue(dst []byte, v formats.Value) []byte {
	switch v.Kind {
	case formats.Null:
		return append(dst, "null"...)
	case formats.String:
		return json.AppendString(dst, v.Text)
	}
	return append(dst, v.Text...)
}
