package compress

import (
	"bytes"
	"errors"
	"io"
	"testing"
)

// FuzzReader: any bytes are read to the end or to a typed error, within the
// ratio, and twice alike.
func FuzzReader(f *testing.F) {
	for _, c := range compressed {
		data, _, _ := sample(f, c)
		f.Add(byte(c), data)
		f.Add(byte(c), data[:len(data)/2])
		f.Add(byte(c), append(data, 0, 0, 0))
	}
	f.Add(byte(Zstd), []byte{0x28, 0xb5, 0x2f, 0xfd, 0, 0x50, 0x03, 0, 0x10, 'a'})
	f.Add(byte(Zstd), []byte("\x5a\x2a\x4d\x18\x05\x00\x00\x00hello"))
	f.Fuzz(func(t *testing.T, which byte, data []byte) {
		c := compressed[int(which)%len(compressed)]
		limits := Limits{Window: 1 << 20, Ratio: 50, Free: 1 << 16}
		r := NewReader(bytes.NewReader(data), c, limits)
		got, err := io.ReadAll(r)
		var bad *CorruptError
		var bomb *RatioError
		if err != nil && !errors.As(err, &bad) && !errors.As(err, &bomb) {
			t.Fatalf("%v: error %v (%T)", c, err, err)
		}
		if errors.Is(err, io.EOF) || r.Offset() > int64(len(data)) || err == nil && r.Offset() != int64(len(data)) {
			t.Fatalf("%v: offset %d of %d, %v", c, r.Offset(), len(data), err)
		}
		if int64(len(got)) > limits.Free+limits.Ratio*r.Offset() {
			t.Fatalf("%v: %d bytes came out of %d", c, len(got), r.Offset())
		}
		slow, err2 := io.ReadAll(NewReader(oneByOne{bytes.NewReader(data)}, c, limits))
		if (err == nil) != (err2 == nil) || err == nil && !bytes.Equal(got, slow) {
			t.Fatalf("%v: read otherwise: %v, then %v", c, err, err2)
		}
	})
}

type oneByOne struct{ r io.Reader }

func (o oneByOne) Read(p []byte) (int, error) { return o.r.Read(p[:1]) }

// FuzzRoundTrip: what is written in two pieces is what is written in one, and
// comes back.
func FuzzRoundTrip(f *testing.F) {
	f.Add(byte(0), []byte("a,b\n1,2\n"), uint16(3))
	f.Fuzz(func(t *testing.T, which byte, content []byte, cut uint16) {
		c := writable[int(which)%len(writable)]
		data := pack(t, c, content)
		var b bytes.Buffer
		w := NewWriter(&b, c)
		at := min(int(cut), len(content))
		w.Write(content[:at])
		w.Write(content[at:])
		if err := w.Close(); err != nil || !bytes.Equal(b.Bytes(), data) {
			t.Fatalf("%v: other bytes when written in pieces, %v", c, err)
		}
		if got, err := unpack(c, data); err != nil || !bytes.Equal(got, content) {
			t.Fatalf("%v: %v", c, err)
		}
	})
}
