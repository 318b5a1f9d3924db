//go:build !linux

package store

import (
	"errors"
	"os"
)

// renameNew is not to be had here; a hard link does as well.
func renameNew(*os.File, string, string) error { return errors.ErrUnsupported }
