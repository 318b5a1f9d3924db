package encode

import (
	"fmt"
	"strings"

	"github.com/batchmill/batchmill/formats"
	"github.com/batchmill/batchmill/formats/json"
)

// LearnAnswers is how many answers are looked at, at most, for the type of a
// column that was null in the answers before.
const LearnAnswers = 1000

type joiner struct {
	JoinerConfig
	name     string
	rows     *rows // nil where the output has none of the input's fields
	declared []formats.Column
	named    bool // declared goes by keys too
}

// NewJoiner returns a Joiner whose Join appends parts for the writers of this
// package, or the *ConfigError of Validate.
func NewJoiner(c JoinerConfig) (formats.Joiner, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	j := &joiner{JoinerConfig: c, name: c.answerName()}
	j.declared, _ = c.declared()
	j.named = len(c.AnswerTypes) > 0 && strings.Contains(c.AnswerTypes[0], "=")
	if c.Records != nil && !c.Spliced {
		j.rows = newRows(*c.Records, c.Columns(), c.Filter == nil)
	}
	return j, nil
}

// Check implements formats.Joiner.
func (j *joiner) Check(b *formats.Batch) {
	if j.rows != nil {
		j.rows.check(b)
	}
}

// Begin implements formats.Joiner: the writer has what stands at the beginning.
func (j *joiner) Begin(dst []byte, _ *formats.Layout, _ []byte) []byte { return dst }

// Learn implements formats.Joiner. AnswerTypes fix the layout at once. Without
// AnswerTypes the first answer that is not JSON null or {} fixes which columns
// there are:
//
//	CSV          a column for each field
//	JSON object  a column for each key, called prediction_KEY
//	other        one column
//
// and the first value that is not null fixes a column's type: a number is
// double (in CSV without quotes), true and false boolean, an array of numbers
// list, other arrays and objects json, the rest string. A column that is null
// in the first [LearnAnswers] answers is double: most answers are numbers.
// Whether an answer is looked at depends on its place in the job, never on its
// batch.
func (j *joiner) Learn(l *formats.Layout, answer []byte, form formats.Form) bool {
	if j.declared != nil {
		l.Columns, l.Fields = append(l.Columns[:0:0], j.declared...), len(j.declared)
		return true
	}
	if form == formats.NoAnswer {
		return j.fix(l)
	}
	l.Seen++
	w := builders.Get().(*builder)
	defer builders.Put(w)
	if l.Columns == nil {
		j.shape(w, l, answer, form)
	}
	if p := j.plan(l); l.Columns != nil && p.place(w, answer, form) == "" {
		for k, v := range w.values {
			if l.Columns[k].Type == formats.Unknown {
				l.Columns[k].Type = learned(v)
			}
		}
	}
	if l.Seen >= LearnAnswers {
		return j.fix(l)
	}
	return known(l)
}

// known tells whether the layout has columns and all their types.
func known(l *formats.Layout) bool {
	for _, c := range l.Columns {
		if c.Type == formats.Unknown {
			return false
		}
	}
	return l.Columns != nil
}

// fix decides the columns and types that no answer has shown.
func (j *joiner) fix(l *formats.Layout) bool {
	if l.Columns == nil {
		l.Columns, l.Fields = []formats.Column{{Name: j.name}}, 1
	}
	for k := range l.Columns {
		if l.Columns[k].Type == formats.Unknown {
			l.Columns[k].Type = formats.Double
		}
	}
	return true
}

// shape makes the columns of l, without types.
func (j *joiner) shape(w *builder, l *formats.Layout, answer []byte, form formats.Form) {
	n := 1
	switch form {
	case formats.CSVForm:
		if w.values = w.values[:0]; !w.placeCSV(answer) {
			return
		}
		if n = len(w.values); n > mostColumns {
			return
		}
	case formats.JSONForm:
		value, _ := fromJSON(answer, nil)
		if value.Kind == formats.Null || isEmptyObject(value) {
			return
		}
		if value.Kind == formats.JSON && value.Text[0] == '{' {
			l.Columns = j.keys(value.Text)
			return
		}
	}
	for k := range n {
		l.Columns = append(l.Columns, formats.Column{Name: j.fieldName(k, n)})
	}
	l.Fields = n
}

// mostColumns is how many columns an answer may have: a bound of what one
// answer can do to all outputs of a job. An answer that is wider fixes
// nothing, and is a misfit.
const mostColumns = 1 << 14

