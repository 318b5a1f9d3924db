package jsonl

import (
	"sync"

	"github.com/batchmill/batchmill/formats"
	"github.com/batchmill/batchmill/formats/fields"
	"github.com/batchmill/batchmill/formats/json"
)

// columns make of every answer an object with the keys that the job's user names.
type columns struct {
	table   *fields.Table
	members [][]byte // "class": for each column; nil where a filter leaves the column out
}

// newColumns is nil where answers stay as they are.
func newColumns(c JoinerConfig) *columns {
	names := c.names()
	if names.Columns == nil {
		return nil
	}
	s := &columns{table: names.Table(&formats.Layout{}, true, "")}
	for _, name := range names.Columns {
		var member []byte
		if c.Input || c.Filter.wants(name) {
			member = append(json.AppendString(nil, []byte(name)), ':')
		}
		s.members = append(s.members, member)
	}
	return s
}

var placed = sync.Pool{New: func() any { return &fields.Values{Literals: true} }}

// misfit says why an answer does not have the columns, "" where it has.
func (s *columns) misfit(answer []byte, form formats.Form) string {
	v := placed.Get().(*fields.Values)
	defer placed.Put(v)
	return s.table.Place(v, answer, form)
}

// append appends an answer that fits, as an object on one line; null stays null.
func (s *columns) append(dst, answer []byte, form formats.Form) []byte {
	v := placed.Get().(*fields.Values)
	defer placed.Put(v)
	if s.table.Place(v, answer, form) != "" || form == formats.JSONForm && json.KindOf(answer) == formats.Null {
		return append(dst, "null"...)
	}
	dst = append(dst, '{')
	start := len(dst)
	for k, member := range s.members {
		if member == nil {
			continue
		}
		if len(dst) > start {
			dst = append(dst, ',')
		}
		dst = appendValue(append(dst, member...), v.List[k])
	}
	return append(dst, '}')
}
