package s3

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/batchmill/batchmill/transform/store"
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
	s, m := newMemStore(t)
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
	if got := m.keys(); !slices.Equal(got, want) {
		t.Errorf("segments %q", got)
	}
	if got := m.objects[want[2]].meta.Get("X-Amz-Meta-Batchmill-Job"); got != "job1" {
		t.Errorf("the segment is marked as %q's", got)
	}
	b := mustAppend(t, s, "log", 8)
	add(t, b, "three")
	if got := readWhole(t, s, "log"); got != "one two three" {
		t.Errorf("the log holds %q", got)
	}
}

func TestSyncIsAtOnceThreeRequests(t *testing.T) {
	s, m := newMemStore(t)
	a := mustAppend(t, s, "log", 0)
	for _, op := range []string{"put", "head", "list"} {
		m.counted(op)
	}
	add(t, a, "x")
	if m.counted("put") != 1 || m.counted("head") != 1 || m.counted("list") != 1 {
		t.Error("a sync is not a put and two looks")
	}
}

// What befalls the put of a segment, and what must come of it.
func TestSegmentPut(t *testing.T) {
	tests := []struct {
		name  string
		fault memFault
		times int // how many puts it befalls
		held  bool
	}{
		{"lost reply", memFault{apply: true}, 1, true}, // the SDK's next attempt meets our own: 412 own
		{"lost reply, all attempts", memFault{apply: true}, 3, true},
		{"lost request, all attempts", memFault{}, 3, true},
		{"lost request for ever", memFault{}, 99, false},
		{"500 and made", memFault{true, 500, "InternalError"}, 3, true},
		{"503 and not made", memFault{false, 503, "SlowDown"}, 3, true},
		{"409 and made", memFault{true, 409, "ConditionalRequestConflict"}, 1, true},
		{"409 and not made", memFault{false, 409, "ConditionalRequestConflict"}, 2, true},
		{"412 and nothing there", memFault{false, 412, "PreconditionFailed"}, 1, true},
		{"BadDigest once", memFault{false, 400, "BadDigest"}, 1, true},
		{"403", memFault{false, 403, "AccessDenied"}, 1, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, m := newMemStore(t)
				a := mustAppend(t, s, "log", 0)
				left := test.times
				m.fault = func(op, key string) *memFault {
					if op != "put" || left == 0 {
						return nil
					}
					left--
					return &test.fault
				}
				err := tryAdd(a, "one ")
				m.fault = nil
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
	s, m := newMemStore(t)
	a := mustAppend(t, s, "log", 0)
	add(t, a, "one ")
	b := mustAppend(t, s, "log", 4)
	before := m.keys()
	wantFailure(t, tryAdd(a, "behind"), store.ErrSuperseded, a) // 412 foreign
	if !slices.Equal(before, m.keys()) {
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
	s, m := newMemStore(t)
	a := mustAppend(t, s, "log", 0)
	add(t, a, "one ")
	before := m.keys()
	_, err := s.Append(t.Context(), "log", 0)
	wantFailure(t, err, store.ErrGrown, nil)
	if !slices.Equal(m.keys(), before) {
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
		s, m := newMemStore(t)
		a := mustAppend(t, s, "log", 0)
		add(t, a, "one ")
		asked := false
		late := m.store("out/", 1, func(r *http.Request) (*http.Response, error) {
			if op, _ := operation(r); op == "put" && !asked {
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
	s, m := newMemStore(t)
	a := mustAppend(t, s, "log", 0)
	add(t, a, "one ")
	for _, size := range []int64{-1, 1, 5} {
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
	if got := m.keys(); !slices.Equal(got, []string{"out/log/0000000003"}) {
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
	s, _ := newMemStore(t)
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
	s, m := newMemStore(t)
	for _, name := range []string{"", ".", "../x", "a/../../x", "/x", "a\x00"} {
		_, err := s.Append(t.Context(), name, 0)
		wantFailure(t, err, store.ErrBadName, nil)
		_, _, err = s.ReadLog(t.Context(), name)
		wantFailure(t, err, store.ErrBadName, nil)
		wantFailure(t, s.Remove(t.Context(), name), store.ErrBadName, nil)
		_, err = s.Spill(t.Context(), name)
		wantFailure(t, err, store.ErrBadName, nil)
	}
	if len(m.requests) > 0 || strings.Join(m.keys(), "") != "" {
		t.Errorf("requests were made: %v", m.requests)
	}
}
