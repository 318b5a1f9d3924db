//go:build unix

package store

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// SoleWriter fails unless name is a file of this user in folders of this user, from the
// store's own one on, and nobody else may write to any of them. Who may rename the folders
// above the store can only put another of this user's folders in its place.
func (d *Disk) SoleWriter(ctx context.Context, name string) error {
	local, err := d.begin(ctx, "look at", name)
	if err != nil {
		return err
	}
	for at := local; ; at = filepath.Dir(at) {
		fi, err := d.root.Lstat(at)
		if err == nil {
			err = soleWriter(fi, at == local)
		}
		if err != nil {
			return wrap("look at", filepath.Join(d.dir, at), err)
		}
		if at == "." {
			return nil
		}
	}
}

// soleWriter judges one file or folder. A mask of POSIX ACLs shows in the group's bits.
func soleWriter(fi fs.FileInfo, file bool) error {
	owner, ok := fi.Sys().(*syscall.Stat_t)
	switch {
	case file != fi.Mode().IsRegular() || file == fi.IsDir():
		return fmt.Errorf("not a plain file in plain folders (%v)", fi.Mode())
	case !ok:
		return fmt.Errorf("its owner is not known")
	case int(owner.Uid) != os.Geteuid():
		return fmt.Errorf("owned by another user (uid %d)", owner.Uid)
	case fi.Mode().Perm()&0o022 != 0:
		return fmt.Errorf("others can write to it (%v)", fi.Mode())
	}
	return nil
}
