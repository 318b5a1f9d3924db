package transform

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/batchmill/batchmill/transform/store"
)

// A Source is one --input: a store, and what of it belongs to the job.
type Source struct {
	Store store.Store
	// Prefix is the folder whose objects belong to the job; "" for all. An
	// object's path below the input begins behind it.
	Prefix string
	// Names, when not nil, are the only objects that belong to the job.
	Names []string
}

// OpenInputs opens what --input names. This and OpenOutput are the switch
// that names the stores.
func OpenInputs(ctx context.Context, s *Spec) ([]Source, error) {
	var sources []Source
	for _, in := range s.Input {
		if err := refuseRemote("--input", in); err != nil {
			return nil, err
		}
		src, err := openInput(in)
		if err != nil {
			return nil, err
		}
		sources = append(sources, src)
	}
	return sources, nil
}

func openInput(in string) (Source, error) {
	info, err := os.Stat(in)
	switch {
	case err == nil && info.IsDir():
		return openFolder(in, nil)
	case err == nil:
		return openFolder(filepath.Dir(in), []string{filepath.Base(in)})
	case errors.Is(err, fs.ErrNotExist) && strings.ContainsAny(in, "*?["):
		return openGlob(in)
	}
	return Source{}, usage("check the path", "--input: %w", err)
}

func openFolder(dir string, names []string) (Source, error) {
	disk, err := store.OpenDisk(dir, false)
	if err != nil {
		return Source{}, usage("check the path", "--input: %w", err)
	}
	return Source{Store: disk, Names: names}, nil
}

// openGlob opens the folder above the pattern's first wildcard, and names the
// files that match; a folder that matches stands for the files in it.
func openGlob(pattern string) (Source, error) {
	root := pattern[:strings.IndexAny(pattern, "*?[")]
	root = filepath.Dir(root + "x")
	matches, err := filepath.Glob(pattern)
	if err != nil || len(matches) == 0 {
		return Source{}, usage("check the pattern; quote it, so that the shell leaves it alone", "--input %q matches nothing", pattern)
	}
	src, err := openFolder(root, []string{})
	if err != nil {
		return src, err
	}
	for _, m := range matches {
		rel, err := filepath.Rel(root, m)
		if err != nil {
			return src, usage("check the path", "--input: %w", err)
		}
		if !skipped(filepath.ToSlash(rel)) {
			src.Names = append(src.Names, filepath.ToSlash(rel))
		}
	}
	slices.Sort(src.Names)
	return src, nil
}

// OpenOutput opens the output directory, and makes it where it is missing.
func OpenOutput(ctx context.Context, s *Spec) (store.Store, error) {
	if err := refuseRemote("--output", s.Output); err != nil {
		return nil, err
	}
	if err := outsideInputs(s); err != nil {
		return nil, err
	}
	return store.OpenDisk(s.Output, true)
}

func refuseRemote(flag, uri string) error {
	if scheme, _, ok := strings.Cut(uri, "://"); ok {
		return usage("name a path on disk", "%s %s: this version cannot reach %s:// yet", flag, uri, scheme)
	}
	return nil
}

// outsideInputs makes sure that no output can become an input of the next run.
func outsideInputs(s *Spec) error {
	out := realPath(s.Output)
	for _, in := range s.Input {
		if info, err := os.Stat(in); err != nil || !info.IsDir() {
			continue
		}
		rel, err := filepath.Rel(realPath(in), out)
		if err == nil && filepath.IsLocal(rel) {
			return usage("choose a directory beside it", "--output %s is inside --input %s", s.Output, in)
		}
	}
	return nil
}

// realPath is the absolute path with links resolved as far as it exists.
func realPath(p string) string {
	abs, err := filepath.Abs(p)
	if err != nil {
		return p
	}
	rest := ""
	for dir := abs; ; dir = filepath.Dir(dir) {
		if real, err := filepath.EvalSymlinks(dir); err == nil {
			return filepath.Join(real, rest)
		}
		rest = filepath.Join(filepath.Base(dir), rest)
		if dir == filepath.Dir(dir) {
			return abs
		}
	}
}

// skipped tells whether a path below an input is none of the job's: our own
// files and those of other tools begin with "_" or ".".
func skipped(rel string) bool {
	for _, element := range strings.Split(rel, "/") {
		if strings.HasPrefix(element, "_") || strings.HasPrefix(element, ".") {
			return true
		}
	}
	return false
}

// relative is the path of an object below its input.
func (s *Source) relative(name string) string {
	if s.Prefix == name {
		return path.Base(name)
	}
	return strings.TrimPrefix(name, s.Prefix+"/")
}

func joinURI(dir, name string) string { return filepath.Join(dir, filepath.FromSlash(name)) }
