package csv

import (
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/batchmill/batchmill/formats"
	"github.com/batchmill/batchmill/formats/fields"
)

// JoinerConfig says how output records are written as CSV.
type JoinerConfig struct {
	Dialect
	// Answers is the dialect of CSV answers. Where the answers' dialect is not the
	// output's, the answers' fields are written anew.
	Answers Dialect
	// Input: a record's own fields come before the answer's. Without Input the
	// output is the answers alone.
	Input bool
	// Verbatim: the batches hold CSV of this dialect, to be kept as it stands.
	// Otherwise records come through Rows, laid out by Schema.Names.
	Verbatim bool
	// Schema is the job's. Output has a header when it has Names.
	Schema formats.Schema
	// AnswerName names the answer's column, or with _1, _2 ... its columns;
	// "" means [formats.DefaultAnswerName].
	AnswerName string
	// AnswerColumns are the answer's columns, in order; nil where answers decide.
	AnswerColumns []string
	// Keys: answers may be JSON objects, whose keys become columns.
	Keys bool
	// Filter picks from the fields of the record and the answer together; nil
	// picks all. AnswerName in Filter, where no column is called so, stands for all
	// of the answer's fields.
	Filter Filter
}

type joiner struct {
	Dialect
	answers    Dialect
	asAnswered bool // the answers' fields stand as the output's do
	cols       *columns
	input      bool
	verbatim   bool
	schema     formats.Schema
	names      fields.Names
	keys       bool
	filter     Filter
	base       int // input fields as the schema has them; 0 without Input
	// last is the plan that was used last. A job has one layout, so a plan
	// is made once or twice.
	last atomic.Pointer[plan]
}

// NewJoiner returns a Joiner, or an *OptionError when the dialect is not valid,
// an input column has the answer's name, or the filter picks what cannot exist.
func NewJoiner(c JoinerConfig) (formats.Joiner, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	d := c.orDefault()
	j := &joiner{
		Dialect: d, answers: c.Answers.orDefault(), input: c.Input, verbatim: c.Verbatim, schema: c.Schema,
		names: fields.Names{Answer: c.AnswerName, Columns: c.AnswerColumns}, keys: c.Keys,
		cols: newColumns(d, c.Schema.Names, c.Schema.Width), filter: c.Filter,
	}
	j.asAnswered = j.Dialect.writesAs(j.answers)
	if !c.Input {
		return j, j.checkFilter()
	}
	if j.base = c.Schema.Width; j.base == 0 {
		j.base = len(c.Schema.Names)
	}
	if err := j.checkNames(); err != nil {
		return nil, err
	}
	if j.filter != nil && c.Schema.Width == 0 && c.Schema.Names == nil {
		return nil, filterError("an output filter needs to know the records' fields; leave out --ragged, or give the input a header")
	}
	if err := j.checkFilter(); err != nil {
		return nil, err
	}
	return j, nil
}

// checkNames refuses an input column that an answer's column would be called.
// How many there will be is not known yet, so every number counts, and with JSON
// answers every key.
func (j *joiner) checkNames() error {
	for _, name := range j.schema.Names {
		switch {
		case !j.isAnswerName(name):
		case j.names.Columns != nil:
			return &OptionError{"answer columns", fmt.Sprintf("the input has a column %.100q too; name the answer's columns otherwise with --answer-columns, or write the answers alone with --join none", name)}
		default:
			return &OptionError{"answer name", fmt.Sprintf("the input has a column %.100q already; choose another with --answer-name, or write the answers alone with --join none", name)}
		}
	}
	return nil
}

// isAnswerName tells whether a column of answers may be called name.
func (j *joiner) isAnswerName(name string) bool { return j.names.May(name, j.keys) }

// checkFilter refuses names that no answer, however wide, can bring. A pick
// that depends on the answer's width is left to Fit.
func (j *joiner) checkFilter() error {
	for _, c := range j.filter {
		if c.index != nil || c.from != nil || j.isAnswerName(c.name) || j.standsForAll(c) {
			continue
		}
		if _, err := c.resolveName(nil, j.joinedNames(j.names.Places(max(j.names.Count(), 1)))); err != nil {
			return err
		}
	}
	if j.verbatim && j.schema.Width == 0 {
		j.cols.least = j.leastPicked()
	}
	return nil
}

// leastPicked is how many input fields a record must have for the filter.
func (j *joiner) leastPicked() int {
	least := 0
	names := j.joinedNames(j.names.Places(max(j.names.Count(), 1)))
	for _, c := range j.filter {
		if j.standsForAll(c) {
			continue
		}
		picks, err := c.resolve(nil, names, len(names))
		for _, p := range picks {
			if err == nil && p < j.base {
				least = max(least, p+1)
			}
		}
	}
	return least
}

// A plan is what a layout decides.
type plan struct {
	of     formats.Layout
	width  int           // fields of an answer
	names  []string      // of these fields
	table  *fields.Table // what JSON answers become; nil: an array its elements, all else one field
	keyed  bool          // all answers are objects
	strict bool          // an object is no field; in layouts that older releases have logged, it is one
	picks  []int         // nil: all fields; fields from base on are the answer's
	err    error         // the filter cannot pick from such answers, or a column of theirs is the input's
}

