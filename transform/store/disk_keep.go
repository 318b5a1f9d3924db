package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// ReadLog is Open without a wait: a log only grows.
func (d *Disk) ReadLog(ctx context.Context, name string) (Reader, Info, error) {
	r, info, err := d.open(ctx, name)
	if err != nil {
		return nil, Info{}, err
	}
	return r, info, nil
}

// Append opens the file called name for appending. What it creates, folders
// included, has a durable name before Append returns. It supersedes nobody: a
// lock keeps a second run out (see [Locker]).
func (d *Disk) Append(ctx context.Context, name string, seen int64) (Appender, error) {
	local, err := d.begin(ctx, "append", name)
	if err != nil {
		return nil, err
	}
	f, err := d.openKept(name, local, os.O_WRONLY|os.O_APPEND)
	if err != nil {
		return nil, wrap("append", d.URI(name), err)
	}
	fi, err := f.Stat()
	if err == nil && fi.Size() > seen {
		err = ErrGrown
	}
	if err != nil {
		f.Close()
		return nil, wrap("append", d.URI(name), err)
	}
	return &diskAppender{f: f, uri: d.URI(name)}, nil
}

// openKept opens or creates a file of the working state, durably by name. An
// existing name is synced too: the run that made it may have been killed
// before it could.
func (d *Disk) openKept(name, local string, flag int) (*os.File, error) {
	if err := d.ensureParent(name); err != nil {
		return nil, err
	}
	if fi, err := d.root.Stat(local); err == nil {
		if err := regular(fi); err != nil { // opening a pipe would wait for its reader
			return nil, err
		}
	}
	f, err := d.root.OpenFile(local, flag|os.O_CREATE, 0o666)
	if err != nil {
		return nil, err
	}
	if err := d.syncParent(name); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// Remove removes the file called name, or the folder with all that is in it,
// never following a symbolic link.
func (d *Disk) Remove(ctx context.Context, name string) error {
	local, err := d.begin(ctx, "remove", name)
	if err != nil {
		return err
	}
	err = d.root.RemoveAll(local)
	if err == nil { // synced even if nothing was there: a killed run may have removed it
		err = d.syncParent(name)
	}
	if errors.Is(notExist(err), fs.ErrNotExist) {
		return nil
	}
	return wrap("remove", d.URI(name), err)
}

// Lock locks the file called name, and creates it where it is missing. The
// lock is the system's: it ends with the process, and the file stays.
func (d *Disk) Lock(ctx context.Context, name string) (func() error, error) {
	local, err := d.begin(ctx, "lock", name)
	if err != nil {
		return nil, err
	}
	for {
		f, err := d.openKept(name, local, os.O_RDWR)
		if err != nil {
			return nil, wrap("lock", d.URI(name), err)
		}
		if err := lockFile(f); err != nil {
			f.Close()
			return nil, wrap("lock", d.URI(name), err)
		}
		same, err := d.stillNamed(f, local)
		if err != nil {
			f.Close()
			return nil, wrap("lock", d.URI(name), err)
		}
		if same {
			return func() error {
				if err := f.Close(); !errors.Is(err, fs.ErrClosed) {
					return wrap("lock", d.URI(name), err)
				}
				return nil
			}, nil
		}
		f.Close() // a lock on a file that another run has removed locks nobody out
	}
}

// stillNamed tells whether the open file f is still the one called local.
func (d *Disk) stillNamed(f *os.File, local string) (bool, error) {
	mine, err := f.Stat()
	if err != nil {
		return false, err
	}
	named, err := d.root.Stat(local)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil && os.SameFile(mine, named), err
}

type diskAppender struct {
	f   *os.File
	uri string
	err error // a failed Sync, which is final
}

func (a *diskAppender) Write(p []byte) (int, error) {
	if a.err != nil {
		return 0, a.err
	}
	n, err := a.f.Write(p)
	return n, wrap("write", a.uri, err)
}

// Sync never tries again after a failure: the system may have dropped the pages
// that it could not write.
func (a *diskAppender) Sync() error {
	if a.err == nil {
		a.err = wrap("sync", a.uri, a.f.Sync())
	}
	return a.err
}

// Truncate refuses to grow the file: nobody means to log zeros.
func (a *diskAppender) Truncate(size int64) error {
	if a.err != nil {
		return a.err
	}
	fi, err := a.f.Stat()
	if err != nil {
		return wrap("truncate", a.uri, err)
	}
	if size < 0 || size > fi.Size() {
		return wrap("truncate", a.uri, fmt.Errorf("cannot cut a file of %d bytes to %d", fi.Size(), size))
	}
	return wrap("truncate", a.uri, a.f.Truncate(size))
}

// Close ends the appender. It syncs nothing.
func (a *diskAppender) Close() error { return wrap("close", a.uri, a.f.Close()) }
