package s3

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"sync"

	"github.com/batchmill/batchmill/transform/store"
)

// Spill makes a file in the system's folder for temporary files, not in the
// bucket. It is no part of the job's state: a resumed run needs nothing of it,
// on whichever machine it is. Where the system allows it the file has no
// name from the start, so that it ends with the process whatever happens; elsewhere
// a process that is killed leaves it there.
func (s *Store) Spill(ctx context.Context, name string) (store.Spill, error) {
	if err := s.begin(ctx, "create", name); err != nil {
		return nil, err
	}
	f, err := os.CreateTemp("", "batchmill-*")
	if err != nil {
		return nil, wrap("create", s.URI(name), err)
	}
	sp := &spill{f: f}
	if os.Remove(f.Name()) != nil {
		sp.named = f.Name()
	}
	return sp, nil
}

// spill is a temporary file. Its errors name it and the system's reason.
type spill struct {
	f     *os.File
	named string // "" when the file has no name any more
	once  sync.Once
}

func (s *spill) Write(p []byte) (int, error) {
	n, err := s.f.Write(p)
	return n, s.wrap("write", err)
}

func (s *spill) ReadAt(p []byte, off int64) (int, error) {
	n, err := s.f.ReadAt(p, off)
	return n, s.wrap("read", err)
}

// Close removes the file. To close it again does nothing.
func (s *spill) Close() (err error) {
	s.once.Do(func() {
		err = s.f.Close()
		if s.named != "" {
			err = errors.Join(err, os.Remove(s.named))
		}
	})
	return s.wrap("remove", err)
}

// wrap takes off the system's own wrapping, which names the file once more.
func (s *spill) wrap(op string, err error) error {
	var path *fs.PathError
	if !errors.As(err, &path) {
		return err // nil, or io.EOF
	}
	return &store.Error{Op: op, URI: s.f.Name(), Err: path.Err}
}
