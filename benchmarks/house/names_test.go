package house

import (
	"cmp"
	"go/ast"
	"go/types"
	"maps"
	"slices"
	"strings"
	"testing"
)

// A border is what other packages know of a room, or of one type of it: each
// name is something that cannot change alone.
type border struct {
	room  string
	of    string // a type; empty for the whole room
	bound int    // exported names that code other than tests uses from outside, fields aside
	wish  int    // what would do; 0 where the bound does
}

var borders = []border{
	{room: "transform/job", bound: 38},
	{room: "transform/ordered", bound: 1},
	{room: "transform/answerlog", bound: 50, wish: 20},
	{room: "transform/codec", bound: 28, wish: 16},
	{room: "transform/plan", bound: 42, wish: 28},
	{room: "transform/ledger", bound: 38, wish: 18},
	{room: "workers", of: "Sizer", bound: 11, wish: 9},
}

// TestBordersAreNarrow counts the names that are used over each border.
func TestBordersAreNarrow(t *testing.T) {
	h := loaded(t)
	used := h.used(func(r *room) map[*ast.Ident]types.Object { return r.uses })
	for _, b := range borders {
		var names []string
		for name, o := range b.exported(h.room(b.room)) {
			if used[o] && !isField(o) {
				names = append(names, name)
			}
		}
		slices.Sort(names)
		t.Logf("%-20s %2d names over the border, bound %d, wish %d", b.room+" "+b.of, len(names), b.bound, cmp.Or(b.wish, b.bound))
		if len(names) > b.bound {
			t.Errorf("%s %s: other packages use %d of its names, and %d is the bound (%d would do): a border is worth its width, for a reader stops there; "+
				"give the users one name for what they do with several (%s)", b.room, b.of, len(names), b.bound, cmp.Or(b.wish, b.bound), strings.Join(names, ", "))
		}
	}
}

// TestNothingIsExportedInVain finds exported names that no other package uses,
// tests included.
func TestNothingIsExportedInVain(t *testing.T) {
	h := loaded(t)
	used := h.used(func(r *room) map[*ast.Ident]types.Object { return r.uses })
	maps.Copy(used, h.used(func(r *room) map[*ast.Ident]types.Object { return r.tests }))
	mentioned := mentions(used)
	for _, b := range borders {
		r := h.room(b.room)
		for name, o := range b.exported(r) {
			last := name[strings.LastIndexByte(name, '.')+1:]
			if !used[o] && !mentioned[o] && !called[last] && library[r.name+"."+name] == "" {
				t.Errorf("%s.%s: no other package uses the name; unexport or delete it, so that it can change", r.name, name)
			}
		}
	}
}

// library are names for programs that use the packages, with the reason.
var library = map[string]string{
	"transform/plan.Source.Prefix": "a store of one's own may hold more than the job's objects",
	"transform/plan.Source.Names":  "a store of one's own may hold more than the job's objects",
}

// called are methods that the standard library calls.
var called = map[string]bool{"Error": true, "Unwrap": true, "String": true, "Read": true, "ReadAt": true,
	"MarshalText": true, "UnmarshalText": true, "MarshalJSON": true, "UnmarshalJSON": true}

func (h *house) room(name string) *room {
	return h.rooms[slices.IndexFunc(h.rooms, func(r *room) bool { return r.name == name })]
}

// used are the names of this module that rooms use of other rooms.
func (h *house) used(in func(*room) map[*ast.Ident]types.Object) map[types.Object]bool {
	used := map[types.Object]bool{}
	for _, r := range h.rooms {
		for _, o := range in(r) {
			if o.Pkg() != nil && o.Pkg() != r.types && strings.HasPrefix(o.Pkg().Path(), module) {
				used[origin(o)] = true
			}
		}
	}
	return used
}

// origin is the declared form of what may be an instance of a generic.
func origin(o types.Object) types.Object {
	switch o := o.(type) {
	case *types.Func:
		return o.Origin()
	case *types.Var:
		return o.Origin()
	}
	return o
}

func isField(o types.Object) bool {
	v, ok := o.(*types.Var)
	return ok && v.IsField()
}

// mentions are the types that the names in use are made of.
func mentions(used map[types.Object]bool) map[types.Object]bool {
	mentioned := map[types.Object]bool{}
	var walk func(types.Type)
	walk = func(t types.Type) {
		switch t := t.(type) {
		case *types.Named:
			mentioned[t.Obj()] = true
		case interface{ Elem() types.Type }:
			walk(t.Elem())
		case *types.Signature:
			for v := range t.Params().Variables() {
				walk(v.Type())
			}
			for v := range t.Results().Variables() {
				walk(v.Type())
			}
		}
	}
	for o := range used {
		walk(o.Type())
	}
	return mentioned
}

// exported are the exported names of a border; those of a type's methods and
// fields as Type.Name.
func (b border) exported(r *room) map[string]types.Object {
	names := map[string]types.Object{}
	scope := r.types.Scope()
	for _, name := range scope.Names() {
		o := scope.Lookup(name)
		if !o.Exported() || b.of != "" && !strings.HasSuffix(name, b.of) {
			continue
		}
		names[name] = o
		t, ok := o.Type().(*types.Named)
		if _, isType := o.(*types.TypeName); !ok || !isType || t.Obj() != o {
			continue
		}
		for m := range t.Methods() {
			names[name+"."+m.Name()] = m
		}
		switch u := t.Underlying().(type) {
		case *types.Struct:
			for f := range u.Fields() {
				if !f.Embedded() {
					names[name+"."+f.Name()] = f
				}
			}
		case *types.Interface:
			for m := range u.ExplicitMethods() {
				names[name+"."+m.Name()] = m
			}
		}
	}
	maps.DeleteFunc(names, func(_ string, o types.Object) bool { return !o.Exported() })
	return names
}
