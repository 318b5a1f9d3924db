package compress

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

func TestAllFrames(t *testing.T) {
	for _, c := range compressed {
		data, _, content := sample(t, c)
		want := content[len(content)-1]
		for name, src := range map[string]io.Reader{
			"whole":    bytes.NewReader(data),
			"bytes":    iotest.OneByteReader(bytes.NewReader(data)),
			"data+EOF": iotest.DataErrReader(bytes.NewReader(data)),
		} {
			r := NewReader(src, c, Limits{})
			got, err := io.ReadAll(iotest.OneByteReader(r))
			if err != nil || !bytes.Equal(got, want) || r.Offset() != int64(len(data)) {
				t.Errorf("%v, %s: %d bytes of %d, offset %d of %d, %v", c, name, len(got), len(want), r.Offset(), len(data), err)
			}
			if n, err := r.Read(make([]byte, 9)); n != 0 || err != io.EOF {
				t.Errorf("%v, %s: behind the end: %d, %v", c, name, n, err)
			}
		}
	}
}

func TestNoBytesAtAll(t *testing.T) {
	for _, c := range all {
		if got, err := unpack(c, nil); err != nil || len(got) != 0 {
			t.Errorf("%v: %q, %v", c, got, err)
		}
	}
}

// Every prefix that does not end where a frame does is an error, and what was
// read before it is right.
func TestCutOff(t *testing.T) {
	for _, c := range compressed {
		data, ends, content := sample(t, c)
		whole := content[len(content)-1]
		for n := 1; n < len(data); n++ {
			got, err := unpack(c, data[:n])
			if i := slices.Index(ends, n); i >= 0 {
				if err != nil || !bytes.Equal(got, content[i]) {
					t.Errorf("%v, %d bytes, whole frames: %v", c, n, err)
				}
				continue
			}
			if err == nil && c == Snappy && bytes.HasPrefix(whole, got) && atChunk(data, n) {
				continue // nothing shows it
			}
			bad := corrupt(t, err, c)
			if !errors.Is(err, io.ErrUnexpectedEOF) || bad.Offset != int64(n) || !strings.Contains(bad.Error(), "cut off") {
				t.Errorf("%v, cut at %d: %v", c, n, err)
			}
			if !bytes.HasPrefix(whole, got) {
				t.Errorf("%v, cut at %d: wrong content", c, n)
			}
		}
	}
}

// atChunk tells whether n is where a chunk of framed snappy ends.
func atChunk(data []byte, n int) bool {
	at := 0
	for at < n {
		at += 4 + int(data[at+1]) + int(data[at+2])<<8 + int(data[at+3])<<16
	}
	return at == n
}

// A flipped bit is found, or does no harm. In snappy the highest bit of a
// chunk's type makes any chunk one to skip, which nothing can find.
func TestFlippedBits(t *testing.T) {
	for _, c := range compressed {
		data, _, content := sample(t, c)
		bits := 8
		if c == Snappy {
			bits = 7
		}
		found := 0
		for i := range data {
			for bit := range bits {
				data[i] ^= 1 << bit
				got, err := unpack(c, data)
				data[i] ^= 1 << bit
				if err != nil {
					corrupt(t, err, c)
					found++
				} else if !bytes.Equal(got, content[len(content)-1]) {
					t.Errorf("%v: bit %d of byte %d changes the content unnoticed", c, bit, i)
				}
			}
		}
		if found < len(data)*bits*3/4 {
			t.Errorf("%v: only %d of %d flips were found", c, found, len(data)*bits)
		}
	}
}

type diskError struct{ at int64 }

func (e *diskError) Error() string { return fmt.Sprintf("disk error at %d", e.at) }

// An error of the source is found at every place, as itself and as no other.
func TestSourceErrors(t *testing.T) {
	for _, c := range all {
		data, content := []byte("a\nb\n"), []byte("a\nb\n")
		if c != None {
			d, _, contents := sample(t, c)
			data, content = d, contents[len(contents)-1]
		}
		for n := 0; n <= len(data); n++ {
			for _, broken := range []error{&diskError{int64(n)}, io.ErrUnexpectedEOF, io.ErrClosedPipe} {
				src := io.MultiReader(bytes.NewReader(data[:n]), iotest.ErrReader(broken))
				got, err := io.ReadAll(NewReader(src, c, Limits{}))
				var bad *CorruptError
				if err == nil || !errors.Is(err, broken) || errors.As(err, &bad) {
					t.Fatalf("%v, source fails at %d with %v: got %v", c, n, broken, err)
				}
				if !bytes.HasPrefix(content, got) {
					t.Fatalf("%v, source fails at %d: wrong content", c, n)
				}
			}
		}
	}
}

func TestSourceThatStandsStill(t *testing.T) {
	for _, c := range all {
		if _, err := NewReader(still{}, c, Limits{}).Read(make([]byte, 5)); !errors.Is(err, io.ErrNoProgress) {
			t.Errorf("%v: %v", c, err)
		}
	}
}

type still struct{}

func (still) Read([]byte) (int, error) { return 0, nil }

func TestBytesBehindTheEnd(t *testing.T) {
	for _, c := range compressed {
		for _, tail := range []string{"x", "\n", "BZ", "\x1f\x8b", "\xff", "some text that is not compressed\n", strings.Repeat("\x00", 5) + "x"} {
			data, _, content := sample(t, c)
			got, err := unpack(c, append(data, tail...))
			corrupt(t, err, c)
			if !bytes.HasPrefix(content[len(content)-1], got) {
				t.Errorf("%v, tail %q: wrong content", c, tail)
			}
		}
	}
}

