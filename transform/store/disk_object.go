package store

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// Temporary files have names of their own, which List does not show.
const (
	tempPrefix = ".batchmill-"
	tempSuffix = ".tmp"
)

// isTemp tells whether base is the last element of a temporary file's name.
func isTemp(base string) bool {
	return strings.HasPrefix(base, tempPrefix) && strings.HasSuffix(base, tempSuffix)
}

// tempName is the temporary file beside name. It depends on name alone, so that
// what a killed run leaves is found by the next one; n tells apart
// objects of one name that are written at the same time. It is short: name's
// last element may be as long as the system allows.
func tempName(name string, n int) string {
	sum := sha256.Sum256([]byte(name))
	base := tempPrefix + hex.EncodeToString(sum[:8])
	if n > 0 {
		base += fmt.Sprintf("-%d", n)
	}
	return path.Join(path.Dir(name), base+tempSuffix)
}

// Create begins an object in a temporary file beside name, in folders that are
// made where they are missing. Writes go straight to the file: callers write
// large pieces.
func (d *Disk) Create(ctx context.Context, name string, mode Mode) (Object, error) {
	if _, err := d.begin(ctx, "create", name); err != nil {
		return nil, err
	}
	if isTemp(path.Base(name)) {
		err := fmt.Errorf("%w: %q is reserved for temporary files", ErrBadName, name)
		return nil, wrap("create", d.URI(name), err)
	}
	if err := d.ensureParent(name); err != nil {
		return nil, wrap("create", d.URI(name), err)
	}
	temp := d.takeTemp(name)
	f, err := d.createTemp(temp)
	if err != nil {
		d.freeTemp(temp)
		return nil, wrap("create", d.URI(name), err)
	}
	return &diskObject{d: d, f: f, name: name, temp: temp, mode: mode}, nil
}

// createTemp makes the file anew. It never truncates one that is there: after
// a crash between link and remove, that is the published output by another name.
func (d *Disk) createTemp(temp string) (*os.File, error) {
	local := filepath.FromSlash(temp)
	if err := d.root.Remove(local); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return d.root.OpenFile(local, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
}

// takeTemp reserves a temporary file's name within this process. Other
// processes are kept away by the job's lock.
func (d *Disk) takeTemp(name string) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	for n := 0; ; n++ {
		if temp := tempName(name, n); !d.writing[temp] {
			d.writing[temp] = true
			return temp
		}
	}
}

func (d *Disk) freeTemp(temp string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.writing, temp)
}

type diskObject struct {
	d          *Disk
	f          *os.File
	name, temp string
	mode       Mode
	err        error // the first failure, or fs.ErrClosed when all is over
}

func (o *diskObject) Write(p []byte) (int, error) {
	if o.err != nil {
		return 0, o.err
	}
	n, err := o.f.Write(p)
	o.err = wrap("write", o.d.URI(o.name), err)
	return n, o.err
}

// Commit syncs the content before the name exists, so that no reader, and no
// power cut, can meet the name without the content.
func (o *diskObject) Commit(ctx context.Context) error {
	if o.err != nil {
		return o.err
	}
	defer o.end()
	if err := ctx.Err(); err != nil {
		return err
	}
	// A failed sync is never tried again: the system may have dropped the
	// pages that it could not write, and would call the second try a success.
	if err := o.f.Sync(); err != nil {
		return wrap("sync", o.d.URI(o.name), err)
	}
	if err := o.f.Close(); err != nil {
		return wrap("commit", o.d.URI(o.name), err)
	}
	if err := ctx.Err(); err != nil { // syncing may take long
		return err
	}
	dir, err := o.d.root.Open(filepath.FromSlash(path.Dir(o.name)))
	if err != nil {
		return wrap("commit", o.d.URI(o.name), err)
	}
	defer dir.Close()
	if err := o.publish(dir); err != nil {
		return wrap("link", o.d.URI(o.name), err)
	}
	return wrap("sync", o.d.URI(o.name), syncDir(dir))
}

// publish gives the temporary file its final name; dir is the folder of both.
func (o *diskObject) publish(dir *os.File) error {
	temp, name := filepath.FromSlash(o.temp), filepath.FromSlash(o.name)
	if o.mode == Replace {
		return o.d.root.Rename(temp, name)
	}
	// One step where the system has it: a crash cannot leave both names.
	err := renameNew(dir, path.Base(o.temp), path.Base(o.name))
	if !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	return o.d.linkNew(temp, name)
}

// linkNew is a rename that does not replace, in two steps: the name appears,
// then the temporary one goes. A kill in between leaves both to one file.
func (d *Disk) linkNew(temp, name string) error {
	err := d.root.Link(temp, name)
	if noLinks(err) {
		return fmt.Errorf("the filesystem has neither hard links nor a rename that does not replace: "+
			"write to another filesystem, or use --overwrite: %w", err)
	}
	if err != nil {
		return err
	}
	return d.root.Remove(temp) // before the folder is synced, so that both last
}

// Abort removes the temporary file. A killed run's is replaced by the next run.
func (o *diskObject) Abort() error {
	if o.f == nil {
		return nil
	}
	return o.end()
}

// end closes and removes what is left of the temporary file, and makes every
// further use fail.
func (o *diskObject) end() error {
	if o.f == nil {
		return nil
	}
	o.f.Close() // after Commit it is closed already
	o.f, o.err = nil, wrap("write", o.d.URI(o.name), fs.ErrClosed)
	err := o.d.root.Remove(filepath.FromSlash(o.temp))
	o.d.freeTemp(o.temp)
	if errors.Is(err, fs.ErrNotExist) { // it has its final name now
		return nil
	}
	return wrap("remove", o.d.URI(o.temp), err)
}
