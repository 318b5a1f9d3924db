package s3

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/batchmill/batchmill/transform/store"
	"github.com/batchmill/batchmill/transform/store/s3/s3test"
	"github.com/batchmill/batchmill/transform/store/s3/s3test/bucket"
)

// source reads an object of the fake, as a reader of this package would.
type source struct {
	store.Reader
	key, etag, endpoint string
}

func (r *source) origin() (bucket, key, etag, endpoint string) {
	return "bucket", r.key, r.etag, r.endpoint
}

// TestWriteFrom: whatever order bytes come in, and from wherever, the object
// is what was written, and its parts are legal.
func TestWriteFrom(t *testing.T) {
	f, s := newBucket(small)
	f.LeastPart = int(small.Part) / 8 * 5
	sources, contents := sourcesIn(f, s)
	refuse := false
	f.Fault = func(op s3test.Op, _ string, n int) string {
		return map[bool]string{true: "AccessDenied"}[refuse && op == s3test.CopyPart]
	}
	for seed := range uint64(100) {
		refuse = seed%10 == 9
		want := interleave(t, s, rand.New(rand.NewPCG(seed, 1)), sources, contents)
		if got := f.Get("out/o"); got == nil || !bytes.Equal(got.Data, want) {
			t.Fatalf("seed %d: the object is not what was written", seed)
		}
		f.Delete("out/o")
		if !s.writing.TryAcquire(s.o.Memory / 2) {
			t.Fatalf("seed %d: memory was not given back", seed)
		}
		s.writing.Release(s.o.Memory / 2)
	}
	wantNoUploads(t, f)
	if n := f.Count("copy-part"); n < 200 {
		t.Errorf("only %d parts were copied", n)
	}
}

func sourcesIn(f *bucket.Bucket, s *Store) (sources []*source, contents [][]byte) {
	for i := range 2 {
		key := fmt.Sprintf("in/ü +%%/%d", i)
		data := random(150_000)
		f.Put(key, data)
		sources = append(sources, &source{key: key, etag: f.Get(key).ETag, endpoint: s.client.Endpoint})
		contents = append(contents, data)
	}
	return sources, contents
}

// interleave writes an object of random pieces.
func interleave(t *testing.T, s *Store, rnd *rand.Rand, sources []*source, contents [][]byte) (want []byte) {
	t.Helper()
	o, err := s.Create(t.Context(), "o", store.New)
	if err != nil {
		t.Fatal(err)
	}
	defer o.Abort()
	for range 1 + rnd.IntN(8) {
		if rnd.IntN(2) == 0 {
			b := random(rnd.IntN(12_000))
			if n, err := o.Write(b); n != len(b) || err != nil {
				t.Fatalf("write: %d, %v", n, err)
			}
			want = append(want, b...)
			continue
		}
		from := rnd.IntN(len(sources))
		data := contents[from]
		at, length := rnd.IntN(len(data)), rnd.IntN(150_000)
		for end := min(at+length, len(data)); at < end; {
			n := min(1+rnd.IntN(20_000), end-at)
			if wrote, err := o.(*object).WriteFrom(data[at:at+n], sources[from], int64(at)); wrote != n || err != nil {
				t.Fatalf("write from: %d, %v", wrote, err)
			}
			want = append(want, data[at:at+n]...)
			at += n
		}
	}
	if err := o.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	return want
}

// TestCopyLong: long copies are many parts, and nothing but their first bytes is kept.
func TestCopyLong(t *testing.T) {
	f, s := newBucket(small)
	f.LeastPart = int(small.Part) / 8 * 5
	data := random(1 << 20)
	f.Put("in", data)
	src := &source{key: "in", etag: f.Get("in").ETag, endpoint: s.client.Endpoint}
	o := begin(t, s, "o", store.New, "head")
	for at := 0; at < len(data); at += 10_000 {
		end := min(at+10_000, len(data))
		if _, err := o.WriteFrom(data[at:end], src, int64(at)); err != nil {
			t.Fatal(err)
		}
		if held := cap(o.buf.b); int64(held) > s.o.Part {
			t.Fatalf("%d bytes are held", held)
		}
	}
	if _, err := o.Write([]byte("tail")); err != nil {
		t.Fatal(err)
	}
	if err := o.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got, _ := content(f, "out/o"); got != "head"+string(data)+"tail" {
		t.Error("the object is not what was written")
	}
	if f.Count("upload-part") > 2 || f.Count("copy-part") > 18 {
		t.Errorf("%d parts were sent, %d copied", f.Count("upload-part"), f.Count("copy-part"))
	}
}

// TestCopyChanged: a source that changes, or goes, before some copy of a part is
// the source's error and not the output's, and nothing is made.
func TestCopyChanged(t *testing.T) {
	for _, c := range []struct {
		name string
		n    int // the copy before which it happens
		gone bool
	}{
		{"changed before the first copy", 1, false},
		{"gone before the first copy", 1, true},
		{"changed before the third copy", 3, false},
		{"gone before the third copy", 3, true},
		{"changed before the last copy", 17, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			f, s := newBucket(small)
			data := random(1 << 20)
			f.Put("in", data)
			src := &source{key: "in", etag: f.Get("in").ETag, endpoint: s.client.Endpoint}
			f.Fault = before(func(op s3test.Op, n int) {
				switch {
				case op != "copy-part" || n != c.n:
				case c.gone:
					f.Clear()
				default:
					f.Put("in", []byte("another"))
				}
			})
			o := begin(t, s, "o", store.New, "")
			defer o.Abort()
			_, err := o.WriteFrom(data, src, 0)
			if err == nil {
				_, err = o.Write([]byte("tail"))
			}
			if err == nil {
				err = o.Commit(t.Context())
			}
			wantFrom(t, err, "s3://bucket/in")
			before := f.Count("copy-part")
			if _, again := o.WriteFrom(data, src, 0); !errors.Is(again, store.ErrChanged) || f.Count("copy-part") != before {
				t.Errorf("a write after it: %v, and %d more copies", again, f.Count("copy-part")-before)
			}
			if err := o.Abort(); err != nil {
				t.Error(err)
			}
			if _, there := content(f, "out/o"); there {
				t.Error("an object was made")
			}
			wantNoUploads(t, f)
		})
	}
}

// wantFrom checks that err tells that the object at uri changed.
func wantFrom(t *testing.T, err error, uri string) {
	t.Helper()
	var e *store.Error
	if !errors.As(err, &e) || e.Op != "read" || e.URI != uri || !errors.Is(err, store.ErrChanged) {
		t.Errorf("error %v, want that %s changed", err, uri)
	}
}

// TestCopyMisunderstood: a service that says so of a source that stands there
// unchanged does not copy, and what was read of it is sent.
func TestCopyMisunderstood(t *testing.T) {
	for _, says := range []string{"PreconditionFailed", "NoSuchKey", "AccessDenied", "NotImplemented"} {
		t.Run(says, func(t *testing.T) {
			f, s := newBucket(small)
			data := random(50_000)
			f.Put("in", data)
			src := &source{key: "in", etag: f.Get("in").ETag, endpoint: s.client.Endpoint}
			f.Fault = always(s3test.CopyPart, says)
			o := begin(t, s, "o", store.New, "")
			if _, err := o.WriteFrom(data, src, 0); err != nil {
				t.Fatal(err)
			}
			if err := o.Commit(t.Context()); err != nil {
				t.Fatal(err)
			}
			if got, _ := content(f, "out/o"); got != string(data) || f.Count("copy-part") != 1 {
				t.Errorf("%d bytes, %d copies", len(got), f.Count("copy-part"))
			}
		})
	}
}
