package plan

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"strings"

	"github.com/batchmill/batchmill/transform/job"
	"github.com/batchmill/batchmill/transform/ordered"
	"github.com/batchmill/batchmill/transform/store"
	"github.com/batchmill/batchmill/transform/store/s3"
)

// An inputList is an input manifest, as Amazon SageMaker's data type S3DataSource
// has it (S3DataType ManifestFile): a JSON array whose first element is
//
//	{"prefix": "s3://bucket/some/prefix/"}
//
// and whose other elements are strings. Each string is put behind the prefix as it stands,
// without a slash between the two. Nothing is skipped for its name: what is
// listed is meant. The manifest is read as a stream each time its objects are wanted.
type inputList struct {
	open   func(ctx context.Context) (io.ReadCloser, error)
	uri    string      // of the manifest
	prefix string      // as the manifest has it
	base   string      // the beginning of all names in the store: the prefix without the bucket
	slash  bool        // the base ends a folder, or is ""
	output s3.Location // the job's output where that is in the prefix's bucket; else no bucket
}

// openManifest opens the input manifest at uri, and the store that its prefix names.
func (b *buckets) openManifest(ctx context.Context, uri string) (Source, error) {
	l := &inputList{uri: uri}
	if err := b.locateManifest(ctx, l); err != nil {
		return Source{}, err
	}
	r, err := l.read(ctx)
	if err != nil {
		return Source{}, err
	}
	l.prefix = r.prefix
	if err := r.src.Close(); err != nil {
		return Source{}, err
	}
	remote, err := onS3("--input-manifest "+uri+": its prefix", l.prefix)
	if err != nil {
		return Source{}, err
	}
	if remote {
		return b.openListed(ctx, l)
	}
	return openListedDir(l, b.spec.FollowSymlinks)
}

// locateManifest finds out how to open the manifest itself.
func (b *buckets) locateManifest(ctx context.Context, l *inputList) error {
	const flag = "--input-manifest"
	remote, err := onS3(flag, l.uri)
	if err != nil {
		return err
	}
	if !remote {
		l.open = func(context.Context) (io.ReadCloser, error) { return os.Open(l.uri) }
		return nil
	}
	at, err := parseS3(flag, l.uri)
	if err != nil {
		return err
	}
	if at.Key == "" || at.Folder {
		return job.Usagef("name an object", "%s %s: this is no object", flag, l.uri)
	}
	bucket, err := b.at(ctx, flag, at.Bucket)
	if err != nil {
		return err
	}
	l.open = func(ctx context.Context) (io.ReadCloser, error) {
		rc, _, err := bucket.Open(ctx, at.Key)
		return rc, err
	}
	return nil
}

// openListed opens the bucket that the prefix names.
func (b *buckets) openListed(ctx context.Context, l *inputList) (Source, error) {
	at, err := s3.Parse(l.prefix)
	if err != nil {
		return Source{}, job.Usagef("", "--input-manifest %s: its prefix %w", l.uri, err)
	}
	bucket, err := b.at(ctx, "--input-manifest", at.Bucket)
	if err != nil {
		return Source{}, err
	}
	l.base, l.slash = at.Key, at.Folder || at.Key == ""
	if at.Folder && at.Key != "" {
		l.base += "/"
	}
	if out, err := s3.Parse(b.spec.Output); err == nil && out.Bucket == at.Bucket {
		l.output = out
	}
	return Source{Store: bucket, listed: l}, nil
}

// openListedDir opens the directory that the prefix names.
func openListedDir(l *inputList, follow bool) (Source, error) {
	dir := l.prefix
	if l.slash = strings.HasSuffix(dir, "/"); !l.slash {
		if info, err := os.Stat(dir); err == nil && info.IsDir() {
			l.slash = true
		} else {
			dir, l.base = filepath.Dir(dir), filepath.Base(dir)
		}
	}
	disk, err := store.OpenInput(dir, follow)
	if err != nil {
		return Source{}, badPath("its prefix is a directory, or s3://bucket/prefix/", "--input-manifest "+l.uri+": its prefix", err)
	}
	return Source{Store: disk, listed: l}, nil
}

// name is the name in the store of what entry lists, and whether a store can hold it.
func (l *inputList) name(entry string) (string, bool) {
	rel := entry
	if !l.slash {
		rel = strings.TrimPrefix(entry, "/") // the slash that the prefix lacks
	}
	return l.base + entry, store.ValidName(rel) && store.ValidName(l.base+entry)
}

// relative is the path of an object below the prefix.
func (l *inputList) relative(name string) string {
	return strings.TrimPrefix(strings.TrimPrefix(name, l.base), "/")
}

// objects yields what the manifest lists, in its order, each as its store
// describes the object. As many descriptions are under way at a time as the store wants.
func (l *inputList) objects(ctx context.Context, s store.Store, yield func(store.Info, error) bool) {
	r, err := l.read(ctx)
	if err != nil {
		yield(store.Info{}, err)
		return
	}
	defer func() { _ = r.src.Close() }() // the manifest was only read
	if r.prefix != l.prefix {
		yield(store.Info{}, &ChangedError{uri: l.uri})
		return
	}
	stat := func(ctx context.Context, e listedEntry) (store.Info, error) { return l.stat(ctx, s, e) }
	found := false
	for info, err := range ordered.Map(ctx, Concurrency(s, 1), r.entries(), stat, nil) {
		found = true
		if !yield(info, err) || err != nil {
			return
		}
	}
	if !found {
		yield(store.Info{}, job.Usagef("write the names of objects behind the prefix", "--input-manifest %s: it lists nothing", l.uri))
	}
}

