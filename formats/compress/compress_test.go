package compress

import (
	"bytes"
	"encoding/base64"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var all = []Codec{None, Gzip, Zstd, Snappy, Lz4, Bzip2}
var compressed = []Codec{Gzip, Zstd, Snappy, Lz4, Bzip2}
var writable = []Codec{Gzip, Zstd, Snappy, Lz4}

func TestNames(t *testing.T) {
	if got := strings.Join(Names(), " "); got != "none gzip zstd snappy lz4" {
		t.Errorf("Names: %s", got)
	}
	for _, c := range all {
		if got, ok := ByName(c.String()); !ok || got != c {
			t.Errorf("ByName(%q) = %v, %v", c.String(), got, ok)
		}
		if got, rest := OfFileName("a.csv" + c.Ext()); got != c || rest != "a.csv" {
			t.Errorf("OfFileName of %v: %v, %q", c, got, rest)
		}
		if c.CanWrite() != (c != Bzip2) {
			t.Errorf("%v: CanWrite is %v", c, c.CanWrite())
		}
	}
	for _, name := range []string{"", "GZIP", "gz", "brotli"} {
		if c, ok := ByName(name); ok || c != None {
			t.Errorf("ByName(%q) = %v, %v", name, c, ok)
		}
	}
}

func TestOfFileName(t *testing.T) {
	for _, tc := range []struct {
		name  string
		codec Codec
		rest  string
	}{
		{"in/a.csv.gz", Gzip, "in/a.csv"},
		{"in/A.CSV.GZ", Gzip, "in/A.CSV"},
		{"a.jsonl.zst", Zstd, "a.jsonl"},
		{"a.jsonl.zstd", Zstd, "a.jsonl"},
		{"a.sz", Snappy, "a"},
		{"a.snappy", Snappy, "a"},
		{"a.lz4", Lz4, "a"},
		{"a.csv.bz2", Bzip2, "a.csv"},
		{"a.gz.gz", Gzip, "a.gz"},
		{"a.csv", None, "a.csv"},
		{"a.gz/b.csv", None, "a.gz/b.csv"},
		{"a/.gz", None, "a/.gz"},
		{".gz", None, ".gz"},
		{"gz", None, "gz"},
		{"", None, ""},
	} {
		if c, rest := OfFileName(tc.name); c != tc.codec || rest != tc.rest {
			t.Errorf("OfFileName(%q) = %v, %q", tc.name, c, rest)
		}
	}
}

// text is n bytes of lines that compress about as real data does.
func text(rng *rand.Rand, n int) []byte {
	words := []string{"alpha", "beta", "10000000000000000999", "1.10", "007", "\"a,\"\"b\"", "été"}
	var b bytes.Buffer
	for b.Len() < n {
		for range 5 {
			b.WriteString(words[rng.IntN(len(words))])
			b.WriteByte(',')
		}
		b.WriteByte(byte('0' + rng.IntN(10)))
		b.WriteByte('\n')
	}
	return b.Bytes()[:n]
}

func noise(rng *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	return b
}

// pack compresses content in one call of Write.
func pack(t testing.TB, c Codec, content []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := NewWriter(&b, c)
	if n, err := w.Write(content); err != nil || n != len(content) {
		t.Fatalf("%v: Write: %d of %d bytes, %v", c, n, len(content), err)
	}
	if err := w.Close(); err != nil {
		t.Fatalf("%v: Close: %v", c, err)
	}
	return b.Bytes()
}

func unpack(c Codec, data []byte) ([]byte, error) {
	return io.ReadAll(NewReader(bytes.NewReader(data), c, Limits{}))
}

// What Python's bz2 module made: three streams, the second one empty.
const bzip2Sample = "" +
	"QlpoMTFBWSZTWZ/zRBwAARfZAAAQAAQwADYjIABQgGmmgKVQwmjYmRNCZE0JsTQTYnwnQnBPhMCcEwJ+LuSKcKEhP+aIOEJaaDkXckU4UJAAAA" +
	"AAQlpoMTFBWSZTWVbt7AgAAACOAAAH3/f/0CAAcijQ0AAAA1U08npTHpNlTwam1NxGyQfzH0OMqTgn2xe9kFKanj+hHKuTU2h2duZFnms/OpKy" +
	"7HpdRBs/ARow711bD8XI92dBWdB+Oqx+LuSKcKEgrdvYEA=="

var bzip2Ends = []int{70, 84, 199}

func bzip2Content() []byte {
	b := bytes.Repeat([]byte("id,name\n1,a\n2,b\n"), 40)
	for i := range 100 {
		b = append(b, byte((i*i*7+i/3)%31+60))
	}
	return b
}

// sample is small data of several frames, their ends in it, and its content
// up to each of these.
func sample(t testing.TB, c Codec) (data []byte, ends []int, content [][]byte) {
	t.Helper()
	if c == Bzip2 {
		data, err := base64.StdEncoding.DecodeString(bzip2Sample)
		if err != nil {
			t.Fatal(err)
		}
		b := bzip2Content()
		return data, bzip2Ends, [][]byte{b[:640], b[:640], b}
	}
	rng := rand.New(rand.NewPCG(1, 1))
	var sofar []byte
	for _, part := range [][]byte{text(rng, 300), nil, noise(rng, 40)} {
		data = append(data, pack(t, c, part)...)
		sofar = append(sofar, part...)
		ends, content = append(ends, len(data)), append(content, slices.Clone(sofar))
	}
	return data, ends, content
}

func corrupt(t *testing.T, err error, c Codec) *CorruptError {
	t.Helper()
	var bad *CorruptError
	if !errors.As(err, &bad) {
		t.Fatalf("%v: error %v (%T), want a CorruptError", c, err, err)
	}
	if bad.Codec != c || errors.Is(err, io.EOF) {
		t.Fatalf("%v: error %#v", c, bad)
	}
	return bad
}
