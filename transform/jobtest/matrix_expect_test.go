package jobtest

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/batchmill/batchmill/transform/codec"
	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// sentColumns are the columns that hosts get, in the order of a CSV payload.
func (c *pairing) sentColumns() []string {
	if c.inFilter {
		return []string{"x", "id"}
	}
	return matrixColumns
}

// sent is a cell as the payload shows it.
func (c *pairing) sent(v cell, name string) cell {
	switch c.payload {
	case "csv":
		return cell{'t', v.text}
	case "parquet":
		return c.stored(v, name)
	}
	return v
}

// stored is a cell in a Parquet column, whose type was settled by the input.
func (c *pairing) stored(v cell, name string) cell {
	switch {
	case c.in == codec.FormatParquet:
	case name == "big" && c.in == codec.FormatCSV:
		return cell{'s', v.text} // neither integers of 64 bits nor doubles, all of them
	case name == "price":
		f, _ := strconv.ParseFloat(v.text, 64)
		return cell{'n', formatNumber(f)}
	}
	return v
}

// expect is what the output of an object has to hold.
func (c *pairing) expect(records []matrixRecord) *sheet {
	s := new(sheet)
	columns, answers := c.writtenColumns(), c.answerColumns()
	if c.out == codec.FormatJSONL {
		answers = []string{"prediction"} // an answer is one value there
	}
	switch {
	case c.out == codec.FormatLines, c.out == codec.FormatJSONL && c.join == "none", c.out == codec.FormatCSV && c.in == codec.FormatLines:
	default:
		s.names = slices.Concat(columns, answers)
	}
	for i := range records {
		r := &records[i]
		poisoned := c.bad != "" && r.ID == poisonID
		if poisoned && c.bad == "skip" {
			continue
		}
		var row []cell
		for _, name := range columns {
			row = append(row, c.written(r.asRead(c.in)[name], name))
		}
		if poisoned {
			row = append(row, slices.Repeat([]cell{c.none()}, len(answers))...)
		} else {
			row = append(row, c.answerCells(answer{r.ID, r.X})...)
		}
		s.rows = append(s.rows, row)
	}
	return s
}

// writtenColumns are the input's columns in the output.
func (c *pairing) writtenColumns() []string {
	switch {
	case c.join == "none":
		return nil
	case c.outFilter && c.out == codec.FormatJSONL:
		return []string{"id", "name"} // members keep their order
	case c.outFilter:
		return []string{"name", "id"}
	}
	return matrixColumns
}

func (c *pairing) written(v cell, name string) cell {
	switch c.out {
	case codec.FormatCSV:
		return cell{'t', v.text}
	case codec.FormatParquet:
		return c.stored(v, name)
	}
	return v
}

// none is an answer that there is not.
func (c *pairing) none() cell {
	if c.out == codec.FormatCSV || c.out == codec.FormatLines {
		return cell{kind: 't'}
	}
	return cell{kind: '0'}
}

// answerColumns are the columns that answers take.
func (c *pairing) answerColumns() []string {
	switch {
	case c.named && (c.answer == "list" || c.answer == "object"):
		return []string{"label", "score"}
	case c.named:
		return []string{"value"}
	case c.answer == "list" && (c.out == codec.FormatCSV || c.out == codec.FormatParquet && c.response == "csv"):
		return []string{"prediction_1", "prediction_2"}
	case c.answer == "object" && (c.out == codec.FormatCSV || c.out == codec.FormatParquet):
		return []string{"prediction_score", "prediction_label"}
	}
	return []string{"prediction"}
}

// answerCells is an answer in the output.
func (c *pairing) answerCells(a answer) []cell {
	switch c.out {
	case codec.FormatCSV:
		if c.answer == "object" {
			score, label := cell{'t', formatNumber(a.number())}, cell{'t', a.text()}
			if c.named {
				return []cell{label, score}
			}
			return []cell{score, label}
		}
		var row []cell
		for _, f := range a.fields(c.answer) {
			row = append(row, cell{'t', f})
		}
		return row
	case codec.FormatLines:
		return []cell{{'t', c.answerLine(a)}}
	case codec.FormatParquet:
		if n := len(c.answerColumns()); n == 2 && c.answer == "list" {
			return []cell{{'n', formatNumber(a.list()[0])}, {'n', formatNumber(a.list()[1])}}
		} else if n == 2 && c.named {
			return []cell{{'s', a.text()}, {'n', formatNumber(a.number())}}
		} else if n == 2 {
			return []cell{{'n', formatNumber(a.number())}, {'s', a.text()}}
		}
	}
	if c.named && c.out == codec.FormatJSONL {
		return []cell{jsonCell([]byte(c.namedObject(a)))}
	}
	if c.response == "lines" { // opaque text is a string, whatever it looks like
		return []cell{{'s', a.fields(c.answer)[0]}}
	}
	return []cell{jsonCell([]byte(a.json(c.answer)))}
}

