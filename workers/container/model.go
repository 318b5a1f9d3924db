package container

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// The most bytes and files that a model's archive may unpack to. The length in bytes and
// the depth of names are bounded, since directories that are nested deeper than a
// process may open files are hard to remove.
const (
	maxModelBytes = 64 << 30
	maxModelFiles = 200_000 // entries, and directories that only names mention
	maxModelName  = 1 << 10
	maxModelDepth = 64
)

var (
	errTooManyFiles = errors.New("there are too many entries: unpack it yourself, and give the directory")
	errTooLarge     = errors.New("it is too large unpacked: unpack it yourself, and give the directory")
)

// unpackFile unpacks a .tar.gz into directory, which it makes.
func unpackFile(ctx context.Context, archive, directory string) error {
	f, err := os.Open(archive)
	if err != nil {
		return fmt.Errorf("--model: %w", err)
	}
	defer f.Close()
	if err := os.Mkdir(directory, 0o755); err != nil {
		return err
	}
	if err := unpack(ctx, f, directory, maxModelBytes, maxModelFiles); err != nil {
		return fmt.Errorf("--model %s: %w", archive, err)
	}
	return nil
}

// unpacker writes an archive's entries below root. No entry is outside of root or leads
// out of root: no absolute names, no .., links that stay inside, no devices. The bytes
// and the number of files are bounded.
type unpacker struct {
	ctx   context.Context
	root  *os.Root
	bytes int64 // left to be written
	files int   // left to be made
	links []string
}

func unpack(ctx context.Context, r io.Reader, directory string, bytes int64, files int) error {
	root, err := os.OpenRoot(directory)
	if err != nil {
		return err
	}
	defer root.Close()
	u := &unpacker{ctx: ctx, root: root, bytes: bytes, files: files}
	if err := readArchive(ctx, r, math.MaxInt64, u.entry); err != nil {
		return err
	}
	if err := u.checkLinks(); err != nil {
		return err
	}
	return u.openDirectories()
}

// readArchive calls entry for each entry of a .tar.gz. An archive that unpacks to more
// than most bytes ends with errEnough.
func readArchive(ctx context.Context, r io.Reader, most int64, entry func(*tar.Header, io.Reader) error) error {
	z, err := gzip.NewReader(r)
	if err != nil {
		return fmt.Errorf("it is no gzip: %w", err)
	}
	unpacked := &boundedReader{ctx, z, most}
	t := tar.NewReader(unpacked)
	for {
		h, err := t.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return fmt.Errorf("it is damaged, or no tar inside: %w", err)
		}
		if err := entry(h, t); err != nil {
			return fmt.Errorf("entry %q: %w", brief(h.Name), err)
		}
	}
	// The checksum at the end of the gzip also covers bytes behind the end of the tar.
	if n, err := io.Copy(io.Discard, io.LimitReader(unpacked, 1<<20)); err != nil || n == 1<<20 {
		return errors.Join(errors.New("it is damaged, or goes on behind its end"), err)
	}
	return nil
}

// entry unpacks one entry.
func (u *unpacker) entry(h *tar.Header, content io.Reader) error {
	if err := u.ctx.Err(); err != nil {
		return err
	}
	if u.files--; u.files < 0 {
		return errTooManyFiles
	}
	name, err := checkEntry(h)
	if name == "." || err != nil {
		return err
	}
	if err := u.directory(path.Dir(name)); err != nil {
		return err
	}
	if h.Typeflag == tar.TypeDir {
		return u.mkdir(name)
	}
	// A later entry of the same name wins, and is not written through a link.
	if err := u.root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	switch h.Typeflag {
	case tar.TypeReg:
		return u.file(name, h.FileInfo().Mode(), content)
	case tar.TypeSymlink:
		return u.symlink(name, h.Linkname)
	case tar.TypeLink:
		target := path.Clean(h.Linkname)
		if info, err := u.root.Lstat(target); err != nil || !info.Mode().IsRegular() {
			return fmt.Errorf("it links to %q, which is no file that stands before it", h.Linkname)
		}
		return u.root.Link(target, name)
	}
	return nil
}