// listedEntry is one name of a manifest, and its place, which counts from 1 behind the prefix.
type listedEntry struct {
	name  string
	place int
}

// entries yields what the manifest lists.
func (r *listReader) entries() iter.Seq2[listedEntry, error] {
	return func(yield func(listedEntry, error) bool) {
		for place := 1; ; place++ {
			name, err := r.next()
			if err == io.EOF || !yield(listedEntry{name, place}, err) {
				return
			}
		}
	}
}

// stat describes a listed object.
func (l *inputList) stat(ctx context.Context, s store.Store, e listedEntry) (store.Info, error) {
	where := fmt.Sprintf("--input-manifest %s: object %d", l.uri, e.place)
	name, ok := l.name(e.name)
	if !ok {
		return store.Info{}, job.Usagef(`it is put behind the prefix as it stands; the whole has no empty element, no "." and no ".."`,
			"%s: %q is no name of an object", where, e.name)
	}
	if l.output.Bucket != "" && below(name, l.output.Key) {
		return store.Info{}, job.Usagef("choose another --output", "%s: %s is inside the output", where, s.URI(name))
	}
	info, err := s.Stat(ctx, name)
	if errors.Is(err, fs.ErrNotExist) {
		hint := "put it there, or take it off the list"
		if !l.slash && !strings.HasPrefix(e.name, "/") {
			hint = "the prefix does not end in a slash, and no slash is put between it and what is listed"
		}
		return info, job.Usagef(hint, "%s: there is no %s", where, s.URI(name))
	}
	if err != nil {
		err = unreachable(where, err)
	}
	return info, err
}

// maxListed bounds what one element of an input manifest may take, in bytes.
const maxListed = 64 << 10

// listReader reads an input manifest element by element.
type listReader struct {
	uri    string
	src    io.ReadCloser
	ration *ration
	dec    *json.Decoder
	prefix string
}

// read opens the manifest and reads its prefix.
func (l *inputList) read(ctx context.Context) (*listReader, error) {
	src, err := l.open(ctx)
	var path *fs.PathError
	if errors.As(err, &path) || errors.Is(err, fs.ErrNotExist) {
		return nil, badPath("check the path", "--input-manifest", err)
	}
	if err != nil {
		return nil, unreachable("--input-manifest", err)
	}
	r := &listReader{uri: l.uri, src: src, ration: &ration{r: src}}
	r.dec = json.NewDecoder(r.ration)
	r.dec.DisallowUnknownFields()
	if err := r.head(); err != nil {
		return nil, errors.Join(err, src.Close())
	}
	return r, nil
}

// head reads the opening bracket and the prefix.
func (r *listReader) head() error {
	r.ration.left = maxListed
	token, err := r.dec.Token()
	if err == nil && token != json.Delim('[') {
		err = errors.New("it does not begin with [")
	}
	if err != nil {
		return r.wrong(err)
	}
	if !r.dec.More() {
		return r.wrong(errors.New("it is empty"))
	}
	var first struct {
		Prefix *string `json:"prefix"`
	}
	r.ration.left = maxListed
	if err := r.dec.Decode(&first); err != nil {
		return r.wrong(err)
	}
	if first.Prefix == nil || *first.Prefix == "" {
		return r.wrong(errors.New("its first element has no prefix"))
	}
	r.prefix = *first.Prefix
	return nil
}

// next is the next entry; io.EOF behind the last entry.
func (r *listReader) next() (string, error) {
	r.ration.left = maxListed
	if r.dec.More() {
		var entry *string
		if err := r.dec.Decode(&entry); err != nil {
			return "", r.wrong(err)
		}
		if entry == nil {
			return "", r.wrong(errors.New("null is no name of an object"))
		}
		return *entry, nil
	}
	if _, err := r.dec.Token(); err != nil {
		return "", r.wrong(err)
	}
	if _, err := r.dec.Token(); err == nil {
		return "", r.wrong(errors.New("more stands behind its end"))
	} else if err != io.EOF {
		return "", r.wrong(err)
	}
	return "", io.EOF
}

// wrong is the failure of what is no manifest, or the error of its store.
func (r *listReader) wrong(err error) error {
	if r.ration.failed != nil {
		return r.ration.failed
	}
	var typed *json.UnmarshalTypeError
	if errors.As(err, &typed) {
		err = fmt.Errorf("a %s stands in a wrong place", typed.Value)
	}
	if err == io.EOF || errors.Is(err, io.ErrUnexpectedEOF) {
		err = errors.New("it ends too early")
	}
	return job.Usagef(`write a JSON array such as [{"prefix": "s3://bucket/data/"}, "a.csv", "b.csv"]`,
		"--input-manifest %s: near byte %d: %w", r.uri, r.dec.InputOffset(), err)
}

// ration ends a read when one element takes more than maxListed bytes. The decoder
// holds what it reads until an element is whole.
type ration struct {
	r      io.Reader
	left   int   // bytes
	failed error // of the store
}

func (r *ration) Read(b []byte) (int, error) {
	if r.left <= 0 {
		return 0, fmt.Errorf("an element of more than %d bytes", maxListed)
	}
	n, err := r.r.Read(b[:min(len(b), r.left)])
	r.left -= n
	if err != nil && err != io.EOF {
		r.failed = err
	}
	return n, err
}
