package encode

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/batchmill/batchmill/formats"
	"github.com/batchmill/batchmill/formats/json"
)

// A plan is what a layout makes of answers.
type plan struct {
	columns []formats.Column // the layout's
	fields  int              // answers of so many fields go by position; 0: none do
	index   map[string]int   // objects go by keys; nil: objects do not
	out     []int            // where each column stands in the output, -1 for nowhere
	missing string           // the filter names this column, and there is none
	how     string           // who has fixed the types, for messages
}

func (j *joiner) plan(l *formats.Layout) *plan {
	p := &plan{columns: l.Columns, fields: l.Fields, how: "settled by the first answers; --answer-type decides otherwise"}
	if j.declared != nil {
		p.how = "as --answer-type says"
	}
	prefix := len(j.name) + 1
	if l.Fields == 0 || j.named {
		p.index = make(map[string]int, len(l.Columns))
	}
	at := 0
	for k, c := range l.Columns {
		if p.index != nil && len(c.Name) >= prefix {
			p.index[c.Name[prefix:]] = k
		}
		if !j.keeps(c.Name) {
			p.out = append(p.out, -1)
			continue
		}
		p.out = append(p.out, at)
		at++
	}
	p.missing = j.missing(l)
	return p
}

// missing is a column that the filter names, and which could only be the
// answer's and is not in l.
func (j *joiner) missing(l *formats.Layout) string {
	have := append(columnNames(l.Columns), j.names()...)
	for _, name := range j.Filter {
		if name != j.name && !slices.Contains(have, name) {
			return name
		}
	}
	return ""
}

// place fills w.values with the answer's value for each column, or says why
// the answer has other columns than the layout. The values alias the answer
// and w.
func (p *plan) place(w *builder, answer []byte, form formats.Form) (why string) {
	w.values, w.text = w.values[:0], w.text[:0]
	switch form {
	case formats.LineForm:
		w.values = append(w.values, formats.Value{Kind: formats.String, Text: answer})
	case formats.CSVForm:
		if !w.placeCSV(answer) {
			return "the answer is not a CSV record: a quote stands where none may, or is not closed"
		}
	default:
		return p.placeJSON(w, answer)
	}
	return p.count(w)
}

// count says what is wrong with the number of fields.
func (p *plan) count(w *builder) string {
	switch n := len(w.values); {
	case p.fields == 0:
		return "the answer is no JSON object, and the columns are the keys of one"
	case n != p.fields:
		return fmt.Sprintf("the answer has %d fields, and there are %d columns for them (%s)", n, p.fields, p.how)
	}
	return ""
}

func (p *plan) placeJSON(w *builder, answer []byte) string {
	value, text := fromJSON(answer, w.text)
	w.text = text
	single := p.index == nil && p.fields == 1
	switch {
	case value.Kind == formats.Null, !single && isEmptyObject(value):
		for range p.columns {
			w.values = append(w.values, formats.Value{})
		}
		return ""
	case single:
		w.values = append(w.values, value)
	case value.Kind != formats.JSON:
		w.values = append(w.values, value)
		return p.count(w)
	case value.Text[0] == '{' && p.index == nil:
		return fmt.Sprintf("the answer is a JSON object, and there are %d columns without keys (%s)", p.fields, p.how)
	case value.Text[0] == '{':
		return p.placeMembers(w, value.Text)
	default:
		w.placeElements(value.Text)
		return p.count(w)
	}
	return ""
}

// isEmptyObject tells whether v is {}: an answer that lacks every key.
func isEmptyObject(v formats.Value) bool {
	if v.Kind != formats.JSON || v.Text[0] != '{' {
		return false
	}
	for range json.Members(v.Text) {
		return false
	}
	return true
}

// placeMembers goes by keys; the value of a missing key is null.
func (p *plan) placeMembers(w *builder, object []byte) string {
	for range p.columns {
		w.values = append(w.values, formats.Value{})
	}
	w.slots = w.slots[:0]
	for range p.columns {
		w.slots = append(w.slots, -1)
	}
	for key, value := range json.Members(object) {
		var room [64]byte
		name := json.Unquote(room[:0], object[key.Start:key.End])
		at, known := p.index[string(name)]
		if !known {
			return fmt.Sprintf("the answer's field %.100s is no column (%s)", name, p.how)
		}
		if w.slots[at] >= 0 {
			return fmt.Sprintf("the answer has the field %.100s twice; only one can go into its column", name)
		}
		w.slots[at] = at
		w.values[at], w.text = fromJSON(object[value.Start:value.End], w.text)
	}
	return ""
}

func (w *builder) placeElements(array []byte) {
	var v formats.Value
	for e := range json.Elements(array) {
		v, w.text = fromJSON(array[e.Start:e.End], w.text)
		w.values = append(w.values, v)
	}
}

// placeCSV takes the fields of a CSV record, with commas between: numbers and
// empty fields only without quotes. The result is false for text that is no
// record.
func (w *builder) placeCSV(record []byte) bool {
	for more := true; more; {
		var text []byte
		if len(record) == 0 || record[0] != '"' {
			text, record, more = bytes.Cut(record, []byte{','})
			if bytes.IndexByte(text, '"') >= 0 || bytes.IndexByte(text, '\n') >= 0 {
				return false
			}
			w.values = append(w.values, plain(text))
			continue
		}
		end := pastQuoted(record)
		if end < 0 || end < len(record) && record[end] != ',' {
			return false
		}
		text = record[1 : end-1]
		if more = end < len(record); more {
			record = record[end+1:]
		}
		if bytes.IndexByte(text, '"') >= 0 {
			start := len(w.text)
			w.text = append(w.text, bytes.ReplaceAll(text, []byte(`""`), []byte(`"`))...)
			text = w.text[start:]
		}
		w.values = append(w.values, formats.Value{Kind: formats.String, Text: text})
	}
	return true
}

// plain is a field without quotes.
func plain(text []byte) formats.Value {
	switch {
	case len(text) == 0:
		return formats.Value{}
	case json.IsNumber(text):
		return formats.Value{Kind: formats.Number, Text: text}
	}
	return formats.Value{Kind: formats.String, Text: text}
}

// pastQuoted is the index behind the quoted field that record begins with, -1
// if the field is not closed.
func pastQuoted(record []byte) int {
	for i := 1; ; i += 2 {
		n := bytes.IndexByte(record[min(i, len(record)):], '"')
		if n < 0 {
			return -1
		}
		if i += n; i+1 >= len(record) || record[i+1] != '"' {
			return i + 1
		}
	}
}
