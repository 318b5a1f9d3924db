package s3_test

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net/http"
	"sync"
	"testing"

	"github.com/batchmill/batchmill/transform/store"
	"github.com/batchmill/batchmill/transform/store/s3"
	"github.com/batchmill/batchmill/transform/store/s3/s3test"
)

// copier is an object that can be written from another one's bytes.
type copier interface {
	WriteFrom(b []byte, src store.Reader, off int64) (int, error)
}

// TestServerCopies: a real server copies what was read from it into an object
// that has bytes of its own as well, with and without sums. Where the sum that it
// tells of a copied part is not the part's, the bytes are sent.
func TestServerCopies(t *testing.T) {
	server := s3test.Start(t)
	data := random(40<<20, 7)
	for _, c := range []struct {
		name   string
		source string // the sum that the source has
		probed bool
		copied int // parts, at least
		sent   int64
	}{
		{"without sums", "CRC64NVME", false, 2, 30 << 20},
		{"with sums", "CRC32", true, 2, 30 << 20},
		{"with sums, told wrong", "CRC64NVME", true, 0, 50 << 20},
	} {
		t.Run(c.name, func(t *testing.T) {
			bucket, err := server.NewBucket()
			if err != nil {
				t.Fatal(err)
			}
			if err := putWith(t, bucket, "in/a b+ü", c.source, data); err != nil {
				t.Fatal(err)
			}
			proxy := s3test.NewProxy(t, bucket)
			in := openAt(t, proxy.Endpoint, bucket.Bucket, "in", s3.Options{})
			out := openAt(t, proxy.Endpoint, bucket.Bucket, "out", s3.Options{})
			if c.probed {
				if err := out.Probe(t.Context(), "_batchmill"); err != nil {
					t.Fatal(err)
				}
			}
			want := copyAll(t, in, out, data)
			wantBytes(t, out, "o", want)
			received, _ := proxy.Bytes()
			if n := proxy.Seen(s3test.CopyPart); n < c.copied || received > c.sent {
				t.Errorf("%d parts were copied, %d bytes sent", n, received)
			}
		})
	}
}

// putWith puts an object that the server keeps a sum of.
func putWith(t *testing.T, server *s3test.Server, key, algorithm string, data []byte) error {
	t.Helper()
	header := http.Header{}
	if algorithm == "CRC32" {
		sum := binary.BigEndian.AppendUint32(nil, crc32.ChecksumIEEE(data))
		header.Set("X-Amz-Checksum-Crc32", base64.StdEncoding.EncodeToString(sum))
	}
	_, err := server.Do(t.Context(), http.MethodPut, key, nil, header, data)
	return err
}

