package fields

import (
	"bytes"
	"fmt"

	"github.com/batchmill/batchmill/formats"
	"github.com/batchmill/batchmill/formats/json"
)

// A Table is the columns of a job's answers, and where the parts of an answer go.
type Table struct {
	Columns []formats.Column
	names   Names
	fields  int            // answers of so many fields go by position; 0: none do
	index   map[string]int // objects go by keys; nil: objects do not
	how     string         // who has decided the columns, for messages
}

// Table is the columns of a layout that is fixed. Keys tells that objects go by keys
// although the columns were not made of them; how says who has decided, for messages.
func (n Names) Table(l *formats.Layout, keys bool, how string) *Table {
	t := &Table{Columns: l.Columns, names: n, fields: l.Fields, how: how}
	if n.Columns != nil {
		t.Columns, t.fields = withTypes(n.Columns, l.Columns), len(n.Columns)
	}
	if t.fields > 0 && !keys && n.Columns == nil {
		return t
	}
	t.index = make(map[string]int, len(t.Columns))
	prefix := len(n.Key(""))
	for k, c := range t.Columns {
		if len(c.Name) >= prefix {
			t.index[c.Name[prefix:]] = k
		}
	}
	return t
}

// withTypes are the columns called names, with the types of the layout's where it has them.
func withTypes(names []string, learned []formats.Column) []formats.Column {
	if len(learned) == len(names) {
		return learned
	}
	columns := make([]formats.Column, len(names))
	for k, name := range names {
		columns[k].Name = name
	}
	return columns
}

// Field is what column k is in an answer, for messages.
func (t *Table) Field(k int) string {
	switch name := t.Columns[k].Name; {
	case t.names.Columns == nil && name == t.names.Whole():
		return "the answer"
	case t.index != nil:
		return fmt.Sprintf("the answer's field %.100s", name[len(t.names.Key("")):])
	}
	return fmt.Sprintf("the answer's field %d", k+1)
}

// Values are an answer's values by column, and the memory that they take.
type Values struct {
	// List has a value for each column after [Table.Place]. The values alias the answer and Values.
	List []formats.Value
	// Literals: strings in JSON stay literals, which are values of the kind JSON.
	Literals bool

	text []byte
	seen []bool // by column, of an object
}

// Place fills v with the answer's value for each column, or says why the answer has other columns.
func (t *Table) Place(v *Values, answer []byte, form formats.Form) (why string) {
	v.List, v.text = v.List[:0], v.text[:0]
	switch form {
	case formats.LineForm:
		v.List = append(v.List, formats.Value{Kind: formats.String, Text: answer})
	case formats.CSVForm:
		if !v.placeCSV(answer) {
			return "the answer is not a CSV record: a quote stands where none may, or is not closed"
		}
	default:
		return t.placeJSON(v, answer)
	}
	return t.count(v)
}

// count says what is wrong with the number of fields.
func (t *Table) count(v *Values) string {
	switch n := len(v.List); {
	case t.fields == 0:
		return "the answer is no JSON object, and the columns are the keys of one"
	case n == t.fields:
		return ""
	case t.names.Columns != nil:
		return fmt.Sprintf("the answer has %d fields, and --answer-columns names %d", n, t.fields)
	default:
		return fmt.Sprintf("the answer has %d fields, and there are %d columns for them (%s)", n, t.fields, t.how)
	}
}

// keepsObjects tells whether an object is a value of the one column there is.
func (t *Table) keepsObjects() bool {
	return t.Columns[0].Type == formats.Nested || t.Columns[0].Type == formats.Text
}

func (t *Table) placeJSON(v *Values, answer []byte) string {
	at := json.Trim(answer)
	answer = answer[at.Start:at.End]
	object := IsObject(answer)
	lone := t.fields == 1 && (t.index == nil || t.names.Columns != nil && !object)
	switch kind := json.KindOf(answer); {
	case kind == formats.Null, t.names.Columns == nil && SaysNothing(answer) && !(lone && t.keepsObjects()):
		v.nulls(len(t.Columns))
		return ""
	case lone:
		v.add(answer)
	case kind != formats.JSON:
		v.add(answer)
		return t.count(v)
	case object && t.index == nil:
		return fmt.Sprintf("the answer is a JSON object, and there are %d columns without keys (%s)", t.fields, t.how)
	case object:
		return t.placeMembers(v, answer)
	default:
		for e := range json.Elements(answer) {
			v.add(answer[e.Start:e.End])
		}
		return t.count(v)
	}
	return ""
}

// placeMembers goes by keys. The value of a key that is missing is null, but for columns that were asked for.
func (t *Table) placeMembers(v *Values, object []byte) string {
	v.nulls(len(t.Columns))
	v.seen = v.seen[:0]
	for range t.Columns {
		v.seen = append(v.seen, false)
	}
	for key, value := range json.Members(object) {
		var room [64]byte
		name := json.Unquote(room[:0], object[key.Start:key.End])
		at, known := t.index[string(name)]
		switch {
		case !known && t.names.Columns != nil:
			continue
		case !known:
			return fmt.Sprintf("the answer's field %.100s is no column (%s)", name, t.how)
		case v.seen[at]:
			return fmt.Sprintf("the answer has the field %.100s twice; only one can go into its column", name)
		}
		v.seen[at] = true
		v.List[at] = v.value(object[value.Start:value.End])
	}
	for k, seen := range v.seen {
		if !seen && t.names.Columns != nil {
			return fmt.Sprintf("the answer has no field %.100q, which --answer-columns names", t.names.Columns[k])
		}
	}
	return ""
}

func (v *Values) nulls(n int) {
	for range n {
		v.List = append(v.List, formats.Value{})
	}
}

func (v *Values) add(value []byte) { v.List = append(v.List, v.value(value)) }

// value is a valid JSON value without white space around it.
func (v *Values) value(text []byte) formats.Value {
	switch kind := json.KindOf(text); {
	case kind == formats.Null:
		return formats.Value{}
	case kind == formats.String && v.Literals:
		return formats.Value{Kind: formats.JSON, Text: text}
	case kind == formats.String:
		start := len(v.text)
		v.text = json.Unquote(v.text, text)
		return formats.Value{Kind: kind, Text: v.text[start:]}
	default:
		return formats.Value{Kind: kind, Text: text}
	}
}

// placeCSV takes the fields of a CSV record, with commas between: numbers and
// empty fields only without quotes. The result is false for text that is no
// record.
func (v *Values) placeCSV(record []byte) bool {
	for more := true; more; {
		var text []byte
		if len(record) == 0 || record[0] != '"' {
			text, record, more = bytes.Cut(record, []byte{','})
			if bytes.IndexByte(text, '"') >= 0 || bytes.IndexByte(text, '\n') >= 0 {
				return false
			}
			v.List = append(v.List, plain(text))
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
			start := len(v.text)
			v.text = append(v.text, bytes.ReplaceAll(text, []byte(`""`), []byte(`"`))...)
			text = v.text[start:]
		}
		v.List = append(v.List, formats.Value{Kind: formats.String, Text: text})
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
