package parquet

import (
	"fmt"
	"slices"
	"strings"

	"github.com/parquet-go/parquet-go/deprecated"
	"github.com/parquet-go/parquet-go/format"

	"github.com/batchmill/batchmill/formats"
	"github.com/batchmill/batchmill/formats/parquet/text"
)

// maxDepth bounds a schema: levels have to fit in a byte.
const maxDepth = 100

// MaxColumns is how many columns a file may have, the parts of nested columns counted:
// parquet-go cannot number more.
const MaxColumns = 1<<16 - 2

// A Schema is what all files of a job must have in common: their top-level
// columns' names, order and types. Whether a column may hold nulls may differ.
type Schema struct {
	formats.Schema
	// Types describes each column of Names: physical type, annotation, and the
	// columns below. Types are for comparing, and mean nothing else.
	Types []string
	// As are the names by which records show the columns; nil means Names.
	As []string
}

// A leaf is a column that holds values.
type leaf struct {
	path    string // names joined by dots
	element *format.SchemaElement
	kind    format.Type
	width   int   // bytes of a value as PLAIN has it; 0 where they differ, 1 for BOOLEAN
	maxRep  uint8 // highest repetition and definition levels
	maxDef  uint8
}

// A topColumn is a child of the schema's root: a leaf, or a group of leaves.
type topColumn struct {
	name     string
	typ      string
	elements []format.SchemaElement // its own and all below
	first    int                    // its leaves, [first, end) of all
	end      int
	leaf     text.Leaf
	nested   *text.Nested // nil where the column is one leaf that does not repeat
}

// A treeReader makes leaves and top-level columns of a file's flat schema.
type treeReader struct {
	elements []format.SchemaElement
	at       int
	leaves   []leaf
}

// readTree checks a schema and takes the schema apart. The root's own type, which
// some writers set, means nothing.
func readTree(elements []format.SchemaElement) ([]topColumn, []leaf, error) {
	if len(elements) == 0 || elements[0].Type.Valid && elements[0].NumChildren.V == 0 {
		return nil, nil, fmt.Errorf("the schema has no root")
	}
	t := &treeReader{elements: elements, at: 1}
	columns := make([]topColumn, 0, min(int(max(0, elements[0].NumChildren.V)), len(elements)))
	for range elements[0].NumChildren.V {
		c, err := t.topColumn()
		if err != nil {
			return nil, nil, err
		}
		columns = append(columns, c)
	}
	if t.at != len(elements) {
		return nil, nil, fmt.Errorf("the schema has %d elements, and %d of them hang together", len(elements), t.at)
	}
	return columns, t.leaves, nil
}

func (t *treeReader) topColumn() (c topColumn, err error) {
	start, first := t.at, len(t.leaves)
	typ, err := t.node("", leaf{}, 1)
	if err != nil {
		return c, err
	}
	c = topColumn{elements: t.elements[start:t.at:t.at], typ: typ, first: first, end: len(t.leaves)}
	e := &c.elements[0]
	c.name = e.Name
	if e.Type.Valid && repetition(e) != format.Repeated {
		c.leaf, err = text.LeafOf(e)
	} else {
		c.nested, err = text.NestedOf(c.elements, first)
	}
	return c, err
}

// node takes the next element with the elements below, and returns its description.
func (t *treeReader) node(above string, l leaf, depth int) (string, error) {
	if t.at >= len(t.elements) {
		return "", fmt.Errorf("the schema ends before group %q does", above)
	}
	if depth > maxDepth {
		return "", fmt.Errorf("column %.200q: its groups nest deeper than %d", above, maxDepth)
	}
	e := &t.elements[t.at]
	t.at++
	if l.path = e.Name; above != "" {
		l.path = above + "." + e.Name
	}
	typ := ""
	switch repetition(e) {
	case format.Required:
	case format.Optional:
		l.maxDef++
	case format.Repeated:
		l.maxRep, l.maxDef, typ = l.maxRep+1, l.maxDef+1, "repeated "
	default:
		return "", fmt.Errorf("column %q: unknown repetition %d", l.path, e.RepetitionType.V)
	}
	if e.Type.Valid {
		return typ + typeOf(e), t.leaf(l, e)
	}
	return t.group(typ, l, e, depth)
}

func (t *treeReader) group(typ string, l leaf, e *format.SchemaElement, depth int) (string, error) {
	parts := []string{}
	for range e.NumChildren.V {
		at := t.at
		part, err := t.node(l.path, leaf{maxRep: l.maxRep, maxDef: l.maxDef}, depth+1)
		if err != nil {
			return "", err
		}
		parts = append(parts, t.elements[at].Name+": "+part)
	}
	return typ + annotation(e) + "{" + strings.Join(parts, ", ") + "}", nil
}

