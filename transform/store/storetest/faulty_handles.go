package storetest

import (
	"context"
	"errors"
	"io"

	"github.com/batchmill/batchmill/transform/store"
)

type reader struct {
	f    *Faulty
	name string
	store.Reader
}

func (r *reader) Read(p []byte) (n int, err error) {
	var read error // what the other reader says; its EOF is no fault
	err = r.f.do("read", r.name, func() error {
		n, read = r.Reader.Read(p)
		return nil
	})
	if err != nil {
		return 0, err
	}
	return n, read
}

func (r *reader) ReadAt(p []byte, off int64) (n int, err error) {
	var read error
	err = r.f.do("read", r.name, func() error {
		n, read = r.Reader.ReadAt(p, off)
		return nil
	})
	if err != nil {
		return 0, err
	}
	return n, read
}

func (r *reader) Stat() (info store.Info, err error) {
	err = r.f.do("stat", r.name, func() error {
		info, err = r.Reader.Stat()
		return err
	})
	return info, err
}

// writer is what objects and appenders have in common.
type writer struct {
	f    *Faulty
	name string
	w    io.Writer
	err  error // the fault once it has struck here, which is final
}

// do is Faulty.do until the fault has struck.
func (w *writer) do(op string, run func() error) error {
	if w.err != nil {
		return w.err
	}
	return w.note(w.f.do(op, w.name, run))
}

// note keeps a fault in mind. The other store's own errors are its own business.
func (w *writer) note(err error) error {
	if errors.Is(err, w.f.err) {
		w.err = err
	}
	return err
}

func (w *writer) Write(p []byte) (n int, err error) {
	if w.err != nil {
		return 0, w.err
	}
	err = w.f.doTorn("write", w.name, func() (err error) {
		n, err = w.w.Write(p)
		return err
	}, func() { n, _ = w.w.Write(p[:len(p)/2]) })
	return n, w.note(err)
}

type object struct {
	writer
	store.Object
}

func (o *object) Write(p []byte) (int, error) { return o.writer.Write(p) }

// Commit that fails leaves nothing behind, unless the fault came after it.
func (o *object) Commit(ctx context.Context) error {
	err := o.do("commit", func() error { return o.Object.Commit(ctx) })
	if err != nil {
		o.Object.Abort() // does nothing if it was committed
	}
	return err
}

type appender struct {
	writer
	store.Appender
}

func (a *appender) Write(p []byte) (int, error) { return a.writer.Write(p) }

func (a *appender) Sync() error { return a.do("sync", a.Appender.Sync) }

func (a *appender) Truncate(size int64) error {
	return a.do("truncate", func() error { return a.Appender.Truncate(size) })
}

type spill struct {
	writer
	store.Spill
}

func (s *spill) Write(p []byte) (int, error) { return s.writer.Write(p) }

func (s *spill) ReadAt(p []byte, off int64) (n int, err error) {
	var read error
	err = s.do("read", func() error {
		n, read = s.Spill.ReadAt(p, off)
		return nil
	})
	if err != nil {
		return 0, err
	}
	return n, read
}
