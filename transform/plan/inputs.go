package plan

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/batchmill/batchmill/transform/job"
	"github.com/batchmill/batchmill/transform/store"
	"github.com/batchmill/batchmill/transform/store/s3"
)

// A Source is one --input: a store, and what of it belongs to the job.
type Source struct {
	Store store.Store
	// Prefix is the folder whose objects belong to the job; "" for all. An
	// object's path below the input begins behind Prefix.
	Prefix string
	// Names, when not nil, are the only objects and folders that belong to the job.
	Names []string

	uri     string     // of an input on S3, as it was written; else ""
	single  bool       // Names has one object, and no folder
	globbed bool       // Names is what a pattern matched
	pattern string     // what names below Prefix must match; "" for all names
	listed  *inputList // the objects of an input manifest; else nil
}

// OpenInputs opens what --input and --input-manifest name.
func OpenInputs(ctx context.Context, s *job.Spec) ([]Source, error) {
	b := &buckets{spec: s, open: map[string]*s3.Store{}, share: inputBuckets(s)}
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
	spec  *job.Spec
	open  map[string]*s3.Store
	share int // how many buckets share the memory
}

// inputBuckets is how many buckets the inputs are in, at most.
func inputBuckets(s *job.Spec) int {
	names := map[string]bool{}
	for _, in := range s.Input {
		if at, err := s3.Parse(in); err == nil {
			names[at.Bucket] = true
		}
	}
	if s.InputManifest == "" {
		return len(names)
	}
	return len(names) + 1 // the bucket of its prefix; the manifest's own is read before the job's objects are
}

// at opens a bucket as a whole: the names in the store are the bucket's keys.
func (b *buckets) at(ctx context.Context, flag, bucket string) (*s3.Store, error) {
	if opened, ok := b.open[bucket]; ok {
		return opened, nil
	}
	o := s3Options(b.spec, b.share)
	o.Anonymous, o.OddKeys = b.spec.S3Anonymous, true
	opened, err := s3.Open(ctx, s3.Location{Bucket: bucket}, o)
	if err != nil {
		return nil, unreachable(flag, err)
	}
	b.open[bucket] = opened
	return opened, nil
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
		return b.openFolder(in, nil, b.spec.FollowSymlinks)
	case err == nil && !info.Mode().IsRegular():
		return Source{}, job.Usagef("write what comes out of it to a file first", "--input %s: it is no file, but a pipe, a socket or a device", in)
	case err == nil: // a link that is named is meant
		src, err := b.openFolder(filepath.Dir(in), []string{store.ShownName(filepath.Base(in))}, true)
		src.single = true
		return src, err
	case (errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)) && strings.ContainsAny(in, wildcards):
		return b.openGlob(in)
	}
	return Source{}, badPath("check the path", "--input", err)
}

// badPath sorts why a path that a flag names cannot be used: the path is wrong, or the
// disk fails.
func badPath(hint, flag string, err error) error {
	var number syscall.Errno
	wrong := []error{fs.ErrNotExist, fs.ErrPermission, fs.ErrExist, fs.ErrInvalid, syscall.ENOTDIR, syscall.EISDIR, syscall.ELOOP, syscall.ENAMETOOLONG, syscall.EINVAL}
	is := func(target error) bool { return errors.Is(err, target) }
	if errors.As(err, &number) && !slices.ContainsFunc(wrong, is) {
		return &job.Failure{Class: job.Storage, Err: fmt.Errorf("%s: %w", flag, err),
			Hint: "the disk or the network failed, not the path: mend it and run the same command again"}
	}
	return job.Usagef(hint, "%s: %w", flag, err)
}

