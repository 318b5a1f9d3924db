package s3

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/batchmill/batchmill/transform/store"
	"github.com/batchmill/batchmill/transform/store/s3/s3test/bucket"
)

func TestDamagedLog(t *testing.T) {
	drop := func(n int64) func(*bucket.Bucket) {
		return func(m *bucket.Bucket) { m.Delete("out/" + segmentName("log", n)) }
	}
	mark := func(n int64, name, value string) func(*bucket.Bucket) {
		return func(m *bucket.Bucket) {
			key := "out/" + segmentName("log", n)
			o := m.Get(key)
			meta := maps.Clone(o.Meta)
			meta[name] = value
			m.PutAs(key, o.Data, meta)
		}
	}
	tests := []struct {
		name   string
		damage func(*bucket.Bucket)
		where  string // "" for no damage
	}{
		{"none", func(*bucket.Bucket) {}, ""},
		{"the first", drop(1), "0000000001"},
		{"one between", drop(3), "0000000003"},
		{"the last", drop(5), ""}, // it looks like a log that has not grown yet
		{"what is none of ours", func(m *bucket.Bucket) {
			putKeys(m, "out/log/x", "out/log/0000000001/y", "out/log/00000000017", "out/log/0000000000")
		}, ""},
		{"a foreign object behind", func(m *bucket.Bucket) { putKeys(m, "out/log/0000000006") }, "0000000006"},
		{"a base ahead", mark(5, metaBase, "0000000009"), "0000000005"},
		{"no base", mark(5, metaBase, "-1"), "0000000005"},
		{"a base of many digits", mark(5, metaBase, strings.Repeat("9", 1000)), "0000000005"},
		{"a removed log's", mark(5, metaLog, "other"), "0000000005"},
	}
	for _, test := range tests {
		m, s := newBucket(Options{})
		a := mustAppend(t, s, "log", 0)
		for range 4 {
			add(t, a, "x")
		}
		test.damage(m)
		_, info, err := s.ReadLog(t.Context(), "log")
		_, err2 := s.Append(t.Context(), "log", info.Size)
		for _, err := range []error{err, err2} {
			var damage *DamageError
			if errors.As(err, &damage) != (test.where != "") {
				t.Errorf("%s: %v", test.name, err)
			} else if damage != nil && (!strings.HasSuffix(damage.URI, test.where) || !strings.Contains(err.Error(), "--restart")) {
				t.Errorf("%s: %v names another segment than %s", test.name, err, test.where)
			}
		}
		if err := s.Remove(t.Context(), "log"); err != nil { // the way out
			t.Errorf("%s: remove: %v", test.name, err)
		}
		_, _, err = s.ReadLog(t.Context(), "log")
		wantFailure(t, err, fs.ErrNotExist, nil)
		add(t, mustAppend(t, s, "log", 0), "anew")
	}
}

func TestListingOutOfOrder(t *testing.T) {
	s := storeOver(Options{Attempts: 1}, func(r *http.Request) (*http.Response, error) {
		return reply(r, "<ListBucketResult><Contents><Key>out/log/0000000002</Key></Contents>"+
			"<Contents><Key>out/log/0000000001</Key></Contents></ListBucketResult>"), nil
	})
	if _, _, err := s.ReadLog(t.Context(), "log"); err == nil || !strings.Contains(err.Error(), "order") {
		t.Errorf("error %v", err)
	}
}

// newLongLog is a log of segments of many sizes, some empty, some larger than a piece.
func newLongLog(t *testing.T) (*Store, *bucket.Bucket, []byte) {
	t.Helper()
	m, s := newBucket(Options{})
	r, bytesOf := rand.New(rand.NewPCG(1, 2)), rand.NewChaCha8([32]byte{})
	var all []byte
	for i := range 5 {
		a := mustAppend(t, s, "log", int64(len(all)))
		for j := range 6 {
			n := r.IntN(100 << 10)
			if i == j && i%2 == 1 {
				n = logPieceSize + r.IntN(2*logPieceSize)
			}
			data := make([]byte, n)
			bytesOf.Read(data)
			add(t, a, string(data))
			all = append(all, data...)
		}
		a.Close()
	}
	return s, m, all
}

