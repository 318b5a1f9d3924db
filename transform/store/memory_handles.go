package store

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"slices"
)

func (m *Memory) handle(name string) memHandle {
	m.mu.Lock()
	defer m.mu.Unlock()
	return memHandle{m: m, name: name, life: m.life}
}

// memHandle is what an open reader, object or appender knows of its store.
type memHandle struct {
	m      *Memory
	name   string
	life   int
	closed bool
}

// alive fails for a handle that was closed or has not survived a crash. The
// caller holds m.mu.
func (h *memHandle) alive(op string) error {
	switch {
	case h.life != h.m.life:
		return wrap(op, h.m.URI(h.name), errCrashed)
	case h.closed:
		return wrap(op, h.m.URI(h.name), fs.ErrClosed)
	}
	return nil
}

// Close ends the handle. It syncs nothing.
func (h *memHandle) Close() error {
	h.m.mu.Lock()
	defer h.m.mu.Unlock()
	if err := h.alive("close"); err != nil {
		return err
	}
	h.closed = true
	return nil
}

type memReader struct {
	memHandle
	r    *bytes.Reader
	info Info
}

// Stat is what Open told: what was opened stays as it is, whatever the name stands for now.
func (r *memReader) Stat() (Info, error) {
	r.m.mu.Lock()
	defer r.m.mu.Unlock()
	return r.info, r.alive("stat")
}

func (r *memReader) Read(p []byte) (int, error) {
	r.m.mu.Lock()
	defer r.m.mu.Unlock()
	if err := r.alive("read"); err != nil {
		return 0, err
	}
	return r.r.Read(p)
}

func (r *memReader) ReadAt(p []byte, off int64) (int, error) {
	r.m.mu.Lock()
	defer r.m.mu.Unlock()
	if err := r.alive("read"); err != nil {
		return 0, err
	}
	return r.r.ReadAt(p, off)
}

type memObject struct {
	memHandle
	mode Mode
	buf  []byte
}

func (o *memObject) Write(p []byte) (int, error) {
	o.m.mu.Lock()
	defer o.m.mu.Unlock()
	if err := o.alive("write"); err != nil {
		return 0, err
	}
	o.buf = append(o.buf, p...)
	return len(p), nil
}

func (o *memObject) Commit(ctx context.Context) error {
	o.m.mu.Lock()
	defer o.m.mu.Unlock()
	if err := o.alive("commit"); err != nil {
		return err
	}
	o.closed = true
	if err := ctx.Err(); err != nil {
		return err
	}
	if _, taken := o.m.files[o.name]; taken && o.mode == New {
		return wrap("commit", o.m.URI(o.name), fs.ErrExist)
	}
	o.m.set(o.name, o.buf)
	return nil
}

func (o *memObject) Abort() error {
	o.m.mu.Lock()
	defer o.m.mu.Unlock()
	o.closed, o.buf = true, nil
	return nil
}

// memAppender holds on to its file, whatever becomes of the name, as an open
// file of a disk does.
type memAppender struct {
	memHandle
	f    *memFile
	turn int64
}

// change lets f change the file while the handle is alive.
func (a *memAppender) change(op string, f func(*memFile) error) error {
	a.m.mu.Lock()
	defer a.m.mu.Unlock()
	if err := a.alive(op); err != nil {
		return err
	}
	return wrap(op, a.m.URI(a.name), f(a.f))
}

func (a *memAppender) Write(p []byte) (int, error) {
	err := a.change("write", func(f *memFile) error {
		f.data = append(f.data, p...)
		f.mod = a.m.tick(a.name)
		return nil
	})
	if err != nil {
		return 0, err
	}
	return len(p), nil
}

func (a *memAppender) Sync() error {
	return a.change("sync", func(f *memFile) error {
		if a.turn != a.m.appends[a.name] {
			return ErrSuperseded
		}
		f.synced = slices.Clip(f.data)
		return nil
	})
}

// Truncate refuses to grow the file: nobody means to log zeros.
func (a *memAppender) Truncate(size int64) error {
	return a.change("truncate", func(f *memFile) error {
		if size < 0 || size > int64(len(f.data)) {
			return fmt.Errorf("cannot cut a file of %d bytes to %d", len(f.data), size)
		}
		f.data = f.data[:size:size] // clipped, so that appending leaves what was synced alone
		f.mod = a.m.tick(a.name)
		return nil
	})
}

type memSpill struct {
	memHandle
	data []byte
}

func (s *memSpill) Write(p []byte) (int, error) {
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	if err := s.alive("write"); err != nil {
		return 0, err
	}
	s.data = append(s.data, p...)
	return len(p), nil
}

func (s *memSpill) ReadAt(p []byte, off int64) (int, error) {
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	if err := s.alive("read"); err != nil {
		return 0, err
	}
	return bytes.NewReader(s.data).ReadAt(p, off)
}

func (s *memSpill) Close() error {
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	s.closed, s.data = true, nil
	return nil
}
