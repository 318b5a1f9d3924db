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

// A Verifier reads the outputs and rejects files that a manifest names, and
// compares size, checksum, and a rejects file's number of lines. A Verifier reads one file at a
// time and closes each. The inputs are not looked at, and the
// arithmetic is [Checker]'s. [NewVerifier] makes a Verifier.
type Verifier struct {
	open  func(ctx context.Context, uri string) (io.ReadCloser, error)
	hash  hash.Hash
	buf   []byte
	size  int64 // of the last file
	lines int64

	// Files counts the files that were read, and Bytes the bytes of outputs, without rejects files.
	Files, Bytes int64
}

// NewVerifier makes a Verifier that opens files with open, whose error for a
// file that is missing is fs.ErrNotExist. Several Verifiers may work at once, on one object each.
func NewVerifier(open func(ctx context.Context, uri string) (io.ReadCloser, error)) *Verifier {
	return &Verifier{open: open, hash: sha256.New(), buf: make([]byte, 256<<10)}
}

// Object compares what the manifest says about one object with its files. A
// difference is returned as a *Difference, a file that is missing included; a
// file that cannot be read is another error.
func (v *Verifier) Object(ctx context.Context, o *Object) error {
	if out := o.Output; out != nil {
		if err := v.read(ctx, out.URI); err != nil {
			return err
		}
		if err := v.compare(out.URI, "size", out.Size, v.size, out.SHA256); err != nil {
			return err
		}
		v.Bytes += v.size
	}
	if rej := o.Rejects; rej != nil {
		if err := v.read(ctx, rej.URI); err != nil {
			return err
		}
		return v.compare(rej.URI, "records_rejected", o.Rejected, v.lines, rej.SHA256)
	}
	return nil
}

// read measures the file at uri to its end.
func (v *Verifier) read(ctx context.Context, uri string) error {
	v.hash.Reset()
	v.size, v.lines = 0, 0
	f, err := v.open(ctx, uri)
	if errors.Is(err, fs.ErrNotExist) {
		return &Difference{URI: uri, Field: "file", Want: "present", Got: "missing"}
	}
	if err != nil {
		return fmt.Errorf("verify %s: %w", uri, err)
	}
	defer f.Close()
	whole := true // whether the last line has its end
	for {
		if err := ctx.Err(); err != nil {
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
	v.Files++
	return nil
}

// compare holds what read has measured against what the manifest says.
func (v *Verifier) compare(uri, field string, want, got int64, wantSum string) error {
	if got != want {
		return &Difference{URI: uri, Field: field, Want: strconv.FormatInt(want, 10), Got: strconv.FormatInt(got, 10)}
	}
	if sum := hex.EncodeToString(v.hash.Sum(nil)); sum != wantSum {
		return &Difference{URI: uri, Field: "sha256", Want: wantSum, Got: sum}
	}
	return nil
}
