package encode

import (
	"fmt"
	"strings"

	"github.com/batchmill/batchmill/formats"
	"github.com/batchmill/batchmill/formats/fields"
)

type joiner struct {
	JoinerConfig
	answers  fields.Names
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
	j := &joiner{JoinerConfig: c, answers: c.answerNames()}
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
// there are, as package fields says,
// and the first value that is not null fixes a column's type: a number is
// double (in CSV without quotes), but an integer that no double keeps is an
// integer; true and false are boolean, an array of numbers
// list, other arrays and objects json, the rest string. NaN and infinities fix no
// type: they stand in doubles, and as text in strings. A column whose type is open
// after the first [fields.LearnAnswers] answers is double: most answers are numbers.
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
		j.answers.Shape(l, answer, form)
	}
	if p := j.plan(l); l.Columns != nil && p.Place(&w.answer, answer, form) == "" {
		for k, v := range w.answer.List {
			if l.Columns[k].Type == formats.Unknown {
				l.Columns[k].Type = learned(v)
			}
		}
	}
	if l.Seen >= fields.LearnAnswers {
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
		j.answers.Shape(l, nil, formats.LineForm)
	}
	for k := range l.Columns {
		if l.Columns[k].Type == formats.Unknown {
			l.Columns[k].Type = formats.Double
		}
	}
	return true
}

// learned is the type that v shows.
func learned(v formats.Value) formats.Type {
	switch v.Kind {
	case formats.Null:
		return formats.Unknown
	case formats.Bool:
		return formats.Boolean
	case formats.String:
		if _, special := parseSpecial(v.Text); special {
			return formats.Unknown
		}
		return formats.Text
	}
	var p parsed
	takes := func(t formats.Type) bool { return rule{typ: t, rounds: true, answer: true}.parse(v, &p) }
	switch {
	case v.Kind == formats.Number && !takes(formats.Double) && takes(formats.Integer):
		return formats.Integer
	case v.Kind == formats.Number:
		return formats.Double
	case takes(formats.Doubles):
		return formats.Doubles
	}
	return formats.Nested
}

// rule is what column k takes from answers of a form. A double takes the number
// nearest to the fraction that a model has written; integers that no double keeps only where
// the type is declared.
func (j *joiner) rule(c formats.Column, form formats.Form) rule {
	return rule{typ: c.Type, text: form != formats.JSONForm, declared: j.declared != nil, rounds: true, answer: true}
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
	if why := p.Place(&w.answer, answer, form); why != "" {
		return why
	}
	for k, v := range w.answer.List {
		if c := p.Columns[k]; !j.rule(c, form).parse(v, &w.p) {
			return fmt.Sprintf("%s is %s, and the column %.100s holds %s (%s)", p.Field(k), show(v), c.Name, c.Type, p.how)
		}
	}
	return ""
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
	w.begin(len(b.Recs), j.Spliced, input, j.Written(l))
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
	if p.Place(&w.answer, answer, form) != "" {
		return
	}
	for k, v := range w.answer.List {
		if p.out[k] >= 0 && j.rule(p.Columns[k], form).parse(v, &w.p) {
			w.add(first+p.out[k], &w.p)
		}
	}
}
