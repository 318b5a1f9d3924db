//go:build unix

package crashtest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"os"
	"path/filepath"

	"github.com/batchmill/batchmill/transform/store"
)

type trappedReader struct {
	store.Reader
	t    *trap
	name string
}

func (r *trappedReader) Read(p []byte) (int, error) {
	if err := r.t.step("read", r.name, "before"); err != nil {
		return 0, err
	}
	return r.Reader.Read(p)
}

func (r *trappedReader) ReadAt(p []byte, off int64) (int, error) {
	if err := r.t.step("read", r.name, "before"); err != nil {
		return 0, err
	}
	return r.Reader.ReadAt(p, off)
}

// write writes p, with an instant before it, after it, and one at which half
// of it has reached the file.
func (t *trap) write(w io.Writer, name string, p []byte) (n int, err error) {
	t.retried("write", name)
	err = t.around("write", name, func() (err error) {
		if t.hit("write", name, "within") {
			n, _ = w.Write(p[:len(p)/2])
			return &store.Error{Op: "write", URI: t.disk.URI(name), Err: t.spring(*t.fired())}
		}
		n, err = w.Write(p)
		return err
	})
	return n, err
}

type trappedObject struct {
	store.Object
	t    *trap
	name string
	mode store.Mode
}

func (o *trappedObject) Write(p []byte) (int, error) { return o.t.write(o.Object, o.name, p) }

// Commit has instants between its steps. A failed one is not tried again, and
// its temporary file goes with Abort.
func (o *trappedObject) Commit(ctx context.Context) error {
	return o.t.syncing("commit", o.name, func() error {
		if o.t.dies {
			ctx = &watched{Context: ctx, ask: o.synced}
		}
		return o.Object.Commit(ctx)
	})
}

// synced is called between the sync and the name.
func (o *trappedObject) synced() {
	_ = o.t.step("commit", o.name, "synced, no name yet")
	if o.mode == store.New && o.t.hit("commit", o.name, "two names") {
		// What a filesystem without a rename that does not replace can be left
		// with: the name is there, and so is the temporary one.
		if err := os.Link(o.t.tempPath(o.name), o.t.disk.URI(o.name)); err != nil {
			panic(err)
		}
		_ = o.t.spring(*o.t.fired())
	}
}

// tempPath is where the disk store keeps what is to become name.
func (t *trap) tempPath(name string) string {
	sum := sha256.Sum256([]byte(name))
	return filepath.Join(filepath.Dir(t.disk.URI(name)), ".batchmill-"+hex.EncodeToString(sum[:8])+".tmp")
}

// watched is a context that tells when a commit asks it whether to go on: once
// before it begins, and once between the sync and the name.
type watched struct {
	context.Context
	asked int
	ask   func()
}

func (w *watched) Err() error {
	if w.asked++; w.asked == 2 {
		w.ask()
	}
	return w.Context.Err()
}

// removeInPart has the instants at which a folder's first file is gone, or its
// last. The order in which a system lists them is its own.
func (t *trap) removeInPart(name string) {
	dir := t.disk.URI(name)
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) == 0 { // a file, or nothing
		return
	}
	for _, e := range []os.DirEntry{entries[0], entries[len(entries)-1]} {
		if t.hit("remove", name, "without "+e.Name()) {
			if err := os.RemoveAll(filepath.Join(dir, e.Name())); err != nil {
				panic(err)
			}
			_ = t.spring(*t.fired())
		}
	}
}

type trappedAppender struct {
	store.Appender
	t    *trap
	name string
}

func (a *trappedAppender) Write(p []byte) (int, error) { return a.t.write(a.Appender, a.name, p) }

func (a *trappedAppender) Sync() error { return a.t.syncing("sync", a.name, a.Appender.Sync) }

func (a *trappedAppender) Truncate(size int64) error {
	a.t.retried("truncate", a.name)
	return a.t.around("truncate", a.name, func() error { return a.Appender.Truncate(size) })
}

// trappedSpill's bytes are of no use to a later run, but the process may die
// while it writes them.
type trappedSpill struct {
	store.Spill
	t    *trap
	name string
}

func (s *trappedSpill) Write(p []byte) (int, error) { return s.t.write(s.Spill, s.name, p) }
