package jobtest

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/batchmill/batchmill/transform/codec"
	"github.com/batchmill/batchmill/workers"
)

// matrixHost decodes payloads by itself, holds every field of every record
// against the input, and answers from what it has decoded.
type matrixHost struct {
	t       *testing.T
	c       *pairing
	records map[int64]*matrixRecord
	asked   atomic.Int64
}

func (c *pairing) host(t *testing.T) *matrixHost {
	h := &matrixHost{t: t, c: c, records: map[int64]*matrixRecord{}}
	for _, records := range matrixObjects() {
		for i := range records {
			h.records[records[i].ID] = &records[i]
		}
	}
	return h
}

func (h *matrixHost) Name() string { return "host" }

func (h *matrixHost) Ready(context.Context) (workers.Parameters, error) {
	return workers.Parameters{}, nil
}

func (h *matrixHost) Invoke(ctx context.Context, r *workers.Request) (workers.Response, error) {
	if err := think(ctx, time.Duration(1+r.First*7%5)*time.Millisecond); err != nil { // later batches are often quicker
		return workers.Response{}, err
	}
	s, err := h.c.readPayload(r)
	if err != nil {
		h.t.Errorf("%v: a payload of %q cannot be read: %v\n%.300q", *h.c, r.ContentType, err, r.Body)
		return workers.Response{Status: 400}, nil
	}
	var answers []answer
	for i := range s.rows {
		a, ok := h.answer(s, i)
		if !ok || a.id == poisonID && h.c.bad != "" {
			return workers.Response{Status: 400, Body: []byte("no")}, nil
		}
		answers = append(answers, a)
	}
	body := h.c.renderAnswers(h.t, answers)
	if r.Reserve != nil {
		if err := r.Reserve(ctx, len(body)); err != nil {
			return workers.Response{}, err
		}
	}
	return workers.Response{Status: 200, ContentType: r.Accept, Body: append(r.Into[:0], body...)}, nil
}

// answer checks row i and answers it.
func (h *matrixHost) answer(s *sheet, i int) (answer, bool) {
	if h.c.in == codec.FormatLines {
		return h.answerLine(s, i)
	}
	id, _ := s.column(i, "id")
	x, _ := s.column(i, "x")
	n, err := strconv.ParseInt(id.text, 10, 64)
	r := h.records[n]
	if err != nil || r == nil {
		h.t.Errorf("%v: a record with the id %v was sent", *h.c, id)
		return answer{}, false
	}
	for k, name := range s.names {
		if want := h.c.sent(r.asRead(h.c.in)[name], name); s.rows[i][k] != want {
			h.t.Errorf("%v: record %d: %s was sent as %v, want %v", *h.c, n, name, s.rows[i][k], want)
		}
	}
	v, _ := strconv.ParseFloat(x.text, 64)
	h.asked.Add(1)
	return answer{n, v}, true
}

func (h *matrixHost) answerLine(s *sheet, i int) (answer, bool) {
	a, _ := parseLine(s.rows[i][0].text)
	r := h.records[a.id]
	if r == nil || len(s.rows[i]) != 1 || s.rows[i][0].text != r.line() {
		h.t.Errorf("%v: %v was sent as line %d", *h.c, s.rows[i], i)
		return answer{}, false
	}
	h.asked.Add(1)
	return a, true
}

func parseLine(line string) (a answer, err error) {
	_, err = fmt.Sscan(line, &a.id, &a.x)
	return a, err
}

// readPayload decodes a request, and checks that it holds the columns it should.
func (c *pairing) readPayload(r *workers.Request) (s *sheet, err error) {
	switch c.payload {
	case "csv":
		if c.in == codec.FormatLines {
			return readLines(r.Body), nil
		}
		s, err = readCSV(r.Body, false)
		if s != nil {
			s.names = c.sentColumns()
		}
	case "lines":
		return readLines(r.Body), nil
	case "parquet":
		s, err = readParquet(r.Body)
	case "jsonl":
		var lines []json.RawMessage
		if lines, err = jsonLines(r.Body); err == nil {
			s, err = c.readValues(lines)
		}
	default:
		s, err = c.readDocument(r.Body)
	}
	if err != nil || c.in == codec.FormatLines {
		return s, err
	}
	if want := c.sentColumns(); !slices.Equal(slices.Sorted(slices.Values(s.names)), slices.Sorted(slices.Values(want))) {
		return s, fmt.Errorf("columns %q, want %q", s.names, want)
	}
	return s, nil
}

