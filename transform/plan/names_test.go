package plan

import (
	"errors"
	"fmt"
	"path"
	"strings"
	"testing"

	"github.com/batchmill/batchmill/transform/job"
	"github.com/batchmill/batchmill/transform/store"
)

// planOf plans a job of the inputs FOLDER:NAME, a source of its own for each;
// only NAME, the path below the input, goes into the output's name.
func planOf(t *testing.T, names ...string) error {
	t.Helper()
	return planTo(t, func(m *store.Memory) store.Store { return m }, names...)
}

// planTo plans such a job whose output is what face makes of a memory.
func planTo(t *testing.T, face func(*store.Memory) store.Store, names ...string) error {
	t.Helper()
	output := store.NewMemory()
	var sources []Source
	for _, name := range names {
		folder, below, _ := strings.Cut(name, ":")
		in := store.NewMemory()
		full := path.Join(folder, below)
		if err := in.Put(full, []byte(`{"id":1}`+"\n")); err != nil {
			t.Fatal(err)
		}
		sources = append(sources, Source{Store: in, Prefix: folder, Names: []string{full}})
	}
	plan, err := New(t.Context(), jsonSpec(t), sources, face(output), nil)
	if err == nil {
		closePlan(t, plan)
	}
	if len(output.Snapshot()) > 0 {
		t.Error("planning wrote something")
	}
	return err
}

// TestNamesThatCannotBeOutputs: an input whose output would take one of
// batchmill's own names, or a name that another output needs, or that no file
// system holds, is refused before anything is asked, with its name.
func TestNamesThatCannotBeOutputs(t *testing.T) {
	long := strings.Repeat("n", 249) // and ".jsonl" makes 255
	for _, c := range []struct {
		name    string
		inputs  []string
		refused bool
	}{
		{"the manifest's", []string{":_manifest.json"}, true},
		{"the mark's", []string{":_SUCCESS"}, true},
		{"below the rejects'", []string{":_rejects/a.jsonl"}, true},
		{"below the working state's", []string{":_batchmill/log"}, true},
		{"one like those", []string{":_manifest.jsonl"}, false},
		{"one like those in a folder", []string{":a/_SUCCESS"}, false},
		{"as long as can be", []string{":" + long}, false},
		{"a rejects file's that is too long", []string{":" + long + "n"}, true},
		{"two of one name", []string{"x:a", "y:a"}, true},
		{"a file and a folder", []string{"x:a", "y:a/b"}, true},
		{"a folder and a file", []string{"x:a/b/c", "y:a"}, true},
		{"a rejects file and a folder of them", []string{":a", ":a.jsonl/b"}, true},
		{"a file beside a folder", []string{":a", ":b/a"}, false},
	} {
		err := planOf(t, c.inputs...)
		if (err != nil) != c.refused {
			t.Errorf("%s: %v", c.name, err)
		}
		if err != nil && (failureOf(err).Class != job.Usage || failureOf(err).Hint == "") {
			t.Errorf("%s: class %d, hint %q: %v", c.name, failureOf(err).Class, failureOf(err).Hint, err)
		}
	}
}

// namer is a store that holds names of at most so many bytes in all.
type namer struct {
	memory
	most int
}

func (n *namer) CheckName(name string) error {
	if len(name) > n.most {
		return &store.Error{Op: "create", URI: n.URI(name), Err: fmt.Errorf("%w: it is too long", store.ErrBadName)}
	}
	return nil
}

// TestNamesByTheirStore: a store that says what names it holds is asked, and no
// other bound counts; the rejects file's name has to fit too.
func TestNamesByTheirStore(t *testing.T) {
	for _, c := range []struct {
		length  int // of the input's name
		most    int
		refused bool
	}{
		{300, 1024, false},
		{1024 - len("_rejects/.jsonl"), 1024, false},
		{1024 - len("_rejects/.jsonl") + 1, 1024, true},
		{1025, 1024, true},
		{30, 40, true},
		{25, 40, false},
	} {
		err := planTo(t, func(m *store.Memory) store.Store { return &namer{memory{m}, c.most} }, ":"+strings.Repeat("n", c.length))
		if (err != nil) != c.refused {
			t.Errorf("%d bytes of %d: %v", c.length, c.most, err)
		}
		if err != nil && (failureOf(err).Class != job.Usage || failureOf(err).Hint == "" || !errors.Is(err, store.ErrBadName) || strings.Contains(err.Error(), "create")) {
			t.Errorf("class %d, hint %q: %v", failureOf(err).Class, failureOf(err).Hint, err)
		}
	}
}
