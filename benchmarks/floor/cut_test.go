package floor

import (
	"bytes"
	"encoding/csv"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/batchmill/batchmill/benchmarks/corpus"
)

// records cuts all of r into records.
func records(r io.Reader, quotes bool, n int) ([]string, error) {
	c := cutter{src: r, quotes: quotes}
	var b batch
	var all []string
	for {
		if err := c.next(&b, n); err == io.EOF {
			return all, nil
		} else if err != nil {
			return all, err
		}
		start := 0
		for _, end := range b.ends {
			all = append(all, string(b.data[start:end]))
			start = end
		}
		if start != len(b.data) {
			return all, errors.New("bytes behind the last record")
		}
	}
}

func TestCut(t *testing.T) {
	tests := []struct {
		name, in string
		quotes   bool
		want     []string
	}{
		{name: "empty"},
		{name: "lines", in: "a\nb\n", want: []string{"a\n", "b\n"}},
		{name: "no final newline", in: "a\nb", want: []string{"a\n", "b\n"}},
		{name: "quotes mean nothing", in: "\"a\nb\"\n", want: []string{"\"a\n", "b\"\n"}},
		{name: "quoted newline", quotes: true, in: "1,\"a\nb\"\n2\n", want: []string{"1,\"a\nb\"\n", "2\n"}},
		{name: "doubled quotes", quotes: true, in: "\"a\"\"\n\"\"b\"\n\"\"\n3", want: []string{"\"a\"\"\n\"\"b\"\n", "\"\"\n", "3\n"}},
		{name: "quote ends at the end", quotes: true, in: "1\n\"a\nb\"", want: []string{"1\n", "\"a\nb\"\n"}},
		{name: "two quoted fields", quotes: true, in: "\"\n\",\"\n\"\nx\n", want: []string{"\"\n\",\"\n\"\n", "x\n"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			for n := 1; n <= 3; n++ {
				got, err := records(strings.NewReader(test.in), test.quotes, n)
				if err != nil || !slices.Equal(got, test.want) {
					t.Errorf("%d a batch: %q, %v; want %q", n, got, err, test.want)
				}
				got, err = records(iotest.OneByteReader(strings.NewReader(test.in)), test.quotes, n)
				if err != nil || !slices.Equal(got, test.want) {
					t.Errorf("%d a batch, byte by byte: %q, %v; want %q", n, got, err, test.want)
				}
			}
		})
	}
}

func TestCutErrors(t *testing.T) {
	fault := errors.New("disk on fire")
	if _, err := records(io.MultiReader(strings.NewReader("a\nb"), iotest.ErrReader(fault)), true, 2); !errors.Is(err, fault) {
		t.Errorf("a read error came back as %v", err)
	}
	if _, err := records(strings.NewReader("a\n\"b\n"), true, 2); !errors.Is(err, errOpenQuote) {
		t.Errorf("an open quote came back as %v", err)
	}
}

// FuzzCut compares the cutter with the plainest one there is: a newline ends a
// record when the quotes before it are even in number.
func FuzzCut(f *testing.F) {
	f.Add("a,b\n1,\"x\ny\"\n", uint8(1))
	f.Add("\"\"\"\n\"\n\n\"", uint8(3))
	f.Fuzz(func(t *testing.T, in string, n uint8) {
		var want []string
		start, quotes := 0, 0
		for i := range len(in) {
			if in[i] == '"' {
				quotes++
			}
			if in[i] == '\n' && quotes%2 == 0 {
				want = append(want, in[start:i+1])
				start = i + 1
			}
		}
		if start < len(in) {
			want = append(want, in[start:]+"\n")
		}
		got, err := records(iotest.HalfReader(strings.NewReader(in)), true, int(n)+1)
		if quotes%2 == 1 {
			if !errors.Is(err, errOpenQuote) {
				t.Fatalf("an open quote came back as %v", err)
			}
			return
		}
		if err != nil || !slices.Equal(got, want) {
			t.Fatalf("got %q, %v; want %q", got, err, want)
		}
	})
}

func TestSplice(t *testing.T) {
	b := &batch{data: []byte("{\"a\":1}\n{\"a\":2}\n"), ends: []int{8, 16}}
	got, err := splice(nil, b, []byte("5\n6\n"), false)
	if want := "{\"a\":1,\"prediction\":5}\n{\"a\":2,\"prediction\":6}\n"; err != nil || string(got) != want {
		t.Errorf("got %q, %v", got, err)
	}
	for _, answers := range []string{"", "5\n", "5\n6", "5\n6\n7\n"} {
		if _, err := splice(nil, b, []byte(answers), true); !errors.Is(err, errCount) {
			t.Errorf("%q was taken for two answers", answers)
		}
	}
}

// What each stage costs by itself, and what encoding/csv takes for the first.
func BenchmarkStages(b *testing.B) {
	var in bytes.Buffer
	if err := corpus.Write(&in, corpus.Spec{Format: corpus.CSV, Records: 10_000, Seed: 1}); err != nil {
		b.Fatal(err)
	}
	b.Run("cut", func(b *testing.B) {
		b.SetBytes(int64(in.Len()))
		var one batch
		for b.Loop() {
			c := cutter{src: bytes.NewReader(in.Bytes()), quotes: true}
			for c.next(&one, 1000) == nil {
			}
		}
	})
	b.Run("splice", func(b *testing.B) {
		var one batch
		c := cutter{src: bytes.NewReader(in.Bytes()), quotes: true}
		if err := c.next(&one, 1000); err != nil {
			b.Fatal(err)
		}
		answers := bytes.Repeat([]byte("123\n"), 1000)
		var dst []byte
		b.SetBytes(int64(len(one.data)))
		for b.Loop() {
			dst, _ = splice(dst[:0], &one, answers, true)
		}
	})
	b.Run("encoding-csv", func(b *testing.B) {
		b.SetBytes(int64(in.Len()))
		for b.Loop() {
			r := csv.NewReader(bytes.NewReader(in.Bytes()))
			r.ReuseRecord = true
			for _, err := r.Read(); err == nil; _, err = r.Read() {
			}
		}
	})
}
