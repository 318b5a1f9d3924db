package store

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// renameNew renames within dir, and fails with fs.ErrExist where name is taken.
// The error is errors.ErrUnsupported where the filesystem cannot, as NFS.
func renameNew(dir *os.File, temp, name string) error {
	for {
		fd := int(dir.Fd())
		err := unix.Renameat2(fd, temp, fd, name, unix.RENAME_NOREPLACE)
		switch {
		case err == nil:
			return nil
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.EINVAL), errors.Is(err, unix.ENOSYS), errors.Is(err, unix.ENOTSUP):
			return errors.ErrUnsupported
		}
		return err
	}
}
