package house

import (
	"go/ast"
	"go/types"
	"strings"
	"testing"
)

// starts are what starts a goroutine, beside the statement go.
var starts = map[string]bool{
	"(*sync.WaitGroup).Go":                      true,
	"(*golang.org/x/sync/errgroup.Group).Go":    true,
	"(*golang.org/x/sync/errgroup.Group).TryGo": true,
	"(" + module + "/internal/caught.Group).Go": true,
}

// TestGoroutinesAreCaught holds that a panic ends a job with exit code 1 in any
// goroutine: package caught starts them all. (Timers are left: their functions end a
// context, or say caught.Run themselves.)
func TestGoroutinesAreCaught(t *testing.T) {
	h := loaded(t)
	seen := 0
	for _, r := range h.rooms {
		if !r.isProduct() || r.types.Name() == "main" && !strings.HasPrefix(r.name, "cmd/") {
			continue
		}
		for _, f := range r.files {
			ast.Inspect(f, func(n ast.Node) bool {
				if !r.starts(n) {
					return true
				}
				seen++
				if r.name != "internal/caught" {
					t.Errorf("%s: a panic in this goroutine would end the process with exit code 2: start it with package internal/caught", h.fset.Position(n.Pos()))
				}
				return true
			})
		}
	}
	if seen < 3 {
		t.Errorf("%d goroutines were found: is this the module?", seen)
	}
}

// starts tells whether n starts a goroutine.
func (r *room) starts(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.GoStmt:
		return true
	case *ast.SelectorExpr:
		f, ok := r.uses[n.Sel].(*types.Func)
		return ok && starts[f.FullName()]
	}
	return false
}
