package encode

import (
	"fmt"
	"slices"

	"github.com/batchmill/batchmill/formats"
	"github.com/batchmill/batchmill/formats/json"
)

// rows lays records out by the columns of an output.
type rows struct {
	Records
	index  map[string]int // of Columns, by name
	picks  []int          // Columns that are in the output
	rules  []rule         // a rule for each of picks
	strict bool           // every key has to be a column
}

// newRows picks columns of r; nil picks all.
func newRows(r Records, columns []formats.Column, all bool) *rows {
	s := &rows{Records: r, index: make(map[string]int, len(r.Columns)), strict: all}
	for k, c := range r.Columns {
		s.index[c.Name] = k
	}
	for _, c := range columns {
		declared := slices.Contains(r.Declared, c.Name)
		s.picks = append(s.picks, s.index[c.Name])
		s.rules = append(s.rules, rule{typ: c.Type, text: r.Text, declared: declared, rounds: declared})
	}
	return s
}

// A mismatch is why a record cannot stand in the columns.
type mismatch struct {
	reason  formats.Reason
	message string
}

// check adds a flaw for every record that has none and does not fit.
func (s *rows) check(b *formats.Batch) {
	formats.CheckText(b, s.wants)
	w := builders.Get().(*builder)
	defer builders.Put(w)
	for i := range b.Recs {
		if b.Flaw(i) != nil {
			continue
		}
		if m := s.fit(b, i, w); m != nil {
			b.AddFlaw(i, m.reason, "%s", m.message)
		}
	}
}

// wants tells whether a field, or the value of a key, goes into a column that is
// written.
func (s *rows) wants(place int, name string) bool {
	if !s.Text {
		at, known := s.index[name]
		return known && slices.Contains(s.picks, at)
	}
	return slices.Contains(s.picks, place)
}

// fit loads record i of b and looks at its values.
func (s *rows) fit(b *formats.Batch, i int, w *builder) *mismatch {
	if m := s.load(b, i, w); m != nil {
		return m
	}
	for k, at := range s.picks {
		v := w.value(at)
		if !s.rules[k].parse(v, &w.p) {
			return &mismatch{formats.ReasonType, fmt.Sprintf("column %.100q: %s is not %s; correct it, or declare another type with --column-type",
				s.Columns[at].Name, show(v), s.rules[k].takes())}
		}
	}
	return nil
}

// takes is what the rule's column holds, for messages.
func (r rule) takes() string {
	if r.typ == formats.Double && r.rounds {
		return "a number within the range of doubles"
	}
	if r.typ == formats.Text {
		return "a string of UTF-8"
	}
	return nouns[r.typ]
}

// show is a value for a message.
func show(v formats.Value) string {
	switch v.Kind {
	case formats.Null:
		return "null"
	case formats.String:
		return fmt.Sprintf("%.100q", v.Text)
	}
	text := v.Text
	if len(text) > 100 {
		text = append(text[:100:100], "..."...)
	}
	quoted := fmt.Sprintf("%q", text)
	return quoted[1 : len(quoted)-1]
}

// load finds the values of record i of b, for value.
func (s *rows) load(b *formats.Batch, i int, w *builder) *mismatch {
	w.slots = w.slots[:0]
	if s.Whole {
		at := json.Trim(b.Record(i))
		v, _ := fromJSON(b.Record(i)[at.Start:at.End], nil)
		if v.Kind == formats.String {
			v = formats.Value{Kind: formats.JSON, Text: b.Record(i)[at.Start:at.End]}
		}
		w.row.Values = append(w.row.Values[:0], v)
		w.slots = append(w.slots, 0)
		return nil
	}
	if err := b.Rows.Row(b, i, &w.row); err != nil {
		return &mismatch{formats.ReasonInvalid, err.Error()}
	}
	for range s.Columns {
		w.slots = append(w.slots, -1)
	}
	if s.Text {
		return s.placeFields(w)
	}
	return s.placeKeys(w)
}

// value is the value of column at in the record that load has found.
func (w *builder) value(at int) formats.Value {
	if k := w.slots[at]; k >= 0 {
		return w.row.Values[k]
	}
	return formats.Value{}
}

func (s *rows) placeFields(w *builder) *mismatch {
	for k := range w.row.Values {
		if k < len(w.slots) {
			w.slots[k] = k
		} else if s.strict {
			return &mismatch{formats.ReasonNoColumn, fmt.Sprintf("%d fields, and the output has %d columns for them; they are settled by the header, or the beginning of the job's first object",
				len(w.row.Values), len(s.Columns))}
		}
	}
	return nil
}

// placeKeys finds a column for every key. Keys in column order, the usual case,
// cost one comparison each.
func (s *rows) placeKeys(w *builder) *mismatch {
	if w.row.Shape != formats.Object {
		return &mismatch{formats.ReasonType, "it is no JSON object, and all records at the beginning of the job's first object are"}
	}
	for k, key := range w.row.Names {
		at, known := k, k < len(s.Columns) && s.Columns[k].Name == key
		if !known {
			at, known = s.index[key]
		}
		switch {
		case !known && s.strict:
			return &mismatch{formats.ReasonNoColumn, fmt.Sprintf("key %.100q is no column; the columns are the keys of the first records (%d records or %d bytes)",
				key, SampleRecords, SampleBytes)}
		case !known:
		case w.slots[at] >= 0:
			return &mismatch{formats.ReasonKeyClash, fmt.Sprintf("key %.100q stands there twice; only one can go into its column", key)}
		default:
			w.slots[at] = k
		}
	}
	return nil
}

// add puts the values of record i of b, a record that fits, into the builder's
// first columns.
func (s *rows) add(b *formats.Batch, i int, w *builder) {
	if s.load(b, i, w) != nil {
		return
	}
	for k, at := range s.picks {
		if s.rules[k].parse(w.value(at), &w.p) {
			w.add(k, &w.p)
		}
	}
}

// unusable are the reasons that keep a record's own values out of the output.
var unusable = []formats.Reason{formats.ReasonRagged, formats.ReasonQuote, formats.ReasonTooLarge, formats.ReasonInvalid, formats.ReasonUnicode, formats.ReasonEncoding}

// stands tells whether record i can stand in the output for itself. A record
// whose flaw is not the output's can: such a record lacks a value that only
// the payload needs.
func (s *rows) stands(b *formats.Batch, i int, flaw *formats.Flaw, w *builder) bool {
	return flaw == nil || !slices.Contains(unusable, flaw.Reason) && s.fit(b, i, w) == nil
}
