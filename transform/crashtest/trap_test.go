//go:build unix

package crashtest

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/batchmill/batchmill/transform/store"
)

var (
	_ store.Store  = (*trap)(nil)
	_ store.Keeper = (*trap)(nil)
)

// instant is a moment at which the trap can spring.
type instant struct {
	op    string
	name  string // of the object
	phase string // before, within, after, or what a kill leaves half done
}

func (i instant) String() string { return fmt.Sprintf("%s %s (%s)", i.op, i.name, i.phase) }

// trap is a store on disk that counts its instants and springs at one of them.
type trap struct {
	disk *store.Disk
	at   int64 // the first instant is 1; 0 never springs
	// spring does what happens at that instant: it kills the process, or
	// gives the error that the operation then fails with.
	spring func(instant) error
	// dies: the spring kills, so the states within a commit or a removal,
	// which an error cannot leave behind, are instants too.
	dies bool

	passed atomic.Int64
	mu     sync.Mutex
	struck *instant
	doomed map[string]bool // names whose sync failed
	sins   []string        // what was tried again that must not be
}

// hit counts one instant and tells whether it is the one.
func (t *trap) hit(op, name, phase string) bool {
	if t.passed.Add(1) != t.at {
		return false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.struck = &instant{op, name, phase}
	return true
}

// fired is the instant at which the trap has sprung, or nil.
func (t *trap) fired() *instant {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.struck
}

// step is hit, and what follows from it.
func (t *trap) step(op, name, phase string) error {
	if !t.hit(op, name, phase) {
		return nil
	}
	return &store.Error{Op: op, URI: t.disk.URI(name), Err: t.spring(instant{op, name, phase})}
}

// around runs an operation that changes the disk, with the instants before and
// after it: an error after it is a reply that got lost.
func (t *trap) around(op, name string, run func() error) error {
	if err := t.step(op, name, "before"); err != nil {
		return err
	}
	if err := run(); err != nil {
		return err
	}
	return t.step(op, name, "after")
}

// syncing is around for an operation that syncs. Once it has failed, nobody may
// try it again on that file in this process: see retried.
func (t *trap) syncing(op, name string, run func() error) error {
	t.retried(op, name)
	err := t.around(op, name, run)
	if err != nil {
		t.mu.Lock()
		defer t.mu.Unlock()
		if t.doomed == nil {
			t.doomed = map[string]bool{}
		}
		t.doomed[name] = true
	}
	return err
}

// retried notes an operation on a file whose sync has failed.
func (t *trap) retried(op, name string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.doomed[name] {
		t.sins = append(t.sins, op+" "+name)
	}
}

// sinned is what was done to files after their sync had failed.
func (t *trap) sinned() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.sins)
}

func (t *trap) URI(name string) string { return t.disk.URI(name) }

func (t *trap) List(ctx context.Context, prefix string) iter.Seq2[store.Info, error] {
	return func(yield func(store.Info, error) bool) {
		if err := t.step("list", prefix, "before"); err != nil {
			yield(store.Info{}, err)
			return
		}
		for info, err := range t.disk.List(ctx, prefix) {
			if !yield(info, err) || err != nil {
				return
			}
			if err := t.step("list", prefix, "within"); err != nil {
				yield(store.Info{}, err)
				return
			}
		}
	}
}

func (t *trap) Stat(ctx context.Context, name string) (store.Info, error) {
	if err := t.step("stat", name, "before"); err != nil {
		return store.Info{}, err
	}
	return t.disk.Stat(ctx, name)
}

func (t *trap) Open(ctx context.Context, name string) (store.Reader, store.Info, error) {
	if err := t.step("open", name, "before"); err != nil {
		return nil, store.Info{}, err
	}
	rc, info, err := t.disk.Open(ctx, name)
	if err != nil {
		return nil, info, err
	}
	return &trappedReader{Reader: rc, t: t, name: name}, info, nil
}

func (t *trap) Create(ctx context.Context, name string, mode store.Mode) (store.Object, error) {
	t.retried("create", name)
	var o store.Object
	err := t.around("create", name, func() (err error) {
		o, err = t.disk.Create(ctx, name, mode)
		return err
	})
	if err != nil {
		if o != nil {
			_ = o.Abort()
		}
		return nil, err
	}
	return &trappedObject{Object: o, t: t, name: name, mode: mode}, nil
}

func (t *trap) ReadLog(ctx context.Context, name string) (store.Reader, store.Info, error) {
	return t.Open(ctx, name)
}

func (t *trap) Spill(ctx context.Context, name string) (store.Spill, error) {
	var s store.Spill
	err := t.around("spill", name, func() (err error) {
		s, err = t.disk.Spill(ctx, name)
		return err
	})
	if err != nil {
		if s != nil {
			_ = s.Close()
		}
		return nil, err
	}
	return &trappedSpill{Spill: s, t: t, name: name}, nil
}

func (t *trap) Locked(ctx context.Context, name string) (bool, error) {
	return t.disk.Locked(ctx, name)
}

func (t *trap) Append(ctx context.Context, name string, seen int64) (store.Appender, error) {
	t.retried("append", name)
	var a store.Appender
	err := t.around("append", name, func() (err error) {
		a, err = t.disk.Append(ctx, name, seen)
		return err
	})
	if err != nil {
		if a != nil {
			_ = a.Close()
		}
		return nil, err
	}
	return &trappedAppender{Appender: a, t: t, name: name}, nil
}

func (t *trap) Remove(ctx context.Context, name string) error {
	return t.around("remove", name, func() error {
		if t.dies {
			t.removeInPart(name)
		}
		return t.disk.Remove(ctx, name)
	})
}

func (t *trap) Lock(ctx context.Context, name string) (func() error, error) {
	var unlock func() error
	err := t.around("lock", name, func() (err error) {
		unlock, err = t.disk.Lock(ctx, name)
		return err
	})
	if err != nil {
		if unlock != nil {
			_ = unlock()
		}
		return nil, err
	}
	return unlock, nil
}
