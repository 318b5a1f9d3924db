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
	// ChangeTime is when the object, or what the system keeps about the object, changed
	// last: nobody can set that time back. Only an open object may have one.
	ChangeTime time.Time
	// Encoding is the object's Content-Encoding, which only an open object tells; "" where the store has
	// none. The bytes are as they are stored.
	Encoding string
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
	// Stat describes what is open as it is now. The Info is another one than Open's if
	// any byte was overwritten since Open returned. What was put in the object's place under
	// its name does not matter: the reader still has the object that was opened.
	Stat() (Info, error)
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

// A Keeper keeps a job's working state beside its outputs: a log that only
// grows, and files for what does not fit into memory.
type Keeper interface {
	// ReadLog opens a log to read it from its beginning, as it is now, however it
	// is stored. Info tells its size, and when it grew last. The error is
	// fs.ErrNotExist when there is none.
	ReadLog(ctx context.Context, name string) (Reader, Info, error)
	// Append opens a log for appending, and creates it durably where it is missing.
	// seen is its size as ReadLog told it, 0 where there was none. From now on no
	// other Appender of it can sync. If it holds more than seen by now, the
	// error is ErrGrown: another run wrote to it, and what it wrote has to be read first.
	Append(ctx context.Context, name string, seen int64) (Appender, error)
	// Remove removes an object, or everything below a folder, durably. What
	// is not there is no error.
	Remove(ctx context.Context, name string) error
	// Spill makes an empty file that nobody else sees. It ends with Close; what a
	// process that died left under a folder's name goes with Remove.
	Spill(ctx context.Context, name string) (Spill, error)
}

// An Appender is a log that only grows, but for a tail, torn or behind damage, that is cut.
type Appender interface {
	io.Writer
	// Sync makes all that was written durable. The error is ErrSuperseded when another
	// Appender was opened since. After an error nothing is known about what is
	// durable, and the Appender must not be used again.
	Sync() error
	// Truncate cuts the log to size bytes. After a crash it is cut, or holds what it
	// held, and perhaps a part of that once more behind.
	Truncate(size int64) error
	io.Closer
}

// A Spill is a file for its owner alone: what was written can be read at any place.
type Spill interface {
	io.Writer
	io.ReaderAt
	io.Closer // removes it; may be called again
}

// A Locker is a Keeper that can keep a second run out. Where a store is none, a
// second run takes the log over, and the first finds out at its next Sync.
type Locker interface {
	// Lock takes the lock called name, or fails with ErrLocked at once. The lock
	// ends with the returned function or with the process.
	Lock(ctx context.Context, name string) (unlock func() error, err error)
	// Locked tells whether the lock is held, and creates nothing.
	Locked(ctx context.Context, name string) (bool, error)
}

// A Distant store answers over a network, so that one operation after another
// would mostly wait.
type Distant interface {
	// Concurrency is how many operations should be under way at a time.
	Concurrency() int
	// Memory is how many bytes its readers and objects hold, at most, for all
	// that they read ahead and have not written yet.
	Memory() int64
}

// An Owner marks what it creates, so that a run can tell its own objects.
type Owner interface {
	// Own says whose objects are created from now on.
	Own(job string)
	// OwnerOf tells whose object name is; "" when it bears no mark.
	OwnerOf(ctx context.Context, name string) (job string, err error)
}

// A Copier is an Object that may take bytes of another object from where they
// are: a service may copy them by itself.
type Copier interface {
	// WriteFrom is Write(b), where b are the bytes at off of src.
	WriteFrom(b []byte, src Reader, off int64) (int, error)
}

// A Cleaner finds what writers left that died: unfinished uploads, temporary files.
type Cleaner interface {
	// Clean removes what was begun under names that mine accepts and is in no
	// object, and yields the names. Whoever still writes one of them fails.
	Clean(ctx context.Context, mine func(name string) bool) iter.Seq2[string, error]
}

// A Prober is a store whose promises depend on who serves it.
type Prober interface {
	// Probe finds out, by objects that it makes and removes below the folder
	// dir, whether the store keeps what [Store] and [Keeper] promise. The error
	// is ErrUnsafe where it does not.
	Probe(ctx context.Context, dir string) error
}

// A Namer is a Store with bounds of its own for names.
type Namer interface {
	// CheckName tells whether the store can hold an object called name; the
	// error is ErrBadName. It asks nobody.
	CheckName(name string) error
}

// A Guarded store can tell who is able to write to it.
type Guarded interface {
	// SoleWriter fails where somebody else than this user may have written the object
	// called name, and says why.
	SoleWriter(ctx context.Context, name string) error
}

// ErrLocked says that another process holds the lock.
var ErrLocked = errors.New("locked by another run")

// ErrGrown says that a log holds more than the run that wants to append has read.
var ErrGrown = errors.New("another run has written to the log")

// ErrSuperseded says that a later run has taken the log over.
var ErrSuperseded = errors.New("a later run has taken over")

// ErrChanged says that an object is no longer what was opened.
var ErrChanged = errors.New("the object changed while it was read")

// ErrDamaged says that a log does not hold what was made durable in it. Remove
// forgets it.
var ErrDamaged = errors.New("the log is damaged")

// ErrUnsafe says that a store does not keep its promises.
var ErrUnsafe = errors.New("does not honour conditional writes")

// ErrBadName says that a name is not one a store can hold.
var ErrBadName = errors.New("not a valid object name")

// ErrNoFile says that what bears a name is nothing that can be read as a
// file: a folder behind a link, a pipe, a device.
var ErrNoFile = errors.New("not a file")

// ErrRefused says that a store does not read an object although the object is there: its
// name is not UTF-8, or a link leads out of the input. Other objects are not concerned.
var ErrRefused = errors.New("is not read")

// An Error is a failed operation of a store.
type Error struct {
	Op  string // list, stat, open, read, create, write, sync, link, commit, remove, append, lock
	URI string
	Err error
}

func (e *Error) Error() string { return fmt.Sprintf("%s %s: %v", e.Op, e.URI, e.Err) }
func (e *Error) Unwrap() error { return e.Err }
