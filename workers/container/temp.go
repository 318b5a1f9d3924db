package container

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

const (
	tempPrefix = "batchmill-model-"
	ownerFile  = "owner"
)

// makeTemp makes the fleet's own directory, which only this user can read, if the fleet
// has no directory yet. Called with mu held.
func (f *Fleet) makeTemp() error {
	if f.temp != "" {
		return nil
	}
	dir, err := os.MkdirTemp("", tempPrefix)
	if err != nil {
		return err
	}
	f.temp = dir
	return os.WriteFile(filepath.Join(dir, ownerFile), []byte(f.me.String()), 0o600)
}

// sweepTemp removes this user's directories of fleets whose process has ended. A
// directory that cannot be removed does not stop the sweep; the error names each.
func sweepTemp(me owner, remove func(string) error) error {
	entries, err := os.ReadDir(os.TempDir())
	if err != nil {
		return err
	}
	var failed []error
	for _, e := range entries {
		dir := filepath.Join(os.TempDir(), e.Name())
		if !strings.HasPrefix(e.Name(), tempPrefix) || !e.IsDir() || !ownedByUser(dir) {
			continue
		}
		text, err := os.ReadFile(filepath.Join(dir, ownerFile))
		if err != nil {
			continue
		}
		if o, err := parseOwner(string(text)); err == nil && o.ended(me) {
			if err := remove(dir); err != nil {
				failed = append(failed, leftBehind(dir, err))
			}
		}
	}
	return errors.Join(failed...)
}

// leftBehind names a directory that could not be removed, without the path inside of
// the directory, which may be very long.
func leftBehind(dir string, err error) error {
	if inside, ok := errors.AsType[*fs.PathError](err); ok {
		err = inside.Err
	}
	return fmt.Errorf("directory %s is left: %w: remove it by hand", dir, err)
}
