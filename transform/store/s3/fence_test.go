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
)

// TestAsleep: the log of a run that slept is cut or removed, and begun anew up
// to some length. When it wakes up its number is free again, or not.
func TestAsleep(t *testing.T) {
	for _, cut := range []bool{false, true} {
		for length := range 8 {
			t.Run(fmt.Sprintf("cut %t, %d segments", cut, length), func(t *testing.T) {
				s, m := newMemStore(t)
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
				before, log := m.keys(), readWhole(t, s, "log")
				wantFailure(t, tryAdd(a, "behind"), store.ErrSuperseded, a)
				if got := readWhole(t, s, "log"); got != log {
					t.Errorf("the log holds %q, was %q", got, log)
				}
				if left := m.keys(); !slices.Equal(left, before) {
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
					s, m := newMemStore(t)
					a := mustAppend(t, s, "log", 0)
					add(t, a, "one ")
					add(t, a, "two ")
					ctx, cancel := context.WithCancel(t.Context())
					defer cancel()
					left := n
					m.fault = func(op, key string) *memFault {
						if left--; left >= 0 {
							return nil
						}
						cancel()
						return &memFault{apply: apply && left == -1}
					}
					err := p.run(ctx, s)
					m.fault = nil
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
		s, m := newMemStore(t)
		a := mustAppend(t, s, "log", 0)
		add(t, a, "one ")
		woken := false
		remover := m.store("out/", 1, func(r *http.Request) (*http.Response, error) {
			if op, _ := operation(r); op == "deletes" {
				body, _ := io.ReadAll(r.Body)
				for _, key := range m.keys()[1:] { // what the request names, but for the first segment
					if strings.Contains(string(body), key) {
						delete(m.objects, key)
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
	s, m := newMemStore(t)
	older := mustAppend(t, s, "log", 0)
	add(t, older, "one")
	m.mu.Lock()
	for key := range m.objects {
		if !strings.HasSuffix(key, segmentName("log", 2)) {
			delete(m.objects, key)
		}
	}
	m.mu.Unlock()
	if _, _, err := s.ReadLog(t.Context(), "log"); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("a stray segment is read as a log: %v", err)
	}
	add(t, mustAppend(t, s, "log", 0), "new")
	if got := readWhole(t, s, "log"); got != "new" {
		t.Errorf("the log holds %q", got)
	}
}
