package store

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"iter"
	"os"
	"path"
	"slices"
	"strings"
)

// List yields the files at or below prefix by name, all but temporary ones. It
// holds the entries of one folder for each level, not those of the whole tree.
// A symbolic link to a file is a file; one to a folder could lead in circles or
// into another tree, and is an error. A pipe, a socket or a device is listed, and cannot be opened.
// Only in the parts of a tree that are [Hidden], where no
// input can be, such things are left out: a virtual environment has them. A name that is
// not UTF-8 is listed as ShownName writes it; its object cannot be opened.
func (d *Disk) List(ctx context.Context, prefix string) iter.Seq2[Info, error] {
	return func(yield func(Info, error) bool) {
		if err := checkPrefix("list", d.URI(prefix), prefix); err != nil {
			yield(Info{}, err)
			return
		}
		l := lister{d: d, ctx: ctx, yield: yield}
		if err := l.start(prefix); err != nil && !errors.Is(err, errStopped) {
			yield(Info{}, err)
		}
	}
}

// errStopped says that the consumer wants no more.
var errStopped = errors.New("stopped")

type lister struct {
	d     *Disk
	ctx   context.Context
	yield func(Info, error) bool
}

// start finds out whether prefix is a folder or a file.
func (l *lister) start(prefix string) error {
	if err := l.ctx.Err(); err != nil {
		return err
	}
	if prefix == "" {
		return l.folder("", false)
	}
	prefix = cmp.Or(l.d.odd(prefix), prefix)
	fi, err := os.Lstat(l.d.URI(prefix))
	if errors.Is(notExist(err), fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return wrap("list", l.d.URI(prefix), err)
	}
	return l.entry(prefix, fi.Mode().Type(), false)
}

// folder yields what is in one folder.
func (l *lister) folder(name string, hidden bool) error {
	entries, err := os.ReadDir(l.d.URI(name))
	if name != "" && errors.Is(err, fs.ErrNotExist) {
		return nil // removed since it was seen: it is not there
	}
	if err != nil {
		return wrap("list", l.d.URI(name), err)
	}
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return cmp.Compare(sortKey(a), sortKey(b)) })
	for _, e := range entries {
		if isTemp(e.Name()) {
			continue
		}
		full := path.Join(name, e.Name())
		if err := l.entry(full, e.Type(), hidden || Hidden(e.Name())); err != nil {
			return err
		}
	}
	return nil
}

// sortKey puts a folder where its files' whole names belong: "a.csv" comes
// before "a/b", although "a" comes before "a.csv".
func sortKey(e fs.DirEntry) string {
	if e.IsDir() {
		return ShownName(e.Name()) + "/"
	}
	return ShownName(e.Name())
}

// Hidden tells whether an element of a name is that of something that is no data:
// batchmill's own files, and those of other tools, begin with "_" or ".". A partition's
// name, as in _year=2024, is data.
func Hidden(element string) bool {
	return strings.HasPrefix(element, ".") || strings.HasPrefix(element, "_") && !strings.Contains(element, "=")
}

// entry yields the file called name, or what is below the folder of that name.
func (l *lister) entry(name string, kind fs.FileMode, hidden bool) error {
	if err := l.ctx.Err(); err != nil {
		return err
	}
	if kind.IsDir() {
		return l.folder(name, hidden)
	}
	fi, err := l.stat(name, kind)
	switch {
	case errors.Is(err, errGone), err != nil && hidden && isKind(err):
		return nil
	case errors.Is(err, ErrRefused): // the object cannot be opened, and says why
	case err != nil:
		return wrap("list", l.d.URI(name), err)
	}
	if !l.yield(fileInfo(ShownName(name), fi), nil) {
		return errStopped
	}
	return nil
}

// errGone says that a name was removed after it was seen.
var errGone = errors.New("gone")

func isKind(err error) bool {
	var k *kindError
	return errors.As(err, &k)
}

// stat describes the file that name is, or that it links to.
func (l *lister) stat(name string, kind fs.FileMode) (fs.FileInfo, error) {
	file := l.d.URI(name)
	fi, err := os.Stat(file)
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Lstat(file); err != nil {
			return nil, errGone
		}
		return nil, &kindError{kind: "symbolic link to nothing", hint: "; remove it, or put back what it links to"}
	}
	if err != nil {
		return nil, err
	}
	if fi.IsDir() && kind&fs.ModeSymlink != 0 {
		return nil, &kindError{kind: "symbolic link to a directory",
			hint: ", which is not followed; name that directory as an input of its own, or copy it"}
	}
	if fi.IsDir() { // a file when the folder was read
		return nil, errGone
	}
	return fi, regular(fi)
}
