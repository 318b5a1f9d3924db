package compress

import (
	"bytes"
	"io"
	"math/rand/v2"
	"testing"
)

func BenchmarkWriter(b *testing.B) {
	content := text(rand.New(rand.NewPCG(1, 2)), 8*FrameSize)
	for _, c := range writable {
		b.Run(c.String(), func(b *testing.B) {
			b.SetBytes(int64(len(content)))
			b.ReportAllocs()
			for b.Loop() {
				w := NewWriter(io.Discard, c)
				w.Write(content)
				w.Close()
			}
			b.ReportMetric(float64(len(content))/float64(len(pack(b, c, content))), "ratio")
		})
	}
}

func BenchmarkReader(b *testing.B) {
	content := text(rand.New(rand.NewPCG(1, 2)), 8*FrameSize)
	for _, c := range writable {
		data := pack(b, c, content)
		b.Run(c.String(), func(b *testing.B) {
			b.SetBytes(int64(len(content)))
			b.ReportAllocs()
			buf := make([]byte, 256<<10)
			for b.Loop() {
				io.CopyBuffer(struct{ io.Writer }{io.Discard}, NewReader(bytes.NewReader(data), c, Limits{}), buf)
			}
		})
	}
}

// A job may have a million small objects.
func BenchmarkSmallObject(b *testing.B) {
	content := text(rand.New(rand.NewPCG(1, 2)), 4000)
	for _, c := range writable {
		b.Run(c.String(), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if got, err := unpack(c, pack(b, c, content)); err != nil || len(got) != len(content) {
					b.Fatal(err)
				}
			}
		})
	}
}
