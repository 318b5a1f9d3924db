package hostlog

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t *testing.T, d *Dir, n int) *Log {
	t.Helper()
	l, err := d.Open(n)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func TestLogIsBoundedAndAppended(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "hosts")
	l := open(t, At(dir), 3)
	line := []byte(strings.Repeat("x", 1<<20-1) + "\n")
	for range 30 {
		if n, err := l.Write(line); n != len(line) || err != nil {
			t.Fatal(n, err)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	total := int64(0)
	for _, name := range []string{"3.log", "3.log.1"} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || info.Size() > maxFile || info.Mode().Perm() != 0o600 {
			t.Fatal(info, err)
		}
		total += info.Size()
	}
	if total < maxFile {
		t.Errorf("%d bytes are left", total)
	}
	again := open(t, At(dir), 3)
	if again.size == 0 {
		t.Error("the log was begun anew")
	}
}

func TestTail(t *testing.T) {
	l := open(t, At(t.TempDir()), 1)
	_, _ = l.Write([]byte("old\n"))
	l.Begin("it starts")
	if got := l.Tail(); got != "" {
		t.Errorf("tail is %q", got)
	}
	for i := range 1000 {
		fmt.Fprintf(l, "line %d\n\n", i)
	}
	fmt.Fprint(l, strings.Repeat("y", 1000), "\xff")
	got := l.Tail()
	if !strings.HasPrefix(got, "line 996 | line 997 | line 998 | line 999 | yyy") || len(got) > 400 {
		t.Errorf("tail is %q", got)
	}
	fmt.Fprint(l, strings.Repeat("z", 3*maxTail))
	if len(l.tail) > maxTail {
		t.Errorf("%d bytes are kept", len(l.tail))
	}
}

func TestTemporaryDirIsRemoved(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	for _, keep := range []bool{false, true} {
		d := Temporary()
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
		l := open(t, d, 1)
		if keep {
			d.Keep()
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(l.Path()); (err == nil) != keep {
			t.Errorf("keep %v: %v", keep, err)
		}
	}
}