// checkEntry checks an entry by its header alone, and returns the entry's clean name,
// or "." for an entry that is passed over.
func checkEntry(h *tar.Header) (name string, err error) {
	if h.Typeflag == tar.TypeXGlobalHeader {
		return ".", nil
	}
	name = path.Clean(h.Name)
	switch {
	case len(h.Name) > maxModelName || strings.Count(name, "/") >= maxModelDepth:
		return "", fmt.Errorf("its name is too long: more than %d bytes, or %d directories deep", maxModelName, maxModelDepth)
	case strings.ContainsAny(h.Name, "\\\x00") || !filepath.IsLocal(h.Name) || !filepath.IsLocal(name):
		return "", errors.New("its name leads out of the model's directory")
	}
	outside := fmt.Errorf("it links to %q, outside of the model's directory", brief(h.Linkname))
	switch h.Typeflag {
	case tar.TypeReg, tar.TypeDir:
		return name, nil
	case tar.TypeSymlink:
		if path.IsAbs(h.Linkname) || strings.ContainsAny(h.Linkname, "\\\x00") || !filepath.IsLocal(path.Join(path.Dir(name), h.Linkname)) {
			return "", outside
		}
		return name, nil
	case tar.TypeLink:
		if !filepath.IsLocal(path.Clean(h.Linkname)) {
			return "", outside
		}
		return name, nil
	}
	return "", errors.New("it is a device or something else that a model has no use for")
}

// brief is a name for messages, of at most 100 bytes and dots.
func brief(name string) string {
	if len(name) > 100 {
		return name[:100] + "..."
	}
	return name
}

// directory makes a directory and the directories above, each of which counts as a
// file. A link is never followed: behind a link, directories could be nested deeper than
// their names say.
func (u *unpacker) directory(name string) error {
	if name == "." {
		return nil
	}
	if info, err := u.root.Lstat(name); err == nil && info.IsDir() {
		return nil
	}
	if err := u.directory(path.Dir(name)); err != nil {
		return err
	}
	if u.files--; u.files < 0 {
		return errTooManyFiles
	}
	return u.mkdir(name)
}

// mkdir makes one directory, unless the directory exists.
func (u *unpacker) mkdir(name string) error {
	err := u.root.Mkdir(name, 0o755)
	if info, there := u.root.Lstat(name); there == nil && info.IsDir() {
		return nil
	}
	return err
}

// file writes a regular file, which can be executed where mode says so.
func (u *unpacker) file(name string, mode fs.FileMode, content io.Reader) (err error) {
	perm := fs.FileMode(0o644)
	if mode&0o111 != 0 {
		perm = 0o755
	}
	f, err := u.root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, perm)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	for u.bytes >= 0 {
		n, err := io.CopyN(f, content, min(16<<20, u.bytes+1))
		u.bytes -= n
		switch {
		case err == io.EOF && u.bytes >= 0:
			return f.Chmod(perm) // whatever the umask
		case err != nil && err != io.EOF:
			return err
		case u.ctx.Err() != nil:
			return u.ctx.Err()
		}
	}
	return errTooLarge
}

func (u *unpacker) symlink(name, target string) error {
	u.links = append(u.links, name)
	return u.root.Symlink(target, name)
}

// checkLinks follows every link, for a link may lead out through another link.
func (u *unpacker) checkLinks() error {
	for _, name := range u.links {
		if _, err := u.root.Stat(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("link %q: %w", name, err)
		}
	}
	return nil
}

// openDirectories lets every user read the directories, whatever the umask: the server
// in the container may run as any user.
func (u *unpacker) openDirectories() error {
	return fs.WalkDir(u.root.FS(), ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil || !e.IsDir() {
			return err
		}
		return u.root.Chmod(name, 0o755)
	})
}
