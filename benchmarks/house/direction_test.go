package house

import (
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/batchmill/batchmill"

// rule forbids imports to the packages at or below from.
type rule struct {
	from   string
	to     []string
	except []string // packages at or below from that may
	why    string
}

// The arrows: cmd -> transform -> formats, workers, transform/store,
// transform/manifest. They never turn back.
var rules = []rule{{
	from: "formats", to: []string{"transform", "workers"},
	why: "formats are leaves: they know bytes, not jobs, hosts or stores",
}, {
	from: "workers", to: []string{"transform", "formats"},
	why: "workers are leaves: they move bytes and do not know what they mean",
}, {
	from: "transform/store", to: []string{"=transform", "transform/manifest", "formats", "workers"},
	why: "stores are leaves: they know where bytes live, not what they mean or who asks",
}, {
	from: "transform/manifest", to: []string{"=transform", "transform/store", "formats", "workers"},
	why: "the manifest is a leaf: it must be readable, and checkable, without the engine that wrote it",
}, {
	from: "", to: []string{"cmd"},
	why: "nothing imports the command line: what others need belongs below it",
}, {
	from: "", to: []string{"benchmarks", "examples"}, except: []string{"benchmarks", "examples"},
	why: "the product does not depend on what measures it",
}, {
	from: "", to: []string{"github.com/aws/"}, except: []string{"=transform/store/s3", "benchmarks/s3client"},
	why: "only transform/store/s3 knows the AWS SDK, so that it can be replaced and nobody else pays for it (the yardstick is a module of its own)",
}, {
	from: "", to: []string{"github.com/moby/moby/client", "github.com/moby/moby/api/"}, except: []string{"workers/container"},
	why: "only workers/container knows the Docker client, so that nobody else has to be changed with it",
}}

// nondescript names say nothing about what a package is.
var nondescript = []string{"util", "utils", "helper", "helpers", "common", "types", "misc", "shared", "base"}

func TestDirectionOfImports(t *testing.T) {
	packages := imports(t, os.DirFS("../.."))
	if len(packages) < 10 {
		t.Fatalf("%d folders hold Go files: is this the module?", len(packages))
	}
	for _, folder := range slices.Sorted(maps.Keys(packages)) {
		for _, complaint := range violations(folder, slices.Sorted(maps.Keys(packages[folder]))) {
			t.Error(complaint)
		}
		if slices.Contains(nondescript, path.Base(folder)) {
			t.Errorf("%s: call a package after what it is; %q says nothing", folder, path.Base(folder))
		}
	}
}

// imports reads what each folder's Go files import, those for other systems
// and tests included: a leaf whose tests need the engine is no leaf. Folders
// and imports of this module are paths from its root.
func imports(t *testing.T, root fs.FS) map[string]map[string]bool {
	t.Helper()
	packages := map[string]map[string]bool{}
	err := fs.WalkDir(root, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		base := path.Base(name)
		if entry.IsDir() {
			if name != "." && (strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_") || base == "testdata") {
				return fs.SkipDir
			}
			return nil
		}
		if path.Ext(name) != ".go" {
			return nil
		}
		folder := path.Dir(name)
		if packages[folder] == nil {
			packages[folder] = map[string]bool{}
		}
		return addImports(packages[folder], root, name)
	})
	if err != nil {
		t.Fatal(err)
	}
	return packages
}

func addImports(into map[string]bool, root fs.FS, name string) error {
	text, err := fs.ReadFile(root, name)
	if err != nil {
		return err
	}
	file, err := parser.ParseFile(token.NewFileSet(), name, text, parser.ImportsOnly)
	if err != nil {
		return err
	}
	for _, spec := range file.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return err
		}
		into[strings.TrimPrefix(imported, module+"/")] = true
	}
	return nil
}

// violations says what the package in folder imports and must not, and why.
func violations(folder string, imported []string) (complaints []string) {
	for _, to := range imported {
		if to == folder { // an external test
			continue
		}
		for _, r := range rules {
			if r.forbids(folder, to) {
				complaints = append(complaints, folder+" imports "+to+": "+r.why)
			}
		}
	}
	return complaints
}

func (r rule) forbids(from, to string) bool {
	return below(from, r.from) && !slices.ContainsFunc(r.except, func(e string) bool { return below(from, e) }) &&
		slices.ContainsFunc(r.to, func(f string) bool { return below(to, f) })
}

// below tells whether path is at or below folder: "" is above all, a leading =
// means the folder alone, a trailing slash a prefix of other modules' paths.
func below(path, folder string) bool {
	if exact, ok := strings.CutPrefix(folder, "="); ok {
		return path == exact
	}
	return folder == "" || path == folder || strings.HasPrefix(path, strings.TrimSuffix(folder, "/")+"/")
}

// TestRulesBite shows each arrow that turns back to the rules, and some that do not.
func TestRulesBite(t *testing.T) {
	for _, c := range []struct {
		from, to string
		allowed  bool
	}{
		{"cmd/batchmill", "transform", true},
		{"transform", "formats/csv", true},
		{"transform", "transform/store", true},
		{"formats/csv", "formats/json", true},
		{"workers/reference", "workers", true},
		{"transform/store/storetest", "transform/store", true},
		{"transform/store/s3", "github.com/aws/aws-sdk-go-v2/service/s3", true},
		{"benchmarks/cmd/floor", "benchmarks/floor", true},
		{"formats", "transform", false},
		{"formats/csv", "workers", false},
		{"formats/csv", "transform/store", false},
		{"workers", "formats", false},
		{"workers/reference", "transform/manifest", false},
		{"transform/store/s3", "transform", false},
		{"transform/store", "transform/manifest", false},
		{"transform/manifest", "transform/store", false},
		{"transform/manifest", "transform", false},
		{"transform", "github.com/aws/aws-sdk-go-v2/service/s3", false},
		{"transform/store", "github.com/aws/smithy-go", false},
		{"transform", "cmd/batchmill", false},
		{"benchmarks/floor", "cmd/batchmill", false},
		{"transform", "benchmarks/corpus", false},
	} {
		if got := violations(c.from, []string{c.to}); (len(got) == 0) != c.allowed {
			t.Errorf("%s -> %s: allowed %v, complaints %q", c.from, c.to, c.allowed, got)
		}
	}
}