func (t *treeReader) leaf(l leaf, e *format.SchemaElement) error {
	if e.NumChildren.V > 0 {
		return fmt.Errorf("column %q has values and children", l.path)
	}
	if len(t.leaves) >= MaxColumns {
		return fmt.Errorf("the schema has more than %d columns", MaxColumns)
	}
	widths := [...]int{format.Boolean: 1, format.Int32: 4, format.Int64: 8, format.Int96: 12,
		format.Float: 4, format.Double: 8, format.ByteArray: 0, format.FixedLenByteArray: int(e.TypeLength.V)}
	if e.Type.V < 0 || int(e.Type.V) >= len(widths) {
		return fmt.Errorf("column %q: unknown physical type %d", l.path, e.Type.V)
	}
	l.element, l.kind, l.width = e, e.Type.V, widths[e.Type.V]
	if l.kind == format.FixedLenByteArray && l.width <= 0 {
		return fmt.Errorf("column %q: values of %d bytes", l.path, l.width)
	}
	t.leaves = append(t.leaves, l)
	return nil
}

func repetition(e *format.SchemaElement) format.FieldRepetitionType {
	if e.RepetitionType.Valid {
		return e.RepetitionType.V
	}
	return format.Required
}

// typeOf describes a leaf's type.
func typeOf(e *format.SchemaElement) string {
	typ := e.Type.V.String()
	if e.Type.V == format.FixedLenByteArray {
		typ += fmt.Sprintf("(%d)", e.TypeLength.V)
	}
	if a := annotation(e); a != "" {
		typ += " " + a
	}
	return typ
}

// annotation is the logical type. The converted type, which older writers set,
// counts as the logical type that took its place.
func annotation(e *format.SchemaElement) string {
	switch t, known := successors[e.ConvertedType.V]; {
	case e.LogicalType.Value != nil:
		return e.LogicalType.Value.String()
	case !e.ConvertedType.Valid:
		return ""
	case e.ConvertedType.V == deprecated.Decimal:
		return (&format.DecimalType{Scale: e.Scale.V, Precision: e.Precision.V}).String()
	case known:
		return t.String()
	}
	return fmt.Sprintf("CONVERTED(%d)", e.ConvertedType.V)
}

var (
	millis = format.TimeUnit{Value: new(format.MilliSeconds)}
	micros = format.TimeUnit{Value: new(format.MicroSeconds)}
)

// successors are the logical types that took the place of converted types
// (https://github.com/apache/parquet-format/blob/master/LogicalTypes.md).
var successors = map[deprecated.ConvertedType]format.LogicalTypeValue{
	deprecated.UTF8:            new(format.StringType),
	deprecated.Map:             new(format.MapType),
	deprecated.MapKeyValue:     new(format.MapType),
	deprecated.List:            new(format.ListType),
	deprecated.Enum:            new(format.EnumType),
	deprecated.Date:            new(format.DateType),
	deprecated.TimeMillis:      &format.TimeType{IsAdjustedToUTC: true, Unit: millis},
	deprecated.TimeMicros:      &format.TimeType{IsAdjustedToUTC: true, Unit: micros},
	deprecated.TimestampMillis: &format.TimestampType{IsAdjustedToUTC: true, Unit: millis},
	deprecated.TimestampMicros: &format.TimestampType{IsAdjustedToUTC: true, Unit: micros},
	deprecated.Uint8:           &format.IntType{BitWidth: 8},
	deprecated.Uint16:          &format.IntType{BitWidth: 16},
	deprecated.Uint32:          &format.IntType{BitWidth: 32},
	deprecated.Uint64:          &format.IntType{BitWidth: 64},
	deprecated.Int8:            &format.IntType{BitWidth: 8, IsSigned: true},
	deprecated.Int16:           &format.IntType{BitWidth: 16, IsSigned: true},
	deprecated.Int32:           &format.IntType{BitWidth: 32, IsSigned: true},
	deprecated.Int64:           &format.IntType{BitWidth: 64, IsSigned: true},
	deprecated.Json:            new(format.JsonType),
	deprecated.Bson:            new(format.BsonType),
}

// Match tells whether a file of schema s can stand beside the job's first
// file, of schema first. If not, the error is a *SchemaError that names the
// column.
func (s Schema) Match(first Schema) error {
	for i, name := range first.Names {
		switch {
		case i >= len(s.Names):
			return &SchemaError{Column: name, Message: "this file has no such column, and the job's first one has; transform it in a job of its own"}
		case s.Names[i] != name && slices.Contains(s.Names, name):
			return &SchemaError{Column: name, Message: fmt.Sprintf("at place %d stands %q in this file; the columns' order must be that of the job's first one", i+1, s.Names[i])}
		case s.Names[i] != name:
			return &SchemaError{Column: name, Message: fmt.Sprintf("in its place this file has %q; columns must be those of the job's first one", s.Names[i])}
		case s.Types[i] != first.Types[i]:
			return &SchemaError{Column: name, Message: fmt.Sprintf("is %.200s in this file, and %.200s in the job's first one; transform it in a job of its own", s.Types[i], first.Types[i])}
		}
	}
	if len(s.Names) > len(first.Names) {
		return &SchemaError{Column: s.Names[len(first.Names)], Message: "the job's first file has no such column; transform this one in a job of its own"}
	}
	return nil
}
