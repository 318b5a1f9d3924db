package store_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/batchmill/batchmill/transform/store"
	"github.com/batchmill/batchmill/transform/store/storetest"
)

func TestDiskConforms(t *testing.T) {
	storetest.Conform(t, func(t *testing.T) store.Store { return openDisk(t, t.TempDir()) })
}

func openDisk(t *testing.T, dir string) *store.Disk {
	t.Helper()
	d, err := store.OpenDisk(dir, true)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

func writeFile(t *testing.T, data string, elem ...string) {
	t.Helper()
	file := filepath.Join(elem...)
	if err := os.MkdirAll(filepath.Dir(file), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(data), 0o666); err != nil {
		t.Fatal(err)
	}
}

func symlink(t *testing.T, to string, elem ...string) {
	t.Helper()
	if err := os.Symlink(to, filepath.Join(elem...)); err != nil {
		t.Fatal(err)
	}
}

// put creates an object whole.
func put(t *testing.T, s store.Store, name string, mode store.Mode, data string) error {
	t.Helper()
	o, err := s.Create(t.Context(), name, mode)
	if err != nil {
		return err
	}
	defer o.Abort()
	if _, err := o.Write([]byte(data)); err != nil {
		return err
	}
	return o.Commit(t.Context())
}

// onDisk names all that is below dir, temporary files too.
func onDisk(t *testing.T, dir string) (names []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			rel, _ := filepath.Rel(dir, path)
			names = append(names, filepath.ToSlash(rel))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func listed(t *testing.T, s store.Store, prefix string) (names []string, err error) {
	t.Helper()
	for info, err := range s.List(t.Context(), prefix) {
		if err != nil {
			return names, err
		}
		names = append(names, info.Name)
	}
	return names, nil
}

func TestOpenDisk(t *testing.T) {
	dir := t.TempDir()
	writeFile(t, "x", dir, "file")
	for _, test := range []struct {
		path   string
		create bool
		ok     bool
	}{
		{"", false, true},
		{"none", false, false},
		{"new/deep/", true, true},
		{"new/deep", true, true},
		{"file", false, false},
		{"file", true, false},
		{"file/below", true, false},
	} {
		d, err := store.OpenDisk(filepath.Join(dir, test.path), test.create)
		if (err == nil) != test.ok {
			t.Errorf("open %q, create %v: %v", test.path, test.create, err)
		}
		var e *store.Error
		if err != nil && !errors.As(err, &e) {
			t.Errorf("open %q: %T is no *store.Error", test.path, err)
		}
		if err == nil {
			d.Close()
		}
	}
}

func TestDiskURIIsThePathAsGiven(t *testing.T) {
	t.Chdir(t.TempDir())
	d := openDisk(t, "out")
	if got, want := d.URI("a/b.csv"), filepath.Join("out", "a", "b.csv"); got != want {
		t.Errorf("URI is %q, want %q", got, want)
	}
	_, err := d.Stat(t.Context(), "a/b.csv")
	want := "stat " + filepath.Join("out", "a", "b.csv") + ": "
	if err == nil || !strings.HasPrefix(err.Error(), want) || strings.Count(err.Error(), "b.csv") != 1 {
		t.Errorf("message %q, want it to begin with %q and to name the file once", err, want)
	}
}

func TestDiskReadsThroughLinksToFiles(t *testing.T) {
	dir, other := t.TempDir(), t.TempDir()
	writeFile(t, "elsewhere", other, "data.csv")
	symlink(t, filepath.Join(other, "data.csv"), dir, "link.csv")
	d := openDisk(t, dir)
	names, err := listed(t, d, "")
	if err != nil || !slices.Equal(names, []string{"link.csv"}) {
		t.Errorf("listed %q, %v", names, err)
	}
	r, info, err := d.Open(t.Context(), "link.csv")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if info.Size != 9 {
		t.Errorf("size %d is that of the link, not of the file", info.Size)
	}
	if err := iotest.TestReader(r, []byte("elsewhere")); err != nil {
		t.Error(err)
	}
}

func TestDiskListNamesWhatIsNoFile(t *testing.T) {
	for _, test := range []struct {
		name, want string
		make       func(t *testing.T, dir string)
	}{
		{"link to a folder", "symbolic link to a directory", func(t *testing.T, dir string) {
			symlink(t, t.TempDir(), dir, "sub", "odd")
		}},
		{"link in a circle", "symbolic link to a directory", func(t *testing.T, dir string) {
			symlink(t, "..", dir, "sub", "odd")
		}},
		{"dangling link", "symbolic link to nothing", func(t *testing.T, dir string) {
			symlink(t, "nowhere", dir, "sub", "odd")
		}},
		{"link to itself", "too many", func(t *testing.T, dir string) {
			symlink(t, "odd", dir, "sub", "odd")
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			for _, name := range []string{"a", "sub/b", "z"} {
				writeFile(t, name, dir, name)
			}
			test.make(t, dir)
			d := openDisk(t, dir)
			names, err := listed(t, d, "")
			if !slices.Equal(names, []string{"a", "sub/b"}) {
				t.Errorf("listed %q before the error", names)
			}
			file := filepath.Join(dir, "sub", "odd")
			if err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), file) {
				t.Errorf("error %v, want %q about %s", err, test.want, file)
			}
			if _, err := listed(t, d, "sub/odd"); err == nil {
				t.Error("listed by itself, it is no error")
			}
		})
	}
}

func TestDiskListLeavesOutOddThingsWhereNoInputCanBe(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"a.csv", ".venv/lib/x", "_old/y"} {
		writeFile(t, name, dir, name)
	}
	symlink(t, "lib", dir, ".venv", "lib64")
	symlink(t, "nowhere", dir, "_old", "link")
	d := openDisk(t, dir)
	names, err := listed(t, d, "")
	if err != nil || !slices.Equal(names, []string{".venv/lib/x", "_old/y", "a.csv"}) {
		t.Errorf("listed %q, %v", names, err)
	}
	if _, err := listed(t, d, "_old"); err == nil {
		t.Error("a hidden folder that is asked for by name hides its dangling link")
	}
}

func TestDiskFolderIsNoObject(t *testing.T) {
	dir := t.TempDir()
	writeFile(t, "x", dir, "folder", "file")
	d := openDisk(t, dir)
	for _, name := range []string{"folder", "folder/file/below"} {
		if _, err := d.Stat(t.Context(), name); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("stat %q: %v", name, err)
		}
		if _, _, err := d.Open(t.Context(), name); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("open %q: %v", name, err)
		}
	}
	for _, mode := range []store.Mode{store.New, store.Replace} {
		if err := put(t, d, "folder", mode, "y"); err == nil {
			t.Errorf("mode %d: an object took a folder's place", mode)
		}
		if err := put(t, d, "folder/file/below", mode, "y"); err == nil {
			t.Errorf("mode %d: a folder took a file's place", mode)
		}
	}
	if got := onDisk(t, dir); !slices.Equal(got, []string{"folder/file"}) {
		t.Errorf("left on disk: %q", got)
	}
}
