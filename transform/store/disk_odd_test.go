//go:build linux

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

// TestInputLinks: an input reads through links that stay inside, and through no other
// unless it is told to, whatever the link goes through.
func TestInputLinks(t *testing.T) {
	dir, other := t.TempDir(), t.TempDir()
	writeFile(t, "inside", dir, "sub", "a")
	writeFile(t, "outside", other, "x")
	symlink(t, "sub/a", dir, "near")
	symlink(t, "../sub/a", dir, "sub", "up")
	symlink(t, filepath.Join(other, "x"), dir, "absolute")
	symlink(t, "../"+filepath.Base(other)+"/x", dir, "relative")
	symlink(t, "relative", dir, "twice")
	for _, follow := range []bool{false, true} {
		d, err := store.OpenInput(dir, follow)
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		names, err := listed(t, d, "")
		if want := []string{"absolute", "near", "relative", "sub/a", "sub/up", "twice"}; err != nil || !slices.Equal(names, want) {
			t.Errorf("listed %q, %v", names, err)
		}
		for _, name := range names {
			r, _, err := d.Open(t.Context(), name)
			inside := !slices.Contains([]string{"absolute", "relative", "twice"}, name)
			switch {
			case (err == nil) != (inside || follow):
				t.Errorf("follow %v: %s: %v", follow, name, err)
			case err == nil:
				r.Close()
			case !errors.Is(err, store.ErrRefused) || !strings.Contains(err.Error(), name) || !strings.Contains(err.Error(), "--follow-symlinks"):
				t.Errorf("%s: %v", name, err)
			}
		}
		if _, _, err := d.Open(t.Context(), "none"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("a file that is not there: %v", err)
		}
	}
}

// TestNamesThatAreNotUTF8: such a file is listed in its place under a name of its own,
// and refused by that name; a file that truly has such a name is read.
func TestNamesThatAreNotUTF8(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"a", "b\xe9", "b\xe9\xff/c", `b\xe9x`, "z"} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte("x"), 0o666); err != nil {
			t.Skip("this disk takes no such names: ", err)
		}
	}
	d := openDisk(t, dir)
	want := []string{"a", `b\xe9`, `b\xe9\xff/c`, `b\xe9x`, "z"}
	if names, err := listed(t, d, ""); err != nil || !slices.Equal(names, want) {
		t.Errorf("listed %q, %v", names, err)
	}
	for _, name := range want {
		r, _, err := d.Open(t.Context(), name)
		if odd := name == want[1] || name == want[2]; (err != nil) != odd || odd && !errors.Is(err, store.ErrRefused) {
			t.Errorf("%s: %v", name, err)
		}
		if err == nil {
			r.Close()
		}
		if names, err := listed(t, d, name); err != nil || !slices.Equal(names, []string{name}) {
			t.Errorf("listed %s: %q, %v", name, names, err)
		}
	}
}

// FuzzShownName: what is shown is a name that stores take, where the name itself is one
// but for its bytes, and names that differ in odd bytes alone are shown differently.
func FuzzShownName(f *testing.F) {
	f.Add("a\xff/b", "a\xfe/b")
	f.Fuzz(func(t *testing.T, a, b string) {
		shown := store.ShownName(a)
		if strings.ToValidUTF8(a, "?") == a && shown != a {
			t.Errorf("%q is shown as %q", a, shown)
		}
		if store.ValidName(strings.ToValidUTF8(a, "?")) && !store.ValidName(shown) {
			t.Errorf("%q is shown as %q, which no store takes", a, shown)
		}
		if !strings.Contains(a+b, `\`) && a != b && shown == store.ShownName(b) {
			t.Errorf("%q and %q are shown as %q", a, b, shown)
		}
	})
}
