package store

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestOverwrittenWhileOpen: what is done to an open file shows in its reader's Stat
// exactly when a byte may be another one.
func TestOverwrittenWhileOpen(t *testing.T) {
	write := func(file, text string, from int64) error {
		f, err := os.OpenFile(file, os.O_WRONLY, 0)
		if err == nil {
			_, err = f.WriteAt([]byte(text), from)
		}
		if err == nil {
			err = f.Close()
		}
		return err
	}
	timeKept := func(do func(file string) error) func(file string) error {
		return func(file string) error {
			was, err := os.Stat(file)
			if err == nil {
				err = do(file)
			}
			if err == nil {
				err = os.Chtimes(file, was.ModTime(), was.ModTime())
			}
			return err
		}
	}
	overwrite := func(file string) error { return write(file, "B", 0) }
	for _, c := range []struct {
		name    string
		do      func(file string) error
		changed bool
	}{
		{"nothing", func(string) error { return nil }, false},
		{"read", func(file string) error { _, err := os.ReadFile(file); return err }, false},
		{"overwritten", overwrite, true},
		{"overwritten, time set back", timeKept(overwrite), true},
		{"overwritten by the same", func(file string) error { return write(file, "a", 0) }, true},
		{"grown", func(file string) error { return write(file, "grown", 4) }, true},
		{"grown and cut back", timeKept(func(file string) error {
			if err := write(file, "grown", 4); err != nil {
				return err
			}
			return os.Truncate(file, 4)
		}), true},
		{"emptied", func(file string) error { return os.Truncate(file, 0) }, true},
		{"another name", func(file string) error { return os.Link(file, file+"2") }, false},
		{"no name", os.Remove, false},
		{"replaced", func(file string) error {
			if err := os.WriteFile(file+"2", []byte("BBBB"), 0o600); err != nil {
				return err
			}
			return os.Rename(file+"2", file)
		}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := newDisk(t)
			file := filepath.Join(d.dir, "in")
			if err := os.WriteFile(file, []byte("aaaa"), 0o600); err != nil {
				t.Fatal(err)
			}
			r, was, err := d.Open(t.Context(), "in")
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			if err := c.do(file); err != nil {
				t.Fatal(err)
			}
			is, err := r.Stat()
			if is.ChangeTime.IsZero() {
				is.ChangeTime = was.ChangeTime // not known: then only the others count
			}
			if err != nil || (is != was) != c.changed {
				t.Errorf("%+v was %+v, %v; changed: %v", is, was, err, c.changed)
			}
		})
	}
}

// TestStatOfAClosedFile: an error of the second look is a store's.
func TestStatOfAClosedFile(t *testing.T) {
	d := newDisk(t)
	if err := d.root.WriteFile("in", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	r, _, err := d.Open(t.Context(), "in")
	if err != nil {
		t.Fatal(err)
	}
	r.Close()
	info, err := r.Stat()
	if e, ok := errors.AsType[*Error](err); !ok || e.Op != "stat" || !errors.Is(err, fs.ErrClosed) {
		t.Errorf("%+v, %v", info, err)
	}
}

// TestTick: a file is opened when a change would give it another time.
func TestTick(t *testing.T) {
	fine, coarse := time.Unix(100, 5e6), time.Unix(100, 0)
	for _, c := range []struct {
		changed time.Time
		age     time.Duration
		wait    time.Duration
	}{
		{fine, 0, fineTick},
		{fine, 5 * time.Millisecond, fineTick - 5*time.Millisecond},
		{fine, fineTick, 0},
		{fine, time.Hour, 0},
		{fine, -time.Hour, fineTick},
		{coarse, 0, coarseTick},
		{coarse, time.Second, coarseTick - time.Second},
		{coarse, 3 * time.Second, 0},
		{coarse, -time.Second, coarseTick},
		{time.Time{}, 0, 0},
	} {
		if wait := max(0, unripe(c.changed, c.changed.Add(c.age))); wait != c.wait {
			t.Errorf("changed at %v, %v ago: waits %v, want %v", c.changed, c.age, wait, c.wait)
		}
	}
}