func wantBytes(t *testing.T, s *s3.Store, name string, want []byte) {
	t.Helper()
	r, info, err := s.Open(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	got, err := io.ReadAll(r)
	if err != nil || !bytes.Equal(got, want) || info.Size != int64(len(want)) {
		t.Errorf("%s has %d bytes, want %d, %v", name, len(got), len(want), err)
	}
}

// copyAll writes an object of pieces of data, which stands in in, and of others.
func copyAll(t *testing.T, in, out *s3.Store, data []byte) (want []byte) {
	t.Helper()
	src, _, err := in.Open(t.Context(), "a b+ü")
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	o, err := out.Create(t.Context(), "o", store.New)
	if err != nil {
		t.Fatal(err)
	}
	defer o.Abort()
	for _, piece := range []struct{ from, to int }{{100, 15 << 20}, {0, 10}, {20 << 20, 39 << 20}, {1 << 20, 9 << 20}} {
		own := fmt.Appendf(nil, "own bytes before %d", piece.from)
		if _, err := o.Write(own); err != nil {
			t.Fatal(err)
		}
		want = append(want, own...)
		for at := piece.from; at < piece.to; {
			end := min(at+1<<20, piece.to)
			if _, err := o.(copier).WriteFrom(data[at:end], src, int64(at)); err != nil {
				t.Fatal(err)
			}
			want = append(want, data[at:end]...)
			at = end
		}
	}
	if err := o.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	return want
}

// TestServerCopiesChanged: a real server does not copy from an object that was
// replaced or removed while it was read, and the error names that object.
func TestServerCopiesChanged(t *testing.T) {
	server := s3test.Start(t)
	data := random(20<<20, 7)
	for name, change := range map[string]func(*s3test.Server, string) error{
		"replaced": func(b *s3test.Server, key string) error { _, err := b.Put(key, data[1:]); return err },
		"removed":  (*s3test.Server).Delete,
	} {
		t.Run(name, func(t *testing.T) {
			bucket, err := server.NewBucket()
			if err == nil {
				_, err = bucket.Put("in/a b+ü", data)
			}
			if err != nil {
				t.Fatal(err)
			}
			s := openAt(t, bucket.Endpoint, bucket.Bucket, "", s3.Options{})
			src, _, err := s.Open(t.Context(), "in/a b+ü")
			if err != nil {
				t.Fatal(err)
			}
			defer src.Close()
			o, err := s.Create(t.Context(), "out/o", store.New)
			if err != nil {
				t.Fatal(err)
			}
			defer o.Abort()
			if err := change(bucket, "in/a b+ü"); err != nil {
				t.Fatal(err)
			}
			_, err = o.(copier).WriteFrom(data, src, 0)
			var e *store.Error
			if !errors.As(err, &e) || e.URI != s.URI("in/a b+ü") || !errors.Is(err, store.ErrChanged) {
				t.Errorf("write from: %v", err)
			}
			if err := o.Commit(t.Context()); !errors.Is(err, store.ErrChanged) {
				t.Errorf("commit: %v", err)
			}
			if _, _, err := bucket.Get("out/o"); !isStatus(err, 404) {
				t.Errorf("the object was made, or not: %v", err)
			}
		})
	}
}

// TestServerCleans: what an unfinished object left is found and removed.
func TestServerCleans(t *testing.T) {
	server := s3test.Start(t)
	s := openAt(t, server.Endpoint, server.Bucket, "out", s3.Options{})
	o, err := s.Create(t.Context(), "a b+ü", store.New)
	if err != nil {
		t.Fatal(err)
	}
	defer o.Abort()
	if _, err := o.Write(make([]byte, 9<<20)); err != nil {
		t.Fatal(err)
	}
	seen := ""
	for name, err := range s.Clean(t.Context(), func(string) bool { return true }) {
		if err != nil {
			t.Fatal(err)
		}
		seen += name
	}
	if seen != "a b+ü" {
		t.Errorf("cleaned %q", seen)
	}
	if err := o.Commit(t.Context()); err == nil {
		t.Error("an object was made of an upload that is no more")
	}
	if left, err := server.Uploads(""); len(left) > 0 || err != nil {
		t.Errorf("left: %v, %v", left, err)
	}
}

// BenchmarkWriteLarge writes 500 MB in pieces of 256 KiB.
func BenchmarkWriteLarge(b *testing.B) {
	server := s3test.Start(b)
	s := openFor(b, server)
	piece := random(256<<10, 1)
	const size = 500 << 20
	b.SetBytes(size)
	for i := range b.N {
		o, err := s.Create(b.Context(), fmt.Sprint("o", i), store.New)
		if err != nil {
			b.Fatal(err)
		}
		for range size / len(piece) {
			if _, err := o.Write(piece); err != nil {
				b.Fatal(err)
			}
		}
		if err := o.Commit(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkWriteSmall writes objects of 1 KB, 64 at a time.
func BenchmarkWriteSmall(b *testing.B) {
	server := s3test.Start(b)
	s := openFor(b, server)
	data := random(1000, 1)
	names := make(chan string)
	var wg sync.WaitGroup
	for range 64 {
		wg.Go(func() {
			for name := range names {
				o, err := s.Create(b.Context(), name, store.New)
				if err == nil {
					_, err = o.Write(data)
				}
				if err == nil {
					err = o.Commit(b.Context())
				}
				if err != nil {
					b.Error(err)
				}
			}
		})
	}
	b.ResetTimer()
	for i := range b.N {
		names <- fmt.Sprint("small/", i)
	}
	close(names)
	wg.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "objects/s")
}

func openFor(b *testing.B, server *s3test.Server) *s3.Store {
	b.Helper()
	s, err := s3.Open(b.Context(), s3.Location{Bucket: server.Bucket, Key: "out"}, s3.Options{Endpoint: server.Endpoint})
	if err != nil {
		b.Fatal(err)
	}
	if err := s.Probe(b.Context(), "_batchmill"); err != nil {
		b.Fatal(err)
	}
	return s
}
