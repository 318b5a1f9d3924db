// Package storetest tests stores, and what uses them: [Conform] is one suite
// for every implementation, and [Faulty] is a store that fails on purpose.
package storetest

import (
	"context"
	"errors"
	"iter"
	"sync/atomic"

	"github.com/batchmill/batchmill/transform/store"
)

var (
	_ store.Store  = (*Faulty)(nil)
	_ store.Keeper = (*Faulty)(nil)
	_ store.Locker = (*Faulty)(nil)
)

// Faulty passes everything on to another store and counts the operations:
// every step of a List (its beginning and each object), Stat, Open, Read,
// Create, Write, Commit, Append, Sync, Truncate, Remove and Lock. The first is
// number 0. Closing, Abort and unlocking are not counted: nobody can do much
// about their errors. A failing Write leaves half of its bytes behind.
// An object or appender that the fault has struck fails for good, so that
// whoever goes on using one finds out.
//
// It keeps working state only if the other store does.
type Faulty struct {
	store store.Store
	from  int64
	until int64 // the first operation after from that works again
	after bool
	err   error // nil panics
	ops   atomic.Int64
	fired atomic.Bool
}

// FailAt fails operation n of s, and no other, without doing it. Code under test
// must report err, or something that wraps it, whenever Fired is true.
func FailAt(s store.Store, n int64, err error) *Faulty {
	return &Faulty{store: s, from: n, until: n + 1, err: err}
}

// FailFrom fails operation n and all that follow: with [store.Memory.Crash]
// afterwards it is a crash at that instant.
func FailFrom(s store.Store, n int64, err error) *Faulty {
	return &Faulty{store: s, from: n, until: 1<<63 - 1, err: err}
}

// FailAfter does operation n, and then says that it failed: the reply got lost.
func FailAfter(s store.Store, n int64, err error) *Faulty {
	return &Faulty{store: s, from: n, until: n + 1, after: true, err: err}
}

// PanicAt panics in operation n of s, and in no other, without doing it.
func PanicAt(s store.Store, n int64) *Faulty {
	return &Faulty{store: s, from: n, until: n + 1}
}

// Fired tells whether the fault has happened.
func (f *Faulty) Fired() bool { return f.fired.Load() }

// Ops is the number of operations so far, failed ones included.
func (f *Faulty) Ops() int64 { return f.ops.Load() }

// do counts one operation, runs it unless its turn has come to fail, and gives its error.
func (f *Faulty) do(op, name string, run func() error) error {
	return f.doTorn(op, name, run, func() {})
}

// doTorn is do for an operation that may be cut off in the middle: torn does a
// part of it, and only where the fault strikes, not after it.
func (f *Faulty) doTorn(op, name string, run func() error, torn func()) error {
	n := f.ops.Add(1) - 1
	if n < f.from || n >= f.until {
		return run()
	}
	switch {
	case f.after:
		if err := run(); err != nil {
			return err // a failure of its own is no lost reply
		}
	case n == f.from:
		torn()
	}
	f.fired.Store(true)
	if f.err == nil {
		panic(op + " " + name)
	}
	return &store.Error{Op: op, URI: f.store.URI(name), Err: f.err}
}

// URI is the other store's.
func (f *Faulty) URI(name string) string { return f.store.URI(name) }

// List is the other store's, with a chance to fail before each object and after the last.
func (f *Faulty) List(ctx context.Context, prefix string) iter.Seq2[store.Info, error] {
	return func(yield func(store.Info, error) bool) {
		step := func() bool {
			err := f.do("list", prefix, func() error { return nil })
			if err != nil {
				yield(store.Info{}, err)
			}
			return err == nil
		}
		if !step() {
			return
		}
		for info, err := range f.store.List(ctx, prefix) {
			if !yield(info, err) || err != nil || !step() {
				return
			}
		}
	}
}

// Stat is the other store's.
func (f *Faulty) Stat(ctx context.Context, name string) (info store.Info, err error) {
	err = f.do("stat", name, func() (err error) {
		info, err = f.store.Stat(ctx, name)
		return err
	})
	if err != nil {
		return store.Info{}, err
	}
	return info, nil
}

