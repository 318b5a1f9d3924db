package container

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
)

// checkedModelBytes is how many bytes of the unpacked archive are checked before
// anything is started, which takes a few seconds.
const checkedModelBytes = 1 << 30

// errEnough ends the check of an archive that is longer than checkedModelBytes.
var errEnough = errors.New("that is enough")

// checkArchive reads the headers at the beginning of an archive, so that an archive
// that cannot be unpacked is found before anything is started. Nothing is written.
// Problems that only the files show (links through links, a full disk) are found by
// unpacking.
func checkArchive(ctx context.Context, name string, most int64) error {
	f, err := os.Open(name)
	if err != nil {
		return fmt.Errorf("--model: %w: name a directory or a .tar.gz", err)
	}
	defer f.Close()
	bytes, files := int64(maxModelBytes), maxModelFiles
	err = readArchive(ctx, f, most, func(h *tar.Header, _ io.Reader) error {
		if _, err := checkEntry(h); err != nil {
			return err
		}
		if files--; files < 0 {
			return errTooManyFiles
		}
		if h.Typeflag == tar.TypeReg {
			bytes -= h.Size
		}
		if bytes < 0 {
			return errTooLarge
		}
		return nil
	})
	if err == nil || errors.Is(err, errEnough) {
		return nil
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return fmt.Errorf("--model %s: %w", name, err)
}

// boundedReader is a reader that ends with errEnough after left bytes, or with ctx.
type boundedReader struct {
	ctx  context.Context
	r    io.Reader
	left int64
}

func (c *boundedReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	if c.left <= 0 {
		return 0, errEnough
	}
	n, err := c.r.Read(p[:min(int64(len(p)), c.left)])
	c.left -= int64(n)
	return n, err
}
