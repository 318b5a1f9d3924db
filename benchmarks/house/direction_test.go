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
	from    string
	to      []string
	may     []string // packages at or below to that may be imported all the same
	except  []string // packages at or below from that may
	product bool     // tests may
	why     string
}

// A layer is a package, with all below it that has no layer of its own, and
// what of formats, workers and transform it may import.
type layer struct {
	name string
	may  []string
	why  string
}

// layers are in their order: a layer imports what stands above it. So no
// identifier of a package refers to one of a later layer. What tests import
// counts too.
var layers = []layer{{
	name: "formats", may: []string{"formats"},
	why: "formats are leaves: they know bytes, not jobs, hosts or stores",
}, {
	name: "workers", may: []string{"workers"},
	why: "workers are leaves: they move bytes and do not know what they mean",
}, {
	name: "transform/store", may: []string{"transform/store"},
	why: "stores are leaves: they know where bytes live, not what they mean or who asks",
}, {
	name: "transform/roster",
	why:  "the roster is a leaf: it holds records and names, whatever they are about",
}, {
	name: "transform/manifest", may: []string{"transform/roster"},
	why: "the manifest must be readable, and checkable, without the engine that wrote it; it finds names that stand twice by the roster's set",
}, {
	name: "transform/ordered",
	why:  "ordered is a leaf: it keeps an order, whatever is read ahead",
}, {
	name: "transform/answerlog", may: []string{"=formats", "transform/manifest", "=transform/store"},
	why: "answerlog is a leaf of the core: it knows the bytes of the log, answers (formats), rejects (manifest) and appenders (store), and no job and no plan",
}, {
	name: "transform/job", may: []string{"=formats", "=workers", "workers/process"},
	why: "job is a leaf of the core: it knows flags, not stores, the state of hosts or other rooms; what a flag may say is told by who reads it, " +
		"so workers has the grammar of --host and two defaults, workers/process that of --command, and formats the bounds of a batch",
}, {
	name: "transform/codec", may: []string{"formats", "transform/job"},
	why: "codec knows formats and flags: what it needs of an object, of a file and of memory is given to it",
}, {
	name: "transform/plan", may: []string{"=formats", "transform/job", "transform/codec", "transform/manifest", "transform/roster", "transform/ordered",
		"=transform/store", "transform/store/s3"},
	why: "plan knows what can be known before the first request: no earlier run, no host; it opens stores, and asks codec about formats",
}, {
	name: "transform/ledger", may: []string{"=formats", "transform/job", "transform/codec", "transform/plan", "transform/answerlog", "transform/manifest",
		"transform/roster", "=transform/store"},
	why: "the ledger knows what earlier runs left: no host and no batch; it asks codec about formats",
}, {
	name: "=transform", may: []string{"=formats", "=workers", "transform/job", "transform/codec", "transform/plan", "transform/ledger", "transform/answerlog",
		"transform/manifest", "transform/ordered", "=transform/store"},
	why: "the engine works with any format, host and store: codec alone knows which formats there are, plan which stores, fleet which hosts",
}, {
	name: "transform/fleet", may: []string{"workers", "transform/job", "transform/plan", "=transform"},
	why: "fleet makes hosts of what a spec says about them: no format, no store and no earlier run",
}}

// above are packages that use the layers and are used by nobody.
var above = []string{"transform/jobtest", "transform/hosttest", "transform/crashtest", "transform/mutants"}

