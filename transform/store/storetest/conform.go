package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/batchmill/batchmill/transform/store"
)

// Conform holds a store against the contract in package store. newStore makes
// an empty one for each test. What a [store.Keeper] promises is tested where the
// store is one.
func Conform(t *testing.T, newStore func(t *testing.T) store.Store) {
	tests := []struct {
		name string
		run  func(*testing.T, store.Store)
	}{
		{"names", testNames},
		{"bad names", testBadNames},
		{"empty store", testEmpty},
		{"list order", testListOrder},
		{"list prefix", testListPrefix},
		{"list stops", testListStops},
		{"contents", testContents},
		{"new", testNew},
		{"replace", testReplace},
		{"abort", testAbort},
		{"cancelled", testCancelled},
		{"done is final", testFinal},
		{"small writes", testSmallWrites},
		{"concurrent names", testConcurrentNames},
		{"concurrent one name", testConcurrentOneName},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) { test.run(t, newStore(t)) })
	}
	if _, ok := newStore(t).(store.Keeper); ok {
		conformKeeper(t, newStore)
	}
}

// put creates an object whole.
func put(t *testing.T, s store.Store, name string, mode store.Mode, data []byte) error {
	t.Helper()
	o, err := s.Create(t.Context(), name, mode)
	if err != nil {
		return err
	}
	defer o.Abort()
	if _, err := o.Write(data); err != nil {
		return err
	}
	return o.Commit(t.Context())
}

func mustPut(t *testing.T, s store.Store, name, data string) {
	t.Helper()
	if err := put(t, s, name, store.New, []byte(data)); err != nil {
		t.Fatalf("put %q: %v", name, err)
	}
}

// get reads an object whole, and checks that Info tells its size.
func get(t *testing.T, s store.Store, name string) (string, error) {
	t.Helper()
	r, info, err := s.Open(t.Context(), name)
	if err != nil {
		return "", err
	}
	defer r.Close()
	data, err := io.ReadAll(r)
	if err != nil {
		return "", err
	}
	// Any part can be read again, whatever Read has done.
	part := make([]byte, len(data)/2+1)
	from := int64(len(data) - len(data)/2)
	if n, err := r.ReadAt(part, from); string(part[:n]) != string(data[from:]) || err != io.EOF {
		t.Errorf("%q from %d holds %.40q, %v; want %.40q and EOF", name, from, part[:n], err, data[from:])
	}
	if info.Name != name || info.Size != int64(len(data)) {
		t.Errorf("open %q: info %+v for %d bytes", name, info, len(data))
	}
	return string(data), nil
}

func wantContent(t *testing.T, s store.Store, name, want string) {
	t.Helper()
	if got, err := get(t, s, name); err != nil || got != want {
		t.Errorf("%q holds %.40q, %v; want %.40q", name, got, err, want)
	}
}

// list names what List yields, up to an error.
func list(ctx context.Context, s store.Store, prefix string) (names []string, err error) {
	for info, err := range s.List(ctx, prefix) {
		if err != nil {
			return names, err
		}
		names = append(names, info.Name)
	}
	return names, nil
}

func wantList(t *testing.T, s store.Store, prefix string, want ...string) {
	t.Helper()
	if got, err := list(t.Context(), s, prefix); err != nil || !slices.Equal(got, want) {
		t.Errorf("list %q: %q, %v; want %q", prefix, got, err, want)
	}
}

// wantError checks that err is want, in a *store.Error with an operation and a URI.
func wantError(t *testing.T, what string, err, want error) {
	t.Helper()
	var e *store.Error
	if !errors.Is(err, want) || !errors.As(err, &e) || e.Op == "" || e.URI == "" {
		t.Errorf("%s: error %v (%T), want a *store.Error of %v", what, err, err, want)
	}
}

func testNames(t *testing.T, s store.Store) {
	names := []string{
		"plain.csv", "a b.csv", "new\nline", `back\slash`, "ünï/cödé/文件.jsonl", "*?[x]",
		"..dots", "dots..", "...", "-dash", "con", "a:b", "tab\t", strings.Repeat("n", 255),
		"deep/" + strings.Repeat("d/", 40) + "file", " ", "%2e%2e/x", "quote\"'",
	}
	for _, name := range names {
		mustPut(t, s, name, "in "+name)
	}
	for _, name := range names {
		wantContent(t, s, name, "in "+name)
		if !strings.Contains(s.URI(name), name) {
			t.Errorf("URI(%q) is %q, which does not show the name", name, s.URI(name))
		}
	}
	slices.Sort(names)
	wantList(t, s, "", names...)
}

func testBadNames(t *testing.T, s store.Store) {
	mustPut(t, s, "a/b", "there")
	for _, name := range []string{
		"", ".", "..", "/", "/a", "a/", "a//b", "./a", "a/./b", "a/../b", "../a", "a/..",
		"../../../../etc/passwd", "nul\x00byte", "bad\xffutf8",
	} {
		_, err := s.Stat(t.Context(), name)
		wantError(t, fmt.Sprintf("stat %q", name), err, store.ErrBadName)
		_, _, err = s.Open(t.Context(), name)
		wantError(t, fmt.Sprintf("open %q", name), err, store.ErrBadName)
		_, err = s.Create(t.Context(), name, store.New)
		wantError(t, fmt.Sprintf("create %q", name), err, store.ErrBadName)
		if name != "" {
			_, err = list(t.Context(), s, name)
			wantError(t, fmt.Sprintf("list %q", name), err, store.ErrBadName)
		}
	}
	wantList(t, s, "", "a/b")
}

