package container

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
)

const (
	tempPrefix = "batchmill-model-"
	ownerFile  = "owner"
)

// makeTemp makes the fleet's own directory, which nobody else can look into, if
// there is none yet. Called with mu held.
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

// sweepTemp removes the directories of fleets whose process has ended, if they
// are this user's.
func sweepTemp(me owner) error {
	entries, err := os.ReadDir(os.TempDir())
	if err != nil {
		return err
	}
	var failed []error
	for _, e := range entries {
		dir := filepath.Join(os.TempDir(), e.Name())
		if !strings.HasPrefix(e.Name(), tempPrefix) || !e.IsDir() || !ours(dir) {
			continue
		}
		text, err := os.ReadFile(filepath.Join(dir, ownerFile))
		if err != nil {
			continue
		}
		if o, err := parseOwner(string(text)); err == nil && o.gone(me) {
			failed = append(failed, os.RemoveAll(dir))
		}
	}
	return errors.Join(failed...)
}
