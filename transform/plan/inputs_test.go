package plan

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/batchmill/batchmill/transform/job"
	"github.com/batchmill/batchmill/transform/store"
	"github.com/batchmill/batchmill/transform/store/s3"
)

// listOf is an input manifest with that text, over a folder of a store.
func listOf(text, base string, slash bool) *inputList {
	return &inputList{uri: "list.json", prefix: "p/", base: base, slash: slash,
		open: func(context.Context) (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(text)), nil }}
}

// TestBadPath: a disk that fails is not taken for a path that is wrong.
func TestBadPath(t *testing.T) {
	for number, want := range map[syscall.Errno]job.Class{
		syscall.ENOENT: job.Usage, syscall.EACCES: job.Usage, syscall.EPERM: job.Usage, syscall.ENOTDIR: job.Usage, syscall.ELOOP: job.Usage, syscall.ENAMETOOLONG: job.Usage,
		syscall.EIO: job.Storage, syscall.ENXIO: job.Storage, syscall.ENOMEM: job.Storage, syscall.EMFILE: job.Storage, syscall.ETIMEDOUT: job.Storage,
	} {
		for _, err := range []error{number, &fs.PathError{Op: "stat", Path: "in", Err: number}, &store.Error{Op: "open", URI: "in", Err: number}} {
			var f *job.Failure
			if err := badPath("check the path", "--input", err); !errors.As(err, &f) || f.Class != want || f.Hint == "" || !strings.Contains(err.Error(), "--input") {
				t.Errorf("%v: %+v, want class %d", number, f, want)
			}
		}
	}
}

// manyAtOnce is a distant store that counts what is under way.
type manyAtOnce struct {
	memory
	now, most atomic.Int64
}

type memory struct{ *store.Memory }

func (*manyAtOnce) Concurrency() int { return 8 }
func (*manyAtOnce) Memory() int64    { return 1 << 20 }

func (m *manyAtOnce) Stat(ctx context.Context, name string) (store.Info, error) {
	for now := m.now.Add(1); ; {
		if most := m.most.Load(); most >= now || m.most.CompareAndSwap(most, now) {
			break
		}
	}
	defer m.now.Add(-1)
	return m.memory.Stat(ctx, name)
}

// A manifest's objects come in its order, described some at a time, never all at once.
func TestInputListKeepsItsOrder(t *testing.T) {
	s := &manyAtOnce{memory: memory{store.NewMemory()}}
	var text strings.Builder
	text.WriteString(`[{"prefix":"p/"}`)
	const objects = 300
	for i := range objects {
		name := fmt.Sprintf("%03d.csv", objects-i)
		fmt.Fprintf(&text, ",\n%q", name)
		if err := s.Put("in/"+name, []byte("1\n")); err != nil {
			t.Fatal(err)
		}
	}
	text.WriteString("]")
	src := Source{Store: s, listed: listOf(text.String(), "in/", true)}
	var got []string
	for info, err := range src.objects(t.Context(), nil) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, src.relative(info.Name))
	}
	if len(got) != objects || !slices.IsSortedFunc(got, func(a, b string) int { return strings.Compare(b, a) }) {
		t.Errorf("%d objects, %q", len(got), got)
	}
	if most := s.most.Load(); most > 8+2 {
		t.Errorf("%d descriptions at a time", most)
	}
	for range src.objects(t.Context(), nil) {
		break // whoever stops early leaves nobody behind
	}
	if s.now.Load() != 0 {
		t.Error("a description goes on")
	}
}

func TestInputListNames(t *testing.T) {
	for _, c := range []struct {
		base, entry, name, rel string
		slash, ok              bool
	}{
		{"in/", "a.csv", "in/a.csv", "a.csv", true, true},
		{"", "b/a.csv", "b/a.csv", "b/a.csv", true, true},
		{"in", "/a.csv", "in/a.csv", "a.csv", false, true},
		{"in", "a.csv", "ina.csv", "a.csv", false, true},
		{"in/", "_a/.b", "in/_a/.b", "_a/.b", true, true},
		{"in/", "/a.csv", "", "", true, false},
		{"in/", "", "", "", true, false},
		{"in/", "..", "", "", true, false},
		{"in/", "../a", "", "", true, false},
		{"in", "/../a", "", "", false, false},
		{"in", "/", "", "", false, false},
		{"in", "//a", "", "", false, false},
		{"in/", "a//b", "", "", true, false},
		{"in/", "a/", "", "", true, false},
		{"in/", "a\x00", "", "", true, false},
		{"in/", "\xff", "", "", true, false},
	} {
		l := listOf("", c.base, c.slash)
		name, ok := l.name(c.entry)
		if ok != c.ok || ok && (name != c.name || l.relative(name) != c.rel) {
			t.Errorf("%q behind %q: %q, %t; below the prefix %q", c.entry, c.base, name, ok, l.relative(name))
		}
	}
}

