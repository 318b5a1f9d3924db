package csv

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/batchmill/batchmill/formats"
	"github.com/batchmill/batchmill/formats/fields"
	"github.com/batchmill/batchmill/formats/json"
)

// Learn implements formats.Joiner: the first answer that is not JSON null or {} says which
// fields all have.
func (j *joiner) Learn(l *formats.Layout, answer []byte, form formats.Form) bool {
	if form == formats.NoAnswer {
		l.Fields = max(j.names.Count(), 1)
		return true
	}
	l.Seen++
	switch {
	case j.names.Columns != nil:
		l.Fields = j.names.Count()
	case form != formats.JSONForm || !fields.IsObject(answer) && json.KindOf(answer) != formats.Null:
		l.Fields = j.width(answer, form)
	default:
		if j.names.Shape(l, answer, form); l.Columns == nil && l.Seen == fields.LearnAnswers {
			l.Fields = 1
		}
	}
	return l.Fields > 0 || l.Columns != nil
}

// width is the number of fields of an answer: a CSV answer has its fields, a JSON
// array its elements (an empty one is one empty field), and all else is one field.
func (j *joiner) width(answer []byte, form formats.Form) int {
	switch form {
	case formats.CSVForm:
		return j.answers.count(answer)
	case formats.JSONForm:
		at := json.Trim(answer)
		if at.Start == at.End || answer[at.Start] != '[' {
			return 1
		}
		n := 0
		for range json.Elements(answer) {
			n++
		}
		return max(n, 1)
	}
	return 1
}

// Fit implements formats.Joiner. An output filter that cannot pick from
// answers of this width makes each answer a misfit, and says why.
func (j *joiner) Fit(a *formats.Answers, l *formats.Layout, misfit func(i int, message string)) {
	p := j.planFor(l)
	lone := p.width == 1 && !p.keyed && j.allLone(a.Data)
	s := scratches.Get().(*scratch)
	defer scratches.Put(s)
	for i := range a.List {
		if a.List[i].Form == formats.NoAnswer || p.err == nil && lone && a.List[i].Form == formats.CSVForm {
			continue
		}
		if why := j.misfit(p, s, a.Bytes(i), a.List[i].Form); why != "" {
			misfit(i, why)
		}
	}
}

// misfit says why an answer cannot stand in an output of plan p, "" where it can.
func (j *joiner) misfit(p *plan, s *scratch, answer []byte, form formats.Form) string {
	switch {
	case p.err != nil:
		return p.err.Error()
	case p.table != nil && (form == formats.JSONForm || p.keyed):
		return p.table.Place(&s.values, answer, form)
	case p.empty(answer, form):
		return ""
	case p.strict && form == formats.JSONForm && fields.IsObject(answer):
		return "the answer is a JSON object, and the job's first answer is none"
	}
	switch n := j.width(answer, form); {
	case n == p.width:
		return ""
	case j.names.Columns != nil:
		return fmt.Sprintf("the answer has %d fields, and --answer-columns names %d", n, p.width)
	default:
		return fmt.Sprintf("%d fields where the job's first answer has %d", n, p.width)
	}
}

// empty tells whether an answer is JSON that says nothing, whose fields are empty.
func (p *plan) empty(answer []byte, form formats.Form) bool {
	return p.strict && form == formats.JSONForm && fields.SaysNothing(answer)
}

// allLone tells whether no CSV answer in data can have a second field. Most
// models give one number a record, and one search settles a whole batch.
func (j *joiner) allLone(data []byte) bool {
	return bytes.IndexByte(data, j.answers.Delimiter) < 0
}

// appendAnswer appends answer as fields.
func (j *joiner) appendAnswer(dst []byte, p *plan, s *scratch, answer []byte, form formats.Form) []byte {
	switch {
	case form == formats.CSVForm:
		return j.appendCSV(dst, answer)
	case form == formats.LineForm:
		return j.appendField(dst, answer)
	case p.table != nil:
		return j.appendPlaced(dst, p, s, answer)
	case p.empty(answer, form):
		for range p.width - 1 {
			dst = append(dst, j.Delimiter)
		}
		return dst
	}
	at := json.Trim(answer)
	answer = answer[at.Start:at.End]
	if len(answer) == 0 || answer[0] != '[' {
		return j.appendJSON(dst, answer)
	}
	first := true
	for e := range json.Elements(answer) {
		if !first {
			dst = append(dst, j.Delimiter)
		}
		first = false
		dst = j.appendJSON(dst, answer[e.Start:e.End])
	}
	return dst
}

// appendPlaced appends what the plan's columns take of a JSON answer that fits.
func (j *joiner) appendPlaced(dst []byte, p *plan, s *scratch, answer []byte) []byte {
	_ = p.table.Place(&s.values, answer, formats.JSONForm) // Fit has seen to it that it fits
	for k, v := range s.values.List {
		if k > 0 {
			dst = append(dst, j.Delimiter)
		}
		dst = j.appendValue(dst, v)
	}
	return dst
}

// appendCSV appends the fields of a CSV answer: as they stand, or where answers
// have a dialect of their own, written anew.
func (j *joiner) appendCSV(dst, answer []byte) []byte {
	if j.asAnswered {
		return append(dst, answer...)
	}
	var text []byte
	for i, at := range j.answers.fields(nil, answer) {
		if i > 0 {
			dst = append(dst, j.Delimiter)
		}
		text = j.answers.unquote(text[:0], answer[at.Start:at.End])
		dst = j.appendField(dst, text)
	}
	return dst
}

// appendJSON appends one JSON value, without white space around it, as one field.
func (j *joiner) appendJSON(dst, value []byte) []byte {
	switch json.KindOf(value) {
	case formats.Null:
		return dst
	case formats.JSON:
		return j.appendQuoted(dst, value)
	case formats.String:
		start := len(dst)
		dst = json.Unquote(dst, value)
		return j.quoteEnd(dst, start, false)
	}
	return j.appendField(dst, value)
}

// Describe tells how many fields an answer in plain CSV has, whether each is a number or says
// nothing, and whether all say nothing: empty, or what programs write in a number's place (nan, inf, null).
func Describe(answer []byte) (fields int, numbers, nothing bool) {
	d := Dialect{}.orDefault()
	numbers, nothing = true, true
	look := func(text []byte) {
		text = bytes.TrimSpace(text)
		says := !saysNothing(text)
		fields++
		nothing = nothing && !says
		numbers = numbers && (!says || numeric(text))
	}
	if bytes.IndexByte(answer, d.Quote) < 0 { // the usual answer, without memory of its own
		for more := true; more; {
			var field []byte
			field, answer, more = bytes.Cut(answer, []byte{d.Delimiter})
			look(field)
		}
		return fields, numbers, nothing
	}
	for _, at := range d.fields(nil, answer) {
		look(d.unquote(nil, answer[at.Start:at.End]))
	}
	return fields, numbers, nothing
}

func saysNothing(text []byte) bool {
	if len(text) > 0 && (text[0] == '-' || text[0] == '+') {
		text = text[1:]
	}
	return len(text) == 0 || slices.ContainsFunc(notNumbers, func(name []byte) bool { return bytes.EqualFold(text, name) })
}

// notNumbers are what programs write where a number is missing or has no end.
var notNumbers = [][]byte{[]byte("nan"), []byte("inf"), []byte("infinity"), []byte("na"), []byte("n/a"), []byte("null"), []byte("none")}
