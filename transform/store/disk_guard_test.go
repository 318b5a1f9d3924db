//go:build unix

package store_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/batchmill/batchmill/transform/store"
)

// TestSoleWriter makes an object of this user and then lets somebody else in, by each way
// that a mode or an owner leaves.
func TestSoleWriter(t *testing.T) {
	for _, c := range []struct {
		name string
		open func(dir string) error // nil where the case needs no error of its own
		sole bool
	}{
		{"nobody else", func(string) error { return nil }, true},
		{"others read", func(dir string) error { return os.Chmod(filepath.Join(dir, "sub/m"), 0o644) }, true},
		{"the group writes the file", func(dir string) error { return os.Chmod(filepath.Join(dir, "sub/m"), 0o660) }, false},
		{"all write the file", func(dir string) error { return os.Chmod(filepath.Join(dir, "sub/m"), 0o602) }, false},
		{"the group writes the folder", func(dir string) error { return os.Chmod(filepath.Join(dir, "sub"), 0o770) }, false},
		{"all write the folder, with the sticky bit", func(dir string) error {
			return os.Chmod(filepath.Join(dir, "sub"), 0o777|os.ModeSticky)
		}, false},
		{"all write the store's folder", func(dir string) error { return os.Chmod(dir, 0o777) }, false},
		{"a link", func(dir string) error {
			if err := os.Rename(filepath.Join(dir, "sub/m"), filepath.Join(dir, "sub/n")); err != nil {
				return err
			}
			return os.Symlink("n", filepath.Join(dir, "sub/m"))
		}, false},
		{"a linked folder", func(dir string) error {
			if err := os.Rename(filepath.Join(dir, "sub"), filepath.Join(dir, "else")); err != nil {
				return err
			}
			return os.Symlink("else", filepath.Join(dir, "sub"))
		}, false},
		{"a folder in its place", func(dir string) error {
			if err := os.Remove(filepath.Join(dir, "sub/m")); err != nil {
				return err
			}
			return os.Mkdir(filepath.Join(dir, "sub/m"), 0o700)
		}, false},
		{"gone", func(dir string) error { return os.Remove(filepath.Join(dir, "sub/m")) }, false},
	} {
		dir := t.TempDir()
		writeFile(t, "{}", dir, "sub/m")
		for name, mode := range map[string]os.FileMode{"sub/m": 0o600, "sub": 0o700, ".": 0o755} {
			if err := os.Chmod(filepath.Join(dir, name), mode); err != nil {
				t.Fatal(err)
			}
		}
		if err := c.open(dir); err != nil {
			t.Fatal(err)
		}
		check(t, c.name, dir, c.sole)
	}
	if os.Geteuid() != 0 {
		return // the owner of a file cannot be changed
	}
	for _, name := range []string{"sub/m", "sub", "."} {
		dir := t.TempDir()
		writeFile(t, "{}", dir, "sub/m")
		if err := os.Chown(filepath.Join(dir, name), 65534, -1); err != nil {
			t.Fatal(err)
		}
		check(t, "another owner of "+name, dir, false)
	}
}

func check(t *testing.T, name, dir string, sole bool) {
	t.Helper()
	d, err := store.OpenDisk(dir, false)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if err := d.SoleWriter(t.Context(), "sub/m"); (err == nil) != sole {
		t.Errorf("%s: %v", name, err)
	}
}
