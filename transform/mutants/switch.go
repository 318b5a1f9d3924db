package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path"
	"slices"
	"strconv"
	"strings"
)

// switchVariable is the environment variable that says which mutant is alive
// in a test binary that holds many.
const switchVariable = "BATCHMILL_MUTANT"

// switches is source that holds many mutants at once. Building a large package
// with its tests takes ten times as long as running the test that catches a
// mutant, so every function that is to be broken gets a broken copy for each of
// its mutants, and begins by asking which of them is alive: 0 is none.
type switches struct {
	files    map[string]*switchFile // by the mutants' name for the file
	packages map[string]string      // folder to package name
}

// switchFile is one source file, and what is to change in it.
type switchFile struct {
	text   string
	parsed *ast.File
	fset   *token.FileSet
	asks   []insertion     // of functions with broken copies
	copies strings.Builder // broken functions, for the file's end
}

// insertion is text that goes in at an offset.
type insertion struct {
	at   int
	text string
}

// newSwitches is without mutants.
func newSwitches() *switches {
	return &switches{files: map[string]*switchFile{}, packages: map[string]string{}}
}

// add takes m in as the mutant with this number, and says whether it could: a
// change outside of functions needs a build of its own.
func (s *switches) add(m *mutant, number int, read func(string) (string, error)) (bool, error) {
	f, err := s.file(m.file, read)
	if err != nil {
		return false, err
	}
	if _, err := m.breakText(f.text); err != nil {
		return false, err
	}
	broken := map[*ast.FuncDecl][]edit{}
	var order []*ast.FuncDecl
	for _, e := range m.edits {
		fn := f.function(e.old)
		if fn == nil {
			return false, nil
		}
		if broken[fn] == nil {
			order = append(order, fn)
		}
		broken[fn] = append(broken[fn], e)
	}
	texts := make([]string, len(order))
	for i, fn := range order {
		one := mutant{file: m.file, edits: broken[fn]}
		name, _ := f.span(fn.Name)
		begin, end := f.span(fn)
		if texts[i], err = one.breakText(f.text[begin:end]); err != nil {
			return false, nil // the edits meet: only the whole file knows how
		}
		at := name - begin + len(fn.Name.Name)
		texts[i] = texts[i][:at] + strconv.Itoa(number) + texts[i][at:]
	}
	for i, fn := range order {
		f.copies.WriteString("\n" + texts[i] + "\n")
		f.ask(fn, number)
	}
	s.packages[path.Dir(m.file)] = f.parsed.Name.Name
	return true, nil
}

func (s *switches) file(name string, read func(string) (string, error)) (*switchFile, error) {
	if f := s.files[name]; f != nil {
		return f, nil
	}
	text, err := read(name)
	if err != nil {
		return nil, err
	}
	f := &switchFile{text: text, fset: token.NewFileSet()}
	if f.parsed, err = parser.ParseFile(f.fset, name, text, parser.SkipObjectResolution); err != nil {
		return nil, err
	}
	s.files[name] = f
	return f, nil
}

func (f *switchFile) span(n ast.Node) (begin, end int) {
	return f.fset.Position(n.Pos()).Offset, f.fset.Position(n.End()).Offset
}

// function is the one whose body holds old, which stands in the file once; nil
// where there is none whose work a copy can do.
func (f *switchFile) function(old string) *ast.FuncDecl {
	if strings.Count(f.text, old) != 1 {
		return nil
	}
	at := strings.Index(f.text, old)
	for _, d := range f.parsed.Decls {
		fn, ok := d.(*ast.FuncDecl)
		if !ok || fn.Body == nil {
			continue
		}
		begin, end := f.span(fn.Body)
		if begin < at && at+len(old) < end && named(fn) && !recovers(fn) {
			return fn
		}
	}
	return nil
}

// named says whether every parameter has a name to hand it on by.
func named(fn *ast.FuncDecl) bool {
	fields := slices.Clone(fn.Type.Params.List)
	if fn.Recv != nil {
		fields = append(fields, fn.Recv.List...)
	}
	return !slices.ContainsFunc(fields, func(p *ast.Field) bool {
		return len(p.Names) == 0 || slices.ContainsFunc(p.Names, func(n *ast.Ident) bool { return n.Name == "_" })
	})
}

// recovers says whether fn calls recover, which has an effect only in the
// function that was deferred, not in one that it calls.
func recovers(fn *ast.FuncDecl) bool {
	found := false
	ast.Inspect(fn.Body, func(n ast.Node) bool {
		id, ok := n.(*ast.Ident)
		found = found || ok && id.Name == "recover"
		return !found
	})
	return found
}

// ask lets fn begin with the question whether the mutant with this number is
// alive. It stands on the line of the brace, so that lines keep their numbers.
func (f *switchFile) ask(fn *ast.FuncDecl, number int) {
	call := fn.Name.Name + strconv.Itoa(number)
	if fn.Recv != nil {
		call = fn.Recv.List[0].Names[0].Name + "." + call
	}
	call += typeArguments(fn) + "(" + arguments(fn) + ")"
	if fn.Type.Results != nil {
		call = "return " + call
	} else {
		call += "; return"
	}
	brace, _ := f.span(fn.Body)
	f.asks = append(f.asks, insertion{brace + 1, fmt.Sprintf(" if mutantAlive == %d { %s };", number, call)})
}

func typeArguments(fn *ast.FuncDecl) string {
	if fn.Type.TypeParams == nil {
		return ""
	}
	var names []string
	for _, p := range fn.Type.TypeParams.List {
		for _, n := range p.Names {
			names = append(names, n.Name)
		}
	}
	return "[" + strings.Join(names, ", ") + "]"
}

func arguments(fn *ast.FuncDecl) string {
	var names []string
	for _, p := range fn.Type.Params.List {
		for _, n := range p.Names {
			names = append(names, n.Name)
			if _, ok := p.Type.(*ast.Ellipsis); ok {
				names[len(names)-1] += "..."
			}
		}
	}
	return strings.Join(names, ", ")
}

// texts are the files to build instead of those in the checkout, and one more in
// each package: the switch.
func (s *switches) texts() map[string]string {
	texts := map[string]string{}
	for name, f := range s.files {
		texts[name] = f.joined()
	}
	for folder, pkg := range s.packages {
		texts[path.Join(folder, "mutant_alive.go")] = fmt.Sprintf(`package %s

import (
	"os"
	"strconv"
)

var mutantAlive = func() int { n, _ := strconv.Atoi(os.Getenv(%q)); return n }()
`, pkg, switchVariable)
	}
	return texts
}

func (f *switchFile) joined() string {
	slices.SortStableFunc(f.asks, func(a, b insertion) int { return a.at - b.at })
	var b strings.Builder
	at := 0
	for _, ask := range f.asks {
		b.WriteString(f.text[at:ask.at] + ask.text)
		at = ask.at
	}
	b.WriteString(f.text[at:] + f.copies.String())
	return b.String()
}