// rules are the arrows: first those that the layers make, then what holds for all.
var rules = append(ofLayers(), []rule{{
	from: "transform/fleet", to: []string{"=transform"}, product: true,
	why: "fleet knows hosts, not the run that asks them; only its example is a whole job",
}, {
	from: "", to: []string{"transform/ledger"}, except: []string{"transform", "cmd"},
	why: "what earlier runs left is the business of the engine, and of the commands that show or remove it",
}, {
	from: "", to: above,
	why: "whole-job tests and mutants stand above everything: what others need of them belongs into a package of its own",
}, {
	from: "", to: []string{"transform/store/storetest", "transform/store/s3/s3test", "workers/container/containertest"}, product: true,
	except: []string{"transform/store/s3/s3test", "workers/container/containertest", "benchmarks"},
	why:    "what stands in for a store, a bucket or an engine is for tests and benchmarks, and must not be shipped",
}, {
	from: "", to: []string{"cmd"},
	why: "nothing imports the command line: what others need belongs below it",
}, {
	from: "", to: []string{"benchmarks", "examples"}, except: []string{"benchmarks", "examples"},
	why: "the product does not depend on what measures it",
}, {
	from: "", to: []string{"github.com/aws/"}, except: []string{"=transform/store/s3", "transform/store/s3/internal", "transform/store/s3/s3test/bucket", "benchmarks/s3client"},
	why: "only transform/store/s3, and the bucket that its tests answer from, knows the AWS SDK, so that it can be replaced and nobody else pays for it (the yardstick is a module of its own)",
}, {
	from: "", to: []string{"github.com/moby/moby/client", "github.com/moby/moby/api/"}, except: []string{"workers/container"},
	why: "only workers/container knows the Docker client, so that nobody else has to be changed with it",
}}...)

func ofLayers() (rules []rule) {
	for _, l := range layers {
		rules = append(rules, rule{from: l.name, to: []string{"formats", "workers", "transform"}, may: l.may, why: l.why})
	}
	return rules
}

// nondescript names say nothing about what a package is.
var nondescript = []string{"util", "utils", "helper", "helpers", "common", "types", "misc", "shared", "base"}

func TestDirectionOfImports(t *testing.T) {
	packages := imports(t, os.DirFS("../.."))
	if len(packages) < 10 {
		t.Fatalf("%d folders hold Go files: is this the module?", len(packages))
	}
	for _, folder := range slices.Sorted(maps.Keys(packages)) {
		for _, complaint := range violations(folder, packages[folder]) {
			t.Error(complaint)
		}
		if below(folder, "transform") && !anyAbove(above, folder) && !layered(folder) {
			t.Errorf("%s: say in layers what the package may import, and why", folder)
		}
		if slices.Contains(nondescript, path.Base(folder)) {
			t.Errorf("%s: call a package after what it is; %q says nothing", folder, path.Base(folder))
		}
	}
}

func layered(folder string) bool {
	return slices.ContainsFunc(layers, func(l layer) bool { return below(folder, l.name) })
}

// TestLayersAreInOrder holds that no layer may import itself, or a later layer,
// by way of others: what a layer may import stands above it.
func TestLayersAreInOrder(t *testing.T) {
	for i, l := range layers {
		for _, may := range l.may {
			if !slices.ContainsFunc(layers[:i+1], func(earlier layer) bool { return below(strings.TrimPrefix(may, "="), earlier.name) }) {
				t.Errorf("%s may import %s, which does not stand above it in layers: one of the two has to move, for arrows never turn back", l.name, may)
			}
		}
	}
}

// imports reads what each folder's Go files import, those for other systems
// and tests included, and tells whether more than tests import it. A leaf whose
// tests need the engine is no leaf. Folders and imports of this module are
// paths from its root.
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
		imported = strings.TrimPrefix(imported, module+"/")
		into[imported] = into[imported] || !strings.HasSuffix(name, "_test.go")
	}
	return nil
}

// violations says what the package in folder imports and must not, and why.
// The imports are true where more than tests import them.
func violations(folder string, imported map[string]bool) (complaints []string) {
	for _, to := range slices.Sorted(maps.Keys(imported)) {
		if to == folder { // an external test
			continue
		}
		for _, r := range rules {
			if r.forbids(folder, to) && (imported[to] || !r.product) {
				complaints = append(complaints, folder+" imports "+to+": "+r.why)
			}
		}
	}
	return complaints
}

func (r rule) forbids(from, to string) bool {
	return below(from, r.from) && !anyAbove(r.except, from) && anyAbove(r.to, to) && !anyAbove(r.may, to)
}

func anyAbove(folders []string, path string) bool {
	return slices.ContainsFunc(folders, func(f string) bool { return below(path, f) })
}

// below tells whether path is at or below folder: "" is above all, a leading =
// means the folder alone, a trailing slash a prefix of other modules' paths.
func below(path, folder string) bool {
	if exact, ok := strings.CutPrefix(folder, "="); ok {
		return path == exact
	}
	return folder == "" || path == folder || strings.HasPrefix(path, strings.TrimSuffix(folder, "/")+"/")
}
