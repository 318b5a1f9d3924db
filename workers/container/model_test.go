package container

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// archive packs entries; the content of a file is its Linkname.
func archive(t testing.TB, entries ...tar.Header) []byte {
	t.Helper()
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	w := tar.NewWriter(z)
	for _, h := range entries {
		content := ""
		if h.Typeflag == tar.TypeReg {
			content, h.Linkname = h.Linkname, ""
			h.Size = int64(len(content))
		}
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(content)); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(w.Close(), z.Close()); err != nil {
		t.Fatal(err)
	}
	return packed.Bytes()
}

func file(name, content string) tar.Header {
	return tar.Header{Typeflag: tar.TypeReg, Name: name, Linkname: content, Mode: 0o600}
}

func link(name, target string) tar.Header {
	return tar.Header{Typeflag: tar.TypeSymlink, Name: name, Linkname: target}
}

func TestUnpack(t *testing.T) {
	dir := t.TempDir()
	packed := archive(t, tar.Header{Typeflag: tar.TypeDir, Name: "./", Mode: 0o700}, file("./weights", "1"), file("code/deep/serve.py", "print()"),
		tar.Header{Typeflag: tar.TypeReg, Name: "code/run", Linkname: "#!", Mode: 0o4711}, tar.Header{Typeflag: tar.TypeDir, Name: "closed", Mode: 0},
		link("latest", "code/deep"), link("code/up", "../weights"), link("dangling", "not-there"),
		tar.Header{Typeflag: tar.TypeLink, Name: "same", Linkname: "./weights"}, file("weights", "2"))
	if err := unpack(t.Context(), bytes.NewReader(packed), dir, 1<<20, 100); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"weights": "2", "same": "1", "latest/serve.py": "print()", "code/up": "2"} {
		if got, err := os.ReadFile(filepath.Join(dir, name)); string(got) != want {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	for name, want := range map[string]fs.FileMode{"weights": 0o644, "code/run": 0o755, "closed": 0o755 | fs.ModeDir, "code": 0o755 | fs.ModeDir, "code/deep": 0o755 | fs.ModeDir} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode() != want {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}
}

// TestUnpackHostile: nothing leaves the directory, and nothing is without bounds.
func TestUnpackHostile(t *testing.T) {
	whole := archive(t, file("weights", strings.Repeat("x", 1000)))
	for _, c := range []struct {
		name   string
		packed []byte
		want   string
	}{
		{"absolute", archive(t, file("/etc/x", "")), "leads out"},
		{"up", archive(t, file("../x", "")), "leads out"},
		{"up inside", archive(t, file("a/../../x", "")), "leads out"},
		{"backslash", archive(t, file(`..\x`, "")), "leads out"},
		{"absolute link", archive(t, link("x", "/etc/passwd")), "outside"},
		{"link up", archive(t, link("a/x", "../../y")), "outside"},
		{"link through a link", archive(t, tar.Header{Typeflag: tar.TypeDir, Name: "a/b", Mode: 0o755}, link("short", "a/b"), link("x", "short/../../../y")), "outside"},
		{"link out through a link", archive(t, tar.Header{Typeflag: tar.TypeDir, Name: "a", Mode: 0o755}, link("d1", "a"), tar.Header{Typeflag: tar.TypeDir, Name: "e/f", Mode: 0o755}, link("e/f/up", "../.."), link("y", "e/f/up/../z")), "escapes"},
		{"write through a link", archive(t, link("d", "."), link("d2", "nowhere"), file("d2/x", "")), ""},
		{"hard link out", archive(t, tar.Header{Typeflag: tar.TypeLink, Name: "x", Linkname: "../../etc/passwd"}), "outside"},
		{"hard link to nothing", archive(t, tar.Header{Typeflag: tar.TypeLink, Name: "x", Linkname: "y"}), "no file"},
		{"hard link to a link", archive(t, link("l", "w"), tar.Header{Typeflag: tar.TypeLink, Name: "x", Linkname: "l"}), "no file"},
		{"device", archive(t, tar.Header{Typeflag: tar.TypeBlock, Name: "sda", Devmajor: 8}), "device"},
		{"pipe", archive(t, tar.Header{Typeflag: tar.TypeFifo, Name: "p"}), "device"},
		{"too large", archive(t, file("a", strings.Repeat("x", 600<<10)), file("b", strings.Repeat("x", 600<<10))), "too large"},
		{"too many", archive(t, file("a", ""), file("b", ""), file("c", ""), file("d", ""), file("e", ""), file("f", ""), file("g", "")), "too many"},
		{"many directories in one name", archive(t, file("1/2/3/4/5/6/7", "")), "too many"},
		{"a long name", archive(t, file(strings.Repeat("x", 200)+strings.Repeat("/y", 20)+"/"+strings.Repeat("./", 500)+"z", "")), "too long"},
		{"a deep name", archive(t, file(strings.Repeat("a/", 64)+"z", "")), "too long"},
		{"deeper through a link", archive(t, tar.Header{Typeflag: tar.TypeDir, Name: "a", Mode: 0o755}, link("d", "a"), file("d/x", "")), "file exists"},
		{"a file over a directory", archive(t, file("a/b", ""), file("a", "")), ""},
		{"a directory over a file", archive(t, file("a", ""), file("a/b", "")), ""},
		{"no gzip", []byte("weights"), "no gzip"},
		{"cut off", whole[:len(whole)-20], "damaged"},
		{"cut off at the checksum", whole[:len(whole)-4], "damaged"},
		{"no tar", func() []byte {
			var b bytes.Buffer
			z := gzip.NewWriter(&b)
			_, _ = z.Write([]byte(strings.Repeat("no tar", 1000)))
			_ = z.Close()
			return b.Bytes()
		}(), "no tar"},
	} {
		outer := t.TempDir()
		dir := filepath.Join(outer, "model")
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		err := unpack(t.Context(), bytes.NewReader(c.packed), dir, 1<<20, 6)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
		if entries, err := os.ReadDir(outer); err != nil || len(entries) != 1 {
			t.Errorf("%s: outside: %v, %v", c.name, entries, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := unpack(ctx, bytes.NewReader(whole), t.TempDir(), 1<<20, 5); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: %v", err)
	}
}

// TestCheckArchive: what headers tell is found before anything is started, in
// the beginning of an archive.
func TestCheckArchive(t *testing.T) {
	large := file("weights", strings.Repeat("x", 2<<20))
	for _, c := range []struct {
		name   string
		packed []byte
		want   string // "" for none
	}{
		{"well", archive(t, file("weights", "1"), link("w", "weights")), ""},
		{"leads out", archive(t, file("weights", "1"), file("../x", "")), "leads out"},
		{"leads out by a link", archive(t, link("x", "/etc/passwd")), "outside"},
		{"no gzip", []byte("weights"), "no gzip"},
		{"cut off", archive(t, file("weights", "1"))[:50], "damaged"},
		{"not looked at any more", archive(t, large, file("../x", "")), ""},
	} {
		name := filepath.Join(t.TempDir(), "model.tar.gz")
		if err := os.WriteFile(name, c.packed, 0o600); err != nil {
			t.Fatal(err)
		}
		err := checkArchive(t.Context(), name, 1<<20)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// TestSweepGoesOn: a directory that cannot be removed keeps no other, and is named.
func TestSweepGoesOn(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	var left []string
	for range 2 {
		f := &Fleet{me: myself()}
		f.me.boot = "before"
		if err := f.makeTemp(); err != nil {
			t.Fatal(err)
		}
		left = append(left, f.temp)
	}
	tried := 0
	err := sweepTemp(myself(), func(dir string) error {
		tried++
		return &fs.PathError{Op: "openat", Path: dir + strings.Repeat("/a", 1<<20), Err: errors.New("too many open files")}
	})
	if tried != 2 || err == nil || len(err.Error()) > 1000 || !strings.Contains(err.Error(), left[0]+" is left: too many open files") || !strings.Contains(err.Error(), left[1]) {
		t.Errorf("%d tried, %.1000v", tried, err)
	}
}

func FuzzUnpack(f *testing.F) {
	f.Add(archive(f, file("a", "1"), link("b", "a"), link("c/d", "../..")))
	f.Fuzz(func(t *testing.T, packed []byte) {
		outer := t.TempDir()
		dir := filepath.Join(outer, "model")
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		_ = unpack(t.Context(), bytes.NewReader(packed), dir, 1<<16, 20)
		if entries, err := os.ReadDir(outer); err != nil || len(entries) != 1 {
			t.Fatalf("outside: %v, %v", entries, err)
		}
	})
}