// Open is the other store's; the reader's Reads and ReadAts count as well.
func (f *Faulty) Open(ctx context.Context, name string) (store.Reader, store.Info, error) {
	var r store.Reader
	var info store.Info
	err := f.do("open", name, func() (err error) {
		r, info, err = f.store.Open(ctx, name)
		return err
	})
	if err != nil {
		if r != nil {
			r.Close()
		}
		return nil, store.Info{}, err
	}
	return &reader{f: f, name: name, Reader: r}, info, nil
}

// Create is the other store's; the object's Writes and Commit count as well.
func (f *Faulty) Create(ctx context.Context, name string, mode store.Mode) (store.Object, error) {
	var o store.Object
	err := f.do("create", name, func() (err error) {
		o, err = f.store.Create(ctx, name, mode)
		return err
	})
	if err != nil {
		if o != nil {
			o.Abort()
		}
		return nil, err
	}
	return &object{writer: writer{f: f, name: name, w: o}, Object: o}, nil
}

// keep runs one operation of a Keeper.
func (f *Faulty) keep(op, name string, run func(store.Keeper) error) error {
	return f.do(op, name, func() error {
		k, ok := f.store.(store.Keeper)
		if !ok {
			return &store.Error{Op: op, URI: f.URI(name), Err: errors.ErrUnsupported}
		}
		return run(k)
	})
}

// ReadLog is the other store's; the reader's Reads and ReadAts count as well.
func (f *Faulty) ReadLog(ctx context.Context, name string) (store.Reader, store.Info, error) {
	var r store.Reader
	var info store.Info
	err := f.keep("open", name, func(k store.Keeper) (err error) {
		r, info, err = k.ReadLog(ctx, name)
		return err
	})
	if err != nil {
		if r != nil {
			r.Close()
		}
		return nil, store.Info{}, err
	}
	return &reader{f: f, name: name, Reader: r}, info, nil
}

// Spill is the other store's; its Writes and ReadAts count as well.
func (f *Faulty) Spill(ctx context.Context, name string) (store.Spill, error) {
	var s store.Spill
	err := f.keep("spill", name, func(k store.Keeper) (err error) {
		s, err = k.Spill(ctx, name)
		return err
	})
	if err != nil {
		if s != nil {
			s.Close()
		}
		return nil, err
	}
	return &spill{writer: writer{f: f, name: name, w: s}, Spill: s}, nil
}

// Append is the other store's; the appender's Write, Sync and Truncate count as well.
func (f *Faulty) Append(ctx context.Context, name string, seen int64) (store.Appender, error) {
	var a store.Appender
	err := f.keep("append", name, func(k store.Keeper) (err error) {
		a, err = k.Append(ctx, name, seen)
		return err
	})
	if err != nil {
		if a != nil {
			a.Close()
		}
		return nil, err
	}
	return &appender{writer: writer{f: f, name: name, w: a}, Appender: a}, nil
}

// Remove is the other store's.
func (f *Faulty) Remove(ctx context.Context, name string) error {
	return f.keep("remove", name, func(k store.Keeper) error { return k.Remove(ctx, name) })
}

// Locked is the other store's, and is not counted: who asks changes nothing.
func (f *Faulty) Locked(ctx context.Context, name string) (bool, error) {
	l, ok := f.store.(store.Locker)
	if !ok {
		return false, nil
	}
	return l.Locked(ctx, name)
}

// Lock is the other store's. Where that is no [store.Locker], nobody is kept out.
func (f *Faulty) Lock(ctx context.Context, name string) (func() error, error) {
	unlock := func() error { return nil }
	err := f.do("lock", name, func() (err error) {
		if l, ok := f.store.(store.Locker); ok {
			unlock, err = l.Lock(ctx, name)
		}
		return err
	})
	if err != nil {
		if unlock != nil {
			unlock()
		}
		return nil, err
	}
	return unlock, nil
}
