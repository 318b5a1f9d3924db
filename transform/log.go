package transform

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"slices"
	"sync"
	"time"

	"github.com/batchmill/batchmill/transform/store"
)

// The answer log is the job's only checkpoint. It is a file of entries:
//
//	length  uint32, little endian: bytes of body
//	check   uint32, little endian: CRC32C of body
//	body    one byte of kind, then what the kind holds
//
// Entries are written in groups, each synced before the next. A tail that was
// being written when the run died is cut off; anything else that does not
// check is damage, and an error with its offset. Newer entries win.
const (
	entryHeader = 8
	maxEntry    = 1 << 30
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// A DamageError is a log that does not hold what was written to it.
type DamageError struct {
	URI    string
	Offset int64
	Why    string
}

func (e *DamageError) Error() string {
	return fmt.Sprintf("%s: damaged at byte %d: %s", e.URI, e.Offset, e.Why)
}

// readLog calls each with every whole entry: where it begins, its kind, and its
// body, which is valid during the call. It returns the size of what is whole, and
// what the log is, which may end in a torn tail. A missing log is empty.
func readLog(ctx context.Context, k store.Keeper, uri string, each func(offset int64, kind byte, body []byte) error) (whole int64, log store.Info, err error) {
	rc, info, err := k.ReadLog(ctx, logName)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, log, nil
	}
	if err != nil {
		return 0, log, err
	}
	defer rc.Close()
	l := logReader{src: bufio.NewReaderSize(rc, 256<<10), reopen: reopenLog(ctx, k), uri: uri, size: info.Size}
	for {
		kind, body, err := l.next()
		if err == io.EOF {
			return l.off, info, nil
		}
		if err != nil {
			return l.off, info, err
		}
		if kind != entryGroup {
			if err := each(l.off, kind, body); err != nil {
				return l.off, info, fmt.Errorf("%s: entry at byte %d: %w", l.uri, l.off, err)
			}
		}
		l.off += entryHeader + 1 + int64(len(body))
	}
}

// reopenLog opens the log from its beginning, for a second look.
func reopenLog(ctx context.Context, k store.Keeper) func() (io.ReadCloser, error) {
	return func() (io.ReadCloser, error) {
		rc, _, err := k.ReadLog(ctx, logName)
		return rc, err
	}
}

// logSize is how many bytes the log holds, whole or not, and when it grew last.
func logSize(ctx context.Context, k store.Keeper) (int64, time.Time, error) {
	rc, info, err := k.ReadLog(ctx, logName)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, time.Time{}, nil
	}
	if err != nil {
		return 0, time.Time{}, err
	}
	return info.Size, info.ModTime, rc.Close()
}

type logReader struct {
	src    *bufio.Reader
	reopen func() (io.ReadCloser, error) // from the beginning
	uri    string
	size   int64 // of the file
	off    int64 // where the next entry begins
	buf    []byte
}

// next reads an entry. It returns io.EOF at the end, and at a tail that was
// being written when the run died.
func (l *logReader) next() (byte, []byte, error) {
	if l.off+entryHeader > l.size {
		return 0, nil, io.EOF
	}
	var head [entryHeader]byte
	if _, err := io.ReadFull(l.src, head[:]); err != nil {
		return 0, nil, err
	}
	n := int64(binary.LittleEndian.Uint32(head[:]))
	if n < 1 || n > maxEntry || l.off+entryHeader+n > l.size { // nothing is allocated by what it says
		return 0, nil, l.tornOrDamaged("its length cannot be")
	}
	l.buf = slices.Grow(l.buf[:0], int(n))[:n]
	if _, err := io.ReadFull(l.src, l.buf); err != nil {
		return 0, nil, err
	}
	if crc32.Checksum(l.buf, castagnoli) != binary.LittleEndian.Uint32(head[4:]) {
		return 0, nil, l.tornOrDamaged("its checksum is wrong")
	}
	return l.buf[0], l.buf[1:], nil
}

// tornOrDamaged judges an entry that does not check. Nothing is known about
// bytes that were never synced, so they may hold anything, and are cut off. But
// a group of entries that begins behind them says that they were durable
// before it was written: then it is damage.
func (l *logReader) tornOrDamaged(why string) error {
	rc, err := l.reopen()
	if err != nil {
		return err
	}
	defer rc.Close()
	if _, err := io.CopyN(io.Discard, rc, l.off+1); err != nil {
		return err
	}
	src := bufio.NewReaderSize(rc, 64<<10)
	for at := l.off + 1; ; at++ {
		head, err := src.Peek(groupSize)
		if err != nil {
			return err // io.EOF: no group is left
		}
		if isGroup(head, at) {
			return &DamageError{URI: l.uri, Offset: l.off, Why: why}
		}
		if _, err := src.Discard(1); err != nil {
			return err
		}
	}
}

// groupSize is the size of the entry that begins a group.
const groupSize = entryHeader + 1 + 8

// frameGroup appends the entry that begins a group at byte at of the log: all
// before it was durable when it was written. It holds its own offset, so that
// it can be told from bytes that happen to look like it.
func frameGroup(dst []byte, at int64) []byte {
	return frameEntry(dst, entryGroup, func(dst []byte) []byte { return binary.LittleEndian.AppendUint64(dst, uint64(at)) })
}

