package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
)

// ValidName tells whether a store can hold an object called name: a relative
// slash-separated path as io/fs has it, UTF-8, without "..", "." or NUL bytes.
func ValidName(name string) bool {
	return name != "." && fs.ValidPath(name) && strings.IndexByte(name, 0) < 0
}

// checkName refuses what ValidName refuses, as every store must.
func checkName(op, uri, name string) error {
	if ValidName(name) {
		return nil
	}
	return &Error{Op: op, URI: uri, Err: fmt.Errorf("%w: %q", ErrBadName, name)}
}

// checkPrefix is checkName for a prefix, which may be "" for everything.
func checkPrefix(op, uri, prefix string) error {
	if prefix == "" {
		return nil
	}
	return checkName(op, uri, prefix)
}

// below tells whether name is prefix itself or stands below it.
func below(name, prefix string) bool {
	rest, ok := strings.CutPrefix(name, prefix)
	return ok && (prefix == "" || rest == "" || rest[0] == '/')
}

// escapes is what os.Root says of a link that leads out of it; the error has no type.
const escapes = "path escapes from parent"

// wrap makes err a *Error, or nil where it is nil. It takes off the system's own
// wrapping, which would name the operation and the path a second time.
func wrap(op, uri string, err error) error {
	if err == nil {
		return nil
	}
	var path *fs.PathError
	var link *os.LinkError
	var call *os.SyscallError
	if errors.As(err, &path) {
		err = path.Err
	} else if errors.As(err, &link) {
		err = link.Err
	}
	if errors.As(err, &call) {
		err = call.Err
	}
	if err.Error() == escapes {
		err = &kindError{kind: "symbolic link that leads out of its folder", hint: "; put a folder there in its place, or name another folder"}
	}
	return &Error{Op: op, URI: uri, Err: err}
}
