package manifest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"testing"
	"testing/iotest"
)

// files is what a test's manifest names, and which of them are open.
type files struct {
	data map[string]string
	open map[string]int
	wrap func(io.Reader) io.Reader
}

type closer struct {
	io.Reader
	close func()
}

func (c closer) Close() error { c.close(); return nil }

func (f *files) Open(_ context.Context, uri string) (io.ReadCloser, error) {
	data, ok := f.data[uri]
	if !ok {
		return nil, fmt.Errorf("open %s: %w", uri, fs.ErrNotExist)
	}
	f.open[uri]++
	return closer{f.wrap(strings.NewReader(data)), func() { f.open[uri]-- }}, nil
}

func sum(s string) string {
	h := sha256.Sum256([]byte(s))
	return hex.EncodeToString(h[:])
}

// written is a manifest and the files that fit it.
func written() (*Manifest, *files) {
	f := &files{
		data: map[string]string{
			"out/a": strings.Repeat("1,2\n", 200_000), "out/d": "", "rej/b": "{}\n", "rej/d": "{}\n",
		},
		open: map[string]int{},
		wrap: func(r io.Reader) io.Reader { return r },
	}
	m := sample()
	output := func(uri string) *Output {
		return &Output{URI: uri, Size: int64(len(f.data[uri])), SHA256: sum(f.data[uri])}
	}
	m.Objects[0].Output, m.Objects[3].Output = output("out/a"), output("out/d")
	m.Objects[1].Rejects = &Rejects{URI: "rej/b", SHA256: sum("{}\n")}
	m.Objects[3].Rejects = &Rejects{URI: "rej/d", SHA256: sum("{}\n")}
	return m, f
}

func TestVerifyAcceptsWhatIsTrue(t *testing.T) {
	for name, wrap := range map[string]func(io.Reader) io.Reader{
		"whole":            func(r io.Reader) io.Reader { return r },
		"halves":           iotest.HalfReader,
		"data with EOF":    iotest.DataErrReader,
		"byte by byte":     func(r io.Reader) io.Reader { return iotest.OneByteReader(io.LimitReader(r, 1<<20)) },
		"with empty reads": func(r io.Reader) io.Reader { return &stutter{r: r} },
	} {
		m, f := written()
		f.wrap = wrap
		if err := m.Verify(t.Context(), f.Open); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for uri, n := range f.open {
			if n != 0 {
				t.Errorf("%s: %s is still open", name, uri)
			}
		}
	}
}

// stutter returns nothing, and no error, every other time.
type stutter struct {
	r   io.Reader
	odd bool
}

func (s *stutter) Read(p []byte) (int, error) {
	if s.odd = !s.odd; s.odd {
		return 0, nil
	}
	return s.r.Read(p)
}

func TestVerifyFindsDifferences(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(m *Manifest, f *files)
		want   Difference
	}{
		{"missing output", func(_ *Manifest, f *files) { delete(f.data, "out/a") },
			Difference{"out/a", "file", "present", "missing"}},
		{"missing rejects", func(_ *Manifest, f *files) { delete(f.data, "rej/b") },
			Difference{"rej/b", "file", "present", "missing"}},
		{"cut", func(_ *Manifest, f *files) { f.data["out/a"] = f.data["out/a"][:799_999] },
			Difference{"out/a", "size", "800000", "799999"}},
		{"grown", func(_ *Manifest, f *files) { f.data["out/d"] = "x" },
			Difference{"out/d", "size", "0", "1"}},
		{"one byte changed", func(_ *Manifest, f *files) { f.data["out/a"] = "9" + f.data["out/a"][1:] },
			Difference{"out/a", "sha256", sum(strings.Repeat("1,2\n", 200_000)), sum("9" + strings.Repeat("1,2\n", 200_000)[1:])}},
		{"a reject more", func(_ *Manifest, f *files) { f.data["rej/b"] = "{}\n{}" },
			Difference{"rej/b", "records_rejected", "1", "2"}},
		{"rejects emptied", func(_ *Manifest, f *files) { f.data["rej/d"] = "" },
			Difference{"rej/d", "records_rejected", "1", "0"}},
		{"a reject changed", func(_ *Manifest, f *files) { f.data["rej/d"] = "[]\n" },
			Difference{"rej/d", "sha256", sum("{}\n"), sum("[]\n")}},
		{"the first of two", func(_ *Manifest, f *files) { clear(f.data) },
			Difference{"out/a", "file", "present", "missing"}},
	} {
		m, f := written()
		test.change(m, f)
		err := m.Verify(t.Context(), f.Open)
		var d *Difference
		if !errors.As(err, &d) || *d != test.want {
			t.Errorf("%s: %v, want %v", test.name, err, &test.want)
		}
	}
}

func TestVerifyErrorsAreNoDifferences(t *testing.T) {
	broken := errors.New("broken")
	m, f := written()
	f.wrap = func(r io.Reader) io.Reader {
		return io.MultiReader(io.LimitReader(r, 10), iotest.ErrReader(broken))
	}
	err := m.Verify(t.Context(), f.Open)
	var d *Difference
	if !errors.Is(err, broken) || errors.As(err, &d) || !strings.Contains(err.Error(), "out/a: byte 10") {
		t.Errorf("a read error: %v", err)
	}
	refuse := func(context.Context, string) (io.ReadCloser, error) { return nil, fs.ErrPermission }
	if err := m.Verify(t.Context(), refuse); !errors.Is(err, fs.ErrPermission) || errors.As(err, &d) {
		t.Errorf("a file that cannot be opened: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	f.wrap = func(r io.Reader) io.Reader { cancel(); return r }
	if err := m.Verify(ctx, f.Open); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}
