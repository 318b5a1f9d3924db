// Package roster holds what is known about each of very many objects without
// holding it in memory: a [List] of records that can be read in any order, an
// [Index] that finds the records by name, and a [Set] of names.
package roster

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"sync"
)

const (
	// inMemory is how many bytes of records stay in memory. Most jobs have fewer.
	inMemory = 1 << 20
	// stride is how many records share a known beginning.
	stride = 16
	// windowSize is how much of the file is read at a time.
	windowSize = 32 << 10
)

// A List is a list of records of any size, which only grows. What does not fit into
// memory is in a temporary file that has no name any more, so that it is gone
// with the process. Records are best read in the order of their numbers. The
// methods may be called at the same time. The zero value is an empty list; a List must be closed.
type List struct {
	mu     sync.Mutex
	n      int
	starts []int64 // where every stride-th record begins
	file   *os.File
	named  string // where a file that is open cannot be removed
	filed  int64  // bytes in file
	tail   []byte // what comes behind the file

	window   []byte // a part of the file
	windowAt int64
	next     int // the record behind the record that was read last
	nextAt   int64
}

// An Error is a temporary file that cannot be written or read.
type Error struct {
	Dir string // where temporary files are made
	Err error
}

func (e *Error) Error() string { return fmt.Sprintf("temporary file in %s: %v", e.Dir, e.Err) }
func (e *Error) Unwrap() error { return e.Err }

// Len is the number of records.
func (l *List) Len() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.n
}

// Add copies record to the end of the list, and returns its number. The error is an *Error.
func (l *List) Add(record []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.tail) >= inMemory {
		if err := l.spill(); err != nil {
			return 0, err
		}
	}
	if l.n%stride == 0 {
		l.starts = append(l.starts, l.filed+int64(len(l.tail)))
	}
	l.tail = append(binary.AppendUvarint(l.tail, uint64(len(record))), record...)
	l.n++
	return l.n - 1, nil
}

// spill moves the tail into the file.
func (l *List) spill() error {
	if l.file == nil {
		f, err := os.CreateTemp("", "batchmill-*")
		if err != nil {
			return l.failed(err)
		}
		l.file = f
		if os.Remove(f.Name()) != nil { // some systems do not remove what is open
			l.named = f.Name()
		}
	}
	if _, err := l.file.WriteAt(l.tail, l.filed); err != nil {
		return l.failed(err)
	}
	l.filed += int64(len(l.tail))
	l.tail = l.tail[:0]
	return nil
}

// Get appends record i to dst. The error is an *Error.
func (l *List) Get(dst []byte, i int) ([]byte, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if i < 0 || i >= l.n {
		return dst, l.failed(fmt.Errorf("no record %d of %d", i, l.n))
	}
	k, at := i-i%stride, l.starts[i/stride]
	if k <= l.next && l.next <= i {
		k, at = l.next, l.nextAt
	}
	for ; ; k++ {
		head, err := l.view(at, binary.MaxVarintLen64)
		if err != nil {
			return dst, err
		}
		size, n := binary.Uvarint(head)
		at += int64(n)
		if n <= 0 || size > uint64(l.end(at)-at) {
			return dst, l.failed(fmt.Errorf("record %d is not what was written", k))
		}
		if k < i {
			at += int64(size)
			continue
		}
		record, err := l.view(at, int(size))
		if err != nil {
			return dst, err
		}
		l.next, l.nextAt = i+1, at+int64(size)
		return append(dst, record...), nil
	}
}

// end is where the part ends, file or tail, that byte at is in. No record is in both.
func (l *List) end(at int64) int64 {
	if at < l.filed {
		return l.filed
	}
	return l.filed + int64(len(l.tail))
}

// view is the n bytes from at on, or as many as there are. The view is valid until the next call.
func (l *List) view(at int64, n int) ([]byte, error) {
	n = int(min(int64(n), l.end(at)-at))
	if at >= l.filed {
		return l.tail[at-l.filed:][:n], nil
	}
	if at < l.windowAt || at+int64(n) > l.windowAt+int64(len(l.window)) {
		size := int(min(int64(max(n, windowSize)), l.filed-at))
		if cap(l.window) < size || cap(l.window) > windowSize && size <= windowSize {
			l.window = make([]byte, max(size, windowSize))
		}
		l.window, l.windowAt = l.window[:size], at
		if _, err := l.file.ReadAt(l.window, at); err != nil {
			l.window = l.window[:0]
			return nil, l.failed(err)
		}
	}
	return l.window[at-l.windowAt:][:n], nil
}

func (l *List) failed(err error) error {
	return &Error{Dir: os.TempDir(), Err: err}
}

// Close gives the file back. The list is empty then, and may be closed again.
func (l *List) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	var err error
	if l.file != nil {
		err = l.file.Close()
		if l.named != "" {
			err = errors.Join(err, os.Remove(l.named))
		}
	}
	l.n, l.starts, l.file, l.named, l.filed, l.tail = 0, nil, nil, "", 0, nil
	l.window, l.windowAt, l.next, l.nextAt = nil, 0, 0, 0
	if err != nil {
		return l.failed(err)
	}
	return nil
}
