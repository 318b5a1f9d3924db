package compress

import (
	"bytes"
	stdgzip "compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"math/rand/v2"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
)

// The bytes are a function of the content, however it is written, and the
// content comes back.
func TestWritesOfAnySize(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 7))
	for _, c := range append(writable, None) {
		for _, size := range []int{0, 1, 1000, FrameSize - 1, FrameSize, FrameSize + 1, 2*FrameSize + FrameSize/2} {
			for kind, content := range map[string][]byte{"text": text(rng, size), "noise": noise(rng, size), "zeros": make([]byte, size)} {
				want := pack(t, c, content)
				if got := packInPieces(t, rng, c, content); !bytes.Equal(got, want) {
					t.Errorf("%v, %d bytes of %s: the bytes depend on the writes", c, size, kind)
				}
				if got, err := unpack(c, want); err != nil || !bytes.Equal(got, content) {
					t.Errorf("%v, %d bytes of %s: %v", c, size, kind, err)
				}
			}
		}
	}
}

func packInPieces(t *testing.T, rng *rand.Rand, c Codec, content []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := NewWriter(&b, c)
	for rest := content; len(rest) > 0; {
		piece := bytes.Clone(rest[:min(len(rest), rng.IntN(1<<(1+rng.IntN(22))))])
		if n, err := w.Write(piece); err != nil || n != len(piece) {
			t.Fatalf("%v: %d of %d bytes, %v", c, n, len(piece), err)
		}
		clear(piece) // the writer has kept nothing of it
		rest = rest[len(piece):]
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// A frame's bytes do not depend on the frames before it: a stream is the
// concatenation of the files that its frames would be.
func TestFramesAreIndependent(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 9))
	frames := [][]byte{
		text(rng, FrameSize), make([]byte, FrameSize), noise(rng, FrameSize), text(rng, FrameSize),
		bytes.Repeat([]byte("ab\n"), FrameSize/3+1)[:FrameSize], text(rng, FrameSize), text(rng, 333),
	}
	for _, c := range writable {
		var whole, want []byte
		for _, frame := range frames {
			whole = append(whole, frame...)
			want = append(want, pack(t, c, frame)...)
		}
		if !bytes.Equal(pack(t, c, whole), want) {
			t.Errorf("%v: a frame depends on those before it", c)
		}
	}
}

// The bytes are those of the last release. Where a new library writes others, a
// job begun by the old release and resumed by the new one has outputs of both:
// that belongs into the change log.
func TestBytesStay(t *testing.T) {
	if runtime.GOARCH != "amd64" {
		t.Skip("the sums are those of amd64")
	}
	content := text(rand.New(rand.NewPCG(5, 5)), FrameSize+50_000)
	for c, want := range map[Codec]string{
		Gzip:   "8c9b40cb722f7284",
		Zstd:   "c21ed4958e32b487",
		Snappy: "59adeb67efbda10a",
		Lz4:    "05cd496328f878cb",
	} {
		sum := sha256.Sum256(pack(t, c, content))
		if got := hex.EncodeToString(sum[:8]); got != want {
			t.Errorf("%v: sum %s, want %s", c, got, want)
		}
	}
}

func TestEmptyFiles(t *testing.T) {
	for c, want := range map[Codec]string{
		None:   "",
		Gzip:   "1f8b08000000000000ff03000000000000000000",
		Zstd:   "28b52ffd045001000099e9d851",
		Snappy: "ff060000734e61507059",
		Lz4:    "04224d1864500800000000055dcc02",
	} {
		if got := hex.EncodeToString(pack(t, c, nil)); got != want {
			t.Errorf("%v: %s, want %s", c, got, want)
		}
	}
}

func TestOtherLibrariesRead(t *testing.T) {
	content := text(rand.New(rand.NewPCG(2, 2)), 2*FrameSize+77)
	z, err := stdgzip.NewReader(bytes.NewReader(pack(t, Gzip, content)))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(z); err != nil || !bytes.Equal(got, content) {
		t.Errorf("gzip of the standard library: %v", err)
	}
	if !z.ModTime.IsZero() || z.Name != "" || z.OS != 255 {
		t.Errorf("gzip header: %+v", z.Header)
	}
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1))
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if got, err := d.DecodeAll(pack(t, Zstd, content), nil); err != nil || !bytes.Equal(got, content) {
		t.Errorf("zstd: %v", err)
	}
}