func isGroup(b []byte, at int64) bool {
	return b[entryHeader] == entryGroup && binary.LittleEndian.Uint64(b[entryHeader+1:]) == uint64(at) &&
		bytes.Equal(b, frameGroup(nil, at))
}

// frameEntry appends an entry whose body is what body appends.
func frameEntry(dst []byte, kind byte, body func([]byte) []byte) []byte {
	at := len(dst)
	dst = body(append(dst, 0, 0, 0, 0, 0, 0, 0, 0, kind))
	checked := dst[at+entryHeader:]
	binary.LittleEndian.PutUint32(dst[at:], uint32(len(checked)))
	binary.LittleEndian.PutUint32(dst[at+4:], crc32.Checksum(checked, castagnoli))
	return dst
}

// logWriter appends entries. Appending only fills memory; commit makes all
// that was appended durable. After an error it is broken for good: a failed
// sync tells nothing about what is durable, so it is never tried again.
type logWriter struct {
	mu     sync.Mutex // guards the next six
	buf    []byte
	broken error
	// How many bytes were ever appended, and how many of them are durable.
	appended, durable int64
	grown             time.Time     // when it was last written to
	full              chan struct{} // has one when buf holds a group's worth

	io    chan struct{} // has one while somebody writes; taken before mu; no mutex, for time may pass in simulations
	out   store.Appender
	size  int64 // of the file
	spare []byte
}

// groupWorth is how many bytes of entries are worth a commit of their own, and
// mostGroup how many may wait for one: a store that is slow to make answers
// durable slows their reader down.
const (
	groupWorth = 8 << 20
	mostGroup  = 4 * groupWorth
)

func newLogWriter(out store.Appender, size int64) *logWriter {
	return &logWriter{out: out, size: size, grown: time.Now(), full: make(chan struct{}, 1), io: make(chan struct{}, 1)}
}

// append adds framed entries. It waits only where very many are not durable yet.
func (l *logWriter) append(entries []byte) error {
	l.mu.Lock()
	l.buf = append(l.buf, entries...)
	l.appended += int64(len(entries))
	size, broken := len(l.buf), l.broken
	l.mu.Unlock()
	if size < groupWorth || broken != nil {
		return broken
	}
	if size >= mostGroup {
		return l.commit()
	}
	select {
	case l.full <- struct{}{}:
	default: // somebody knows already
	}
	return nil
}

// waiting is how many bytes of entries are not being made durable yet.
func (l *logWriter) waiting() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.buf)
}

// commit makes durable what was appended before the call. Commits that come
// together share a sync: one whose entries became durable while it waited for
// its turn leaves what came since to the next one.
func (l *logWriter) commit() error {
	l.mu.Lock()
	asked := l.appended
	l.mu.Unlock()
	l.io <- struct{}{}
	defer func() { <-l.io }()
	l.mu.Lock()
	if l.broken != nil || l.durable >= asked {
		defer l.mu.Unlock()
		return l.broken
	}
	data, upTo := l.buf, l.appended
	l.buf = l.spare[:0]
	l.mu.Unlock()
	l.spare = data
	err := l.write(data)
	if err == nil {
		l.mu.Lock()
		l.durable = upTo
		l.mu.Unlock()
	}
	return err
}

// write adds a group to the file and syncs it. The caller holds l.io.
func (l *logWriter) write(data []byte) error {
	l.mu.Lock()
	broken := l.broken
	l.mu.Unlock()
	if broken != nil { // by another's commit, while this one waited for its turn
		return broken
	}
	err := l.tryWrite(data)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.broken, l.grown = err, time.Now()
	return err
}

func (l *logWriter) tryWrite(data []byte) error {
	if _, err := l.out.Write(frameGroup(nil, l.size)); err != nil {
		return err
	}
	if _, err := l.out.Write(data); err != nil {
		return err
	}
	l.size += groupSize + int64(len(data))
	return l.out.Sync()
}

// commitEvery commits in the background, at every interval and whenever a group
// is full, until ctx ends. With a heartbeat, the log grows by an entry that says so
// when nothing was logged for so long: others see that somebody is at work, and
// who is superseded finds out.
func (l *logWriter) commitEvery(ctx context.Context, interval, heartbeat time.Duration) error {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-l.full:
		case <-tick.C:
		}
		if heartbeat > 0 && l.idle() >= heartbeat {
			if err := l.append(frameEntry(nil, entryAlive, func(dst []byte) []byte { return dst })); err != nil {
				return err
			}
		}
		if err := l.commit(); err != nil {
			return err
		}
	}
}

// idle is how long nothing was made durable.
func (l *logWriter) idle() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return time.Since(l.grown)
}

// seal commits, and ends the log with an empty group. It fails where a later run
// has taken the log over, even if nothing was left to commit.
func (l *logWriter) seal() error {
	if err := l.commit(); err != nil {
		return err
	}
	l.io <- struct{}{}
	defer func() { <-l.io }()
	return l.write(nil)
}

// close seals the log, so that damage to anything before its end can be told
// from a tail that was never durable. What is broken is only closed.
func (l *logWriter) close() error {
	l.mu.Lock()
	broken := l.broken
	l.mu.Unlock()
	if errors.Is(broken, store.ErrSuperseded) { // another failure may have been told before it
		return errors.Join(broken, l.out.Close())
	}
	if broken != nil { // whoever broke it was told
		return l.out.Close()
	}
	return errors.Join(l.seal(), l.out.Close())
}
