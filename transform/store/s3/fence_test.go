package s3

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/batchmill/batchmill/transform/store"
	"github.com/batchmill/batchmill/transform/store/s3/s3test"
)

// TestAsleep: the log of a run that slept is cut or removed, and begun anew up
// to some length. When it wakes up its number is free again, or not.
func TestAsleep(t *testing.T) {
	for _, cut := range []bool{false, true} {
		for length := range 8 {
			t.Run(fmt.Sprintf("cut %t, %d segments", cut, length), func(t *testing.T) {
				m, s := newBucket(Options{})
				a := mustAppend(t, s, "log", 0)
				for range 4 {
					add(t, a, "old ")
				}
				b := mustAppend(t, s, "log", 16)
				add(t, b, "done")
				var err error
				if cut {
					err = b.Truncate(0)
				} else {
					err = s.Remove(t.Context(), "log")
				}
				if err != nil {
					t.Fatal(err)
				}
				if length > 0 {
					c := mustAppend(t, s, "log", 0)
					for range length - 1 {
						add(t, c, "new ")
					}
				}
				before, log := m.Keys(), readWhole(t, s, "log")
				wantFailure(t, tryAdd(a, "behind"), store.ErrSuperseded, a)
				if got := readWhole(t, s, "log"); got != log {
					t.Errorf("the log holds %q, was %q", got, log)
				}
				if left := m.Keys(); !slices.Equal(left, before) {
					t.Errorf("left are %q of %q", left, before)
				}
				add(t, mustAppend(t, s, "log", int64(len(log))), "end")
				if got := readWhole(t, s, "log"); got != log+"end" {
					t.Errorf("the log holds %q", got)
				}
			})
		}
	}
}

// TestEveryRequestLost: at each request of a takeover, a cut and a removal in
// turn, the process dies, before or after the service carried it out. The next one
// finds the old log, the new one, or none.
func TestEveryRequestLost(t *testing.T) {
	programs := []struct {
		name string
		run  func(context.Context, *Store) error
		may  []string
	}{
		{"append", func(ctx context.Context, s *Store) error {
			a, err := s.Append(ctx, "log", 8)
			if err != nil {
				return err
			}
			return tryAdd(a, "three")
		}, []string{"one two ", "one two three"}},
		{"cut", func(ctx context.Context, s *Store) error {
			a, err := s.Append(ctx, "log", 8)
			if err == nil {
				err = a.Truncate(0)
			}
			if err != nil {
				return err
			}
			return tryAdd(a, "anew")
		}, []string{"one two ", "", "anew"}},
		{"remove", func(ctx context.Context, s *Store) error { return s.Remove(ctx, "log") }, []string{"one two ", ""}},
	}
	for _, p := range programs {
		for n, dead := 0, true; dead; n++ {
			for _, apply := range []bool{false, true} {
				synctest.Test(t, func(t *testing.T) {
					m, s := newBucket(Options{})
					a := mustAppend(t, s, "log", 0)
					add(t, a, "one ")
					add(t, a, "two ")
					ctx, cancel := context.WithCancel(t.Context())
					defer cancel()
					left := n
					m.Fault = func(op s3test.Op, key string, n int) string {
						if left--; left >= 0 {
							return ""
						}
						cancel()
						return map[bool]string{false: "lost", true: "done lost"}[apply && left == -1]
					}
					err := p.run(ctx, s)
					m.Fault = nil
					if dead = left < 0; dead == (err == nil) {
						t.Fatalf("%s, dead at request %d: %v", p.name, n, err)
					}
					got := readWhole(t, s, "log")
					if !slices.Contains(p.may, got) {
						t.Errorf("%s, dead at request %d: the log holds %q", p.name, n, got)
					}
					add(t, mustAppend(t, s, "log", int64(len(got))), "end")
					if again := readWhole(t, s, "log"); again != got+"end" {
						t.Errorf("%s, dead at request %d: the log holds %q then", p.name, n, again)
					}
				})
			}
		}
	}
}

