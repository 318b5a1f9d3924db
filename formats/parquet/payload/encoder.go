// Package payload is Parquet as the language of requests and responses, each a
// small file that is complete in itself: application/x-parquet, and
// application/vnd.apache.parquet.
package payload

import (
	"fmt"
	"slices"

	"github.com/parquet-go/parquet-go/format"

	"github.com/batchmill/batchmill/formats"
	"github.com/batchmill/batchmill/formats/parquet"
)

// EncoderConfig says what a payload holds of Parquet records.
type EncoderConfig struct {
	// Names are the top-level columns of the input, in order.
	Names []string
	// Filter names the columns to send, in the order to send them; nil sends all.
	Filter []string
}

// A FilterError is a filter that the input's columns cannot serve.
type FilterError struct {
	Name    string // what the filter says
	Message string // why that is wrong, and the fix
}

func (e *FilterError) Error() string { return fmt.Sprintf("%.100q: %s", e.Name, e.Message) }

type encoder struct{ picks []int }

// NewEncoder renders records that package parquet has read. A payload has one
// row group; each column's schema is that of the file which the records come
// from, to the letter; values are PLAIN and not compressed. The same records
// make the same bytes. The error is a *FilterError.
func NewEncoder(c EncoderConfig) (formats.Encoder, error) {
	picks, err := c.Picks()
	if err != nil {
		return nil, err
	}
	return &encoder{picks}, nil
}

// Picks are the columns to send by place, for the reader of these columns.
func (c *EncoderConfig) Picks() ([]int, error) {
	wanted := c.Filter
	if wanted == nil {
		wanted = c.Names
	}
	if len(wanted) == 0 {
		return nil, &FilterError{"", "no column is left to send; name one at least"}
	}
	var picks []int
	for _, name := range wanted {
		k := slices.Index(c.Names, name)
		switch {
		case k < 0:
			return nil, &FilterError{name, "the input has no such column; its first ones are " + list(c.Names)}
		case c.Filter != nil && slices.Contains(picks, k):
			return nil, &FilterError{name, "it stands there twice; a Parquet file has one column of a name"}
		}
		picks = append(picks, k)
	}
	if c.Filter == nil { // all columns, also columns of equal names
		for k := range picks {
			picks[k] = k
		}
	}
	return picks, nil
}

// list names columns for a message.
func list(names []string) string {
	const most = 20
	text := ""
	for k, name := range names[:min(len(names), most)] {
		if k > 0 {
			text += ", "
		}
		text += fmt.Sprintf("%.100q", name)
	}
	return text
}

// Check implements formats.Encoder. All records can be rendered, if the
// columns to send have been read.
func (e *encoder) Check(b *formats.Batch) {
	f := parquet.FileOf(b)
	for _, k := range e.picks {
		first := -1
		if f != nil {
			first, _ = f.Leaves(k)
		}
		if _, ok := parquet.AppendValues(nil, b, first, nil); ok {
			continue
		}
		for i := range b.Recs {
			b.AddFlaw(i, formats.ReasonNoField, "column %d was not read, which is a fault of this program", k+1)
		}
		return
	}
}

// Encode implements formats.Encoder.
func (e *encoder) Encode(dst []byte, b *formats.Batch, sel []int32) []byte {
	f := parquet.FileOf(b)
	if f == nil {
		return dst // Check has refused the batch
	}
	w := begin(dst, len(e.picks))
	for _, k := range e.picks {
		elements := f.Elements(k)
		leaf, _ := f.Leaves(k)
		for _, l := range leavesOf(elements) {
			w.values, _ = parquet.AppendValues(w.values[:0], b, leaf, sel)
			w.chunk(&l, w.values)
			clear(w.values) // the values point into the batch
			leaf++
		}
		w.schema = append(w.schema, elements...)
	}
	return w.end(len(sel))
}

// A leaf is a column of values.
type leaf struct {
	kind     format.Type
	path     []string
	rep, def uint8 // the maximum levels
}

// leavesOf are the leaves of a top-level column, as the schema lists it.
func leavesOf(elements []format.SchemaElement) []leaf {
	var leaves []leaf
	walk(elements, leaf{}, &leaves)
	return leaves
}

// walk takes the first element with the elements below, and returns the rest.
func walk(elements []format.SchemaElement, above leaf, leaves *[]leaf) []format.SchemaElement {
	e := &elements[0]
	elements = elements[1:]
	l := leaf{kind: e.Type.V, path: append(slices.Clip(above.path), e.Name), rep: above.rep, def: above.def}
	switch e.RepetitionType.V {
	case format.Optional:
		l.def++
	case format.Repeated:
		l.def++
		l.rep++
	}
	if e.Type.Valid {
		*leaves = append(*leaves, l)
		return elements
	}
	for range e.NumChildren.V {
		elements = walk(elements, l, leaves)
	}
	return elements
}
