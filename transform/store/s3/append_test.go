package s3

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/batchmill/batchmill/transform/store"
	"github.com/batchmill/batchmill/transform/store/s3/s3test"
)

// readWhole reads a log, "" where there is none.
func readWhole(t *testing.T, s *Store, name string) string {
	t.Helper()
	r, info, err := s.ReadLog(t.Context(), name)
	if errors.Is(err, fs.ErrNotExist) {
		return ""
	}
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	data, err := io.ReadAll(r)
	if err != nil || int64(len(data)) != info.Size {
		t.Fatalf("%d bytes of %d, %v", len(data), info.Size, err)
	}
	return string(data)
}

func mustAppend(t *testing.T, s *Store, name string, seen int64) store.Appender {
	t.Helper()
	a, err := s.Append(t.Context(), name, seen)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// add writes data as a segment.
func add(t *testing.T, a store.Appender, data string) {
	t.Helper()
	if err := tryAdd(a, data); err != nil {
		t.Fatal(err)
	}
}

func tryAdd(a store.Appender, data string) error {
	if _, err := a.Write([]byte(data)); err != nil {
		return err
	}
	return a.Sync()
}

// wantFailure checks that err is want in a *store.Error, and that the appender is of no use any more.
func wantFailure(t *testing.T, err, want error, broken store.Appender) {
	t.Helper()
	var e *store.Error
	if !errors.Is(err, want) || !errors.As(err, &e) || e.Op == "" || e.URI == "" {
		t.Errorf("error %v (%T), want a *store.Error of %v", err, err, want)
	}
	if broken == nil {
		return
	}
	if _, err := broken.Write([]byte("x")); !errors.Is(err, want) {
		t.Errorf("write after the error: %v", err)
	}
	if err := broken.Sync(); !errors.Is(err, want) {
		t.Errorf("sync after the error: %v", err)
	}
}

func TestLogGrowsBySegments(t *testing.T) {
	m, s := newBucket(Options{})
	s.Own("job1")
	a := mustAppend(t, s, "log", 0)
	if got := readWhole(t, s, "log"); got != "" {
		t.Errorf("a new log holds %q", got)
	}
	if _, info, err := s.ReadLog(t.Context(), "log"); err != nil || info.Size != 0 || info.Name != "log" {
		t.Errorf("a new log: %+v, %v", info, err)
	}
	buf := []byte("one ")
	a.Write(buf)
	copy(buf, "XXXX")
	for range 2 {
		if err := a.Sync(); err != nil { // once with nothing
			t.Fatal(err)
		}
	}
	add(t, a, "two ")
	a.Write([]byte("lost"))
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	wantFailure(t, a.Sync(), fs.ErrClosed, a)
	if got := readWhole(t, s, "log"); got != "one two " {
		t.Errorf("the log holds %q", got)
	}
	want := []string{"out/log/0000000001", "out/log/0000000002", "out/log/0000000003"}
	if got := m.Keys(); !slices.Equal(got, want) {
		t.Errorf("segments %q", got)
	}
	if got := m.Get(want[2]).Meta[metaJob]; got != "job1" {
		t.Errorf("the segment is marked as %q's", got)
	}
	b := mustAppend(t, s, "log", 8)
	add(t, b, "three")
	if got := readWhole(t, s, "log"); got != "one two three" {
		t.Errorf("the log holds %q", got)
	}
}

func TestSyncIsAtOnceThreeRequests(t *testing.T) {
	m, s := newBucket(Options{})
	a := mustAppend(t, s, "log", 0)
	m.Forget()
	add(t, a, "x")
	if m.Count("put") != 1 || m.Count("head") != 1 || m.Count("list") != 1 {
		t.Error("a sync is not a put and two looks")
	}
}

// What befalls the put of a segment, and what must come of it.
func TestSegmentPut(t *testing.T) {
	tests := []struct {
		name  string
		fault string
		times int // how many puts it befalls
		held  bool
	}{
		{"lost reply", "done lost", 1, true}, // the SDK's next attempt meets our own: 412 own
		{"lost reply, all attempts", "done lost", 3, true},
		{"lost request, all attempts", "lost", 3, true},
		{"lost request for ever", "lost", 99, false},
		{"500 and made", "done InternalError", 3, true},
		{"503 and not made", "SlowDown", 3, true},
		{"409 and made", "done ConditionalRequestConflict", 1, true},
		{"409 and not made", "ConditionalRequestConflict", 2, true},
		{"412 and nothing there", "PreconditionFailed", 1, true},
		{"BadDigest once", "BadDigest", 1, true},
		{"403", "AccessDenied", 1, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m, s := newBucket(Options{})
				a := mustAppend(t, s, "log", 0)
				left := test.times
				m.Fault = func(op s3test.Op, key string, n int) string {
					if op != "put" || left == 0 {
						return ""
					}
					left--
					return test.fault
				}
				err := tryAdd(a, "one ")
				m.Fault = nil
				if !test.held {
					if err == nil || a.Sync() == nil {
						t.Errorf("sync: %v, and then not", err)
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				add(t, a, "two")
				if got := readWhole(t, s, "log"); got != "one two" {
					t.Errorf("the log holds %q", got)
				}
			})
		})
	}
}

func TestTakenOver(t *testing.T) {
	m, s := newBucket(Options{})
	a := mustAppend(t, s, "log", 0)
	add(t, a, "one ")
	b := mustAppend(t, s, "log", 4)
	before := m.Keys()
	wantFailure(t, tryAdd(a, "behind"), store.ErrSuperseded, a) // 412 foreign
	if !slices.Equal(before, m.Keys()) {
		t.Error("the older run left something")
	}
	add(t, b, "two")
	if got := readWhole(t, s, "log"); got != "one two" {
		t.Errorf("the log holds %q", got)
	}
	for _, end := range []func() error{a.Close, b.Close} {
		if err := end(); err != nil {
			t.Error(err)
		}
	}
}

