package storetest_test

import (
	"context"
	"errors"
	"io"
	"maps"
	"slices"
	"testing"

	"github.com/batchmill/batchmill/transform/store"
	"github.com/batchmill/batchmill/transform/store/storetest"
)

var errFault = errors.New("injected")

func TestFaultyThatNeverFailsConforms(t *testing.T) {
	storetest.Conform(t, func(*testing.T) store.Store {
		return storetest.FailAt(store.NewMemory(), -1, errFault)
	})
}

// keeper is what the test's little program needs.
type keeper interface {
	store.Store
	store.Keeper
	store.Locker
}

// program copies every object below in to out, and logs that it did. It has
// one of every operation, in an order that is always the same.
func program(ctx context.Context, s keeper) error {
	unlock, err := s.Lock(ctx, "lock")
	if err != nil {
		return err
	}
	defer unlock()
	if err := s.Remove(ctx, "out"); err != nil {
		return err
	}
	log, err := s.Append(ctx, "log", 1<<40)
	if err != nil {
		return err
	}
	defer log.Close()
	if err := log.Truncate(0); err != nil {
		return err
	}
	for info, err := range s.List(ctx, "in") {
		if err != nil {
			return err
		}
		if err := copyObject(ctx, s, info.Name); err != nil {
			return err
		}
		if _, err := io.WriteString(log, info.Name+"\n"); err != nil {
			return err
		}
	}
	return log.Sync()
}

func copyObject(ctx context.Context, s store.Store, name string) error {
	if _, err := s.Stat(ctx, name); err != nil {
		return err
	}
	r, _, err := s.Open(ctx, name)
	if err != nil {
		return err
	}
	defer r.Close()
	data, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	o, err := s.Create(ctx, "out/"+name, store.New)
	if err != nil {
		return err
	}
	defer o.Abort()
	if _, err := o.Write(data); err != nil {
		return err
	}
	return o.Commit(ctx)
}

func inputs(t *testing.T) *store.Memory {
	t.Helper()
	m := store.NewMemory()
	for _, name := range []string{"in/a", "in/b"} {
		if err := m.Put(name, []byte("content of "+name)); err != nil {
			t.Fatal(err)
		}
	}
	return m
}

// ops is how many operations program takes: lock, remove, append, truncate,
// sync, 3 list steps, and for each of 2 objects stat, open, 2 reads, create,
// write, commit and a write to the log.
const ops = 5 + 3 + 2*8

func TestFailAtEveryOperation(t *testing.T) {
	said := map[string]int{}
	for n := int64(0); ; n++ {
		f := storetest.FailAt(inputs(t), n, errFault)
		err := program(t.Context(), f)
		if f.Fired() != (err != nil) {
			t.Fatalf("operation %d: fired %v, reported %v", n, f.Fired(), err)
		}
		if err == nil {
			if f.Ops() != ops || n != ops {
				t.Errorf("%d operations of which %d can fail, want %d", f.Ops(), n, ops)
			}
			break
		}
		var e *store.Error
		if !errors.Is(err, errFault) || !errors.As(err, &e) {
			t.Fatalf("operation %d: %v is no *store.Error of the fault", n, err)
		}
		said[e.Op]++
	}
	want := map[string]int{"lock": 1, "remove": 1, "append": 1, "truncate": 1, "sync": 1, "list": 3,
		"stat": 2, "open": 2, "read": 4, "create": 2, "write": 4, "commit": 2}
	if !maps.Equal(said, want) {
		t.Errorf("faults by operation: %v, want %v", said, want)
	}
}

func TestFailFromIsTheEnd(t *testing.T) {
	for n := range int64(ops) {
		m := inputs(t)
		f := storetest.FailFrom(m, n, errFault)
		if err := program(t.Context(), f); !errors.Is(err, errFault) {
			t.Fatalf("operation %d: %v", n, err)
		}
		before := m.Snapshot()
		if err := program(t.Context(), f); !errors.Is(err, errFault) {
			t.Fatalf("operation %d: it works again: %v", n, err)
		}
		if !slices.Equal(slices.Sorted(maps.Keys(before)), slices.Sorted(maps.Keys(m.Snapshot()))) {
			t.Fatalf("operation %d: something was written after the end", n)
		}
		m.Crash()
		if err := program(t.Context(), m); err != nil {
			t.Fatalf("operation %d: again after the crash: %v", n, err)
		}
	}
}

func TestFailAfterHasDoneIt(t *testing.T) {
	m := store.NewMemory()
	f := storetest.FailAfter(m, 2, errFault) // create, write, commit
	o, err := f.Create(t.Context(), "o", store.New)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := o.Write([]byte("whole")); err != nil {
		t.Fatal(err)
	}
	if err := o.Commit(t.Context()); !errors.Is(err, errFault) {
		t.Errorf("commit: %v", err)
	}
	if got := string(m.Snapshot()["o"]); got != "whole" {
		t.Errorf("the object holds %q, though only the reply was to be lost", got)
	}
}

func TestFaultIsFinalAndTearsWrites(t *testing.T) {
	m := store.NewMemory()
	f := storetest.FailAt(m, 1, errFault)
	a, err := f.Append(t.Context(), "log", 1<<40)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := a.Write([]byte("abcdef")); n != 3 || !errors.Is(err, errFault) {
		t.Errorf("write: %d, %v; want half of it", n, err)
	}
	if got := string(m.Snapshot()["log"]); got != "abc" {
		t.Errorf("the log holds %q", got)
	}
	_, writeErr := a.Write([]byte("x"))
	for what, err := range map[string]error{"write": writeErr, "sync": a.Sync(), "truncate": a.Truncate(0)} {
		if !errors.Is(err, errFault) {
			t.Errorf("%s after the failure: %v", what, err)
		}
	}
	if got := string(m.Snapshot()["log"]); got != "abc" {
		t.Errorf("the log was changed after the failure: %q", got)
	}
}

// bare hides that a store is a Keeper.
type bare struct{ store.Store }

func TestFaultyOfAStoreThatKeepsNothing(t *testing.T) {
	f := storetest.FailAt(bare{store.NewMemory()}, -1, errFault)
	_, appendErr := f.Append(t.Context(), "a", 1<<40)
	_, spillErr := f.Spill(t.Context(), "a")
	for _, err := range []error{appendErr, spillErr, f.Remove(t.Context(), "a")} {
		if !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("error %v, want %v", err, errors.ErrUnsupported)
		}
	}
}