// openPrefix opens an input on S3. Its key is an object's where an object has
// exactly that key; else a folder's, never the beginning of other names.
func (b *buckets) openPrefix(ctx context.Context, in string) (Source, error) {
	at, err := parseS3("--input", in)
	if err != nil {
		return Source{}, err
	}
	bucket, err := b.at(ctx, "--input", at.Bucket)
	if err != nil {
		return Source{}, err
	}
	// An object alone may be read without the permission to list.
	denied := bucket.Reach(ctx, at.Key)
	if denied != nil && (!s3.Denied(denied) || at.Key == "") {
		return Source{}, unreachable("--input", denied)
	}
	src := Source{Store: bucket, Prefix: at.Key, uri: in}
	if at.Key == "" || at.Folder {
		return src, src.asPattern(ctx)
	}
	_, err = bucket.Stat(ctx, at.Key)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return src, src.asPattern(ctx)
	case err != nil:
		return src, unreachable("--input", cmp.Or(denied, err)) // only a list's refusal says why
	}
	src.Names, src.single = []string{at.Key}, true
	if src.Prefix = path.Dir(at.Key); src.Prefix == "." {
		src.Prefix = ""
	}
	return src, nil
}

func (*buckets) openFolder(dir string, names []string, follow bool) (Source, error) {
	disk, err := store.OpenInput(dir, follow)
	if err != nil {
		return Source{}, badPath("check the path", "--input", err)
	}
	return Source{Store: disk, Names: names}, nil
}

// objects yields what of the source belongs to the job: by ascending name, but
// the objects of an input manifest in its order. Skip is told what stands there and is
// none of the job's because of its name.
func (s *Source) objects(ctx context.Context, skip func(store.Info)) iter.Seq2[store.Info, error] {
	return func(yield func(store.Info, error) bool) {
		l := lister{Source: s, ctx: ctx, skip: skip, yield: yield, matched: s.pattern == ""}
		switch {
		case s.listed != nil:
			s.listed.objects(ctx, s.Store, yield)
		case s.uri != "" && s.single:
			info, err := s.Store.Stat(ctx, s.Names[0])
			yield(info, unreachable("--input", err))
		case s.Names == nil && l.list(s.Prefix, s.Prefix), s.Names != nil && l.listNames():
			if !l.matched {
				yield(store.Info{}, errNoMatch(s.Store.URI(path.Join(s.Prefix, s.pattern))))
			}
		}
	}
}

// A lister yields the objects of a source once.
type lister struct {
	*Source
	ctx   context.Context
	skip  func(store.Info)
	yield func(store.Info, error) bool

	matched bool // something matches the pattern, or there is none
}

// listNames yields what stands at or below Names. What a pattern matched is judged by
// its whole path below the pattern's folder. False means that the sequence has ended.
func (l *lister) listNames() bool {
	for _, name := range l.Names {
		from := name
		if l.globbed {
			from = ""
		}
		if !l.list(name, from) {
			return false
		}
	}
	return true
}

// list yields what stands at or below prefix, and matches the pattern where there is
// one. What is skipped is judged by the path below from. False means that the sequence
// has ended.
func (l *lister) list(prefix, from string) bool {
	folder := Source{Prefix: from}
	for info, err := range l.Store.List(l.ctx, prefix) {
		if l.uri != "" {
			err = unreachable("--input", err)
		}
		rel := folder.relative(info.Name)
		switch {
		case err != nil:
			l.yield(info, err)
			return false
		case l.uri != "" && info.Name == prefix: // the address ends in a slash: an object of that name is not meant
			continue
		case l.pattern != "" && !covers(l.pattern, rel):
			continue
		}
		l.matched = true
		if info.Name != from && hidden(rel) {
			l.skip(info)
		} else if !l.yield(info, nil) {
			return false
		}
	}
	return true
}

// hidden tells whether a path below an input is none of the job's for its name.
func hidden(rel string) bool { return slices.ContainsFunc(strings.Split(rel, "/"), store.Hidden) }

// relative is the path of an object below its input.
func (s *Source) relative(name string) string {
	switch {
	case s.listed != nil:
		return s.listed.relative(name)
	case s.Prefix == name:
		return path.Base(name)
	case s.Prefix == "":
		return name
	}
	return strings.TrimPrefix(name, s.Prefix+"/")
}
