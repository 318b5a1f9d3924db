package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

var (
	_ Store   = (*Disk)(nil)
	_ Keeper  = (*Disk)(nil)
	_ Locker  = (*Disk)(nil)
	_ Cleaner = (*Disk)(nil)
	_ Guarded = (*Disk)(nil)
)

// Disk is a store in a directory. All that it writes, it writes through an
// [os.Root], so that neither a name nor a symbolic link in the directory leads
// out of it. It reads through symbolic links to files, since people
// compose input directories of them; an input ([OpenInput]) only those that stay inside.
type Disk struct {
	dir      string
	root     *os.Root
	confined bool // Open follows no link out of the directory

	mu      sync.Mutex
	writing map[string]bool     // temporary files in use by this process
	durable map[string]struct{} // folders whose own names are known to be durable
}

// OpenDisk opens the directory dir, which must exist unless create is set;
// then it is made, durably, with the folders above it. The error is an *Error.
func OpenDisk(dir string, create bool) (*Disk, error) {
	if create {
		if err := mkdirAll(filepath.Clean(dir)); err != nil {
			return nil, wrap("create", dir, err)
		}
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, wrap("open", dir, err)
	}
	return &Disk{dir: dir, root: root, writing: map[string]bool{}, durable: map[string]struct{}{}}, nil
}

// OpenInput opens the directory dir for reading. Unless follow is set, an object that is a
// link out of dir, or behind one, or an absolute link, is listed and not opened: the error
// is ErrRefused. Whoever can write to dir would else choose what else of this machine is read.
func OpenInput(dir string, follow bool) (*Disk, error) {
	d, err := OpenDisk(dir, false)
	if err == nil {
		d.confined = !follow
	}
	return d, err
}

// mkdirAll is os.MkdirAll, but what it makes outlives a power cut.
func mkdirAll(dir string) error {
	if info, err := os.Stat(dir); err == nil && info.IsDir() {
		return nil
	}
	parent := filepath.Dir(dir)
	if parent == dir {
		return &fs.PathError{Op: "mkdir", Path: dir, Err: fs.ErrNotExist}
	}
	if err := mkdirAll(parent); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o777); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	f, err := os.Open(parent)
	if err != nil {
		return err
	}
	defer f.Close()
	return syncDir(f)
}

// Close lets go of the directory. Readers and objects that are still open stay
// usable for reading, but can no longer be committed.
func (d *Disk) Close() error { return wrap("close", d.dir, d.root.Close()) }

// URI is the path of name below the directory as OpenDisk was given it.
func (d *Disk) URI(name string) string { return filepath.Join(d.dir, filepath.FromSlash(name)) }

// begin checks what every operation checks, and gives name as the system writes it.
func (d *Disk) begin(ctx context.Context, op, name string) (string, error) {
	if err := ctx.Err(); err != nil {
		return "", err
	}
	if err := checkName(op, d.URI(name), name); err != nil {
		return "", err
	}
	local, err := filepath.Localize(name)
	if err != nil { // such as a backslash or "NUL" on Windows
		return "", wrap(op, d.URI(name), fmt.Errorf("%w on this system: %q", ErrBadName, name))
	}
	return local, nil
}

// Stat describes the file called name. A directory is no object: fs.ErrNotExist.
func (d *Disk) Stat(ctx context.Context, name string) (Info, error) {
	local, err := d.begin(ctx, "stat", name)
	if err != nil {
		return Info{}, err
	}
	fi, err := os.Stat(filepath.Join(d.dir, local))
	if err == nil {
		err = regular(fi)
	}
	if err != nil {
		return Info{}, wrap("stat", d.URI(name), notExist(err))
	}
	return fileInfo(name, fi), nil
}

// Open reads the file called name, which must be a regular file or a symbolic
// link to one: opening anything else may never return, or have effects. A file that changed
// just now is opened when the next change will bear another time.
func (d *Disk) Open(ctx context.Context, name string) (Reader, Info, error) {
	r, info, err := d.open(ctx, name)
	if err != nil {
		return nil, Info{}, err
	}
	if wait := unripe(info.ChangeTime, time.Now()); wait > 0 {
		if err = sleep(ctx, wait); err == nil {
			info, err = r.Stat()
		}
	}
	if err != nil {
		r.Close()
		return nil, Info{}, err
	}
	return r, info, nil
}

// open is Open of a file whose times do not matter.
func (d *Disk) open(ctx context.Context, name string) (*diskReader, Info, error) {
	if ValidName(name) && d.odd(name) != "" {
		return nil, Info{}, wrap("open", d.URI(name), errNotUTF8)
	}
	if _, err := d.Stat(ctx, name); err != nil {
		var e *Error
		if errors.As(err, &e) {
			e.Op = "open"
		}
		return nil, Info{}, err
	}
	// Looked at once more when open, and not blocking: it may have been
	// replaced by a named pipe in between.
	f, err := d.openFile(filepath.FromSlash(name), os.O_RDONLY|syscall.O_NONBLOCK)
	if err != nil {
		return nil, Info{}, wrap("open", d.URI(name), notExist(err))
	}
	r := &diskReader{f: f, name: name, uri: d.URI(name)}
	info, names, err := r.stat()
	if err != nil {
		f.Close()
		return nil, Info{}, wrap("open", d.URI(name), notExist(err))
	}
	r.names = names
	return r, info, nil
}

