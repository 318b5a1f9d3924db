//go:build linux

package store

import (
	"bufio"
	"errors"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// fullObject begins an object whose file is on a full disk. Its Sync fails too.
func fullObject(t *testing.T, d *Disk, name string) *diskObject {
	t.Helper()
	o, err := d.Create(t.Context(), name, New)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { o.Abort() })
	object := o.(*diskObject)
	object.f.Close()
	if object.f, err = os.OpenFile("/dev/full", os.O_WRONLY, 0); err != nil {
		t.Fatal(err)
	}
	return object
}

func newDisk(t *testing.T) *Disk {
	t.Helper()
	d, err := OpenDisk(t.TempDir(), false)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

func wantEmptyDir(t *testing.T, d *Disk) {
	t.Helper()
	if entries, err := os.ReadDir(d.dir); err != nil || len(entries) != 0 {
		t.Errorf("left on disk: %v, %v", entries, err)
	}
}

func TestDiskFullIsFinal(t *testing.T) {
	d := newDisk(t)
	o := fullObject(t, d, "out")
	_, err := o.Write([]byte("x"))
	var e *Error
	if !errors.Is(err, unix.ENOSPC) || !errors.As(err, &e) || e.Op != "write" {
		t.Errorf("write: %v, want ENOSPC", err)
	}
	if err := o.Commit(t.Context()); !errors.Is(err, unix.ENOSPC) {
		t.Errorf("commit after a failed write: %v", err)
	}
	if err := o.Abort(); err != nil {
		t.Fatal(err)
	}
	wantEmptyDir(t, d)
}

// TestDiskSyncsBeforeTheNameExists: when the content cannot be synced, there is
// no name, and no second try.
func TestDiskSyncsBeforeTheNameExists(t *testing.T) {
	d := newDisk(t)
	o := fullObject(t, d, "out")
	err := o.Commit(t.Context())
	var e *Error
	if !errors.As(err, &e) || e.Op != "sync" {
		t.Errorf("commit: %v, want a failed sync", err)
	}
	wantEmptyDir(t, d)
	if o.Commit(t.Context()) == nil {
		t.Error("second commit succeeded")
	}
	wantEmptyDir(t, d)
}

func TestDiskAppenderSyncIsFinal(t *testing.T) {
	d := newDisk(t)
	a, err := d.Append(t.Context(), "log", 0)
	if err != nil {
		t.Fatal(err)
	}
	da := a.(*diskAppender)
	da.f.Close()
	if da.f, err = os.OpenFile("/dev/full", os.O_WRONLY, 0); err != nil {
		t.Fatal(err)
	}
	first := a.Sync()
	if first == nil {
		t.Fatal("sync succeeded")
	}
	da.f.Close()
	if da.f, err = os.OpenFile(filepath.Join(d.dir, "log"), os.O_WRONLY, 0); err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	_, writeErr := a.Write([]byte("x"))
	for what, err := range map[string]error{"sync": a.Sync(), "write": writeErr, "truncate": a.Truncate(0)} {
		if !errors.Is(err, first) {
			t.Errorf("%s after a failed sync: %v", what, err)
		}
	}
}

// TestDiskPublishesWhereTheSystemHasOnlyLinks does by hand what publish
// does on a filesystem whose rename always replaces.
func TestDiskPublishesWhereTheSystemHasOnlyLinks(t *testing.T) {
	for _, err := range []error{unix.EPERM, unix.ENOTSUP, unix.EOPNOTSUPP, unix.ENOSYS} {
		if !noLinks(&os.LinkError{Op: "link", Err: err}) {
			t.Errorf("%v is not known to mean that there are no hard links", err)
		}
	}
	if noLinks(fs.ErrExist) || noLinks(nil) {
		t.Error("a taken name, or success, is taken for want of hard links")
	}
	d := newDisk(t)
	dir, err := d.root.Open(".")
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	for _, name := range []string{"temp", "taken"} {
		if err := d.root.WriteFile(name, []byte(name), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	for _, step := range []struct {
		publish func() error
		want    error
	}{
		{func() error { return renameNew(dir, "temp", "taken") }, fs.ErrExist},
		{func() error { return d.linkNew("temp", "taken") }, fs.ErrExist},
		{func() error { return d.linkNew("temp", "linked") }, nil},
		{func() error { return renameNew(dir, "linked", "renamed") }, nil},
		{func() error { return d.linkNew("temp", "again") }, fs.ErrNotExist},
	} {
		if err := step.publish(); !errors.Is(err, step.want) && !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("%v, want %v", err, step.want)
		}
	}
	if data, err := d.root.ReadFile("taken"); string(data) != "taken" {
		t.Errorf("what was there holds %q, %v", data, err)
	}
}

func TestDiskRefusesPipesSocketsAndDevices(t *testing.T) {
	d := newDisk(t)
	if err := unix.Mkfifo(filepath.Join(d.dir, "pipe"), 0o666); err != nil {
		t.Fatal(err)
	}
	t.Chdir(d.dir) // a socket's path is at most 108 bytes long
	l, err := net.Listen("unix", "sock")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := os.Symlink("/dev/zero", "zero"); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"pipe": "named pipe", "sock": "socket", "zero": "device"} {
		_, statErr := d.Stat(t.Context(), name)
		_, _, openErr := d.Open(t.Context(), name) // a pipe without a writer would hang
		_, appendErr := d.Append(t.Context(), name, 0)
		for info, err := range d.List(t.Context(), name) { // as an object, which fails alone when it is opened
			if err != nil || info.Name != name || !Refused(openErr) {
				t.Errorf("list %s: %+v, %v; opened %v", name, info, err, openErr)
			}
		}
		for what, err := range map[string]error{"stat": statErr, "open": openErr, "append": appendErr} {
			if name == "zero" && what == "append" && err != nil {
				continue // it leads out of the directory, which is said first
			}
			if err == nil || !strings.Contains(err.Error(), want) || errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s %s: %v, want it to name the %s", what, name, err, want)
			}
		}
	}
}

