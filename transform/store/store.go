// Package store says where bytes live. A [Store] is a flat set of named
// objects: a directory tree, memory, a bucket. It lists, describes, opens and
// creates them; keeping a job's working state is a further ability, [Keeper],
// that a store may have.
//
// Names are slash-separated and relative, as io/fs has them: no "..", no empty
// element, no leading slash. A store refuses every other name.
package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"time"
)

// Info describes an object. ETag, or Size and ModTime where there is no ETag,
// pin its content for the length of a job.
type Info struct {
	Name    string
	Size    int64
	ModTime time.Time
	ETag    string
}

// A Store holds objects. Its methods may be called concurrently.
// Every error they return is a *Error, except context errors.
type Store interface {
	// URI is how messages and manifests write the object called name.
	URI(name string) string
	// List yields the objects at or below prefix ("" for all) by ascending name.
	// prefix is an object's whole name or a folder's, never a part of one. An error ends the
	// sequence: what it could not see is never left out silently.
	List(ctx context.Context, prefix string) iter.Seq2[Info, error]
	// Stat describes an object; the error is fs.ErrNotExist when there is none.
	Stat(ctx context.Context, name string) (Info, error)
	// Open reads an object from its beginning. The Info is that of what was
	// opened, so that a change since it was listed can be seen.
	Open(ctx context.Context, name string) (Reader, Info, error)
	// Create begins an object. Nothing is visible under name until Commit.
	Create(ctx context.Context, name string, mode Mode) (Object, error)
}

// A Reader reads one object: from its beginning, and at any place. Both may be
// used by turns, and ReadAt by many at once. Errors are *Error, except io.EOF.
type Reader interface {
	io.ReadCloser
	io.ReaderAt
}

// Mode says what Commit does when the name is taken.
type Mode uint8

const (
	New     Mode = iota // fail with fs.ErrExist and leave what is there
	Replace             // put the new object in its place in one step
)

// An Object is being written. A failed Write, Commit or Abort is final. It has one owner at a time.
type Object interface {
	io.Writer
	// Commit makes the object durable, then visible under its name. When it
	// fails, nothing is visible that was not before, except that after an
	// error in the very last step (making the name durable) the whole object may be.
	Commit(ctx context.Context) error
	// Abort forgets what was written. It does nothing after Commit, so that
	// it can always be deferred.
	Abort() error
}

// A Keeper keeps a job's working state beside its outputs.
type Keeper interface {
	// Append opens a file for appending, and creates it (and its name, durably) where it is missing.
	Append(ctx context.Context, name string) (Appender, error)
	// Remove removes an object, or everything below a folder, durably. What
	// is not there is no error.
	Remove(ctx context.Context, name string) error
	// Lock takes the lock called name, or fails with ErrLocked at once. The lock
	// ends with the returned function or with the process.
	Lock(ctx context.Context, name string) (unlock func() error, err error)
}

// An Appender is a file that only grows, but for a torn tail that is cut.
type Appender interface {
	io.Writer
	// Sync makes all that was written durable. After an error nothing is
	// known about what is durable, and the Appender must not be used again.
	Sync() error
	// Truncate cuts the file to size bytes.
	Truncate(size int64) error
	io.Closer
}

// ErrLocked says that another process holds the lock.
var ErrLocked = errors.New("locked by another run")

// ErrBadName says that a name is not one a store can hold.
var ErrBadName = errors.New("not a valid object name")

// ErrNoFile says that what bears a name is nothing that can be read as a
// file: a folder behind a link, a pipe, a device.
var ErrNoFile = errors.New("not a file")

// An Error is a failed operation of a store.
type Error struct {
	Op  string // list, stat, open, read, create, write, sync, link, commit, remove, append, lock
	URI string
	Err error
}

func (e *Error) Error() string { return fmt.Sprintf("%s %s: %v", e.Op, e.URI, e.Err) }
func (e *Error) Unwrap() error { return e.Err }
