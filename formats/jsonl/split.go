package jsonl

import (
	"fmt"

	"github.com/batchmill/batchmill/formats"
	"github.com/batchmill/batchmill/formats/json"
)

// split renders records as one table: the names once, then the values of each
// record in their order. Pandas calls the table orient="split", and MLflow's
// scoring server takes it as dataframe_split.
type split struct {
	names []string // the columns; nil for records without names
	index map[string]int
	head  []byte         // what stands before the first record
	known map[string]int // keys that may stand in a record, sent or not, by their place in the schema
}

func newSplit(names []string, filter Filter) (*split, error) {
	s := &split{index: map[string]int{}, known: map[string]int{}, head: []byte(`{"dataframe_split":{`)}
	for i, name := range names {
		if _, twice := s.known[name]; twice {
			return nil, fmt.Errorf("json payload: two columns are called %s, and a table has each once", quote(name))
		}
		s.known[name] = i
		if filter.wants(name) {
			s.index[name] = len(s.names)
			s.names = append(s.names, name)
		}
	}
	if names != nil {
		s.head = append(s.head, `"columns":[`...)
		for i, name := range s.names {
			if i > 0 {
				s.head = append(s.head, ',')
			}
			s.head = json.AppendString(s.head, []byte(name))
		}
		s.head = append(s.head, "],"...)
	}
	s.head = append(s.head, `"data":[`...)
	return s, nil
}

// check adds a flaw for every record that has no row in the table.
func (s *split) check(b *formats.Batch) {
	row := formats.Row{Need: none}
	seen := make([]int, len(s.known)) // the last record, from 1, that holds the key
	for i := range b.Recs {
		if b.Flaw(i) != nil {
			continue
		}
		if err := b.Rows.Row(b, i, &row); err != nil {
			b.AddFlaw(i, formats.ReasonInvalid, "cannot be written as JSON: %v", err)
			continue
		}
		if named := row.Shape == formats.Object; named != (len(s.known) > 0) {
			b.AddFlaw(i, formats.ReasonRagged, "a record with keys among records without, or the reverse; a table has one kind")
			continue
		}
		for _, name := range row.Names {
			k, ok := s.known[name]
			if !ok {
				b.AddFlaw(i, formats.ReasonNoColumn, "key %s is no column; the columns are the keys of the job's first record", quote(name))
				break
			}
			if seen[k] == i+1 {
				b.AddFlaw(i, formats.ReasonKeyClash, "key %s stands there twice; only one can go into its column", quote(name))
				break
			}
			seen[k] = i + 1
		}
	}
}

// encode appends the records sel as one table. A key that is missing is null.
func (s *split) encode(dst []byte, b *formats.Batch, sel []int32, need []bool) []byte {
	dst = append(dst, s.head...)
	row := formats.Row{Need: need}
	at := make([]int, len(s.names))
	for k, i := range sel {
		if k > 0 {
			dst = append(dst, ',')
		}
		if b.Rows.Row(b, int(i), &row) != nil {
			row.Reset() // Check has read the row; the count of rows must hold all the same
		}
		if s.names == nil {
			dst = appendList(dst, row.Values)
			continue
		}
		s.place(at, row.Names)
		dst = s.appendPlaced(dst, at, row.Values)
	}
	return append(dst, "]}}"...)
}

// place notes where each column's value stands, -1 for none.
func (s *split) place(at []int, names []string) {
	for c := range at {
		at[c] = -1
	}
	for k, name := range names {
		if c, ok := s.index[name]; ok {
			at[c] = k
		}
	}
}

func (s *split) appendPlaced(dst []byte, at []int, values []formats.Value) []byte {
	dst = append(dst, '[')
	for c, k := range at {
		if c > 0 {
			dst = append(dst, ',')
		}
		if k < 0 {
			dst = append(dst, "null"...)
		} else {
			dst = appendValue(dst, values[k])
		}
	}
	return append(dst, ']')
}

func appendList(dst []byte, values []formats.Value) []byte {
	dst = append(dst, '[')
	for k, v := range values {
		if k > 0 {
			dst = append(dst, ',')
		}
		dst = appendValue(dst, v)
	}
	return append(dst, ']')
}
