package house

import (
	"go/ast"
	"go/token"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const (
	// maxCycle bounds the lines of the files of a package that use each other. The
	// largest cycle today is that of cmd/batchmill, 3,114 lines; transform/store/s3
	// has 2,988, transform 2,494.
	maxCycle = 3500
	// maxFields is more than any struct has fields.
	maxFields = 20
)

// manyFields are the structs that may have maxFields fields and more.
var manyFields = map[string]string{
	"transform/job.Spec": "a field for each flag",
}

// TestFilesDoNotAllUseEachOther bounds what has to be read at once: to follow one
// file of a cycle, a reader opens all of them.
func TestFilesDoNotAllUseEachOther(t *testing.T) {
	h := loaded(t)
	for _, r := range h.rooms {
		cycle, lines := largestCycle(h.uses(r))
		if !r.isProduct() || len(cycle) < 2 {
			continue
		}
		t.Logf("%-25s %5d lines, %2d of %2d files", r.name, lines, len(cycle), len(r.files))
		if lines >= maxCycle {
			t.Errorf("%s: %d lines stand in files that use each other, and %d is the bound: who reads one of the files has to read all; "+
				"move what others use into a file that uses none of them, or into a package of its own (%s)",
				r.name, lines, maxCycle, strings.Join(cycle, ", "))
		}
	}
}

// uses tells which files of a room use which: their types, functions, methods,
// fields, variables and constants.
func (h *house) uses(r *room) map[*token.File]map[*token.File]bool {
	uses := map[*token.File]map[*token.File]bool{}
	for _, f := range r.files {
		uses[h.fset.File(f.FileStart)] = map[*token.File]bool{}
	}
	for id, used := range r.uses {
		if used.Pkg() == r.types && used.Pos().IsValid() {
			uses[h.fset.File(id.Pos())][h.fset.File(used.Pos())] = true
		}
	}
	return uses
}

// largestCycle returns the base names of the files, sorted, and the sum of their lines.
func largestCycle(uses map[*token.File]map[*token.File]bool) (names []string, lines int) {
	reached := map[*token.File]map[*token.File]bool{}
	for f := range uses {
		reached[f] = map[*token.File]bool{}
		reach(f, uses, reached[f])
	}
	for f := range uses {
		var cycle []string
		sum := 0
		for g := range reached[f] {
			if reached[g][f] {
				cycle = append(cycle, filepath.Base(g.Name()))
				sum += g.LineCount()
			}
		}
		if sum > lines {
			names, lines = cycle, sum
		}
	}
	slices.Sort(names)
	return names, lines
}

func reach(f *token.File, uses map[*token.File]map[*token.File]bool, reached map[*token.File]bool) {
	for g := range uses[f] {
		if !reached[g] {
			reached[g] = true
			reach(g, uses, reached)
		}
	}
}

// TestStructsAreSmall finds the types that do more than one thing.
func TestStructsAreSmall(t *testing.T) {
	h := loaded(t)
	for _, r := range h.rooms {
		for name, fields := range r.structs() {
			_, allowed := manyFields[name]
			switch {
			case r.isProduct() && fields >= maxFields && !allowed:
				t.Errorf("%s has %d fields, and %d is too many: nobody can say which of them belong together; give those that change together a type", name, fields, maxFields)
			case fields < maxFields && allowed:
				t.Errorf("%s has only %d fields now: take the struct out of manyFields", name, fields)
			}
		}
	}
}

// structs counts the fields of each named struct of a room.
func (r *room) structs() map[string]int {
	fields := map[string]int{}
	for _, f := range r.files {
		ast.Inspect(f, func(n ast.Node) bool {
			if spec, ok := n.(*ast.TypeSpec); ok {
				if s, ok := spec.Type.(*ast.StructType); ok {
					fields[r.name+"."+spec.Name.Name] = s.Fields.NumFields()
				}
			}
			return true
		})
	}
	return fields
}

// isProduct tells tools, examples and what stands only under tests from what is shipped.
func (r *room) isProduct() bool {
	return !slices.ContainsFunc([]string{"benchmarks", "examples", "transform/mutants", "transform/store/storetest", "transform/store/s3/s3test", "workers/container/containertest"},
		func(folder string) bool { return below(r.name, folder) })
}

// TestCycleIsFound shows two cycles and a file outside to largestCycle.
func TestCycleIsFound(t *testing.T) {
	fset := token.NewFileSet()
	uses := map[*token.File]map[*token.File]bool{}
	file := map[string]*token.File{}
	for name, lines := range map[string]int{"a": 1, "b": 2, "c": 3, "d": 40, "e": 1, "f": 1} {
		file[name] = fset.AddFile(name, -1, lines)
		for i := 1; i < lines; i++ {
			file[name].AddLine(i)
		}
		uses[file[name]] = map[*token.File]bool{}
	}
	for _, use := range []string{"ab", "bc", "ca", "cd", "ef", "fe", "ea"} {
		uses[file[use[:1]]][file[use[1:]]] = true
	}
	if names, lines := largestCycle(uses); strings.Join(names, "") != "abc" || lines != 6 {
		t.Errorf("%v with %d lines, want a, b and c with 6", names, lines)
	}
}
