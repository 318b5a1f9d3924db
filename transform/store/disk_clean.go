package store

import (
	"context"
	"errors"
	"io/fs"
	"iter"
	"os"
	"path"
	"path/filepath"
)

// Clean removes the temporary files below the directory. One that a crash left
// as a second name of a published object goes too; the object stays. Mine is
// asked about the temporary files' own names, which do not tell what they were to be.
func (d *Disk) Clean(ctx context.Context, mine func(name string) bool) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		err := filepath.WalkDir(d.dir, func(file string, e fs.DirEntry, err error) error {
			if errors.Is(err, fs.ErrNotExist) {
				return nil // removed since it was seen
			}
			if err == nil {
				err = ctx.Err()
			}
			if err != nil || !e.Type().IsRegular() || !isTemp(path.Base(e.Name())) {
				return err
			}
			rel, err := filepath.Rel(d.dir, file)
			if err != nil || !mine(filepath.ToSlash(rel)) {
				return err
			}
			if err := d.root.Remove(rel); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
			if !yield(filepath.ToSlash(rel), nil) {
				return fs.SkipAll
			}
			return nil
		})
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			if ctx.Err() == nil {
				err = wrap("clean", d.dir, err)
			}
			yield("", err)
		}
	}
}
