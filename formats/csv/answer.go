package csv

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/batchmill/batchmill/formats"
	"github.com/batchmill/batchmill/formats/json"
)

// Learn implements formats.Joiner: the first answer says how many fields all have.
func (j *joiner) Learn(l *formats.Layout, answer []byte, form formats.Form) bool {
	l.Fields = j.width(answer, form)
	return true
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
	width := l.Fields
	if p := j.planFor(width); p.err != nil {
		for i := range a.List {
			if a.List[i].Form != formats.NoAnswer {
				misfit(i, p.err.Error())
			}
		}
		return
	}
	lone := width == 1 && j.allLone(a.Data)
	for i := range a.List {
		if a.List[i].Form == formats.NoAnswer || lone && a.List[i].Form == formats.CSVForm {
			continue
		}
		if n := j.width(a.Bytes(i), a.List[i].Form); n != width {
			misfit(i, fmt.Sprintf("%d fields where the job's first answer has %d", n, width))
		}
	}
}

// allLone tells whether no CSV answer in data can have a second field. Most
// models give one number a record, and one search settles a whole batch.
func (j *joiner) allLone(data []byte) bool {
	return bytes.IndexByte(data, j.answers.Delimiter) < 0
}

// appendAnswer appends answer as fields.
func (j *joiner) appendAnswer(dst, answer []byte, form formats.Form) []byte {
	switch form {
	case formats.CSVForm:
		return j.appendCSV(dst, answer)
	case formats.LineForm:
		return j.appendField(dst, answer)
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
