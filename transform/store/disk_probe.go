package store

import (
	"context"
	"errors"
	"io/fs"
)

// Locked tells whether somebody holds the lock called name. It creates and
// writes nothing. Where nobody holds the lock it does so itself, for an instant.
func (d *Disk) Locked(ctx context.Context, name string) (bool, error) {
	local, err := d.begin(ctx, "lock", name)
	if err != nil {
		return false, err
	}
	fi, err := d.root.Stat(local)
	if errors.Is(notExist(err), fs.ErrNotExist) {
		return false, nil
	}
	if err == nil {
		err = regular(fi) // opening a pipe would wait for its other end
	}
	if err != nil {
		return false, wrap("lock", d.URI(name), err)
	}
	f, err := d.root.Open(local)
	if errors.Is(notExist(err), fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, wrap("lock", d.URI(name), err)
	}
	defer f.Close()
	if err = lockFile(f); errors.Is(err, ErrLocked) {
		return true, nil
	}
	return false, wrap("lock", d.URI(name), err)
}
