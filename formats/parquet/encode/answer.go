package encode

import (
	"slices"

	"github.com/batchmill/batchmill/formats"
	"github.com/batchmill/batchmill/formats/fields"
)

// A plan is what a layout makes of answers.
type plan struct {
	*fields.Table
	out     []int  // where each column stands in the output, -1 for nowhere
	missing string // the filter names this column, and there is none
	how     string // who has fixed the types, for messages
}

func (j *joiner) plan(l *formats.Layout) *plan {
	p := &plan{how: "settled by the first answers; --answer-type decides otherwise"}
	if j.declared != nil {
		p.how = "as --answer-type says"
	}
	p.Table = j.answers.Table(l, j.named, p.how)
	at := 0
	for _, c := range l.Columns {
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
	input := j.names()
	have := append(columnNames(l.Columns), input...)
	for _, name := range j.Filter {
		if !j.answers.Stands(name, input) && !slices.Contains(have, name) {
			return name
		}
	}
	return ""
}