func TestZerosBehindTheEnd(t *testing.T) {
	for _, c := range compressed {
		data, _, content := sample(t, c)
		padded := append(data, make([]byte, 100_000)...)
		got, err := unpack(c, padded)
		if c != Gzip {
			corrupt(t, err, c)
			continue
		}
		if err != nil || !bytes.Equal(got, content[len(content)-1]) {
			t.Errorf("gzip with padding: %v", err)
		}
		_, err = unpack(c, append(padded, data...))
		if bad := corrupt(t, err, c); bad.Offset != int64(len(padded)+1) {
			t.Errorf("a member behind padding: %v", err)
		}
	}
	_, err := unpack(Gzip, make([]byte, 512))
	corrupt(t, err, Gzip)
}

func TestNotCompressed(t *testing.T) {
	for _, c := range compressed {
		_, err := unpack(c, []byte("id,name\n1,a\n2,b and so on for some bytes\n"))
		corrupt(t, err, c)
	}
}

// Frames to be skipped stand anywhere.
func TestSkippableFrames(t *testing.T) {
	skip := map[Codec]string{
		Zstd:   "\x5a\x2a\x4d\x18\x05\x00\x00\x00hello",
		Lz4:    "\x50\x2a\x4d\x18\x05\x00\x00\x00hello",
		Snappy: snappyID + "\x85\x05\x00\x00hello\xfe\x02\x00\x00\x00\x00",
	}
	for c, frame := range skip {
		part := pack(t, c, []byte("a,b\n"))
		data := slices.Concat([]byte(frame), part, []byte(frame), []byte(frame), part, []byte(frame))
		if got, err := unpack(c, data); err != nil || string(got) != "a,b\na,b\n" {
			t.Errorf("%v: %q, %v", c, got, err)
		}
		if got, err := unpack(c, []byte(frame)); err != nil || len(got) != 0 {
			t.Errorf("%v, nothing else: %q, %v", c, got, err)
		}
		_, err := unpack(c, data[:len(data)-1])
		corrupt(t, err, c)
	}
}

func TestLegacyLz4(t *testing.T) {
	_, err := unpack(Lz4, []byte("\x02\x21\x4c\x18\x05\x00\x00\x00\x40abcd"))
	if corrupt(t, err, Lz4); !errors.Is(err, errLegacy) {
		t.Errorf("got %v", err)
	}
}

func TestWindow(t *testing.T) {
	frame := func(window byte) []byte {
		return []byte{0x28, 0xb5, 0x2f, 0xfd, 0, window, 0x11, 0, 0, 'a', 'b'}
	}
	for _, tc := range []struct {
		window byte // 5 bits of exponent above 10, 3 bits of mantissa
		max    int64
		ok     bool
	}{
		{0x50, 1 << 20, true},
		{0x51, 1 << 20, false},
		{0x51, 9 << 17, true},
		{0x89, 0, false}, // above 128 MiB
		{0xff, 0, false}, // 3.75 TiB
	} {
		got, err := io.ReadAll(NewReader(bytes.NewReader(frame(tc.window)), Zstd, Limits{Window: tc.max}))
		if tc.ok && (err != nil || string(got) != "ab") {
			t.Errorf("window %#x, at most %d: %q, %v", tc.window, tc.max, got, err)
		} else if !tc.ok && !strings.Contains(corrupt(t, err, Zstd).Error(), "window above the") {
			t.Errorf("window %#x, at most %d: %v", tc.window, tc.max, err)
		}
	}
}

// What comes out of a bomb is what is allowed, to the byte.
func TestRatio(t *testing.T) {
	content := make([]byte, 3*FrameSize)
	for _, c := range writable {
		limits := Limits{Ratio: 10, Free: 5000}
		r := NewReader(bytes.NewReader(pack(t, c, content)), c, limits)
		got, err := io.ReadAll(r)
		var bomb *RatioError
		if !errors.As(err, &bomb) || bomb.Codec != c || bomb.Ratio != 10 || bomb.Offset != r.Offset() || !strings.Contains(err.Error(), "10 times") {
			t.Fatalf("%v: %v", c, err)
		}
		if want := 5000 + 10*bomb.Offset; int64(len(got)) != want {
			t.Errorf("%v: %d bytes came out of %d, want %d", c, len(got), bomb.Offset, want)
		}
	}
}

func TestRatioOfRealData(t *testing.T) {
	line := []byte("the quick brown fox,1234,over,the lazy dog,5678.90\n")
	content := bytes.Repeat(line, 4*FrameSize/len(line))
	for _, c := range writable {
		r := NewReader(bytes.NewReader(pack(t, c, content)), c, Limits{Free: 1})
		if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, content) {
			t.Errorf("%v: %v", c, err)
		}
	}
}

func TestLimits(t *testing.T) {
	l := Limits{}.withDefaults()
	if l != (Limits{Window: 128 << 20, Ratio: 25_000, Free: 64 << 20}) {
		t.Errorf("defaults: %+v", l)
	}
	for in, want := range map[int64]int64{0: 64 << 20, 2: 64<<20 + 50_000, 1 << 60: 1<<63 - 1} {
		if got := l.most(in); got != want {
			t.Errorf("most(%d) = %d, want %d", in, got, want)
		}
	}
}

func TestReaderClose(t *testing.T) {
	for _, c := range compressed {
		data, _, _ := sample(t, c)
		for _, before := range []int{0, 10, 100_000} {
			r := NewReader(bytes.NewReader(data), c, Limits{})
			io.CopyN(io.Discard, r, int64(before))
			at := r.Offset()
			for range 2 {
				if err := r.Close(); err != nil {
					t.Fatal(err)
				}
			}
			if n, err := r.Read(make([]byte, 5)); n != 0 || err != errClosed || r.Offset() != at {
				t.Errorf("%v: after Close: %d, %v, offset %d, was %d", c, n, err, r.Offset(), at)
			}
		}
	}
}