// The tools of the system read what is written here, and the other way round.
func TestTools(t *testing.T) {
	content := text(rand.New(rand.NewPCG(4, 4)), 2*FrameSize+5)
	for c, tool := range map[Codec]string{Gzip: "gzip", Zstd: "zstd", Lz4: "lz4", Bzip2: "bzip2"} {
		t.Run(tool, func(t *testing.T) {
			if _, err := exec.LookPath(tool); err != nil {
				t.Skip(err)
			}
			packed := pipe(t, content, tool, "-c")
			packed = append(packed, pipe(t, nil, tool, "-c")...)
			packed = append(packed, pipe(t, content[:99], tool, "-1", "-c")...)
			want := append(bytes.Clone(content), content[:99]...)
			if got, err := unpack(c, packed); err != nil || !bytes.Equal(got, want) {
				t.Errorf("reading what %s wrote: %v", tool, err)
			}
			if !c.CanWrite() {
				return
			}
			for _, want := range [][]byte{content, nil} {
				if got := pipe(t, pack(t, c, want), tool, "-d", "-c"); !bytes.Equal(got, want) {
					t.Errorf("%s reads %d bytes, want %d", tool, len(got), len(want))
				}
			}
		})
	}
}

func pipe(t *testing.T, in []byte, name string, args ...string) []byte {
	t.Helper()
	cmd := exec.Command(name, args...)
	var stderr strings.Builder
	cmd.Stdin, cmd.Stderr = bytes.NewReader(in), &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %v: %v: %s", name, args, err, stderr.String())
	}
	return out
}

// A sink takes room bytes and then fails.
type sink struct {
	room int
	err  error // nil: takes less than it is given and says nothing
}

func (s *sink) Write(p []byte) (int, error) {
	if s.room -= len(p); s.room < 0 {
		return max(0, s.room+len(p)), s.err
	}
	return len(p), nil
}

func TestWriteErrors(t *testing.T) {
	content := noise(rand.New(rand.NewPCG(8, 8)), 4*FrameSize)
	full := errors.New("disk full")
	for _, c := range append(writable, None) {
		for room := 0; room < 3; room++ {
			for _, fail := range []error{full, nil} {
				w := NewWriter(&sink{room*FrameSize + 50_000, fail}, c)
				want := fail
				if fail == nil {
					want = io.ErrShortWrite
				}
				n, err := w.Write(content)
				if !errors.Is(err, want) || n >= len(content) {
					t.Fatalf("%v: %d, %v", c, n, err)
				}
				for range 2 {
					if n, err := w.Write(content[:10]); n != 0 || !errors.Is(err, want) {
						t.Errorf("%v: Write after an error: %d, %v", c, n, err)
					}
					if err := w.Close(); !errors.Is(err, want) {
						t.Errorf("%v: Close after an error: %v", c, err)
					}
				}
			}
		}
	}
}

func TestErrorInClose(t *testing.T) {
	full := errors.New("disk full")
	for _, c := range writable {
		w := NewWriter(&sink{0, full}, c)
		if _, err := io.WriteString(w, "a,b\n"); err != nil {
			t.Errorf("%v: %v", c, err)
		}
		for range 2 {
			if err := w.Close(); !errors.Is(err, full) {
				t.Errorf("%v: %v", c, err)
			}
		}
		if _, err := io.WriteString(w, "a,b\n"); !errors.Is(err, full) {
			t.Errorf("%v: %v", c, err)
		}
	}
}

func TestWriterClose(t *testing.T) {
	for _, c := range append(writable, None) {
		var b bytes.Buffer
		w := NewWriter(&b, c)
		for range 2 {
			if err := w.Close(); err != nil {
				t.Errorf("%v: %v", c, err)
			}
		}
		size := b.Len()
		if n, err := w.Write([]byte("x")); n != 0 || err != errClosed || b.Len() != size {
			t.Errorf("%v: Write after Close: %d, %v", c, n, err)
		}
		if err := w.Close(); err != nil {
			t.Errorf("%v: %v", c, err)
		}
	}
}

func TestReadOnly(t *testing.T) {
	var b bytes.Buffer
	w := NewWriter(&b, Bzip2)
	if _, err := w.Write([]byte("x")); !errors.Is(err, ErrReadOnly) {
		t.Errorf("Write: %v", err)
	}
	if err := w.Close(); !errors.Is(err, ErrReadOnly) || b.Len() != 0 {
		t.Errorf("Close: %v", err)
	}
}