// keys are the columns of an object, without types; none if there are too many,
// or a key stands there twice, which no output can hold.
func (j *joiner) keys(object []byte) []formats.Column {
	var columns []formats.Column
	seen := map[string]bool{}
	for key := range json.Members(object) {
		name := j.name + "_" + string(json.Unquote(nil, object[key.Start:key.End]))
		if seen[name] || len(columns) == mostColumns {
			return nil
		}
		seen[name] = true
		columns = append(columns, formats.Column{Name: name})
	}
	return columns
}

// learned is the type that v shows.
func learned(v formats.Value) formats.Type {
	switch v.Kind {
	case formats.Null:
		return formats.Unknown
	case formats.Number:
		return formats.Double
	case formats.Bool:
		return formats.Boolean
	case formats.String:
		return formats.Text
	}
	var p parsed
	if (rule{typ: formats.Doubles, rounds: true}).parse(v, &p) {
		return formats.Doubles
	}
	return formats.Nested
}

// rule is what column k takes from answers of a form. A double takes the number
// nearest to what a model has written.
func (j *joiner) rule(c formats.Column, form formats.Form) rule {
	return rule{typ: c.Type, text: form != formats.JSONForm, declared: j.declared != nil, rounds: true}
}

// Fit implements formats.Joiner. An output filter that names a column that the
// answers do not have makes each answer a misfit, and says so.
func (j *joiner) Fit(a *formats.Answers, l *formats.Layout, misfit func(i int, message string)) {
	w := builders.Get().(*builder)
	defer builders.Put(w)
	p := j.plan(l)
	for i := range a.List {
		if a.List[i].Form == formats.NoAnswer {
			continue
		}
		if p.missing != "" {
			misfit(i, fmt.Sprintf("the output filter names %.100q, and the answers have no such column; %s", p.missing, listNames(columnNames(l.Columns))))
		} else if why := j.fit(w, p, a.Bytes(i), a.List[i].Form); why != "" {
			misfit(i, why)
		}
	}
}

// fit says why an answer does not fit, "" if the answer fits.
func (j *joiner) fit(w *builder, p *plan, answer []byte, form formats.Form) string {
	if why := p.place(w, answer, form); why != "" {
		return why
	}
	for k, v := range w.values {
		if c := p.columns[k]; !j.rule(c, form).parse(v, &w.p) {
			return fmt.Sprintf("%s is %s, and the column %.100s holds %s (%s)", p.field(j.name, k), show(v), c.Name, c.Type, p.how)
		}
	}
	return ""
}

// field is what column k is in an answer, for messages.
func (p *plan) field(answerName string, k int) string {
	switch name := p.columns[k].Name; {
	case name == answerName:
		return "the answer"
	case p.index != nil:
		return fmt.Sprintf("the answer's field %.100s", name[len(answerName)+1:])
	}
	return fmt.Sprintf("the answer's field %d", k+1)
}

// Join implements formats.Joiner: Join appends one part. A record whose flaw
// keeps it out of the output has a row of nulls.
func (j *joiner) Join(dst []byte, b *formats.Batch, a *formats.Answers, l *formats.Layout, placeholders bool) ([]byte, int) {
	w := builders.Get().(*builder)
	defer builders.Put(w)
	p := j.plan(l)
	var input []formats.Column
	if j.rows != nil {
		input = j.Columns()
	}
	w.begin(len(b.Recs), j.Spliced, input, j.AnswerColumns(l))
	for i := range b.Recs {
		form := a.List[i].Form
		if form == formats.NoAnswer && !placeholders {
			continue
		}
		w.next(i)
		if j.rows != nil && j.rows.stands(b, i, b.Flaw(i), w) {
			j.rows.add(b, i, w)
		}
		if form != formats.NoAnswer {
			j.add(w, p, len(input), a.Bytes(i), form)
		}
	}
	return w.appendPart(dst), w.rows
}

// add puts an answer that fits into the columns from first on.
func (j *joiner) add(w *builder, p *plan, first int, answer []byte, form formats.Form) {
	if p.place(w, answer, form) != "" {
		return
	}
	for k, v := range w.values {
		if p.out[k] >= 0 && j.rule(p.columns[k], form).parse(v, &w.p) {
			w.add(first+p.out[k], &w.p)
		}
	}
}