func TestLogReader(t *testing.T) {
	s, m, all := newLongLog(t)
	r, info, err := s.ReadLog(t.Context(), "log")
	if err != nil || info.Size != int64(len(all)) || info.ModTime.IsZero() {
		t.Fatalf("%+v, %v", info, err)
	}
	defer r.Close()
	m.Forget()
	section := io.NewSectionReader(r, 1000, info.Size-1000)
	if got, err := io.ReadAll(section); err != nil || !bytes.Equal(got, all[1000:]) {
		t.Errorf("by section: %d bytes, %v", len(got), err)
	}
	if n := m.Count("get"); n > 30+len(all)/logPieceSize {
		t.Errorf("%d requests for 30 segments of %d bytes", n, len(all))
	}
	if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, all) {
		t.Errorf("from the beginning: %d bytes, %v", len(got), err)
	}
	rnd := rand.New(rand.NewPCG(3, 4))
	for range 40 {
		off, n := rnd.IntN(len(all)+10), rnd.IntN(3<<20)
		p := make([]byte, n)
		got, err := r.ReadAt(p, int64(off))
		want := all[min(off, len(all)):min(off+n, len(all))]
		if !bytes.Equal(p[:got], want) || (got < n) != (err == io.EOF) || got == n && err != nil {
			t.Fatalf("%d bytes at %d: %d, %v", n, off, got, err)
		}
	}
	if _, err := r.ReadAt(make([]byte, 1), -1); err == nil {
		t.Error("a negative place was read")
	}
	if n, err := r.Read(nil); n != 0 || err != nil && err != io.EOF {
		t.Errorf("read of nothing: %d, %v", n, err)
	}
}

// TestLogReadersShareMemory: all together keep to the budget, none waits for
// the others, and everything is given back.
func TestLogReadersShareMemory(t *testing.T) {
	s, _, all := newLongLog(t)
	var readers []store.Reader
	for range 8 {
		r, _, err := s.ReadLog(t.Context(), "log")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.Read(make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
		readers = append(readers, r)
	}
	var wg sync.WaitGroup
	for _, r := range readers {
		wg.Go(func() {
			got, err := io.ReadAll(bufio.NewReaderSize(io.NewSectionReader(r, 0, int64(len(all))), 256<<10))
			if err != nil || !bytes.Equal(got, all) {
				t.Errorf("%d bytes, %v", len(got), err)
			}
		})
		wg.Go(func() {
			if p := make([]byte, 9); readFull(r, p, 5000) != nil || !bytes.Equal(p, all[5000:5009]) {
				t.Error("wrong bytes beside another read")
			}
		})
	}
	wg.Wait()
	for _, r := range readers {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
		if _, err := r.Read(make([]byte, 1)); !errors.Is(err, fs.ErrClosed) {
			t.Errorf("read after close: %v", err)
		}
	}
	if !s.reading.TryAcquire(s.o.Memory / 2) {
		t.Error("memory was not given back")
	}
}

func readFull(r io.ReaderAt, p []byte, off int64) error {
	_, err := r.ReadAt(p, off)
	return err
}

func TestLogChangesWhileRead(t *testing.T) {
	for _, name := range []string{"changed", "gone"} {
		m, s := newBucket(Options{})
		a := mustAppend(t, s, "log", 0)
		add(t, a, "one ")
		add(t, a, "two ")
		r, _, err := s.ReadLog(t.Context(), "log")
		if err != nil {
			t.Fatal(err)
		}
		if name == "gone" {
			m.Delete("out/log/0000000003")
		} else {
			putKeys(m, "out/log/0000000003")
		}
		got, err := io.ReadAll(r)
		var damage *DamageError
		if !errors.As(err, &damage) || string(got) != "one " {
			t.Errorf("%s: read %q, %v", name, got, err)
		}
		r.Close()
	}
}

func TestLogReaderEndsWithItsContext(t *testing.T) {
	s, _, _ := newLongLog(t)
	ctx, cancel := context.WithCancel(t.Context())
	r, _, err := s.ReadLog(ctx, "log")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	cancel()
	if _, err := io.ReadAll(r); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

func TestSegmentNames(t *testing.T) {
	for n, name := range map[int64]string{1: "log/0000000001", 9_999_999_999: "log/9999999999"} {
		if got := segmentName("log", n); got != name {
			t.Errorf("segment %d is %q", n, got)
		}
		if got := segmentNumber(strings.TrimPrefix(name, "log/")); got != n {
			t.Errorf("%q is segment %d", name, got)
		}
	}
	names := []string{"", "1", "0000000000", "00000000001", "-000000001", "+000000001", "000000001 ", "0x00000001", "٠٠٠٠٠"}
	if i := slices.IndexFunc(names, func(s string) bool { return segmentNumber(s) != 0 }); i >= 0 {
		t.Errorf("%q is a segment", names[i])
	}
}