// A manifest may come from anywhere: it must not crash the program, name what is
// no object, or make it hold more than it should.
func FuzzInputList(f *testing.F) {
	for _, text := range []string{`[{"prefix":"p/"},"a","b"]`, `[{"prefix":"p/"}]`, `[`, `[{"prefix":5}]`, `[{"prefix":"p/"},"../a"]`, `[{"prefix":"p/"},["a"]]`, "[{\"prefix\":\"p/\"},\"\xff\"]"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s := store.NewMemory()
		src := Source{Store: s, listed: listOf(text, "", true)}
		for info, err := range src.objects(t.Context(), nil) {
			if err == nil {
				t.Fatalf("%q: an object that is not there: %v", text, info)
			}
			var changed *ChangedError
			if failureOf(err).Class != job.Usage && !errors.As(err, &changed) {
				t.Fatalf("%q: %v", text, err)
			}
		}
	})
}

func TestInputListIsReadInSmallPieces(t *testing.T) {
	endless := readerFunc(func(b []byte) (int, error) {
		for i := range b {
			b[i] = 'x'
		}
		return len(b), nil
	})
	l := listOf("", "", true)
	l.open = func(context.Context) (io.ReadCloser, error) {
		return io.NopCloser(io.MultiReader(strings.NewReader(`[{"prefix":"p/"},"`), endless)), nil
	}
	src := Source{Store: store.NewMemory(), listed: l}
	for _, err := range src.objects(t.Context(), nil) {
		if err == nil || failureOf(err).Class != job.Usage {
			t.Errorf("a name without an end: %v", err)
		}
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(b []byte) (int, error) { return f(b) }

func TestOutputsAndInputsOnS3(t *testing.T) {
	for _, c := range []struct {
		in, out string
		ok      bool
	}{
		{"s3://data/in", "s3://data/out", true},
		{"s3://data/in", "s3://data/in_old", true},
		{"s3://data/in_old", "s3://data/in", true},
		{"s3://data/in", "s3://other/in", true},
		{"in", "s3://data/in", true},
		{"s3://data/in", "s3://data/in", false},
		{"s3://data/in/", "s3://data/in", false},
		{"s3://data/in", "s3://data/in/out/", false},
		{"s3://data/in/deep", "s3://data/in", false},
		{"s3://data", "s3://data/out", false},
		{"s3://data/in", "s3://data/", false},
	} {
		s := job.Spec{Input: []string{c.in}, Output: c.out}
		if err := outsideInputs(&s, true); (err == nil) != c.ok {
			t.Errorf("%s to %s: %v", c.in, c.out, err)
		}
	}
}

// What a manifest names is looked for below its output, and nowhere else.
func TestOutputName(t *testing.T) {
	for _, c := range []struct {
		written, uri, name string
	}{
		{"out", "out/a.csv", "a.csv"},
		{"./out/", "out/sub/a.csv", "sub/a.csv"},
		{"/data/out", "/data/out/a.csv", "a.csv"},
		{"s3://bucket/out", "s3://bucket/out/sub/a.csv", "sub/a.csv"},
		{"s3://bucket/out/", "s3://bucket/out/a.csv", "a.csv"},
		{"s3://bucket", "s3://bucket/a.csv", "a.csv"},
		{"s3://bucket/", "s3://bucket/a.csv", "a.csv"},
		{"out", "out/../a.csv", ""},
		{"out", "out", ""},
		{"out", "/etc/passwd", ""},
		{"out", "s3://bucket/a.csv", ""},
		{"", "../a.csv", ""},
		{"s3://bucket/out", "s3://bucket/out_old/a.csv", ""},
		{"s3://bucket/out", "s3://bucket/out/../a.csv", ""},
		{"s3://bucket/out", "s3://bucket/out//a.csv", ""},
		{"s3://bucket/out", "s3://bucket/out/", ""},
		{"s3://bucket/out", "s3://other/out/a.csv", ""},
		{"s3://bucket/out", "out/a.csv", ""},
	} {
		name, ok := OutputName(c.written, c.uri)
		if ok != (c.name != "") || ok && name != c.name {
			t.Errorf("%s below %s: %q, %t", c.uri, c.written, name, ok)
		}
	}
}

// The first thing said about a store is whose fault it is: the user's, or the moment's.
func TestUnreachable(t *testing.T) {
	for _, c := range []struct {
		err  error
		want job.Class
	}{
		{&store.Error{Op: "open", URI: "s3://b", Err: errors.New("no AWS credentials")}, job.Usage},
		{&store.Error{Op: "stat", URI: "s3://b", Err: fs.ErrNotExist}, job.Usage},
		{job.Usagef("", "x"), job.Usage},
		{context.Canceled, job.Internal},
	} {
		if got := failureOf(unreachable("--input", c.err)).Class; got != c.want {
			t.Errorf("%v: %v, want %v", c.err, got, c.want)
		}
	}
	if unreachable("", nil) != nil {
		t.Error("an error of nothing")
	}
	if o := s3Options(&job.Spec{Memory: 64 << 20}, 2); o != (s3.Options{Memory: 8 << 20}) {
		t.Errorf("%+v", o)
	}
}
