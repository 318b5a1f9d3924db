package store_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/batchmill/batchmill/transform/store"
)

// TestDiskWritesNothingOutside plants links that lead out of the store's
// directory in every place that writing passes through.
func TestDiskWritesNothingOutside(t *testing.T) {
	ctx := t.Context()
	for _, test := range []struct {
		name  string
		write func(d *store.Disk) error
	}{
		{"create below", func(d *store.Disk) error { _, err := d.Create(ctx, "out/new", store.New); return err }},
		{"create deep below", func(d *store.Disk) error { _, err := d.Create(ctx, "out/x/y/new", store.Replace); return err }},
		{"append below", func(d *store.Disk) error { _, err := d.Append(ctx, "out/victim", 1<<40); return err }},
		{"spill below", func(d *store.Disk) error { _, err := d.Spill(ctx, "out/victim"); return err }},
		{"spill to", func(d *store.Disk) error { _, err := d.Spill(ctx, "file"); return err }},
		{"append to", func(d *store.Disk) error { _, err := d.Append(ctx, "file", 1<<40); return err }},
		{"lock", func(d *store.Disk) error { _, err := d.Lock(ctx, "file"); return err }},
		{"lock below", func(d *store.Disk) error { _, err := d.Lock(ctx, "out/lock"); return err }},
		{"remove below", func(d *store.Disk) error { return d.Remove(ctx, "out/victim") }},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir, outside := t.TempDir(), t.TempDir()
			writeFile(t, "untouched", outside, "victim")
			symlink(t, outside, dir, "out")
			symlink(t, filepath.Join(outside, "victim"), dir, "file")
			if err := test.write(openDisk(t, dir)); err == nil {
				t.Error("it succeeded")
			}
			if got := onDisk(t, outside); !slices.Equal(got, []string{"victim"}) {
				t.Errorf("outside now: %q", got)
			}
			if data, err := os.ReadFile(filepath.Join(outside, "victim")); string(data) != "untouched" {
				t.Errorf("the file outside holds %q, %v", data, err)
			}
		})
	}
}

func TestDiskReplacesAndRemovesLinksThemselves(t *testing.T) {
	dir, outside := t.TempDir(), t.TempDir()
	writeFile(t, "untouched", outside, "victim")
	symlink(t, filepath.Join(outside, "victim"), dir, "replaced")
	symlink(t, filepath.Join(outside, "victim"), dir, "taken")
	symlink(t, outside, dir, "removed")
	d := openDisk(t, dir)
	if err := put(t, d, "replaced", store.Replace, "new"); err != nil {
		t.Fatal(err)
	}
	if err := put(t, d, "taken", store.New, "new"); !errors.Is(err, fs.ErrExist) {
		t.Errorf("a link's name counts as free: %v", err)
	}
	if err := d.Remove(t.Context(), "removed"); err != nil {
		t.Fatal(err)
	}
	if data, err := os.ReadFile(filepath.Join(outside, "victim")); string(data) != "untouched" {
		t.Errorf("the file outside holds %q, %v", data, err)
	}
	if got := onDisk(t, dir); !slices.Equal(got, []string{"replaced", "taken"}) {
		t.Errorf("left on disk: %q", got)
	}
}

// temps names the temporary files in dir.
func temps(t *testing.T, dir string) (found []string) {
	t.Helper()
	for _, name := range onDisk(t, dir) {
		if strings.HasPrefix(filepath.Base(name), ".batchmill-") {
			found = append(found, name)
		}
	}
	return found
}