func fileInfo(name string, fi fs.FileInfo) Info {
	return Info{Name: name, Size: fi.Size(), ModTime: fi.ModTime()}
}

// notExist makes fs.ErrNotExist of the errors that say the same of a flat
// store: "a" is a file, or a folder, where "a/b" or "a" was asked for.
func notExist(err error) error {
	if errors.Is(err, syscall.ENOTDIR) {
		return fs.ErrNotExist
	}
	return err
}

// kindError is what is no object because it is no file.
type kindError struct {
	kind string
	hint string
	none bool // as good as not there
	odd  bool // it stands among files, and does not concern them
}

func (e *kindError) Error() string { return "it is a " + e.kind + e.hint }

func (e *kindError) Is(target error) bool {
	return target == ErrNoFile || e.none && target == fs.ErrNotExist || e.odd && target == ErrRefused
}

// regular refuses everything but a regular file.
func regular(fi fs.FileInfo) error {
	const move = ", not a file; move it out of the directory, or put a file in its place"
	switch mode := fi.Mode(); {
	case mode.IsRegular():
		return nil
	case mode.IsDir():
		return &kindError{kind: "directory", hint: ", not a file", none: true}
	case mode&fs.ModeNamedPipe != 0:
		return &kindError{kind: "named pipe", hint: move, odd: true}
	case mode&fs.ModeSocket != 0:
		return &kindError{kind: "socket", hint: move, odd: true}
	default:
		return &kindError{kind: "device or other special file", hint: move, odd: true}
	}
}

// diskReader names the file in its errors.
type diskReader struct {
	f     *os.File
	name  string
	uri   string
	names uint64 // that the file had when it was opened
}

// Stat looks at the open file again. A file that has got or lost a name since it was
// opened, as by another file's in its place, has no ChangeTime: that would only tell when.
func (r *diskReader) Stat() (Info, error) {
	info, names, err := r.stat()
	if names != r.names {
		info.ChangeTime = time.Time{}
	}
	return info, wrap("stat", r.uri, err)
}

func (r *diskReader) stat() (info Info, names uint64, err error) {
	fi, err := r.f.Stat()
	if err == nil {
		err = regular(fi)
	}
	if err != nil {
		return Info{}, 0, err
	}
	info = fileInfo(r.name, fi)
	info.ChangeTime, names, err = changeTime(r.f)
	return info, names, err
}

func (r *diskReader) Read(p []byte) (int, error) {
	n, err := r.f.Read(p)
	if err != nil && err != io.EOF {
		err = wrap("read", r.uri, err)
	}
	return n, err
}

// ReadAt reads at an offset, for formats that need random access.
func (r *diskReader) ReadAt(p []byte, off int64) (int, error) {
	n, err := r.f.ReadAt(p, off)
	if err != nil && err != io.EOF {
		err = wrap("read", r.uri, err)
	}
	return n, err
}

func (r *diskReader) Close() error { return wrap("close", r.uri, r.f.Close()) }

// ensureParent makes the folder that name stands in, and makes it durable. It
// holds the lock throughout, so that nobody commits into a folder that another
// goroutine has made but not yet synced. A folder found there may stem from a
// run that was killed before it synced, so the first use syncs that one too.
func (d *Disk) ensureParent(name string) error {
	dir := path.Dir(name)
	if dir == "." {
		return nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.durable) > maxDurable {
		clear(d.durable)
	}
	for at := 0; at < len(dir); at++ {
		if n := strings.IndexByte(dir[at:], '/'); n >= 0 {
			at += n
		} else {
			at = len(dir)
		}
		if err := d.ensureDir(dir[:at]); err != nil {
			return err
		}
	}
	return nil
}

// maxDurable bounds the memory of ensureParent, in folders.
const maxDurable = 4096

// ensureDir makes one folder durable, and makes it where it is missing, which
// it may be even if it was there before: others remove folders too. The
// folder above it must be there. The caller holds d.mu.
func (d *Disk) ensureDir(dir string) error {
	err := d.root.Mkdir(filepath.FromSlash(dir), 0o777)
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if _, known := d.durable[dir]; known && err != nil {
		return nil
	}
	if err := d.syncParent(dir); err != nil {
		return err
	}
	d.durable[dir] = struct{}{}
	return nil
}

// syncParent makes the names in the folder that holds name durable.
func (d *Disk) syncParent(name string) error {
	f, err := d.root.Open(filepath.FromSlash(path.Dir(name)))
	if err != nil {
		return err
	}
	defer f.Close()
	return syncDir(f)
}
