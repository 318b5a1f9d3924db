//go:build unix

package store

import (
	"errors"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// syncDir makes the names in an open folder durable. Some filesystems have no
// such operation and say so; their names need none, or there is nothing to be done.
func syncDir(dir *os.File) error {
	err := dir.Sync()
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOTSUP) {
		return nil
	}
	return err
}

// changeTime is when the content of an open file, or its name, owner or mode, changed last,
// and how many names the file has.
func changeTime(f *os.File) (changed time.Time, names uint64, err error) {
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return time.Time{}, 0, err
	}
	return time.Unix(st.Ctim.Unix()), uint64(st.Nlink), nil
}

// lockFile locks an open file until it is closed, or fails with ErrLocked.
func lockFile(f *os.File) error {
	for {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.EWOULDBLOCK):
			return ErrLocked
		}
		return err
	}
}

// noLinks tells whether err says that the filesystem has no hard links.
func noLinks(err error) bool {
	return errors.Is(err, unix.EPERM) || errors.Is(err, unix.ENOTSUP) ||
		errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.ENOSYS)
}