func TestDiskWithoutPermission(t *testing.T) {
	if os.Getuid() == 0 {
		t.Skip("root may write everywhere")
	}
	d := newDisk(t)
	if err := os.Mkdir(filepath.Join(d.dir, "closed"), 0o000); err != nil {
		t.Fatal(err)
	}
	_, err := d.Create(t.Context(), "closed/a", New)
	var listErr error
	for _, listErr = range d.List(t.Context(), "") {
	}
	for what, err := range map[string]error{"create": err, "list": listErr} {
		if !errors.Is(err, fs.ErrPermission) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// TestDiskLockEndsWithTheProcess locks in another process and kills it.
func TestDiskLockEndsWithTheProcess(t *testing.T) {
	if dir := os.Getenv("BATCHMILL_TEST_LOCK"); dir != "" {
		holdLock(t, dir)
	}
	d := newDisk(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, "-test.run=^TestDiskLockEndsWithTheProcess$")
	cmd.Env = append(os.Environ(), "BATCHMILL_TEST_LOCK="+d.dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || line != "locked\n" {
		t.Errorf("the other process says %q, %v", line, err)
	}
	if _, err := d.Lock(t.Context(), "lock"); !errors.Is(err, ErrLocked) {
		t.Errorf("lock while another process holds it: %v", err)
	}
	cmd.Process.Kill()
	cmd.Wait()
	unlock, err := d.Lock(t.Context(), "lock")
	if err != nil {
		t.Fatalf("lock after the holder was killed: %v", err)
	}
	unlock()
}

// holdLock is the other process. It never returns, and it keeps what unlocks: the
// collector would close the lock's file without that.
func holdLock(t *testing.T, dir string) {
	d, err := OpenDisk(dir, false)
	if err != nil {
		t.Fatal(err)
	}
	unlock, err := d.Lock(t.Context(), "lock")
	if err != nil {
		t.Fatal(err)
	}
	os.Stdout.WriteString("locked\n")
	for { // where every goroutine waited for ever, the runtime would end the process
		time.Sleep(time.Hour)
		runtime.KeepAlive(unlock)
	}
}
