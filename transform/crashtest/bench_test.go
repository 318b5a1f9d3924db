//go:build unix

package crashtest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/batchmill/batchmill/transform"
	"github.com/batchmill/batchmill/transform/manifest"
	"github.com/batchmill/batchmill/transform/store"
)

// What a run leaves beside its outputs.
const (
	manifestName = "_manifest.json"
	successName  = "_SUCCESS"
	rejectsDir   = "_rejects/"
	workDir      = "_batchmill/"
)

// files are the files below a directory, by slash-separated name.
type files map[string][]byte

// bench is where a job is run again and again: its inputs, its host, what its
// output directory holds before a run, and what it must hold after one.
type bench struct {
	job      crashJob
	host     *model
	out      string
	order    order
	before   files
	want     files
	wanted   *manifest.Manifest
	instants int64 // of a run that nothing disturbs
}

func newBench(t *testing.T, j crashJob) *bench {
	t.Helper()
	dir := t.TempDir()
	b := &bench{job: j, host: newModel(j.latency), out: filepath.Join(dir, "out")}
	url := b.host.serve(t)
	b.order = order{Spec: j.place(t, dir, url), Retry: j.retry}
	if j.before != nil {
		b.mustRun(t, runner{spec: at(*j.before, dir, url)})
		b.before = b.read(t)
		if j.retry {
			b.host.mend()
		}
	}
	var counted *trap
	r := b.runner()
	r.output = func(d *store.Disk) store.Store {
		counted = &trap{disk: d, dies: true}
		return counted
	}
	b.mustRun(t, r)
	b.want, b.instants = b.read(t), counted.passed.Load()
	var err error
	if b.wanted, err = decode(b.want[manifestName], new(manifest.Checker)); err != nil {
		t.Fatal(err)
	}
	for _, name := range b.want.outputs() {
		if j.values == nil {
			break
		}
		if err := j.values(b.want[name]); err != nil {
			t.Fatalf("an undisturbed run, %s: %v", name, err)
		}
	}
	return b
}

func (b *bench) runner() runner { return runner{spec: b.order.Spec, retry: b.order.Retry} }

func (b *bench) mustRun(t *testing.T, r runner) *transform.Result {
	t.Helper()
	res, err := r.run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return res
}

// reset makes the output directory what it is before the run.
func (b *bench) reset(t *testing.T) {
	t.Helper()
	if err := os.RemoveAll(b.out); err != nil {
		t.Fatal(err)
	}
	for name, text := range b.before {
		p := filepath.Join(b.out, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(p), 0o777), os.WriteFile(p, text, 0o666)); err != nil {
			t.Fatal(err)
		}
	}
}

// read is all that the output directory holds, temporary files included.
func (b *bench) read(t *testing.T) files {
	t.Helper()
	found, err := readFiles(b.out)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func readFiles(dir string) (files, error) {
	found := files{}
	err := fs.WalkDir(os.DirFS(dir), ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil && name == "." && errors.Is(err, fs.ErrNotExist) {
			return nil // killed before it made the directory
		}
		if err != nil || entry.IsDir() {
			return err
		}
		found[name], err = os.ReadFile(filepath.Join(dir, name))
		return err
	})
	return found, err
}

// outputs are the names of what readers take for outputs.
func (f files) outputs() []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(f)), func(name string) bool {
		return strings.HasPrefix(name, "_") || strings.HasPrefix(path.Base(name), ".")
	})
}

// below are the names that begin with prefix, temporary files aside.
func (f files) below(prefix string) []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(f)), func(name string) bool {
		return !strings.HasPrefix(name, prefix) || strings.HasPrefix(path.Base(name), ".")
	})
}

// halfDone says what is wrong with what readers can see in the output
// directory of a run that died: nothing but whole outputs may have a name.
func (b *bench) halfDone(ctx context.Context) error {
	found, err := readFiles(b.out)
	if err != nil {
		return err
	}
	for _, name := range found.outputs() {
		if older, ok := b.before[name]; ok && bytes.Equal(found[name], older) {
			continue
		}
		if err := same(name, found[name], b.want); err != nil {
			return err
		}
	}
	for _, name := range found.below(rejectsDir) {
		if err := wholeLines(name, found[name]); err != nil {
			return err
		}
	}
	if text, ok := found[manifestName]; ok {
		if _, err := manifest.Read(bytes.NewReader(text), nil); err != nil {
			return fmt.Errorf("%s is visible, but %w", manifestName, err)
		}
	}
	// Asking again for rejects replaces published outputs while the mark and
	// the manifest of the run before stand; until it ends they may differ.
	if _, ok := found[successName]; ok {
		return verify(ctx, found)
	}
	return nil
}