// readDocument reads a JSON document of each kind.
func (c *pairing) readDocument(body []byte) (*sheet, error) {
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	var list []json.RawMessage
	var instances struct {
		Instances []json.RawMessage `json:"instances"`
	}
	var split struct {
		Split struct {
			Columns []string            `json:"columns"`
			Data    [][]json.RawMessage `json:"data"`
		} `json:"dataframe_split"`
	}
	switch c.payload {
	case "array":
		if err := d.Decode(&list); err != nil {
			return nil, err
		}
		return c.readValues(list)
	case "instances":
		if err := d.Decode(&instances); err != nil {
			return nil, err
		}
		return c.readValues(instances.Instances)
	}
	err := d.Decode(&split)
	s := &sheet{names: split.Split.Columns}
	for _, values := range split.Split.Data {
		var row []cell
		for _, v := range values {
			row = append(row, jsonCell(v))
		}
		s.rows = append(s.rows, row)
	}
	return s, err
}

// readValues reads records that are JSON values: objects, or strings for lines.
func (c *pairing) readValues(list []json.RawMessage) (*sheet, error) {
	if c.in != codec.FormatLines {
		return readObjects(list)
	}
	s := new(sheet)
	for _, v := range list {
		s.rows = append(s.rows, []cell{jsonCell(v)})
	}
	return s, nil
}

func readLines(body []byte) *sheet {
	s := new(sheet)
	for line := range strings.Lines(string(body)) {
		s.rows = append(s.rows, []cell{{'t', strings.TrimSuffix(line, "\n")}})
	}
	return s
}

// An answer is what hosts compute: all its forms come from two fields.
type answer struct {
	id int64
	x  float64
}

func (a answer) number() float64 { return float64(a.id)*1000 + a.x }

func (a answer) text() string { return fmt.Sprintf(`r%d, "%v"`, a.id, a.x) }

func (a answer) list() []float64 { return []float64{a.number(), a.number() + 0.5} }

type scored struct {
	Score float64 `json:"score" parquet:"score"`
	Label string  `json:"label" parquet:"label"`
}

func (a answer) object() scored { return scored{a.number(), a.text()} }

// as is the answer in one of its forms, ready for encoding/json.
func (a answer) as(form string) any {
	switch form {
	case "number":
		return a.number()
	case "string":
		return a.text()
	case "list":
		return a.list()
	}
	return a.object()
}

func (a answer) json(form string) string {
	text, _ := json.Marshal(a.as(form))
	return string(text)
}

func (c *pairing) renderAnswers(t *testing.T, list []answer) []byte {
	var b bytes.Buffer
	texts := []string{}
	for _, a := range list {
		texts = append(texts, a.json(c.answer))
	}
	switch c.response {
	case "csv":
		w := csv.NewWriter(&b)
		for _, a := range list {
			_ = w.Write(a.fields(c.answer))
		}
		w.Flush()
	case "lines":
		for _, a := range list {
			b.WriteString(strings.Join(a.fields(c.answer), ",") + "\n")
		}
	case "jsonl":
		b.WriteString(strings.Join(texts, "\n") + "\n")
	case "array":
		b.WriteString("[" + strings.Join(texts, ", ") + "]")
	case "predictions":
		b.WriteString(`{"predictions": [` + strings.Join(texts, ",\n") + `], "model": "m"}`)
	case "parquet":
		return c.parquetAnswers(t, list)
	}
	return b.Bytes()
}

// fields is an answer as the fields of a CSV record.
func (a answer) fields(form string) []string {
	switch form {
	case "number":
		return []string{formatNumber(a.number())}
	case "string":
		return []string{a.text()}
	}
	return []string{formatNumber(a.list()[0]), formatNumber(a.list()[1])}
}

func formatNumber(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }

func (c *pairing) parquetAnswers(t *testing.T, list []answer) []byte {
	var numbers []struct{ Score float64 }
	var texts []struct{ Label string }
	var objects []scored
	var lists []struct {
		P []float64 `parquet:"p,list"`
	}
	for _, a := range list {
		numbers = append(numbers, struct{ Score float64 }{a.number()})
		texts = append(texts, struct{ Label string }{a.text()})
		objects = append(objects, a.object())
		lists = append(lists, struct {
			P []float64 `parquet:"p,list"`
		}{a.list()})
	}
	switch c.answer {
	case "number":
		return parquetFile(t, numbers)
	case "string":
		return parquetFile(t, texts)
	case "list":
		return parquetFile(t, lists)
	}
	return parquetFile(t, objects)
}
