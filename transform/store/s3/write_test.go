package s3

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/batchmill/batchmill/transform/store"
	"github.com/batchmill/batchmill/transform/store/s3/s3test"
)

// TestOnePut: what fits into one part is one request and bears its marks.
func TestOnePut(t *testing.T) {
	f, s := newBucket(small)
	s.Own("the job")
	o := begin(t, s, "a/b.parquet", store.New, strings.Repeat("x", int(small.Part)))
	if err := o.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if f.Count("put") != 1 || f.Count("create-upload") != 0 || f.Count("head") != 0 {
		t.Errorf("%d requests, want one put", f.Requests())
	}
	meta := f.Get("out/a/b.parquet").Meta
	if meta[metaJob] != "the job" || len(meta[metaNonce]) != 32 {
		t.Errorf("metadata %q", meta)
	}
	if got := *mediaType("a/b.parquet"); got != "application/vnd.apache.parquet" {
		t.Errorf("media type %s", got)
	}
}

// TestParts: a longer object is an upload of parts that are all full but the last.
func TestParts(t *testing.T) {
	for _, size := range []int{1, 8<<10 + 1, 16 << 10, 100_000} {
		for _, piece := range []int{1 << 20, 1000, 8 << 10} {
			f, s := newBucket(small)
			s.Own("the job")
			data := random(size)
			made, err := s.Create(t.Context(), "o", store.New)
			if err != nil {
				t.Fatal(err)
			}
			for rest := data; len(rest) > 0; rest = rest[min(piece, len(rest)):] {
				if _, err := made.Write(rest[:min(piece, len(rest))]); err != nil {
					t.Fatal(err)
				}
			}
			if err := made.Commit(t.Context()); err != nil {
				t.Fatal(err)
			}
			o := f.Get("out/o")
			if owner, err := s.OwnerOf(t.Context(), "o"); owner != "the job" || err != nil {
				t.Errorf("%d bytes are an object of %q, %v", size, owner, err)
			}
			if !bytes.Equal(o.Data, data) {
				t.Errorf("%d bytes in pieces of %d came out different", size, piece)
			}
			for i, n := range o.Parts {
				if i < len(o.Parts)-1 && n != 8<<10 || n == 0 {
					t.Errorf("part %d of %d has %d bytes", i+1, len(o.Parts), n)
				}
			}
		}
	}
}

func random(n int) []byte {
	b := make([]byte, n)
	seed := [32]byte{}
	binary.LittleEndian.PutUint64(seed[:], rand.Uint64())
	_, _ = rand.NewChaCha8(seed).Read(b)
	return b
}

// TestPartSizes: 10,000 parts hold 5 TiB, and none is longer than S3 takes.
func TestPartSizes(t *testing.T) {
	o := &object{s: &Store{o: Options{}.withDefaults()}}
	var total int64
	for range maxParts {
		size := o.partSize()
		if size > maxPart || o.leastPart() < 5<<20 {
			t.Fatalf("part %d has %d bytes, or %d", len(o.parts)+1, size, o.leastPart())
		}
		total += size
		o.parts = append(o.parts, part{})
	}
	if total < 5<<40 {
		t.Errorf("10,000 parts hold %d bytes", total)
	}
}

// TestPartFails: a part that cannot be sent ends the object, with its reason.
func TestPartFails(t *testing.T) {
	for fault, ok := range map[string]bool{"InvalidRequest": false, "BadDigest": false, "BadDigest once": true, "lost once": true, "SlowDown once": true} {
		t.Run(fault, func(t *testing.T) {
			f, s := newBucket(small)
			what, once := strings.CutSuffix(fault, " once")
			f.Fault = func(op s3test.Op, _ string, n int) string {
				if op == "upload-part" && (n == 2 || n > 2 && !once) {
					return what
				}
				return ""
			}
			made, err := s.Create(t.Context(), "o", store.New)
			if err != nil {
				t.Fatal(err)
			}
			for range 20 {
				if _, err = made.Write(random(8 << 10)); err != nil {
					break
				}
			}
			if err == nil {
				err = made.Commit(t.Context())
			}
			var e *store.Error
			if ok != (err == nil) || !ok && (!errors.As(err, &e) || !strings.Contains(err.Error(), what)) {
				t.Errorf("%v", err)
			}
			if _, again := made.Write([]byte("x")); again == nil {
				t.Error("a finished object took more")
			}
			if err := made.Abort(); err != nil {
				t.Error(err)
			}
			wantNoUploads(t, f)
		})
	}
}

// TestMemory: however many objects are written, and whoever holds how much of
// the budget, all come to their end, and hold no more than was promised.
func TestMemory(t *testing.T) {
	const objects = 64
	f, s := newBucket(Options{Part: 64 << 10, Memory: 2 << 20})
	made := make([]store.Object, objects)
	want := make([][]byte, objects)
	for i := range made {
		var err error
		if made[i], err = s.Create(t.Context(), fmt.Sprint("o", i), store.New); err != nil {
			t.Fatal(err)
		}
	}
	// One goroutine writes them all by turns: it would wait for itself if an
	// object waited for another one's memory.
	for range 300 {
		i := rand.IntN(objects)
		b := random(rand.IntN(40_000))
		if _, err := made[i].Write(b); err != nil {
			t.Fatal(err)
		}
		want[i] = append(want[i], b...)
		var held int64
		for _, o := range made {
			held += int64(cap(o.(*object).buf.b)) // and what is being sent is charged, but for one block each
		}
		if most := s.o.Memory/2 + objects*s.o.Part; held > most {
			t.Fatalf("%d bytes are held, %d were promised", held, most)
		}
	}
	var wg sync.WaitGroup
	for _, o := range made {
		wg.Go(func() {
			if err := o.Commit(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for i := range want {
		if got, _ := content(f, fmt.Sprint("out/o", i)); got != string(want[i]) {
			t.Errorf("object %d holds %d bytes, want %d", i, len(got), len(want[i]))
		}
	}
	wantGiven(t, s)
}

// TestMemoryAtOnce: writers that share too little memory all come to their end.
func TestMemoryAtOnce(t *testing.T) {
	f, s := newBucket(Options{Part: 64 << 10, Memory: 512 << 10})
	var wg sync.WaitGroup
	for i := range 64 {
		wg.Go(func() {
			name, data := fmt.Sprint("o", i), random(100_000+i)
			made, err := s.Create(t.Context(), name, store.New)
			for at := 0; at < len(data) && err == nil; at += 30_000 {
				_, err = made.Write(data[at:min(at+30_000, len(data))])
			}
			if err == nil {
				err = made.Commit(t.Context())
			}
			if got, _ := content(f, "out/"+name); err != nil || got != string(data) {
				t.Errorf("%s holds %d bytes, want %d, %v", name, len(got), len(data), err)
			}
		})
	}
	wg.Wait()
	wantGiven(t, s)
}

// TestHostileAnswers: an answer without what it is for, or with too much of
// it, ends the object.
func TestHostileAnswers(t *testing.T) {
	for _, etag := range []string{"", strings.Repeat("e", 2000)} {
		f, s := newBucket(small)
		f.PartETag = func() string { return etag }
		o, err := s.Create(t.Context(), "o", store.New)
		if err != nil {
			t.Fatal(err)
		}
		_, err = o.Write(random(20_000))
		if err == nil {
			err = o.Commit(t.Context())
		}
		if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("of %d bytes", len(etag))) {
			t.Errorf("an ETag of %d bytes: %v", len(etag), err)
		}
		_ = o.Abort()
		wantNoUploads(t, f)
	}
}
