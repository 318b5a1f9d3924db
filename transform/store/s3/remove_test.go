package s3

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/batchmill/batchmill/transform/store"
	"github.com/batchmill/batchmill/transform/store/s3/s3test"
	"github.com/batchmill/batchmill/transform/store/s3/s3test/bucket"
)

func TestRemoveFolder(t *testing.T) {
	all := []string{"a/b/1", "a/b/c/0000000002", "a/b/c/0000000003", "a/b/c/0000000003/x", "a/b/odd//key", "a/b/mark/", "a/b%2F+ ü\x01", "a/bc", "d"}
	for _, test := range []struct {
		name string
		left []string
	}{
		{"no/such", all},
		{"a/b", []string{"a/b%2F+ ü\x01", "a/bc", "d"}},
		{"a", []string{"d"}},
		{"d", slices.DeleteFunc(slices.Clone(all), func(s string) bool { return s == "d" })},
		{"a/bc/x", all},
	} {
		m, s := newBucket(Options{})
		m.Page = 2
		putKeys(m, "other", "out")
		for _, key := range all {
			putKeys(m, "out/"+key)
		}
		if err := s.Remove(t.Context(), test.name); err != nil {
			t.Errorf("remove %q: %v", test.name, err)
		}
		var left []string
		for _, key := range m.Keys() {
			if rest, ok := strings.CutPrefix(key, "out/"); ok {
				left = append(left, rest)
			}
		}
		slices.Sort(test.left)
		if !slices.Equal(left, test.left) {
			t.Errorf("remove %q left %q, want %q", test.name, left, test.left)
		}
	}
}

// TestRemoveLogs: a folder with two logs, one of them many pages long. At each
// moment either log is as it was, or empty.
func TestRemoveLogs(t *testing.T) {
	m, s := newBucket(Options{})
	for _, name := range []string{"work/log", "work/second"} {
		a := mustAppend(t, s, name, 0)
		for range 9 {
			add(t, a, "x")
		}
	}
	putKeys(m, "out/work/other")
	m.Page = 3
	count := 0
	outer := storeOver(Options{Attempts: 1}, func(r *http.Request) (*http.Response, error) {
		count++
		if op, _, _ := s3test.Operation(r); op == s3test.Delete || op == s3test.DeleteMany {
			for _, name := range []string{"work/log", "work/second"} {
				if got := readWhole(t, s, name); got != "" && got != strings.Repeat("x", 9) {
					t.Errorf("while it is removed %s holds %q", name, got)
				}
			}
		}
		return m.Do(r)
	})
	if err := outer.Remove(t.Context(), "work"); err != nil {
		t.Fatal(err)
	}
	if left := m.Keys(); len(left) > 0 || count < 20 {
		t.Errorf("left are %q after %d requests", left, count)
	}
}

func TestRemoveTenThousandSegments(t *testing.T) {
	m, s := newBucket(Options{})
	a := mustAppend(t, s, "log", 0)
	add(t, a, "x")
	first := m.Get("out/log/0000000002")
	for n := int64(3); n <= 10_000; n++ {
		m.PutAs("out/"+segmentName("log", n), first.Data, first.Meta)
	}
	m.Forget()
	r, info, err := s.ReadLog(t.Context(), "log")
	if n := m.Count("list"); err != nil || info.Size != 9999 || n != 10 {
		t.Fatalf("%+v, %v, %d pages", info, err, n)
	}
	p := make([]byte, 100)
	if n, err := r.ReadAt(p, 9989); n != 10 || err != io.EOF {
		t.Errorf("read %d bytes of its end, %v", n, err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	m.Forget()
	b := mustAppend(t, s, "log", 9999)
	if n := m.Count("list"); n != 11 {
		t.Errorf("a takeover lists %d pages, want 10 and one for what came meanwhile", n)
	}
	if err := b.Truncate(0); err != nil {
		t.Fatal(err)
	}
	if got := m.Keys(); !slices.Equal(got, []string{"out/log/0000010002"}) || m.Count("delete-many") != 10 {
		t.Errorf("left are %q", got)
	}
}

func TestDeletesRefused(t *testing.T) {
	tests := []struct {
		name  string
		fault string
		works bool
	}{
		{"not implemented", "NotImplemented", true},
		{"no Content-MD5", "InvalidRequest", true},
		{"denied", "AccessDenied", false},
	}
	for _, test := range tests {
		m, s := newBucket(Options{})
		for n := range 50 {
			putKeys(m, fmt.Sprintf("out/d/%d", n))
		}
		m.Fault = always(s3test.DeleteMany, test.fault)
		err := s.Remove(t.Context(), "d")
		if (err == nil) != test.works || (len(m.Keys()) == 0) != test.works {
			t.Errorf("%s: %v, %d left", test.name, err, len(m.Keys()))
		}
	}
}

func TestDeletesThatFailInside(t *testing.T) {
	m := bucket.New("bucket")
	s := storeOver(Options{Attempts: 1}, func(r *http.Request) (*http.Response, error) {
		if op, _, _ := s3test.Operation(r); op == "delete-many" {
			return reply(r, "<DeleteResult><Error><Key>out/d/1</Key><Code>NoSuchKey</Code></Error>"+
				"<Error><Key>out/d/2</Key><Code>AccessDenied</Code><Message>no</Message></Error></DeleteResult>"), nil
		}
		return m.Do(r)
	})
	putKeys(m, "out/d/1", "out/d/2")
	if err := s.Remove(t.Context(), "d"); err == nil || !strings.Contains(err.Error(), "AccessDenied") {
		t.Errorf("error %v", err)
	}
}

// TestTakenOverWhileRemoved: between any two requests of a removal, another
// run takes the log over. Either it keeps all that it synced, or it learns that
// it lost the log before its next sync.
func TestTakenOverWhileRemoved(t *testing.T) {
	for n, more := 0, true; more; n++ {
		m, s := newBucket(Options{})
		a := mustAppend(t, s, "log", 0)
		for range 3 {
			add(t, a, "old ")
		}
		left := n
		var b store.Appender
		held := ""
		remover := storeOver(Options{Attempts: 1}, func(r *http.Request) (*http.Response, error) {
			if left--; left == -1 {
				held = readWhole(t, s, "log")
				b = mustAppend(t, s, "log", int64(len(held)))
				add(t, b, "new")
			}
			return m.Do(r)
		})
		err := remover.Remove(t.Context(), "log")
		if more = left < 0; !more {
			break
		}
		got := readWhole(t, s, "log")
		again := tryAdd(b, "!")
		switch {
		case again == nil && got != held+"new":
			t.Errorf("before request %d: the log holds %q where %q was synced, and goes on", n, got, held+"new")
		case again != nil && len(m.Keys()) > 0 && err == nil:
			t.Errorf("before request %d: left are %q", n, m.Keys())
		}
	}
}

// TestRemoveCancelled: at whichever request the context of a removal ends, its own
// error is told.
func TestRemoveCancelled(t *testing.T) {
	for n, more := 0, true; more; n++ {
		m, s := newBucket(Options{})
		add(t, mustAppend(t, s, "work/log", 0), "x")
		ctx, cancel := context.WithCancel(t.Context())
		left := n
		m.Fault = func(op s3test.Op, key string, n int) string {
			if left--; left >= 0 {
				return ""
			}
			cancel()
			return "lost"
		}
		err := s.Remove(ctx, "work")
		if more = left < 0; more && err != context.Canceled || !more && err != nil {
			t.Errorf("cancelled at request %d: %v", n, err)
		}
		cancel()
	}
}