func same(name string, got []byte, all files) error {
	want, ok := all[name]
	switch {
	case !ok:
		return fmt.Errorf("%s is visible, and nothing should be there", name)
	case !bytes.Equal(got, want):
		return fmt.Errorf("%s is visible with %d bytes that are not the %d of an undisturbed run", name, len(got), len(want))
	}
	return nil
}

func wholeLines(name string, text []byte) error {
	if !bytes.HasSuffix(text, []byte("\n")) {
		return fmt.Errorf("%s is visible, and its last line is cut", name)
	}
	for line := range bytes.Lines(text) {
		if !json.Valid(line) {
			return fmt.Errorf("%s is visible with a line that is no JSON: %q", name, line)
		}
	}
	return nil
}

// verify holds the manifest against the files, as `batchmill verify` does.
func verify(ctx context.Context, found files) error {
	var checker manifest.Checker
	m, err := decode(found[manifestName], &checker)
	if err != nil {
		return fmt.Errorf("%s stands without a manifest: %w", successName, err)
	}
	if err := checker.Check(m); err != nil {
		return err
	}
	v := manifest.NewVerifier(func(_ context.Context, uri string) (io.ReadCloser, error) { return os.Open(uri) })
	for i := range m.Objects {
		if err := v.Object(ctx, &m.Objects[i]); err != nil {
			return err
		}
	}
	return nil
}

// decode reads a manifest, objects and all, and shows checker each object.
func decode(text []byte, checker *manifest.Checker) (*manifest.Manifest, error) {
	var objects []manifest.Object
	m, err := manifest.Read(bytes.NewReader(text), func(o *manifest.Object) error {
		checker.Object(o)
		objects = append(objects, *o)
		return nil
	})
	if m != nil {
		m.Objects = objects
	}
	return m, err
}

// complete says what is wrong with the outputs of a job that was run to its end.
func (b *bench) complete(ctx context.Context) error {
	found, err := readFiles(b.out)
	if err != nil {
		return err
	}
	if err := errors.Join(verify(ctx, found), b.sameCounts(found)); err != nil {
		return err
	}
	for name := range found {
		if _, ok := b.want[name]; !ok {
			return fmt.Errorf("left behind: %s", name)
		}
	}
	for name, want := range b.want {
		got, ok := found[name]
		varies := name == manifestName || strings.HasPrefix(name, rejectsDir) || strings.HasPrefix(name, workDir)
		if !ok || !varies && !bytes.Equal(got, want) {
			return fmt.Errorf("%s is missing, or not as an undisturbed run writes it", name)
		}
	}
	return nil
}

// sameCounts compares the manifest with an undisturbed run's.
func (b *bench) sameCounts(found files) error {
	m, err := decode(found[manifestName], new(manifest.Checker))
	if err != nil {
		return err
	}
	if len(m.Objects) != len(b.wanted.Objects) {
		return fmt.Errorf("%d objects in the manifest, not %d", len(m.Objects), len(b.wanted.Objects))
	}
	for i := range m.Objects {
		got, want := &m.Objects[i], &b.wanted.Objects[i]
		if got.Counts != want.Counts || got.Status != want.Status {
			return fmt.Errorf("%s: %s with %+v in the manifest, not %s with %+v", got.Input.URI, got.Status, got.Counts, want.Status, want.Counts)
		}
	}
	return nil
}

// finish runs the job once more, undisturbed, and says what is wrong with its end.
func (b *bench) finish(ctx context.Context) error {
	res, err := b.runner().run(ctx)
	if err != nil {
		return fmt.Errorf("the same command again: %w", err)
	}
	if res.Storage != nil {
		return fmt.Errorf("the same command again: an object failed: %w", res.Storage)
	}
	return b.complete(ctx)
}
