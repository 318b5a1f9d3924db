package text

import (
	"fmt"

	pq "github.com/parquet-go/parquet-go"

	"github.com/batchmill/batchmill/formats"
)

// A LevelError is a nested column whose levels make no record: the file is
// damaged, and nothing of the column can be trusted.
type LevelError struct {
	Column  string // with dots between its parts
	Message string
}

func (e *LevelError) Error() string {
	return fmt.Sprintf("column %q is damaged: %s", e.Column, e.Message)
}

// A ValueError is a value that breaks the rules of its type (see
// [Leaf.Valid]). The record cannot be rendered; the next records can.
type ValueError struct {
	Column  string // with dots between its parts
	Message string
	Unicode bool // it is text that is not Unicode
}

func (e *ValueError) Error() string {
	return fmt.Sprintf("column %q holds %s", e.Column, e.Message)
}

// Append appends one record's value as JSON text, of kind JSON, or nothing and
// Null where the whole column is null. leaves[i] holds the values of the
// column's leaf i of this record with their levels; leaves is only read. With a
// *LevelError or a *ValueError, dst comes back as it was. The text can be larger
// than the values by the names in the schema, which stand once for each
// instance; who reads untrusted files bounds names times instances.
func (n *Nested) Append(dst []byte, leaves [][]pq.Value) ([]byte, formats.Kind, error) {
	p := &n.root
	if len(leaves) != p.end {
		return dst, formats.Null, &LevelError{p.path(), fmt.Sprintf("it has %d leaves, not %d", p.end, len(leaves))}
	}
	var room [16]int
	a := assembly{leaves: leaves, at: room[:]}
	if len(leaves) > len(room) {
		a.at = make([]int, len(leaves))
	}
	start := len(dst)
	dst, err := a.record(dst, p)
	if err != nil {
		return dst[:start], formats.Null, err
	}
	if p.optional && leaves[0][0].DefinitionLevel() < p.def {
		return dst[:start], formats.Null, nil
	}
	return dst, formats.JSON, nil
}

// An assembly puts one record together: the leaves' values are taken one by
// one, in step, as their levels say. See the Dremel paper (Melnik et al. 2010).
type assembly struct {
	leaves [][]pq.Value
	at     []int // the next value of each leaf
}

// record appends the whole record, and checks that every value is taken.
func (a *assembly) record(dst []byte, p *part) ([]byte, error) {
	for i, values := range a.leaves {
		if len(values) == 0 || values[0].RepetitionLevel() != 0 {
			return dst, p.damaged("leaf %d has no value that begins the record", i)
		}
	}
	dst, err := a.append(dst, p)
	if err != nil {
		return dst, err
	}
	for i, values := range a.leaves {
		if a.at[i] != len(values) {
			return dst, p.damaged("leaf %d has %d values that belong to no part of the record", i, len(values)-a.at[i])
		}
	}
	return dst, nil
}

// append appends what stands at the place of p: null, an array, or one instance.
func (a *assembly) append(dst []byte, p *part) ([]byte, error) {
	if !p.optional && !p.repeated {
		return a.instance(dst, p)
	}
	there, err := a.there(p)
	switch {
	case err != nil:
		return dst, err
	case !there && p.optional:
		return append(dst, "null"...), a.skip(p)
	case !there:
		return append(dst, p.open, p.open+2), a.skip(p)
	case p.optional:
		return a.instance(dst, p)
	}
	return a.instances(dst, p)
}

// there tells whether the next values reach down to p. All its leaves must agree.
func (a *assembly) there(p *part) (bool, error) {
	deep := 0
	for i := p.first; i < p.end; i++ {
		if a.at[i] == len(a.leaves[i]) {
			return false, p.damaged("it has fewer values than the parts beside it")
		}
		if a.leaves[i][a.at[i]].DefinitionLevel() >= p.def {
			deep++
		}
	}
	if deep != 0 && deep != p.end-p.first {
		return false, p.damaged("its parts disagree about where it is null")
	}
	return deep != 0, nil
}

