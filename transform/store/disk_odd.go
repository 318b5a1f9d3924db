package store

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"unicode/utf8"
)

var (
	errNotUTF8  = fmt.Errorf("it %w, for its name is not UTF-8: rename it", ErrRefused)
	errLeadsOut = fmt.Errorf("it %w, for it is a symbolic link out of the input: give --follow-symlinks, or put the file itself there", ErrRefused)
)

// Refused tells whether err says that one object is not read, and others are.
func Refused(err error) bool { return errors.Is(err, ErrRefused) }

// ShownName is a file's name as objects have it: bytes that are no UTF-8 are written \xNN.
func ShownName(name string) string {
	if utf8.ValidString(name) {
		return name
	}
	var b strings.Builder
	for len(name) > 0 {
		r, n := utf8.DecodeRuneInString(name)
		if r == utf8.RuneError && n == 1 {
			fmt.Fprintf(&b, "\\x%02x", name[0])
		} else {
			b.WriteString(name[:n])
		}
		name = name[n:]
	}
	return b.String()
}

// openFile opens a file by its path below the directory, and follows links as the store
// may.
func (d *Disk) openFile(local string, flag int) (*os.File, error) {
	if !d.confined {
		return os.OpenFile(filepath.Join(d.dir, local), flag, 0)
	}
	f, err := d.root.OpenFile(local, flag, 0)
	if err == nil {
		return f, nil
	}
	_, inside := d.root.Stat(local)
	if _, anywhere := os.Stat(filepath.Join(d.dir, local)); inside != nil && anywhere == nil {
		return nil, errLeadsOut
	}
	return nil, err
}

// odd is the path, not UTF-8, of what ShownName writes as name; "" where a file or folder
// has the name as it stands, or none has.
func (d *Disk) odd(name string) string {
	if !strings.Contains(name, `\x`) {
		return ""
	}
	if _, err := os.Lstat(d.URI(name)); err == nil {
		return ""
	}
	raw := unshown(name)
	if _, err := os.Lstat(filepath.Join(d.dir, filepath.FromSlash(raw))); err != nil || raw == name {
		return ""
	}
	return raw
}

// unshown undoes ShownName.
func unshown(name string) string {
	var b []byte
	for len(name) > 0 {
		if len(name) >= 4 && name[:2] == `\x` {
			if c, err := strconv.ParseUint(name[2:4], 16, 8); err == nil && c >= utf8.RuneSelf {
				b, name = append(b, byte(c)), name[4:]
				continue
			}
		}
		b, name = append(b, name[0]), name[1:]
	}
	return string(b)
}
