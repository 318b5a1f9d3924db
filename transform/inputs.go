package transform

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"iter"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/batchmill/batchmill/transform/store"
	"github.com/batchmill/batchmill/transform/store/s3"
)

// A Source is one --input: a store, and what of it belongs to the job.
type Source struct {
	Store store.Store
	// Prefix is the folder whose objects belong to the job; "" for all. An
	// object's path below the input begins behind it.
	Prefix string
	// Names, when not nil, are the only objects and folders that belong to the job.
	Names []string

	uri    string     // of an input on S3, as it was written; else ""
	single bool       // the one name is an object, and no folder
	listed *inputList // the objects of an input manifest; else nil
}

// OpenInputs opens what --input and --input-manifest name.
func OpenInputs(ctx context.Context, s *Spec) ([]Source, error) {
	b := &buckets{spec: s, open: map[string]*s3.Store{}, share: s.inputBuckets()}
	var sources []Source
	for _, in := range s.Input {
		src, err := b.openInput(ctx, in)
		if err != nil {
			return nil, err
		}
		sources = append(sources, src)
	}
	if s.InputManifest == "" {
		return sources, nil
	}
	src, err := b.openManifest(ctx, s.InputManifest)
	return append(sources, src), err
}

// buckets opens every bucket once, however many inputs are in it.
type buckets struct {
	spec  *Spec
	open  map[string]*s3.Store
	share int // how many share the memory
}

// inputBuckets is how many buckets the inputs are in, at most.
func (s *Spec) inputBuckets() int {
	names := map[string]bool{}
	for _, in := range s.Input {
		if at, err := s3.Parse(in); err == nil {
			names[at.Bucket] = true
		}
	}
	if s.InputManifest == "" {
		return len(names)
	}
	return len(names) + 1 // that of its prefix; its own is read before the job's objects are
}

// at opens a bucket as a whole: the names in it are its keys.
func (b *buckets) at(ctx context.Context, flag, bucket string) (*s3.Store, error) {
	if st, ok := b.open[bucket]; ok {
		return st, nil
	}
	st, err := s3.Open(ctx, s3.Location{Bucket: bucket}, b.spec.s3Options(b.share))
	if err != nil {
		return nil, unreachable(flag, err)
	}
	b.open[bucket] = st
	return st, nil
}

func (b *buckets) openInput(ctx context.Context, in string) (Source, error) {
	remote, err := onS3("--input", in)
	if err != nil {
		return Source{}, err
	}
	if remote {
		return b.openPrefix(ctx, in)
	}
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

// openPrefix opens an input on S3. Its key is an object's where there is one of
// exactly that key; else a folder's, never the beginning of other names.
func (b *buckets) openPrefix(ctx context.Context, in string) (Source, error) {
	at, err := parseS3("--input", in)
	if err != nil {
		return Source{}, err
	}
	st, err := b.at(ctx, "--input", at.Bucket)
	if err != nil {
		return Source{}, err
	}
	// An object alone may be read without the permission to list.
	denied := st.Reach(ctx, at.Key)
	if denied != nil && (!s3.Denied(denied) || at.Key == "") {
		return Source{}, unreachable("--input", denied)
	}
	src := Source{Store: st, Prefix: at.Key, uri: in}
	if at.Key == "" || at.Folder {
		return src, nil
	}
	_, err = st.Stat(ctx, at.Key)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return src, nil
	case err != nil:
		return src, unreachable("--input", cmp.Or(denied, err)) // only a list's refusal says why
	}
	src.Names, src.single = []string{at.Key}, true
	if src.Prefix = path.Dir(at.Key); src.Prefix == "." {
		src.Prefix = ""
	}
	return src, nil
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

// objects yields what of the source belongs to the job: by ascending name, but
// those of an input manifest in its order.
func (s *Source) objects(ctx context.Context) iter.Seq2[store.Info, error] {
	return func(yield func(store.Info, error) bool) {
		switch {
		case s.listed != nil:
			s.listed.objects(ctx, s.Store, yield)
		case s.uri != "":
			s.remote(ctx, yield)
		case s.Names == nil:
			s.list(ctx, s.Prefix, s.Prefix, yield)
		default:
			for _, name := range s.Names {
				if !s.list(ctx, name, name, yield) {
					return
				}
			}
		}
	}
}

// list yields what stands at or below prefix; what is skipped is judged by the path below from.
func (s *Source) list(ctx context.Context, prefix, from string, yield func(store.Info, error) bool) bool {
	for info, err := range s.Store.List(ctx, prefix) {
		if err == nil && info.Name != from && skipped((&Source{Prefix: from}).relative(info.Name)) {
			continue
		}
		if !yield(info, err) || err != nil {
			return false
		}
	}
	return true
}

// remote yields the objects of an input on S3.
func (s *Source) remote(ctx context.Context, yield func(store.Info, error) bool) {
	if s.single {
		info, err := s.Store.Stat(ctx, s.Names[0])
		yield(info, unreachable("--input", err))
		return
	}
	found := false
	for info, err := range s.Store.List(ctx, s.Prefix) {
		if err == nil && info.Name == s.Prefix {
			continue // the address ends in a slash: an object of that name is not meant
		}
		found = true
		if err == nil && skipped(s.relative(info.Name)) {
			continue
		}
		if !yield(info, unreachable("--input", err)) || err != nil {
			return
		}
	}
	if !found && strings.ContainsAny(s.uri, "*?[") {
		yield(store.Info{}, usage("patterns are not expanded on S3: name a prefix, or list the objects with --input-manifest",
			"--input %s: no files there", s.uri))
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
	switch {
	case s.listed != nil:
		return s.listed.relative(name)
	case s.Prefix == name:
		return path.Base(name)
	}
	return strings.TrimPrefix(name, s.Prefix+"/")
}
