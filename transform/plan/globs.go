package plan

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/bmatcuk/doublestar/v4"

	"github.com/batchmill/batchmill/transform/job"
	"github.com/batchmill/batchmill/transform/store"
)

// Patterns of --input are those of [path.Match], and an element ** stands for any
// number of folders, none included. A folder that matches stands for the files below
// the folder. Disk and S3 read a pattern alike.

// wildcards are the bytes that make a pattern of a path. Braces are themselves.
const wildcards = "*?["

var plainBraces = strings.NewReplacer(`\{`, `\{`, `\}`, `\}`, "{", `\{`, "}", `\}`)

// splitPattern cuts a pattern into the folder above its first wildcard, and the rest.
func splitPattern(pattern string) (root, rest string) {
	at := strings.LastIndexByte(pattern[:strings.IndexAny(pattern, wildcards)], '/')
	return pattern[:max(at, 0)], plainBraces.Replace(pattern[at+1:])
}

// covers tells whether pattern matches name, or a folder above.
func covers(pattern, name string) bool {
	for ; name != "."; name = path.Dir(name) {
		if ok, _ := doublestar.Match(pattern, name); ok { // the pattern was found valid when the input was opened
			return true
		}
	}
	return false
}

// errNoMatch is an --input whose pattern matches nothing.
func errNoMatch(in string) error {
	return job.Usagef("check the pattern; quote it, so that the shell leaves it alone", "--input %q matches nothing", in)
}

// openGlob opens the folder above the pattern's first wildcard, and names the files
// and folders that the pattern matches. What ** matches is found only when the
// objects are listed: there may be millions.
func (b *buckets) openGlob(in string) (Source, error) {
	root, rest := splitPattern(filepath.ToSlash(in))
	if !doublestar.ValidatePattern(rest) {
		return Source{}, job.Usagef(`close its brackets, or write \[ for a bracket in a name`, "--input %q is no pattern", in)
	}
	if root == "" && strings.HasPrefix(in, "/") {
		root = "/"
	}
	if root == "" {
		root = "."
	}
	if info, err := os.Stat(root); errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) || err == nil && !info.IsDir() {
		return Source{}, errNoMatch(in)
	}
	src, err := b.openFolder(filepath.FromSlash(root), []string{}, b.spec.FollowSymlinks)
	if err != nil {
		return src, err
	}
	fixed, deep := cutDeep(rest)
	if deep {
		src.pattern = rest
	}
	src.globbed = true
	if fixed == "" {
		src.Names = []string{""}
		return src, nil
	}
	if src.Names, err = matches(root, fixed); err != nil {
		return src, badPath("check the path", "--input", err)
	}
	if len(src.Names) == 0 {
		return src, errNoMatch(in)
	}
	return src, nil
}

// matches are the names of the files and folders below root that match pattern, in the order of
// what is listed: a folder's files have its name and a slash before their own.
func matches(root, pattern string) (names []string, err error) {
	folders := map[string]bool{}
	add := func(name string, d fs.DirEntry) error {
		name = store.ShownName(name)
		names = append(names, name)
		folders[name] = d.IsDir()
		return nil
	}
	err = doublestar.GlobWalk(diskFS(root), pattern, add, doublestar.WithFailOnIOErrors())
	key := func(name string) string {
		if folders[name] {
			return name + "/"
		}
		return name
	}
	slices.SortFunc(names, func(a, b string) int { return strings.Compare(key(a), key(b)) })
	return names, err
}

// cutDeep is what stands in pattern before its first element **; deep tells whether there is one.
func cutDeep(pattern string) (before string, deep bool) {
	elements := strings.Split(pattern, "/")
	at := slices.Index(elements, "**")
	if at < 0 {
		return pattern, false
	}
	return strings.Join(elements[:at], "/"), true
}

// diskFS is a folder of the disk in which a name may be any bytes; [os.DirFS] wants UTF-8.
type diskFS string

func (d diskFS) path(name string) string { return filepath.Join(string(d), filepath.FromSlash(name)) }

func (d diskFS) Open(name string) (fs.File, error) { return os.Open(d.path(name)) }

func (d diskFS) ReadDir(name string) ([]fs.DirEntry, error) {
	entries, err := os.ReadDir(d.path(name))
	return entries, belowFile(err)
}

func (d diskFS) Stat(name string) (fs.FileInfo, error) {
	info, err := os.Stat(d.path(name))
	return info, belowFile(err)
}

// belowFile is err, but that nothing is there is what a path through a file says.
func belowFile(err error) error {
	if errors.Is(err, syscall.ENOTDIR) {
		return fs.ErrNotExist
	}
	return err
}

// asPattern makes an input on S3 a pattern where its key holds wildcards, and nothing
// bears the key as a name.
func (s *Source) asPattern(ctx context.Context) error {
	if !strings.ContainsAny(s.Prefix, wildcards) {
		return nil
	}
	for _, err := range s.Store.List(ctx, s.Prefix) {
		return unreachable("--input", err)
	}
	s.Prefix, s.pattern = splitPattern(s.Prefix)
	if !doublestar.ValidatePattern(s.pattern) {
		return job.Usagef(`close its brackets, or write \[ for a bracket in a name`, "--input %q is no pattern", s.uri)
	}
	return nil
}
