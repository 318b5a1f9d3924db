package text

import (
	"fmt"
	"slices"
	"unicode/utf8"

	pq "github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/deprecated"
	"github.com/parquet-go/parquet-go/format"

	"github.com/batchmill/batchmill/formats/json"
)

// maxDepth is how deep groups may stand in each other. Levels have one byte
// each in parquet-go, so no more than 255 groups around a leaf can be optional
// or repeated.
const maxDepth = 255

// shape is what one instance of a node looks like as JSON.
type shape uint8

const (
	scalar shape = iota
	object
	wrapper // no text of its own: as its one part
	pair    // [key, value]
	member  // "key":value
)

// A part is a node of a column's schema, and how it becomes JSON.
type part struct {
	above    *part // nil at the top
	name     string
	prefix   []byte // its name as a literal, and the colon
	shape    shape
	optional bool
	repeated bool
	open     byte // of a repeated part: the bracket before its instances
	// The maximum levels at this part; of its leaves the range [first, end).
	rep, def   int
	first, end int
	leaf       Leaf
	kind       pq.Kind // of the leaf's values
	parts      []part
}

// path is the part's name behind the names above, cut where the path is long.
func (p *part) path() string {
	const most = 200
	path := p.name
	for p = p.above; p != nil && len(path) < most; p = p.above {
		path = p.name + "." + path
	}
	if len(path) > most {
		path = "..." + path[len(path)-most:]
	}
	return path
}

// A Nested renders the values of one top-level column as JSON. A Nested does
// not change, and many goroutines may use a Nested at once.
type Nested struct {
	root      part
	firstLeaf int
}

// NestedOf takes a top-level column as the file's schema lists it: elements
// begins with the column's element, and the elements below follow; further
// elements may come after. firstLeaf is the place of the column's first leaf
// among all leaves of the schema. NestedOf fails where the schema or a leaf's
// annotation is broken (see [LeafOf]).
func NestedOf(elements []format.SchemaElement, firstLeaf int) (*Nested, error) {
	if len(elements) == 0 {
		return nil, fmt.Errorf("the schema ends where a column should be")
	}
	b := builder{rest: elements}
	n := &Nested{firstLeaf: firstLeaf}
	if err := b.build(&n.root, nil, maxDepth); err != nil {
		return nil, err
	}
	return n, nil
}

// Leaves is the range [first, end) of the column's leaves among all leaves.
func (n *Nested) Leaves() (first, end int) { return n.firstLeaf, n.firstLeaf + n.root.end }

// builder makes parts of schema elements.
type builder struct {
	rest   []format.SchemaElement
	leaves int
}

// build makes p of the next element and the elements below.
func (b *builder) build(p, above *part, depth int) error {
	if len(b.rest) == 0 {
		return fmt.Errorf("column %q has fewer parts than the schema says", above.path())
	}
	e := &b.rest[0]
	b.rest = b.rest[1:]
	*p = part{above: above, name: e.Name, first: b.leaves, open: '['}
	if !utf8.ValidString(e.Name) { // two names would become one
		return fmt.Errorf("a column is called %.100q, which is not UTF-8", e.Name)
	}
	if above != nil {
		p.rep, p.def = above.rep, above.def
	}
	p.prefix = append(json.AppendString(nil, []byte(e.Name)), ':')
	switch e.RepetitionType.V {
	case format.Optional:
		p.optional = true
		p.def++
	case format.Repeated:
		p.repeated = true
		p.def++
		p.rep++
	}
	if err := b.fill(p, e, depth); err != nil {
		return err
	}
	p.end = b.leaves
	return nil
}

// fill gives p its leaf or its parts.
func (b *builder) fill(p *part, e *format.SchemaElement, depth int) (err error) {
	n := int(e.NumChildren.V)
	switch {
	case depth == 0:
		return fmt.Errorf("column %q is nested deeper than %d", p.path(), maxDepth)
	case n < 0 || n > len(b.rest):
		return fmt.Errorf("column %q says it has %d parts, and the schema has %d more", p.path(), n, len(b.rest))
	case e.Type.Valid && n > 0:
		return fmt.Errorf("column %q has values of its own, and parts", p.path())
	case n == 0:
		b.leaves++
		p.leaf, err = LeafOf(e)
		p.kind = pq.Kind(e.Type.V)
		return err
	}
	p.shape = object
	p.parts = make([]part, n)
	var below []*format.SchemaElement
	for i := range p.parts {
		if len(b.rest) > 0 {
			below = append(below, &b.rest[0])
		}
		if err := b.build(&p.parts[i], p, depth-1); err != nil {
			return err
		}
	}
	annotate(p, e, below)
	return nil
}

// annotate gives LIST and MAP groups their shape. A group that is not built by
// the rules of LogicalTypes.md stays an object.
func annotate(p *part, e *format.SchemaElement, below []*format.SchemaElement) {
	inner := &p.parts[0]
	if len(p.parts) != 1 || !inner.repeated {
		return
	}
	switch {
	case annotated(e, isList):
		p.shape = wrapper
		if threeLevels(e, inner, below[0]) {
			inner.shape = wrapper
		}
	case annotated(e, isMap) && len(inner.parts) > 0 && len(inner.parts) < 3:
		p.shape = wrapper
		inner.shape, inner.open = mapShape(inner)
	}
}

// threeLevels tells whether a list's repeated group is there for the structure
// alone, and its one part is the element. Its exceptions are the spec's rules
// for lists of older writers, in which the group itself is the element.
func threeLevels(list *format.SchemaElement, inner *part, group *format.SchemaElement) bool {
	return len(inner.parts) == 1 && !inner.parts[0].repeated &&
		group.Name != "array" && group.Name != list.Name+"_tuple"
}

// mapShape is the shape of a map's entries, and the bracket before all entries.
func mapShape(entry *part) (shape, byte) {
	key := &entry.parts[0]
	switch {
	case len(entry.parts) == 1:
		return wrapper, '['
	case key.shape == scalar && !key.optional && !key.repeated && key.leaf.op == utf8Text:
		return member, '{'
	}
	return pair, '['
}

var (
	isList = []deprecated.ConvertedType{deprecated.List}
	isMap  = []deprecated.ConvertedType{deprecated.Map, deprecated.MapKeyValue}
)

// annotated tells whether e is annotated as one of the types in as, by the
// logical type or, if there is none, by the converted type.
func annotated(e *format.SchemaElement, as []deprecated.ConvertedType) bool {
	switch e.LogicalType.Value.(type) {
	case *format.ListType:
		return slices.Contains(as, deprecated.List)
	case *format.MapType:
		return slices.Contains(as, deprecated.Map)
	case nil:
		return e.ConvertedType.Valid && slices.Contains(as, e.ConvertedType.V)
	}
	return false
}
