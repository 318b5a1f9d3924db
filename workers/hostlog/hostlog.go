// Package hostlog keeps what hosts print that batchmill has started: a file of
// bounded size for each host, and the last lines in memory for a message.
//
// A [Dir] is the folder of a job's logs, a [Log] is the log of one host.
package hostlog

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	// maxFile is the size in bytes at which the log N.log is renamed to N.log.1,
	// which replaces the older N.log.1: a host has at most two files of maxFile bytes.
	maxFile = 8 << 20
	// maxTail is how many of the last bytes are kept in memory.
	maxTail = 4 << 10
	// lastLines and lineLength, in bytes, bound what a message shows.
	lastLines  = 5
	lineLength = 300
)

// A Dir is a folder of logs, which is made when the first log is opened. The methods
// may be called concurrently.
type Dir struct {
	mu        sync.Mutex
	path      string
	temporary bool
	kept      bool
}

// At is the folder at path, which stays.
func At(path string) *Dir { return &Dir{path: path} }

// Temporary is a new folder among the system's temporary files, which Close removes.
func Temporary() *Dir { return &Dir{temporary: true} }

// Path is the folder's path; "" for a temporary folder that is not made yet.
func (d *Dir) Path() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.path
}

// Keep makes Close leave a temporary folder, because a message names the folder.
func (d *Dir) Keep() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.kept = true
}

// Close removes a temporary folder, unless Keep was called. The folder's logs must be
// closed before.
func (d *Dir) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.temporary || d.kept || d.path == "" {
		return nil
	}
	return os.RemoveAll(d.path)
}

// Open opens the log of host number, N.log, and makes the file where it is missing.
// New text is appended. The caller closes the log.
func (d *Dir) Open(number int) (*Log, error) {
	dir, err := d.ensure()
	if err != nil {
		return nil, err
	}
	l := &Log{path: filepath.Join(dir, strconv.Itoa(number)+".log")}
	return l, l.open()
}

func (d *Dir) ensure() (_ string, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.temporary && d.path == "" {
		d.path, err = os.MkdirTemp("", "batchmill-hosts-")
		return d.path, err
	}
	return d.path, os.MkdirAll(d.path, 0o777)
}

// A Log is the log of one host. The methods may be called concurrently.
type Log struct {
	path string

	mu   sync.Mutex
	file *os.File // nil once closed, or where no file can be written
	size int64
	tail []byte
}

// open opens the file for appending. Hosts may print secrets, so only the file's
// owner may read the file.
func (l *Log) open() error {
	f, err := os.OpenFile(l.path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("%w; %w", err, f.Close())
	}
	l.file, l.size = f, info.Size()
	return nil
}

// Path is the path of the file.
func (l *Log) Path() string { return l.path }

// Begin writes that the host starts, with what, and forgets the tail: the next
// message is about this start.
func (l *Log) Begin(what string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tail = l.tail[:0]
	l.writeNote(what)
}

// Note writes a line of batchmill's own into the file; the tail holds only what the
// host printed.
func (l *Log) Note(what string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.writeNote(what)
}

func (l *Log) writeNote(what string) {
	l.write(fmt.Appendf(nil, "--- batchmill, %s: %s\n", time.Now().UTC().Format(time.RFC3339), what))
}

// Write appends p and never fails: a host whose pipe nobody reads would stop, so a
// file that cannot be written is ignored.
func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.write(p)
	l.tail = append(l.tail, p[max(0, len(p)-maxTail):]...)
	if over := len(l.tail) - maxTail; over > 0 {
		l.tail = l.tail[:copy(l.tail, l.tail[over:])]
	}
	return len(p), nil
}

func (l *Log) write(p []byte) {
	if l.file != nil && l.size > 0 && l.size+int64(len(p)) > maxFile {
		l.rotate()
	}
	if l.file == nil {
		return
	}
	n, _ := l.file.Write(p) // the tail keeps what the file could not take
	l.size += int64(n)
}

func (l *Log) rotate() {
	_ = l.file.Close()
	l.file = nil
	if os.Rename(l.path, l.path+".1") == nil {
		_ = l.open()
	}
}

// Tail is the last 5 lines since Begin that are not empty, joined by " | "; "" without
// lines. The text is the host's: the caller escapes the text before showing it.
func (l *Log) Tail() string {
	var lines []string
	for line := range strings.Lines(l.Recent()) {
		line = strings.TrimSpace(line)
		if len(line) > lineLength {
			line = strings.ToValidUTF8(line[:lineLength], "") + "..."
		}
		if line != "" {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines[max(0, len(lines)-lastLines):], " | ")
}

// Recent is the last few KiB that the host printed since Begin, as valid UTF-8.
func (l *Log) Recent() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return string(bytes.ToValidUTF8(l.tail, []byte("?")))
}

// Close closes the file. Text written later is kept in the tail only.
func (l *Log) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file == nil {
		return nil
	}
	f := l.file
	l.file = nil
	return f.Close()
}
