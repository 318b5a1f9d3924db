package container

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
)

// checkedModelBytes is how much of an archive, unpacked, is looked at before
// anything is started: a few seconds' worth.
const checkedModelBytes = 1 << 30

// errEnough ends the check of an archive that is longer than is looked at.
var errEnough = errors.New("that is enough")

// checkArchive reads the headers in an archive's beginning, so that one that
// cannot be unpacked is found before anything is started. It writes nothing.
// What shows only in the files (links through links, a full disk) unpacking tells.
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

// checked is a reader that ends with errEnough after left bytes, or with ctx.
type checked struct {
	ctx  context.Context
	r    io.Reader
	left int64
}

func (c *checked) Read(p []byte) (int, error) {
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