func TestDiskTemporaryFile(t *testing.T) {
	dir := t.TempDir()
	d := openDisk(t, dir)
	name := "sub/" + strings.Repeat("n", 255)
	o, err := d.Create(t.Context(), name, store.New)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := o.Write([]byte("half")); err != nil {
		t.Fatal(err)
	}
	first := temps(t, dir)
	if len(first) != 1 || filepath.Dir(first[0]) != "sub" {
		t.Fatalf("temporary files %q, want one beside the target", first)
	}
	if names, err := listed(t, d, ""); err != nil || len(names) != 0 {
		t.Errorf("listed %q, %v", names, err)
	}
	// Another process finds what this one, killed, has left.
	again := openDisk(t, dir)
	if err := put(t, again, name, store.New, "whole"); err != nil {
		t.Fatal(err)
	}
	if left := onDisk(t, dir); !slices.Equal(left, []string{name}) {
		t.Errorf("left on disk: %q", left)
	}
	if data, err := os.ReadFile(filepath.Join(dir, name)); string(data) != "whole" {
		t.Errorf("the object holds %q, %v", data, err)
	}
	if _, err := d.Create(t.Context(), first[0], store.New); !errors.Is(err, store.ErrBadName) {
		t.Errorf("an object may have a temporary file's name: %v", err)
	}
}

// TestDiskLeftoverMayBeThePublishedFile: a run killed between link and remove
// leaves the output under two names. Truncating the one destroys the other.
func TestDiskLeftoverMayBeThePublishedFile(t *testing.T) {
	dir := t.TempDir()
	d := openDisk(t, dir)
	o, err := d.Create(t.Context(), "out", store.New)
	if err != nil {
		t.Fatal(err)
	}
	temp := temps(t, dir)[0]
	if err := o.Abort(); err != nil {
		t.Fatal(err)
	}
	writeFile(t, "published", dir, "out")
	if err := os.Link(filepath.Join(dir, "out"), filepath.Join(dir, temp)); err != nil {
		t.Skip("no hard links here")
	}
	if err := put(t, d, "out", store.New, "X"); !errors.Is(err, fs.ErrExist) {
		t.Errorf("put: %v, want %v", err, fs.ErrExist)
	}
	if data, err := os.ReadFile(filepath.Join(dir, "out")); string(data) != "published" {
		t.Errorf("the published file holds %q, %v", data, err)
	}
}

func TestDiskNameTooLong(t *testing.T) {
	dir := t.TempDir()
	d := openDisk(t, dir)
	if err := put(t, d, strings.Repeat("n", 256), store.New, "x"); err == nil {
		t.Skip("the filesystem takes longer names")
	}
	if left := onDisk(t, dir); len(left) != 0 {
		t.Errorf("left on disk: %q", left)
	}
}

func TestDiskCloseStopsCommits(t *testing.T) {
	dir := t.TempDir()
	d := openDisk(t, dir)
	o, err := d.Create(t.Context(), "a", store.New)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if err := o.Commit(t.Context()); err == nil {
		t.Error("commit into a closed store succeeded")
	}
	if _, err := os.Stat(filepath.Join(dir, "a")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("stat: %v", err)
	}
}

func TestDiskRemovedFoldersAreMadeAgain(t *testing.T) {
	d := openDisk(t, t.TempDir())
	for range 2 {
		if err := put(t, d, "a/b/c", store.New, "x"); err != nil {
			t.Fatal(err)
		}
		if err := d.Remove(t.Context(), "a"); err != nil {
			t.Fatal(err)
		}
	}
}

func TestDiskFollowsNoLockOfARemovedFile(t *testing.T) {
	dir := t.TempDir()
	d, other := openDisk(t, dir), openDisk(t, dir)
	unlock, err := d.Lock(t.Context(), "state/lock")
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	if _, err := other.Lock(t.Context(), "state/lock"); !errors.Is(err, store.ErrLocked) {
		t.Errorf("another handle on the directory: %v, want %v", err, store.ErrLocked)
	}
	if err := d.Remove(t.Context(), "state"); err != nil {
		t.Fatal(err)
	}
	first, err := other.Lock(t.Context(), "state/lock")
	if err != nil {
		t.Fatalf("the lock's file is gone, and nobody can lock: %v", err)
	}
	defer first()
	if _, err := d.Lock(t.Context(), "state/lock"); !errors.Is(err, store.ErrLocked) {
		t.Errorf("two hold the lock anew: %v", err)
	}
}