// TestAwakeAmidDeletes: a run that slept wakes up when its number is deleted
// already, and the first segment is not: one request deletes in any order.
func TestAwakeAmidDeletes(t *testing.T) {
	for _, cut := range []bool{false, true} {
		m, s := newBucket(Options{})
		a := mustAppend(t, s, "log", 0)
		add(t, a, "one ")
		woken := false
		remover := storeOver(Options{Attempts: 1}, func(r *http.Request) (*http.Response, error) {
			if op, _, _ := s3test.Operation(r); op == "delete-many" {
				body, _ := io.ReadAll(r.Body)
				for _, key := range m.Keys()[1:] { // what the request names, but for the first segment
					if strings.Contains(string(body), key) {
						m.Delete(key)
					}
				}
				woken = true
				wantFailure(t, tryAdd(a, "behind"), store.ErrSuperseded, a)
				r.Body = io.NopCloser(bytes.NewReader(body))
			}
			return m.Do(r)
		})
		b := mustAppend(t, remover, "log", 4)
		add(t, b, "two ")
		var err error
		if cut {
			err = b.Truncate(0)
		} else {
			err = remover.Remove(t.Context(), "log")
		}
		if err != nil || !woken {
			t.Errorf("cut %t: %v, woken %t", cut, err, woken)
		}
		if got := readWhole(t, s, "log"); got != "" {
			t.Errorf("cut %t: the log holds %q", cut, got)
		}
	}
}

// TestStraySegment: a run that woke up after its log was removed, put a segment
// and died, leaves no damage: there is no log, and the next one begins behind it.
func TestStraySegment(t *testing.T) {
	m, s := newBucket(Options{})
	older := mustAppend(t, s, "log", 0)
	add(t, older, "one")
	for _, key := range m.Keys() {
		if !strings.HasSuffix(key, segmentName("log", 2)) {
			m.Delete(key)
		}
	}
	if _, _, err := s.ReadLog(t.Context(), "log"); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("a stray segment is read as a log: %v", err)
	}
	add(t, mustAppend(t, s, "log", 0), "new")
	if got := readWhole(t, s, "log"); got != "new" {
		t.Errorf("the log holds %q", got)
	}
}

// TestSameSizeAnotherLog: a log that was removed and begun anew is another one,
// though it is as long as the one that was read.
func TestSameSizeAnotherLog(t *testing.T) {
	m, s := newBucket(Options{})
	add(t, mustAppend(t, s, "log", 0), "old ")
	readWhole(t, s, "log")
	other := storeOver(Options{}, m.Do)
	if err := other.Remove(t.Context(), "log"); err != nil {
		t.Fatal(err)
	}
	add(t, mustAppend(t, other, "log", 0), "new ")
	_, err := s.Append(t.Context(), "log", 4)
	wantFailure(t, err, store.ErrGrown, nil)
}

// TestWithdrawAmidOthers: a run that slept takes its segment back, and meanwhile
// another run has its number, or has claimed the log that the segment was to begin.
func TestWithdrawAmidOthers(t *testing.T) {
	for _, cut := range []bool{false, true} {
		m, s := newBucket(Options{})
		looks := -100
		var b store.Appender
		sleeper := storeOver(Options{}, func(r *http.Request) (*http.Response, error) {
			if r.Method == http.MethodHead {
				looks++
			}
			if r.Method == http.MethodHead && looks == 2 { // the first is at the log's beginning
				if !cut {
					if err := s.Remove(t.Context(), "log"); err != nil {
						t.Fatal(err)
					}
				}
				b = mustAppend(t, s, "log", 0)
				add(t, b, "new ")
				add(t, b, "newer ")
			}
			return m.Do(r)
		})
		a := mustAppend(t, sleeper, "log", 0)
		add(t, a, "old ")
		if err := s.Remove(t.Context(), "log"); err != nil {
			t.Fatal(err)
		}
		looks = 0
		if cut {
			wantFailure(t, a.Truncate(0), store.ErrSuperseded, a)
		} else {
			wantFailure(t, tryAdd(a, "behind"), store.ErrSuperseded, a)
		}
		add(t, b, "newest")
		if got := readWhole(t, s, "log"); got != "new newer newest" {
			t.Errorf("cut %t: the log holds %q", cut, got)
		}
	}
}

// TestAsleepAmidRemoval: a run sleeps while it removes a log, and wakes up when the
// log is gone and another stands there, with the same numbers. That log stays.
func TestAsleepAmidRemoval(t *testing.T) {
	m, s := newBucket(Options{})
	add(t, mustAppend(t, s, "log", 0), "old ")
	lists := 0
	sleeper := storeOver(Options{}, func(r *http.Request) (*http.Response, error) {
		if op, _, _ := s3test.Operation(r); op == s3test.List {
			lists++
		}
		if lists == 3 { // what is left once the listed segments are gone
			lists++
			if err := s.Remove(t.Context(), "log"); err != nil {
				t.Fatal(err)
			}
			add(t, mustAppend(t, s, "log", 0), "new ")
		}
		return m.Do(r)
	})
	err := sleeper.Remove(t.Context(), "log")
	if got := readWhole(t, s, "log"); got != "new " || !errors.Is(err, store.ErrSuperseded) {
		t.Errorf("the log holds %q, %v", got, err)
	}
}
