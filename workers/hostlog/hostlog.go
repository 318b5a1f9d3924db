// Package hostlog keeps what started hosts print: a file for each, of bounded
// size, and the last lines at hand for a message.
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
	// maxFile is the size in bytes at which a log is moved to N.log.1, over the
	// older one there, and begun anew: a host has at most twice as much on disk.
	maxFile = 8 << 20
	// maxTail is how much of the end is kept at hand, in bytes.
	maxTail = 4 << 10
	// lastLines and lineLength bound what a message shows.
	lastLines  = 5
	lineLength = 300
)

// A Dir is a folder of logs. It is made when the first log is opened. Its
// methods may be called concurrently.
type Dir struct {
	mu        sync.Mutex
	path      string
	temporary bool
	keep      bool
}

// At is the folder path.
func At(path string) *Dir { return &Dir{path: path} }

// Temporary is a folder of its own below the system's one for temporary files.
func Temporary() *Dir { return &Dir{temporary: true} }

// Path is the folder; "" for a temporary one that is not made yet.
func (d *Dir) Path() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.path
}

// Keep makes Close leave a temporary folder: somebody was told to look there.
func (d *Dir) Keep() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.keep = true
}

// Close removes a temporary folder, unless Keep was called. Its logs must be closed.
func (d *Dir) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.temporary || d.keep || d.path == "" {
		return nil
	}
	return os.RemoveAll(d.path)
}

// Open opens the log of the host with that number, and makes it where it is
// missing. What is there stays in front.
func (d *Dir) Open(number int) (*Log, error) {
	dir, err := d.made()
	if err != nil {
		return nil, err
	}
	l := &Log{path: filepath.Join(dir, strconv.Itoa(number)+".log")}
	return l, l.open()
}

func (d *Dir) made() (_ string, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.temporary && d.path == "" {
		d.path, err = os.MkdirTemp("", "batchmill-hosts-")
		return d.path, err
	}
	return d.path, os.MkdirAll(d.path, 0o777)
}

// A Log is one host's. Its methods may be called concurrently.
type Log struct {
	path string

	mu   sync.Mutex
	file *os.File // nil once closed, or where it cannot be written
	size int64
	tail []byte
}

// open opens the file to append to it. What hosts print may be anything, so
// only its owner may read it.
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

// Path is where the file is.
func (l *Log) Path() string { return l.path }

// Begin notes that the host starts, and forgets the tail: the next message is
// about this start.
func (l *Log) Begin(what string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tail = l.tail[:0]
	l.note(what)
}

// Note notes in the file what batchmill knows of the host; the tail is the host's own.
func (l *Log) Note(what string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.note(what)
}

func (l *Log) note(what string) {
	l.write(fmt.Appendf(nil, "--- batchmill, %s: %s\n", time.Now().UTC().Format(time.RFC3339), what))
}

// Write appends p. It never fails: a log that cannot be written must not stop
// a host, which would wait for its pipe to be read.
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
	n, _ := l.file.Write(p) // the tail still has it
	l.size += int64(n)
}

func (l *Log) rotate() {
	_ = l.file.Close()
	l.file = nil
	if os.Rename(l.path, l.path+".1") == nil {
		_ = l.open()
	}
}

// Tail is the last lines since Begin, without empty ones, joined by " | "; ""
// without any. It is the host's text: escape it before it is shown.
func (l *Log) Tail() string {
	l.mu.Lock()
	text := bytes.ToValidUTF8(l.tail, []byte("?"))
	l.mu.Unlock()
	var lines []string
	for line := range strings.Lines(string(text)) {
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

// Close closes the file. What is written later is only kept in the tail.
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
