package storetest

import (
	"context"
	"errors"
	"io/fs"
	"testing"

	"github.com/batchmill/batchmill/transform/store"
)

// testNew: nothing is visible before Commit, and what is there stays there.
func testNew(t *testing.T, s store.Store) {
	o, err := s.Create(t.Context(), "d/o", store.New)
	if err != nil {
		t.Fatal(err)
	}
	defer o.Abort()
	if _, err := o.Write([]byte("first")); err != nil {
		t.Fatal(err)
	}
	wantNothing(t, s, "d/o")
	mustPut(t, s, "d/o", "second, but committed first")
	wantError(t, "commit", o.Commit(t.Context()), fs.ErrExist)
	wantContent(t, s, "d/o", "second, but committed first")
	wantList(t, s, "", "d/o")
}

func wantNothing(t *testing.T, s store.Store, name string) {
	t.Helper()
	_, err := s.Stat(t.Context(), name)
	wantError(t, "stat", err, fs.ErrNotExist)
	_, _, err = s.Open(t.Context(), name)
	wantError(t, "open", err, fs.ErrNotExist)
	wantList(t, s, "")
}

// testReplace: a reader meets the old object or the new one, whole, and one that
// has begun to read the old one reads it to the end.
func testReplace(t *testing.T, s store.Store) {
	mustPut(t, s, "d/o", "old and longer")
	r, _, err := s.Open(t.Context(), "d/o")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	o, err := s.Create(t.Context(), "d/o", store.Replace)
	if err != nil {
		t.Fatal(err)
	}
	defer o.Abort()
	if _, err := o.Write([]byte("new")); err != nil {
		t.Fatal(err)
	}
	wantContent(t, s, "d/o", "old and longer")
	if err := o.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantContent(t, s, "d/o", "new")
	buf := make([]byte, 3)
	if n, err := r.Read(buf); n != 3 || err != nil || string(buf) != "old" {
		t.Errorf("a reader of the old object got %q, %v", buf[:n], err)
	}
	if err := put(t, s, "d/other", store.Replace, []byte("x")); err != nil {
		t.Errorf("replace of nothing: %v", err)
	}
	wantList(t, s, "", "d/o", "d/other")
}

func testAbort(t *testing.T, s store.Store) {
	for range 2 { // a second try finds nothing of the first
		o, err := s.Create(t.Context(), "d/o", store.New)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := o.Write([]byte("half")); err != nil {
			t.Fatal(err)
		}
		if err := o.Abort(); err != nil {
			t.Fatal(err)
		}
		wantNothing(t, s, "d/o")
		if o.Commit(t.Context()) == nil {
			t.Error("commit after abort succeeded")
		}
		wantNothing(t, s, "d/o")
		if err := o.Abort(); err != nil {
			t.Errorf("second abort: %v", err)
		}
	}
	mustPut(t, s, "d/o", "whole")
	wantContent(t, s, "d/o", "whole")
}

func testCancelled(t *testing.T, s store.Store) {
	ctx, cancel := context.WithCancel(t.Context())
	o, err := s.Create(ctx, "d/o", store.Replace)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := o.Write([]byte("half")); err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := o.Commit(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("commit: %v, want %v", err, context.Canceled)
	}
	wantNothing(t, s, "d/o")
	if o.Commit(t.Context()) == nil {
		t.Error("a second commit succeeded, though a failed one is final")
	}
	if err := o.Abort(); err != nil {
		t.Errorf("abort: %v", err)
	}
	wantNothing(t, s, "d/o")
	_, err = s.Create(ctx, "p", store.New)
	wantCancelled(t, "create", err)
	_, err = s.Stat(ctx, "p")
	wantCancelled(t, "stat", err)
	_, _, err = s.Open(ctx, "p")
	wantCancelled(t, "open", err)
	_, err = list(ctx, s, "")
	wantCancelled(t, "list", err)
}

func wantCancelled(t *testing.T, what string, err error) {
	t.Helper()
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%s with a dead context: %v", what, err)
	}
}

// testFinal: after Commit an object takes no more, and Abort undoes nothing.
func testFinal(t *testing.T, s store.Store) {
	o, err := s.Create(t.Context(), "o", store.New)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := o.Write([]byte("all")); err != nil {
		t.Fatal(err)
	}
	if err := o.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := o.Write([]byte(" and more")); err == nil {
		t.Error("write after commit succeeded")
	}
	if o.Commit(t.Context()) == nil {
		t.Error("second commit succeeded")
	}
	if err := o.Abort(); err != nil {
		t.Errorf("abort after commit: %v", err)
	}
	wantContent(t, s, "o", "all")
	wantList(t, s, "", "o")
}