func TestGrownFencesOnlyWhoWasRead(t *testing.T) {
	m, s := newBucket(Options{})
	a := mustAppend(t, s, "log", 0)
	add(t, a, "one ")
	before := m.Keys()
	_, err := s.Append(t.Context(), "log", 0)
	wantFailure(t, err, store.ErrGrown, nil)
	if !slices.Equal(m.Keys(), before) {
		t.Error("who has read nothing claimed the log")
	}
	add(t, a, "two ")
	_, err = s.Append(t.Context(), "log", 4)
	wantFailure(t, err, store.ErrGrown, nil)
	wantFailure(t, tryAdd(a, "three"), store.ErrSuperseded, a)
	_, err = s.Append(t.Context(), "log", 99) // it was longer
	wantFailure(t, err, store.ErrGrown, nil)
	add(t, mustAppend(t, s, "log", 8), "four")
	if got := readWhole(t, s, "log"); got != "one two four" {
		t.Errorf("the log holds %q", got)
	}
}

// TestGrownWhileClaiming: the older run goes on between the listing and the claim.
func TestGrownWhileClaiming(t *testing.T) {
	for _, test := range []struct {
		name, grows string
		cut         bool
		want        string
	}{
		{"grown", "two ", false, "one two "},
		{"cut and grown", "two ", true, "two "},
		{"cut", "", true, ""},
	} {
		m, s := newBucket(Options{})
		a := mustAppend(t, s, "log", 0)
		add(t, a, "one ")
		asked := false
		late := storeOver(Options{Attempts: 1}, func(r *http.Request) (*http.Response, error) {
			if op, _, _ := s3test.Operation(r); op == "put" && !asked {
				asked = true
				if test.cut {
					if err := a.Truncate(0); err != nil {
						t.Fatal(err)
					}
				}
				add(t, a, test.grows)
			}
			return m.Do(r)
		})
		_, err := late.Append(t.Context(), "log", 4)
		wantFailure(t, err, store.ErrGrown, nil)
		wantFailure(t, tryAdd(a, "three"), store.ErrSuperseded, a)
		if got := readWhole(t, s, "log"); got != test.want {
			t.Errorf("%s: the log holds %q, want %q", test.name, got, test.want)
		}
		mustAppend(t, late, "log", int64(len(test.want)))
	}
}

func TestCutToNothing(t *testing.T) {
	m, s := newBucket(Options{})
	a := mustAppend(t, s, "log", 0)
	add(t, a, "one ")
	for _, size := range []int64{-1, 5} {
		if a.Truncate(size) == nil {
			t.Errorf("cut to %d of 4 bytes", size)
		}
	}
	a.Write([]byte("lost"))
	for _, size := range []int64{8, 4, 4} { // as it is; without what was not synced
		if err := a.Truncate(size); err != nil {
			t.Error(err)
		}
	}
	if err := a.Sync(); err != nil || readWhole(t, s, "log") != "one " {
		t.Errorf("the log holds %q, %v", readWhole(t, s, "log"), err)
	}
	if err := a.Truncate(0); err != nil {
		t.Fatal(err)
	}
	if got := m.Keys(); !slices.Equal(got, []string{"out/log/0000000003"}) {
		t.Errorf("left are %q", got)
	}
	add(t, a, "anew")
	if got := readWhole(t, s, "log"); got != "anew" {
		t.Errorf("the log holds %q", got)
	}
	old := mustAppend(t, s, "log", 4)
	add(t, mustAppend(t, s, "log", 4), " again")
	wantFailure(t, old.Truncate(0), store.ErrSuperseded, old)
	if got := readWhole(t, s, "log"); got != "anew again" {
		t.Errorf("the log holds %q", got)
	}
}

func TestSyncOutlivesTheRun(t *testing.T) {
	_, s := newBucket(Options{})
	ctx, cancel := context.WithCancel(t.Context())
	a, err := s.Append(ctx, "log", 0)
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	add(t, a, "the last answers")
	if _, err := s.Append(ctx, "log", 16); err != context.Canceled {
		t.Errorf("append by an ended run: %v", err)
	}
}

func TestAppendNames(t *testing.T) {
	m, s := newBucket(Options{})
	for _, name := range []string{"", ".", "../x", "a/../../x", "/x", "a\x00"} {
		_, err := s.Append(t.Context(), name, 0)
		wantFailure(t, err, store.ErrBadName, nil)
		_, _, err = s.ReadLog(t.Context(), name)
		wantFailure(t, err, store.ErrBadName, nil)
		wantFailure(t, s.Remove(t.Context(), name), store.ErrBadName, nil)
		_, err = s.Spill(t.Context(), name)
		wantFailure(t, err, store.ErrBadName, nil)
	}
	if n := m.Requests(); n > 0 || len(m.Keys()) > 0 {
		t.Errorf("%d requests were made", n)
	}
}

// TestAppendCancelled: the end of a context is told as it is where it cuts off the
// look at what became of a segment.
func TestAppendCancelled(t *testing.T) {
	m, s := newBucket(Options{})
	ctx, cancel := context.WithCancel(t.Context())
	put := false
	m.Fault = func(op s3test.Op, key string, n int) string {
		if put {
			cancel()
			return "lost"
		}
		put = op == "put"
		return map[bool]string{true: "PreconditionFailed"}[put]
	}
	if _, err := s.Append(ctx, "log", 0); err != context.Canceled {
		t.Errorf("append: %v", err)
	}
}
