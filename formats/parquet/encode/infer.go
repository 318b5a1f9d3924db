package encode

import (
	"slices"
	"strconv"
	"strings"

	"github.com/batchmill/batchmill/formats"
)

// SampleRecords and SampleBytes are the caps of the batch that types are
// inferred from, cut from the beginning of the job's first object.
const (
	SampleRecords = 1000
	SampleBytes   = 1 << 20
)

// Records say what the records of a text input are as typed columns. Records
// hold for every object of the job.
type Records struct {
	// Columns are the input's columns, all of them, in order.
	Columns []formats.Column
	// Text: the fields are text without types (CSV). With Text columns go by
	// position, and a declared column takes what a field's text says.
	Text bool
	// Whole: the one column holds whole records as JSON text.
	Whole bool
	// Declared are the columns whose type was given rather than inferred.
	Declared []string
}

// Infer decides the columns of a job from a sample, a batch of at most
// [SampleRecords] records and [SampleBytes] bytes whose flaws have been looked
// for; flawed records are passed over. text says that the records are CSV.
//
// A column of CSV is, by its fields that are not null (unquoted and empty):
//
//	integer  all are JSON integers of 64 bits: 007, +1 and -0 are not
//	double   all are JSON numbers that a float64 keeps, in the sense that its
//	         shortest decimal denotes the same number: 0.1 and 1.10 are,
//	         10000000000000000999 and 0.12345678901234567890 are not
//	string   everything else, also when there are only nulls
//
// Columns are named by the header, and column_N, counted from 1, where that has
// no name.
//
// Records of JSON Lines have a column for each key of the sample, in order of
// first appearance. Numbers are as above, and
//
//	boolean  all are true or false
//	string   all are strings
//	list     all are arrays of numbers that float64 keeps, no null among them
//	json     everything else, mixtures too, also when there are only nulls
//
// A sample with a record that is no object makes one column of all records,
// called input: their JSON text.
func Infer(b *formats.Batch, schema formats.Schema, text bool) Records {
	s := sample{text: text, index: map[string]int{}}
	if text {
		for i := range max(schema.Width, len(schema.Names)) {
			s.add(fieldName(schema.Names, i))
		}
	}
	var row formats.Row
	for i := range b.Recs {
		if b.Flaw(i) != nil || b.Rows.Row(b, i, &row) != nil {
			continue
		}
		if !text && row.Shape != formats.Object {
			return Records{Columns: []formats.Column{{Name: WholeName, Type: formats.Nested}}, Whole: true}
		}
		s.look(&row)
	}
	return Records{Columns: s.columns(), Text: text}
}

// fieldName is the name of field i of a CSV record.
func fieldName(names []string, i int) string {
	if i < len(names) && names[i] != "" {
		return names[i]
	}
	return "column_" + strconv.Itoa(i+1)
}

// A sample gathers which types would do for each column.
type sample struct {
	text  bool
	names []string
	index map[string]int
	seen  []types
}

// types is a set of types, and whether any value was seen.
type types struct {
	integer, double, boolean, text, list bool
	seen                                 bool
}

func (s *sample) add(name string) int {
	s.index[name] = len(s.names)
	s.names = append(s.names, name)
	s.seen = append(s.seen, types{true, true, true, true, true, false})
	return len(s.names) - 1
}

func (s *sample) look(row *formats.Row) {
	for i, v := range row.Values {
		at, known := i, true
		switch {
		case !s.text:
			at, known = s.index[row.Names[i]]
			if !known {
				at = s.add(row.Names[i])
			}
		case i >= len(s.names):
			s.add(fieldName(nil, i))
		}
		s.seen[at].narrow(v)
	}
}

// narrow takes out of t what v cannot be.
func (t *types) narrow(v formats.Value) {
	if v.Kind == formats.Null {
		return
	}
	var p parsed
	fits := func(typ formats.Type) bool { return rule{typ: typ}.parse(v, &p) }
	t.seen = true
	t.integer = t.integer && fits(formats.Integer)
	t.double = t.double && fits(formats.Double)
	t.boolean = t.boolean && v.Kind == formats.Bool
	t.text = t.text && v.Kind == formats.String
	t.list = t.list && fits(formats.Doubles)
}

// columns are the types that are left.
func (s *sample) columns() []formats.Column {
	columns := make([]formats.Column, len(s.names))
	for k, t := range s.seen {
		columns[k] = formats.Column{Name: s.names[k], Type: t.best(s.text)}
	}
	return columns
}

func (t types) best(text bool) formats.Type {
	rest := formats.Nested
	if text {
		rest = formats.Text
	}
	switch {
	case !t.seen:
		return rest
	case t.integer:
		return formats.Integer
	case t.double:
		return formats.Double
	case t.boolean:
		return formats.Boolean
	case t.text:
		return formats.Text
	case t.list:
		return formats.Doubles
	}
	return rest
}

// Resolve gives the columns of r the types that settings like zip=string
// declare; the text before the last = is a column's name. A declared double
// takes numbers that have to be rounded, a declared string any scalar as its
// text. The errors are *ConfigError: an unknown type, a column that does not
// exist or is given two types.
func Resolve(r Records, settings []string) (Records, error) {
	r.Columns, r.Declared = slices.Clone(r.Columns), nil
	for _, s := range settings {
		at := strings.LastIndexByte(s, '=')
		if at < 0 {
			return Records{}, configError("column-type", "%.100q has no type; write NAME=TYPE, as in zip=string", s)
		}
		typ, err := parseType("column-type", s, s[at+1:])
		if err != nil {
			return Records{}, err
		}
		name := s[:at]
		k := slices.IndexFunc(r.Columns, func(c formats.Column) bool { return c.Name == name })
		switch {
		case k < 0:
			return Records{}, configError("column-type", "%.100q: no column %.100q; %s", s, name, listNames(columnNames(r.Columns)))
		case slices.Contains(r.Declared, name) && r.Columns[k].Type != typ:
			return Records{}, configError("column-type", "%.100q: column %.100q is declared %s by another setting; keep one of them", s, name, r.Columns[k].Type)
		}
		r.Columns[k].Type = typ
		r.Declared = append(r.Declared, name)
	}
	return r, nil
}