// is tells whether p was made of l.
func (p *plan) is(l *formats.Layout) bool {
	return p != nil && p.of.Fields == l.Fields && p.of.Seen == l.Seen && len(p.of.Columns) == len(l.Columns) &&
		(len(l.Columns) == 0 || &p.of.Columns[0] == &l.Columns[0])
}

func (j *joiner) planFor(l *formats.Layout) *plan {
	if p := j.last.Load(); p.is(l) {
		return p
	}
	p := &plan{of: *l, keyed: l.Columns != nil, strict: l.Seen > 0}
	if p.keyed || j.names.Columns != nil {
		p.table = j.names.Table(l, false, "settled by the job's first answer; --answer-columns picks others")
		for _, c := range p.table.Columns {
			p.names = append(p.names, c.Name)
		}
	} else {
		p.names = j.names.Places(max(l.Fields, 1))
	}
	p.width = len(p.names)
	if j.filter != nil {
		p.picks, p.err = j.resolve(p.names)
	}
	for _, name := range p.names {
		if slices.Contains(j.inputNames(), name) {
			p.err = fmt.Errorf("the answer's column %.100q would be called as a column of the input; choose other names with --answer-name or --answer-columns, or write the answers alone with --join none", name)
		}
	}
	j.last.Store(p)
	return p
}

// standsForAll tells whether c picks all of the answer's fields by the answer's name.
func (j *joiner) standsForAll(c choice) bool {
	return c.index == nil && c.from == nil && j.names.Stands(c.name, j.inputNames())
}

// inputNames are the names of the input's columns in the output.
func (j *joiner) inputNames() []string {
	if !j.input {
		return nil
	}
	return j.schema.Names
}

// resolve is the filter over a record's fields and those of answers.
func (j *joiner) resolve(answers []string) ([]int, error) {
	picks := []int{}
	names := j.joinedNames(answers)
	for _, c := range j.filter {
		if j.standsForAll(c) {
			for k := range answers {
				picks = append(picks, j.base+k)
			}
			continue
		}
		var err error
		if picks, err = c.resolve(picks, names, len(names)); err != nil {
			return []int{}, err
		}
	}
	if len(picks) == 0 {
		return picks, filterError("it picks no field out of %d", len(names))
	}
	return picks, nil
}

// joinedNames are the joined record's columns, empty where the input has no names.
func (j *joiner) joinedNames(answers []string) []string {
	names := make([]string, j.base, j.base+len(answers))
	copy(names, j.inputNames())
	return append(names, answers...)
}

// Check implements formats.Joiner.
func (j *joiner) Check(b *formats.Batch) {
	switch {
	case !j.input:
	case !j.verbatim:
		j.cols.check(b)
	case j.cols.least > 0:
		j.cols.checkLeast(b)
	}
}

// Begin implements formats.Joiner: Begin appends the header when the input has
// names. The input's part of the header is kept as it stood in the job's first object,
// with the line end that the object's own header has.
func (j *joiner) Begin(dst []byte, l *formats.Layout, headerEnd []byte) []byte {
	if j.schema.Names == nil {
		return dst
	}
	p := j.planFor(l)
	var body, end []byte
	if j.input {
		body = j.appendNames(nil, j.schema.Names)
		if j.verbatim && j.schema.Header != nil {
			body, end = split(j.schema.Header)
			if len(headerEnd) > 0 {
				end = headerEnd
			}
		}
	}
	answer := j.appendNames(nil, p.names)
	s := scratches.Get().(*scratch)
	defer scratches.Put(s)
	return j.appendJoined(dst, p, s, body, answer, end)
}

// appendJoined appends one output record made of body and answer, each whole
// fields with delimiters between.
func (j *joiner) appendJoined(dst []byte, p *plan, s *scratch, body, answer, end []byte) []byte {
	start := len(dst)
	if p.picks != nil {
		return j.closeRecord(j.pick(dst, p, s, body, answer), start, end)
	}
	if j.input && !(len(body) == 0 && j.base == 0 && j.cols.names != nil) {
		dst = append(append(dst, body...), j.Delimiter)
	}
	return j.closeRecord(append(dst, answer...), start, end)
}

// pick appends the plan's fields.
func (j *joiner) pick(dst []byte, p *plan, s *scratch, body, answer []byte) []byte {
	s.spans, s.more = s.spans[:0], j.fields(s.more[:0], answer)
	if j.input {
		s.spans = j.fields(s.spans, body)
	}
	for k, at := range p.picks {
		if k > 0 {
			dst = append(dst, j.Delimiter)
		}
		text, fields := body, s.spans
		if at >= j.base {
			text, fields, at = answer, s.more, at-j.base
		}
		if at < len(fields) {
			dst = j.appendRaw(dst, text[fields[at].Start:fields[at].End])
		}
	}
	return dst
}

// unusable are the reasons that keep a record's own bytes out of the output.
var unusable = []formats.Reason{formats.ReasonRagged, formats.ReasonQuote, formats.ReasonTooLarge, formats.ReasonInvalid, formats.ReasonEncoding}

// stands tells whether a record with flaw f can stand in the output for itself.
func stands(f *formats.Flaw) bool { return f == nil || !slices.Contains(unusable, f.Reason) }