// namedObject is an answer in JSON Lines under --answer-columns.
func (c *pairing) namedObject(a answer) string {
	switch c.answer {
	case "list":
		return fmt.Sprintf(`{"label":%s,"score":%s}`, formatNumber(a.list()[0]), formatNumber(a.list()[1]))
	case "object":
		label, _ := json.Marshal(a.text())
		return fmt.Sprintf(`{"label":%s,"score":%s}`, label, formatNumber(a.number()))
	}
	value := a.json(c.answer)
	if c.response == "lines" {
		text, _ := json.Marshal(a.fields(c.answer)[0])
		value = string(text)
	}
	return `{"value":` + value + "}"
}

// answerLine is an answer as a line of text: as the host wrote it.
func (c *pairing) answerLine(a answer) string {
	switch {
	case c.response == "lines":
		return strings.Join(a.fields(c.answer), ",")
	case c.response == "csv" && c.answer == "string":
		return `"` + strings.ReplaceAll(a.text(), `"`, `""`) + `"`
	case c.response == "csv":
		return strings.Join(a.fields(c.answer), ",")
	}
	return a.json(c.answer)
}

// outName is where object i goes.
func (c *pairing) outName(i int) string {
	name := objectName(i) + matrixExtension[c.out]
	if c.out == codec.FormatParquet {
		return name
	}
	return name + map[string]string{"": "", "none": "", "gzip": ".gz", "zstd": ".zst", "snappy": ".sz", "lz4": ".lz4"}[c.compression]
}

// readOutput decodes an output by other means than the product's.
func (c *pairing) readOutput(data []byte) (*sheet, error) {
	if c.out == codec.FormatParquet {
		return readParquet(data)
	}
	data, err := unpack(c.compression, data)
	if err != nil {
		return nil, err
	}
	switch c.out {
	case codec.FormatCSV:
		if c.plain != nil {
			if data, err = c.plain(data); err != nil {
				return nil, err
			}
		}
		return readCSV(data, c.in != codec.FormatLines)
	case codec.FormatLines:
		return readLines(data), nil
	}
	lines, err := jsonLines(data)
	if err != nil || c.join == "input" {
		s, other := readObjects(lines)
		if err == nil {
			err = other
		}
		return s, err
	}
	s := new(sheet)
	for _, line := range lines {
		s.rows = append(s.rows, []cell{jsonCell(line)})
	}
	return s, nil
}

func unpack(compression string, data []byte) ([]byte, error) {
	var r io.Reader = bytes.NewReader(data)
	switch compression {
	case "gzip":
		z, err := gzip.NewReader(r)
		if err != nil {
			return nil, err
		}
		r = z
	case "zstd":
		z, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1))
		if err != nil {
			return nil, err
		}
		defer z.Close()
		return z.DecodeAll(data, nil)
	case "snappy":
		r = snappy.NewReader(r)
	case "lz4":
		r = lz4.NewReader(r)
	}
	return io.ReadAll(r)
}

// differs says where two sheets are not the same, "" if nowhere.
func (s *sheet) differs(want *sheet) string {
	if !slices.Equal(s.names, want.names) {
		return fmt.Sprintf("columns %q, want %q", s.names, want.names)
	}
	for i := range min(len(s.rows), len(want.rows)) {
		if !slices.Equal(s.rows[i], want.rows[i]) {
			return fmt.Sprintf("record %d is\n%v, want\n%v", i+1, s.rows[i], want.rows[i])
		}
	}
	if len(s.rows) != len(want.rows) {
		return fmt.Sprintf("%d records, want %d", len(s.rows), len(want.rows))
	}
	return ""
}
