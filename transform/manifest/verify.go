package manifest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"strconv"
)

// A Difference is a file that is not what the manifest says.
type Difference struct {
	URI       string
	Field     string // size, sha256, records_rejected (lines of a rejects file), or file
	Want, Got string
}

func (d *Difference) Error() string {
	return fmt.Sprintf("%s: %s is %s, the manifest says %s", d.URI, d.Field, d.Got, d.Want)
}

// Verify reads every output and rejects file that the manifest names, in order,
// and compares size, checksum, and a rejects file's number of lines. The first
// difference is returned as a *Difference, a file that is missing (open's error
// is fs.ErrNotExist) included; a file that cannot be read is another error. It
// reads one file at a time and closes each. It does not look at the inputs, and
// leaves the arithmetic to Check.
func (m *Manifest) Verify(ctx context.Context, open func(ctx context.Context, uri string) (io.ReadCloser, error)) error {
	v := verifier{ctx: ctx, open: open, hash: sha256.New(), buf: make([]byte, 256<<10)}
	for i := range m.Objects {
		o := &m.Objects[i]
		if out := o.Output; out != nil {
			if err := v.read(out.URI); err != nil {
				return err
			}
			if err := v.compare(out.URI, "size", out.Size, v.size, out.SHA256); err != nil {
				return err
			}
		}
		if rej := o.Rejects; rej != nil {
			if err := v.read(rej.URI); err != nil {
				return err
			}
			if err := v.compare(rej.URI, "records_rejected", o.Rejected, v.lines, rej.SHA256); err != nil {
				return err
			}
		}
	}
	return nil
}

// verifier measures one file after the other.
type verifier struct {
	ctx   context.Context
	open  func(ctx context.Context, uri string) (io.ReadCloser, error)
	hash  hash.Hash
	buf   []byte
	size  int64
	lines int64
}

// read measures the file at uri to its end.
func (v *verifier) read(uri string) error {
	v.hash.Reset()
	v.size, v.lines = 0, 0
	f, err := v.open(v.ctx, uri)
	if errors.Is(err, fs.ErrNotExist) {
		return &Difference{URI: uri, Field: "file", Want: "present", Got: "missing"}
	}
	if err != nil {
		return fmt.Errorf("verify %s: %w", uri, err)
	}
	defer f.Close()
	whole := true // whether the last line has its end
	for {
		if err := v.ctx.Err(); err != nil {
			return err
		}
		n, err := f.Read(v.buf)
		if n > 0 {
			v.hash.Write(v.buf[:n])
			v.size += int64(n)
			v.lines += int64(bytes.Count(v.buf[:n], []byte{'\n'}))
			whole = v.buf[n-1] == '\n'
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return fmt.Errorf("verify %s: byte %d: %w", uri, v.size, err)
		}
	}
	if !whole {
		v.lines++
	}
	return nil
}

// compare holds what read has measured against what the manifest says.
func (v *verifier) compare(uri, field string, want, got int64, wantSum string) error {
	if got != want {
		return &Difference{URI: uri, Field: field, Want: strconv.FormatInt(want, 10), Got: strconv.FormatInt(got, 10)}
	}
	if sum := hex.EncodeToString(v.hash.Sum(nil)); sum != wantSum {
		return &Difference{URI: uri, Field: "sha256", Want: wantSum, Got: sum}
	}
	return nil
}
