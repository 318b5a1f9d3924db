package s3

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/batchmill/batchmill/transform/store"
)

// put makes an object that is no segment.
func (m *memBucket) put(keys ...string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, key := range keys {
		m.objects[key] = memEntry{data: []byte(key), tag: memTag([]byte(key)), meta: http.Header{}}
	}
}

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
		s, m := newMemStore(t)
		m.page = 2
		m.put("other", "out")
		for _, key := range all {
			m.put("out/" + key)
		}
		if err := s.Remove(t.Context(), test.name); err != nil {
			t.Errorf("remove %q: %v", test.name, err)
		}
		var left []string
		for _, key := range m.keys() {
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
	s, m := newMemStore(t)
	for _, name := range []string{"work/log", "work/second"} {
		a := mustAppend(t, s, name, 0)
		for range 9 {
			add(t, a, "x")
		}
	}
	m.put("out/work/other")
	m.page = 3
	m.fault = func(op, key string) *memFault {
		if op != "delete" && op != "deletes" {
			return nil
		}
		m.fault = nil
		m.mu.Unlock()
		defer m.mu.Lock()
		for _, name := range []string{"work/log", "work/second"} {
			if got := readWhole(t, s, name); got != "" && got != strings.Repeat("x", 9) {
				t.Errorf("while it is removed %s holds %q", name, got)
			}
		}
		return nil
	}
	again := m.fault
	count := 0
	outer := m.store("out/", 1, func(r *http.Request) (*http.Response, error) {
		m.mu.Lock()
		m.fault = again
		m.mu.Unlock()
		count++
		return m.Do(r)
	})
	if err := outer.Remove(t.Context(), "work"); err != nil {
		t.Fatal(err)
	}
	if left := m.keys(); len(left) > 0 || count < 20 {
		t.Errorf("left are %q after %d requests", left, count)
	}
}

func TestRemoveTenThousandSegments(t *testing.T) {
	s, m := newMemStore(t)
	a := mustAppend(t, s, "log", 0)
	add(t, a, "x")
	first := m.objects["out/log/0000000002"]
	for n := int64(3); n <= 10_000; n++ {
		m.objects["out/"+segmentName("log", n)] = first
	}
	m.counted("list")
	r, info, err := s.ReadLog(t.Context(), "log")
	if n := m.counted("list"); err != nil || info.Size != 9999 || n != 10 {
		t.Fatalf("%+v, %v, %d pages", info, err, n)
	}
	p := make([]byte, 100)
	if n, err := r.ReadAt(p, 9989); n != 10 || err != io.EOF {
		t.Errorf("read %d bytes of its end, %v", n, err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	b := mustAppend(t, s, "log", 9999)
	if n := m.counted("list"); n != 11 {
		t.Errorf("a takeover lists %d pages, want 10 and one for what came meanwhile", n)
	}
	if err := b.Truncate(0); err != nil {
		t.Fatal(err)
	}
	if got := m.keys(); !slices.Equal(got, []string{"out/log/0000010002"}) || m.counted("deletes") != 10 {
		t.Errorf("left are %q", got)
	}
}

func TestDeletesRefused(t *testing.T) {
	tests := []struct {
		name  string
		fault memFault
		works bool
	}{
		{"not implemented", memFault{false, 501, "NotImplemented"}, true},
		{"no Content-MD5", memFault{false, 400, "InvalidRequest"}, true},
		{"denied", memFault{false, 403, "AccessDenied"}, false},
	}
	for _, test := range tests {
		s, m := newMemStore(t)
		for n := range 50 {
			m.put(fmt.Sprintf("out/d/%d", n))
		}
		m.fault = func(op, key string) *memFault {
			if op == "deletes" {
				return &test.fault
			}
			return nil
		}
		err := s.Remove(t.Context(), "d")
		if (err == nil) != test.works || (len(m.keys()) == 0) != test.works {
			t.Errorf("%s: %v, %d left", test.name, err, len(m.keys()))
		}
	}
}

func TestDeletesThatFailInside(t *testing.T) {
	m := newMemBucket()
	s := m.store("out/", 1, func(r *http.Request) (*http.Response, error) {
		if op, _ := operation(r); op == "deletes" {
			return memReply(r, http.StatusOK, nil, []byte("<DeleteResult><Error><Key>out/d/1</Key><Code>NoSuchKey</Code></Error>"+
				"<Error><Key>out/d/2</Key><Code>AccessDenied</Code><Message>no</Message></Error></DeleteResult>")), nil
		}
		return m.Do(r)
	})
	m.put("out/d/1", "out/d/2")
	if err := s.Remove(t.Context(), "d"); err == nil || !strings.Contains(err.Error(), "AccessDenied") {
		t.Errorf("error %v", err)
	}
}

// TestTakenOverWhileRemoved: between any two requests of a removal, another
// run takes the log over. Either it keeps all that it synced, or it learns that
// it lost the log before its next sync.
func TestTakenOverWhileRemoved(t *testing.T) {
	for n, more := 0, true; more; n++ {
		s, m := newMemStore(t)
		a := mustAppend(t, s, "log", 0)
		for range 3 {
			add(t, a, "old ")
		}
		left := n
		var b store.Appender
		held := ""
		remover := m.store("out/", 1, func(r *http.Request) (*http.Response, error) {
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
		case again != nil && len(m.keys()) > 0 && err == nil:
			t.Errorf("before request %d: left are %q", n, m.keys())
		}
	}
}
