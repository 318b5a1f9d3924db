package s3

import (
	"errors"
	"io/fs"
	"os"
	"testing"

	"github.com/batchmill/batchmill/transform/store"
)

func TestSpill(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"TMPDIR", "TMP", "TEMP"} {
		t.Setenv(name, dir)
	}
	m, s := newBucket(Options{})
	f, err := s.Spill(t.Context(), "_work/spill/0")
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"one ", "two"} {
		if n, err := f.Write([]byte(part)); n != len(part) || err != nil {
			t.Fatal(n, err)
		}
	}
	p := make([]byte, 3)
	if n, err := f.ReadAt(p, 4); n != 3 || err != nil || string(p) != "two" {
		t.Errorf("read %q, %v", p[:n], err)
	}
	for range 2 {
		if err := f.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	}
	_, err = f.Write(p)
	var e *store.Error
	if !errors.Is(err, fs.ErrClosed) || !errors.As(err, &e) {
		t.Errorf("write after close: %v", err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 || m.Requests() > 0 {
		t.Errorf("left are %v, %v; %d requests", left, err, m.Requests())
	}
}
