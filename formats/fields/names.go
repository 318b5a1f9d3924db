// Package fields says which columns answers make, what the columns are called, and
// which part of an answer goes into which column: once for every output format.
//
//	an answer that is                          its columns, prediction being the answer's name
//	a JSON object                              prediction_KEY for each key
//	a CSV record of several fields             prediction_1, prediction_2 ...
//	a JSON array whose elements are columns    prediction_1, prediction_2 ...
//	anything else                              prediction
//
// With [Names.Columns] the columns are those, called as given, whatever the answers are:
// an object has a value for each of them by its keys, an array and a CSV record by
// position, and where there is one column, any other answer is its value.
package fields

import (
	"slices"
	"strconv"
	"strings"

	"github.com/batchmill/batchmill/formats"
	"github.com/batchmill/batchmill/formats/json"
)

// Names are what answers and their columns are called.
type Names struct {
	Answer  string   // the answer's name; "" means [formats.DefaultAnswerName]
	Columns []string // the columns as the job's user picks, orders and names them; nil where answers decide
}

// Whole is the name of an answer that is one column.
func (n Names) Whole() string {
	if n.Answer == "" {
		return formats.DefaultAnswerName
	}
	return n.Answer
}

// Count is how many columns answers have, 0 where they decide.
func (n Names) Count() int { return len(n.Columns) }

// Place is the name of column k, from 0, of an answer that has count columns by position.
func (n Names) Place(k, count int) string {
	switch {
	case n.Columns != nil && k < len(n.Columns):
		return n.Columns[k]
	case count == 1:
		return n.Whole()
	}
	return n.Whole() + "_" + strconv.Itoa(k+1)
}

// Places are the names of an answer's columns by position.
func (n Names) Places(count int) []string {
	names := make([]string, count)
	for k := range names {
		names[k] = n.Place(k, count)
	}
	return names
}

// Key is the name of the column that an object's key has.
func (n Names) Key(key string) string {
	if n.Columns != nil {
		return key
	}
	return n.Whole() + "_" + key
}

// May tells whether a column of answers may be called name, before any answer is
// known; keys tells that answers may be objects.
func (n Names) May(name string, keys bool) bool {
	if n.Columns != nil {
		return slices.Contains(n.Columns, name)
	}
	rest, ok := strings.CutPrefix(name, n.Whole())
	if !ok || rest == "" {
		return ok
	}
	rest, ok = strings.CutPrefix(rest, "_")
	return ok && (keys || rest != "" && strings.Trim(rest, "0123456789") == "")
}

// Stands tells whether name, in a filter, stands for all columns of the answer. A column of
// the input may be called so where the answer's columns have names of their own.
func (n Names) Stands(name string, input []string) bool {
	return name == n.Whole() && !(n.Columns != nil && slices.Contains(input, name)) && !slices.Contains(n.Columns, name)
}

// LearnAnswers is how many answers are looked at, at most, for what an output has to know.
const LearnAnswers = 1000

// mostColumns is how many columns an answer may make: a bound of what one
// answer can do to all outputs of a job. A wider answer shows nothing, and is a misfit.
const mostColumns = 1 << 14

// Shape makes the columns of l, without types, as an answer shows them. Null, and an
// object without keys, or with a key twice, show nothing.
func (n Names) Shape(l *formats.Layout, answer []byte, form formats.Form) {
	count := 1
	switch {
	case n.Columns != nil:
		count = len(n.Columns)
	case form == formats.CSVForm:
		var v Values
		if !v.placeCSV(answer) || len(v.List) > mostColumns {
			return
		}
		count = len(v.List)
	case form == formats.JSONForm:
		switch {
		case SaysNothing(answer):
			return
		case IsObject(answer):
			l.Columns = n.keys(answer)
			return
		}
	}
	for _, name := range n.Places(count) {
		l.Columns = append(l.Columns, formats.Column{Name: name})
	}
	l.Fields = count
}

// keys are the columns of an object; none if there are too many, or a key stands there twice.
func (n Names) keys(object []byte) []formats.Column {
	var columns []formats.Column
	seen := map[string]bool{}
	for key := range json.Members(object) {
		name := n.Key(string(json.Unquote(nil, object[key.Start:key.End])))
		if seen[name] || len(columns) == mostColumns {
			return nil
		}
		seen[name] = true
		columns = append(columns, formats.Column{Name: name})
	}
	return columns
}

// IsObject tells whether a valid JSON value is an object.
func IsObject(value []byte) bool {
	at := json.Trim(value)
	return at.Start < at.End && value[at.Start] == '{'
}

// SaysNothing tells whether a valid JSON value is null or {}: an answer that lacks every key.
func SaysNothing(value []byte) bool {
	if json.KindOf(value) == formats.Null {
		return true
	}
	if !IsObject(value) {
		return false
	}
	for range json.Members(value) {
		return false
	}
	return true
}
