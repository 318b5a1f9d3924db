package reference

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"mime"
	"net/http"
	"strconv"
)

const (
	typeCSV   = "text/csv"
	typeLines = "application/jsonlines"
	typeJSON  = "application/json"
)

// Model describes the model in one line, for --help.
const Model = "score = 0.5 + sum of position * value over the fields that are numbers (the first position is 1)"

// scoreOf is the model's answer to a record with these fields. A field counts as a
// number when it is finite in decimal notation. A score too large for a float64 becomes
// the largest float64.
func scoreOf(fields []string) float64 {
	score := 0.5
	for i, field := range fields {
		v, err := strconv.ParseFloat(field, 64)
		if err != nil || math.IsInf(v, 0) || math.IsNaN(v) {
			continue
		}
		// The conversion keeps the compiler from fusing product and sum, so that all
		// machines answer with the same bytes.
		score += float64(float64(i+1) * v)
	}
	if math.IsNaN(score) { // the difference of two infinities
		return 0
	}
	return min(max(score, -math.MaxFloat64), math.MaxFloat64)
}

// formatScore is the shortest decimal that reads back as the same float64, with an
// exponent only below 1e-6 and from 1e21.
func formatScore(score float64) string {
	if size := math.Abs(score); size != 0 && (size < 1e-6 || size >= 1e21) {
		return strconv.FormatFloat(score, 'g', -1, 64)
	}
	return strconv.FormatFloat(score, 'f', -1, 64)
}

// types names the types of the payload and of the answers; status is not 0 when the
// host does not know them.
func (h *Host) types(r *http.Request) (in, out string, status int) {
	in, ok := mediaType(r.Header.Get("Content-Type"))
	if !ok {
		return "", "", http.StatusUnsupportedMediaType
	}
	switch accept := r.Header.Get("Accept"); accept {
	case "", "*/*":
		return in, in, 0
	default:
		if out, ok = mediaType(accept); !ok {
			return "", "", http.StatusNotAcceptable
		}
	}
	return in, out, 0
}

func mediaType(s string) (string, bool) {
	name, _, err := mime.ParseMediaType(s)
	if err != nil {
		return "", false
	}
	switch name {
	case typeCSV, typeJSON:
		return name, true
	case typeLines, "application/jsonl", "application/x-ndjson", "application/x-jsonlines":
		return typeLines, true
	}
	return "", false
}

// score writes an answer for each record of the payload, with short for all but the
// last, and counts the records.
func (h *Host) score(out *bytes.Buffer, payload []byte, in, accept string, short bool) (int, error) {
	var answers []string
	answer := func(fields []string) { answers = append(answers, h.answerTo(fields, accept)) }
	var err error
	switch in {
	case typeCSV:
		err = eachCSV(payload, answer)
	case typeLines:
		err = eachLine(payload, answer)
	default:
		err = eachInstance(payload, answer)
	}
	if err != nil {
		return 0, err
	}
	n := len(answers)
	if short && n > 0 {
		answers = answers[:n-1]
	}
	write(out, answers, accept)
	return n, nil
}

func (h *Host) answerTo(fields []string, accept string) string {
	text := formatScore(scoreOf(fields))
	if h.options.Objects && accept != typeCSV {
		return `{"score":` + text + `}`
	}
	return text
}

func write(out *bytes.Buffer, answers []string, accept string) {
	if accept != typeJSON {
		for _, a := range answers {
			out.WriteString(a)
			out.WriteByte('\n')
		}
		return
	}
	out.WriteString(`{"predictions":[`)
	for i, a := range answers {
		if i > 0 {
			out.WriteByte(',')
		}
		out.WriteString(a)
	}
	out.WriteString("]}")
}

func eachCSV(payload []byte, record func([]string)) error {
	r := csv.NewReader(bytes.NewReader(payload))
	r.FieldsPerRecord = -1
	r.ReuseRecord = true
	for {
		fields, err := r.Read()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		record(fields)
	}
}

func eachLine(payload []byte, record func([]string)) error {
	for number := 1; len(payload) > 0; number++ {
		line, rest, _ := bytes.Cut(payload, []byte("\n"))
		payload = rest
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		fields, err := scalars(line)
		if err != nil {
			return fmt.Errorf("line %d: %w", number, err)
		}
		record(fields)
	}
	return nil
}

func eachInstance(payload []byte, record func([]string)) error {
	var list []json.RawMessage
	if json.Unmarshal(payload, &list) != nil {
		var object struct {
			Instances []json.RawMessage
			Table     struct{ Data []json.RawMessage } `json:"dataframe_split"`
		}
		if err := json.Unmarshal(payload, &object); err != nil {
			return err
		}
		if list = object.Instances; list == nil {
			list = object.Table.Data
		}
		if list == nil {
			return errors.New(`give an array of records, or an object with them under "instances" or as "dataframe_split"`)
		}
	}
	for _, raw := range list {
		fields, err := scalars(raw)
		if err != nil {
			return err
		}
		record(fields)
	}
	return nil
}

// scalars is the values of a JSON document that are no arrays or objects, in their
// order; a value that is neither number nor string is an empty field.
func scalars(raw []byte) ([]string, error) {
	if !json.Valid(raw) {
		return nil, errors.New("not one valid JSON value")
	}
	var fields []string
	var names []bool // for each open array or object: whether a name comes next
	var open []json.Delim
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	for {
		token, err := d.Token()
		if err == io.EOF {
			return fields, nil
		}
		if err != nil {
			return nil, err
		}
		top := len(open) - 1
		if delim, ok := token.(json.Delim); ok && (delim == '}' || delim == ']') {
			open, names = open[:top], names[:top]
			continue
		}
		if top >= 0 && open[top] == '{' {
			names[top] = !names[top]
			if !names[top] { // this token was a name
				continue
			}
		}
		switch v := token.(type) {
		case json.Delim:
			open, names = append(open, v), append(names, true)
		case json.Number:
			fields = append(fields, v.String())
		case string:
			fields = append(fields, v)
		default:
			fields = append(fields, "")
		}
	}
}