// skip takes the values that say that p is not there.
func (a *assembly) skip(p *part) error {
	for i := p.first; i < p.end; i++ {
		if !a.leaves[i][a.at[i]].IsNull() {
			return p.damaged("it has a value where its level says null")
		}
		a.at[i]++
	}
	return nil
}

// instances appends all instances of a repeated part, in its brackets.
func (a *assembly) instances(dst []byte, p *part) ([]byte, error) {
	dst = append(dst, p.open)
	for {
		var err error
		if dst, err = a.instance(dst, p); err != nil {
			return dst, err
		}
		more, err := a.more(p)
		if err != nil {
			return dst, err
		}
		if !more {
			return append(dst, p.open+2), nil
		}
		if there, err := a.there(p); err != nil || !there {
			return dst, p.damaged("it is repeated where its level says that it is not there")
		}
		dst = append(dst, ',')
	}
}

// more tells whether another instance of p follows. All its leaves must agree.
func (a *assembly) more(p *part) (bool, error) {
	next := 0
	for i := p.first; i < p.end; i++ {
		if a.at[i] < len(a.leaves[i]) && a.leaves[i][a.at[i]].RepetitionLevel() == p.rep {
			next++
		}
	}
	if next != 0 && next != p.end-p.first {
		return false, p.damaged("its parts disagree about how often it is repeated")
	}
	return next != 0, nil
}

// instance appends one instance of p, not a null. Every value is taken by
// exactly one leaf, so the work is bounded by the values and the depth.
func (a *assembly) instance(dst []byte, p *part) ([]byte, error) {
	switch p.shape {
	case scalar:
		return a.scalar(dst, p)
	case wrapper:
		return a.append(dst, &p.parts[0])
	case member:
		dst, err := a.append(dst, &p.parts[0])
		if err != nil {
			return dst, err
		}
		return a.append(append(dst, ':'), &p.parts[1])
	case pair:
		return a.parts(dst, p, '[', ']')
	}
	return a.parts(dst, p, '{', '}')
}

// parts appends the parts of a group, with their names if it is an object.
func (a *assembly) parts(dst []byte, p *part, open, closing byte) ([]byte, error) {
	dst = append(dst, open)
	for i := range p.parts {
		if i > 0 {
			dst = append(dst, ',')
		}
		if open == '{' {
			dst = append(dst, p.parts[i].prefix...)
		}
		var err error
		if dst, err = a.append(dst, &p.parts[i]); err != nil {
			return dst, err
		}
	}
	return append(dst, closing), nil
}

// scalar appends the next value of a leaf.
func (a *assembly) scalar(dst []byte, p *part) ([]byte, error) {
	if a.at[p.first] == len(a.leaves[p.first]) {
		return dst, p.damaged("it has fewer values than the parts beside it")
	}
	v := a.leaves[p.first][a.at[p.first]]
	a.at[p.first]++
	if v.DefinitionLevel() != p.def || v.IsNull() {
		return dst, p.damaged("a value has the level %d, and values have %d", v.DefinitionLevel(), p.def)
	}
	if v.Kind() != p.kind && (v.Kind() != pq.ByteArray || p.kind != pq.FixedLenByteArray) {
		return dst, p.damaged("it holds a value of another type, %s", v.Kind())
	}
	if p.leaf.Checks() || p.leaf.size > 0 {
		return p.checked(dst, v)
	}
	return p.leaf.JSON(dst, v), nil
}

// checked is for leaves that do not take every value.
func (p *part) checked(dst []byte, v pq.Value) ([]byte, error) {
	k := v.Kind()
	if k != pq.ByteArray && k != pq.FixedLenByteArray || p.leaf.Valid(v.ByteArray()) {
		return p.leaf.JSON(dst, v), nil
	}
	if why := p.leaf.NotUnicode(v.ByteArray()); why != "" {
		return dst, &ValueError{p.path(), "text whose " + why, true}
	}
	return dst, &ValueError{p.path(), fmt.Sprintf("a value of %d bytes", len(v.ByteArray())), false}
}

func (p *part) damaged(format string, args ...any) error {
	return &LevelError{p.path(), fmt.Sprintf(format, args...)}
}
