package store

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
)

// Spill makes the file called name, empty. It stands with the other files, since
// that is the disk that has room for what a job writes.
func (d *Disk) Spill(ctx context.Context, name string) (Spill, error) {
	local, err := d.begin(ctx, "spill", name)
	if err != nil {
		return nil, err
	}
	f, err := d.openKept(name, local, os.O_RDWR|os.O_TRUNC)
	if err != nil {
		return nil, wrap("spill", d.URI(name), err)
	}
	return &diskSpill{d: d, f: f, local: local, uri: d.URI(name)}, nil
}

type diskSpill struct {
	d      *Disk
	f      *os.File
	local  string
	uri    string
	closed bool
}

func (s *diskSpill) Write(p []byte) (int, error) {
	n, err := s.f.Write(p)
	return n, wrap("write", s.uri, err)
}

func (s *diskSpill) ReadAt(p []byte, off int64) (int, error) {
	n, err := s.f.ReadAt(p, off)
	if err != io.EOF {
		err = wrap("read", s.uri, err)
	}
	return n, err
}

// Close removes the file. Nothing is lost if its name outlives a power cut.
func (s *diskSpill) Close() error {
	if s.closed {
		return nil
	}
	s.closed = true
	err := errors.Join(s.f.Close(), s.d.root.Remove(s.local))
	if errors.Is(err, fs.ErrNotExist) {
		return nil // the working state is gone, as at the end of a job
	}
	return wrap("remove", s.uri, err)
}
