package house

import (
	"encoding/json"
	"errors"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// A room is a package of the module as the compiler sees it.
type room struct {
	listing
	name  string // the folder, from the module's root
	files []*ast.File
	types *types.Package
	uses  map[*ast.Ident]types.Object // without tests
	tests map[*ast.Ident]types.Object // what tests use
}

// A house is the module, each package behind the packages it imports.
type house struct {
	fset  *token.FileSet
	rooms []*room
}

// load reads the module once for all tests.
var load = sync.OnceValues(func() (*house, error) {
	h := &house{fset: token.NewFileSet()}
	exports := map[string]string{}
	outside := importer.ForCompiler(h.fset, "gc", func(path string) (io.ReadCloser, error) { return os.Open(exports[path]) })
	inside := importerFunc(func(path string) (*types.Package, error) {
		for _, r := range h.rooms {
			if r.types.Path() == path {
				return r.types, nil
			}
		}
		return outside.Import(path)
	})
	listed, err := list()
	for _, l := range listed {
		exports[l.ImportPath] = l.Export
	}
	for _, l := range listed {
		if err == nil && (l.ImportPath == module || strings.HasPrefix(l.ImportPath, module+"/")) {
			err = h.add(l, inside)
		}
	}
	for _, r := range h.rooms {
		if err == nil {
			err = h.addTests(r, inside)
		}
	}
	return h, err
})

func loaded(t *testing.T) *house {
	t.Helper()
	h, err := load()
	if err != nil {
		t.Fatal(err)
	}
	return h
}

type importerFunc func(path string) (*types.Package, error)

func (f importerFunc) Import(path string) (*types.Package, error) { return f(path) }

// A listing is what the go command says of a package.
type listing struct {
	ImportPath, Dir, Export            string
	GoFiles, TestGoFiles, XTestGoFiles []string
}

// list lists the packages of the module and all they import, which come first.
func list() ([]listing, error) {
	cmd := exec.Command("go", "list", "-export", "-deps", "-json=ImportPath,Dir,Export,GoFiles,TestGoFiles,XTestGoFiles", "./...")
	cmd.Dir, cmd.Stderr = filepath.Join("..", ".."), os.Stderr
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0") // as make test builds: the cache holds everything
	out, err := cmd.Output()
	if err != nil {
		return nil, err
	}
	var listed []listing
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var l listing
		if err := dec.Decode(&l); errors.Is(err, io.EOF) {
			return listed, nil
		} else if err != nil {
			return nil, err
		}
		listed = append(listed, l)
	}
}

func (h *house) add(l listing, imports types.Importer) error {
	r := &room{listing: l, name: strings.TrimPrefix(l.ImportPath, module+"/"),
		uses: map[*ast.Ident]types.Object{}, tests: map[*ast.Ident]types.Object{}}
	var err error
	if r.files, err = h.parse(l.Dir, l.GoFiles); err != nil {
		return err
	}
	conf := types.Config{Importer: imports}
	if r.types, err = conf.Check(l.ImportPath, h.fset, r.files, &types.Info{Uses: r.uses}); err != nil {
		return err
	}
	h.rooms = append(h.rooms, r)
	return nil
}

// addTests looks at a room's tests. Packages that only tests import were not
// compiled; what is made of them has no type, and all else has.
func (h *house) addTests(r *room, imports types.Importer) error {
	conf := types.Config{Importer: imports, Error: func(error) {}}
	for path, names := range map[string][]string{r.ImportPath: r.TestGoFiles, r.ImportPath + "_test": r.XTestGoFiles} {
		files, err := h.parse(r.Dir, names)
		if err != nil {
			return err
		}
		if path == r.ImportPath {
			files = append(files, r.files...)
		}
		conf.Check(path, h.fset, files, &types.Info{Uses: r.tests})
	}
	return nil
}

func (h *house) parse(dir string, names []string) (files []*ast.File, err error) {
	for _, name := range names {
		f, err := parser.ParseFile(h.fset, filepath.Join(dir, name), nil, parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		files = append(files, f)
	}
	return files, nil
}
