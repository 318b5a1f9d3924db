package store_test

import (
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/batchmill/batchmill/transform/store"
)

// TestDiskSpillBeginsEmpty: what a killed run left is not taken for its own.
func TestDiskSpillBeginsEmpty(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "spill"), []byte("of an earlier run"), 0o666); err != nil {
		t.Fatal(err)
	}
	d, err := store.OpenDisk(dir, false)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	s, err := d.Spill(t.Context(), "spill")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := s.Write([]byte("new")); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 10)
	if n, err := s.ReadAt(b, 0); err != io.EOF || string(b[:n]) != "new" {
		t.Errorf("it holds %q, %v", b[:n], err)
	}
}

// TestDiskClean: temporary files go, whatever folder they are in, and nothing else does.
func TestDiskClean(t *testing.T) {
	dir := t.TempDir()
	d, err := store.OpenDisk(dir, false)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	for _, name := range []string{"a", "deep/er/b", "kept/c"} {
		o, err := d.Create(t.Context(), name, store.New) // and dies here, as it were
		if err != nil {
			t.Fatal(err)
		}
		if _, err := o.Write([]byte("half")); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"deep/whole.csv", ".batchmill-notes", "x.tmp"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	var gone []string
	for name, err := range d.Clean(t.Context(), func(name string) bool { return filepath.Dir(name) != "kept" }) {
		if err != nil {
			t.Fatal(err)
		}
		gone = append(gone, filepath.Dir(name))
	}
	if len(gone) != 2 || gone[0] != "." || gone[1] != "deep/er" {
		t.Errorf("removed from %q", gone)
	}
	left, err := filepath.Glob(filepath.Join(dir, "*/.batchmill-*.tmp"))
	if err != nil || len(left) != 1 {
		t.Errorf("left are %q, %v", left, err)
	}
	for _, name := range []string{"deep/whole.csv", ".batchmill-notes", "x.tmp"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			t.Error(err)
		}
	}
}