func testEmpty(t *testing.T, s store.Store) {
	wantList(t, s, "")
	wantList(t, s, "no/such")
	_, err := s.Stat(t.Context(), "no/such")
	wantError(t, "stat", err, fs.ErrNotExist)
	_, _, err = s.Open(t.Context(), "no/such")
	wantError(t, "open", err, fs.ErrNotExist)
}

// testListOrder has names whose order as whole names is not that of a walk.
func testListOrder(t *testing.T, s store.Store) {
	want := []string{"a-b", "a.csv", "a/b-", "a/b.c/d", "a/b/c", "a/c", "a0", "b/z", "b0", "ab/x"}
	for i := len(want) - 1; i >= 0; i-- {
		mustPut(t, s, want[i], "x")
	}
	slices.Sort(want)
	wantList(t, s, "", want...)
}

func testListPrefix(t *testing.T, s store.Store) {
	for _, name := range []string{"a/b/1", "a/b/2", "a/bc", "a/c", "ab", "_x/.y"} {
		mustPut(t, s, name, name)
	}
	wantList(t, s, "a", "a/b/1", "a/b/2", "a/bc", "a/c")
	wantList(t, s, "a/b", "a/b/1", "a/b/2")
	wantList(t, s, "a/bc", "a/bc")
	wantList(t, s, "a/b/1/x")
	wantList(t, s, "_x", "_x/.y")
	for info, err := range s.List(t.Context(), "a") {
		if err != nil || info.Size != int64(len(info.Name)) {
			t.Errorf("listed %+v, %v", info, err)
		}
		if stat, err := s.Stat(t.Context(), info.Name); err != nil || stat != info {
			t.Errorf("stat %+v, %v; list said %+v", stat, err, info)
		}
	}
}

func testListStops(t *testing.T, s store.Store) {
	for i := range 5 {
		mustPut(t, s, fmt.Sprintf("d%d/f", i), "x")
	}
	for range s.List(t.Context(), "") {
		break // a yield after this one would panic
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	seen := 0
	var last error
	for _, err := range s.List(ctx, "") {
		seen++
		last = err
		cancel()
	}
	if !errors.Is(last, context.Canceled) || seen > 5 {
		t.Errorf("a cancelled list ended after %d steps with %v", seen, last)
	}
}

func testContents(t *testing.T, s store.Store) {
	big := bytes.Repeat([]byte("0123456789abcde\n"), 200_000) // 3.2 MB
	for name, data := range map[string][]byte{"empty": nil, "one": {0}, "big": big} {
		if err := put(t, s, name, store.New, data); err != nil {
			t.Fatal(err)
		}
		wantContent(t, s, name, string(data))
	}
	o, err := s.Create(t.Context(), "never written", store.New)
	if err != nil {
		t.Fatal(err)
	}
	if err := o.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantContent(t, s, "never written", "")
}

func testSmallWrites(t *testing.T, s store.Store) {
	o, err := s.Create(t.Context(), "o", store.New)
	if err != nil {
		t.Fatal(err)
	}
	defer o.Abort()
	var want []byte
	buf := make([]byte, 7)
	for i := range 3000 {
		for j := range buf {
			buf[j] = byte(i * (j + 1)) // the store must have copied the last piece
		}
		n, err := o.Write(buf[:i%8])
		if n != i%8 || err != nil {
			t.Fatalf("write %d: %d, %v", i, n, err)
		}
		want = append(want, buf[:i%8]...)
	}
	if err := o.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantContent(t, s, "o", string(want))
}

func testConcurrentNames(t *testing.T, s store.Store) {
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			name := fmt.Sprintf("d/%d/f", i%4*100+i)
			if err := put(t, s, name, store.New, []byte(name)); err != nil {
				t.Errorf("put %q: %v", name, err)
			}
			wantContent(t, s, name, name)
		})
	}
	wg.Wait()
}

// testConcurrentOneName: of many that create one object, one wins, and what is
// visible is all of what that one wrote.
func testConcurrentOneName(t *testing.T, s store.Store) {
	var wg sync.WaitGroup
	var mu sync.Mutex
	won := ""
	for i := range 8 {
		wg.Go(func() {
			data := strings.Repeat(fmt.Sprint(i), 10_000)
			err := put(t, s, "d/one", store.New, []byte(data))
			if err != nil {
				if !errors.Is(err, fs.ErrExist) {
					t.Errorf("put: %v", err)
				}
				return
			}
			mu.Lock()
			defer mu.Unlock()
			if won != "" {
				t.Error("two objects were created under one name")
			}
			won = data
		})
	}
	wg.Wait()
	wantContent(t, s, "d/one", won)
	wantList(t, s, "", "d/one")
}
