package answerlog

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"sync"
	"time"

	"github.com/batchmill/batchmill/internal/caught"
	"github.com/batchmill/batchmill/transform/store"
)

// A Writer appends entries. Append only fills memory; Commit makes all that was
// appended durable. After an error the writer is broken for good: a failed sync
// tells nothing about what is durable, so no sync is tried again. Its methods may be
// called from many goroutines.
type Writer struct {
	mu     sync.Mutex // guards the fields down to full
	buf    []byte
	broken error
	// How many bytes were ever appended, and how many of these are durable.
	appended, durable int64
	grown             time.Time     // when the log was last written to
	full              chan struct{} // has a token when buf holds a group's worth

	io    chan struct{} // has a token while a goroutine writes; taken before mu; no mutex, for time may pass in simulations
	out   store.Appender
	size  int64         // of the file, in bytes
	tag   [tagSize]byte // of the log
	spare []byte
	most  int // bytes that may wait for a commit
}

// groupWorth is how many bytes of entries are worth a commit of their own, and cheapWorth how many
// of a long list are where a commit is cheap.
const (
	groupWorth = 8 << 20
	cheapWorth = 1 << 20
)

// mostGroup is how many bytes of entries may wait for a commit: a store that is
// slow to make answers durable slows their reader down.
const mostGroup = 4 * groupWorth

// NewWriter writes to out, which holds size bytes of a log with the tag. A log that holds
// nothing gets a tag. At most so many bytes of entries wait for a commit, and never more than 32 MiB.
// The writer owns out.
func NewWriter(out store.Appender, size int64, tag [tagSize]byte, most int64) *Writer {
	if size == 0 {
		_, _ = rand.Read(tag[:]) // it never fails
	}
	return &Writer{out: out, size: size, tag: tag, grown: time.Now(), full: make(chan struct{}, 1), io: make(chan struct{}, 1), most: int(min(most, mostGroup))}
}

// Append adds the framed entries that add appends to its argument: large entries are made
// where they are kept. Append waits only where many bytes are not durable yet: 32 MiB, or less by
// NewWriter's bound.
func (w *Writer) Append(add func(dst []byte) []byte) error {
	w.mu.Lock()
	before := len(w.buf)
	w.buf = add(w.buf)
	size, broken := len(w.buf), w.broken
	w.appended += int64(size - before)
	w.mu.Unlock()
	if size < min(groupWorth, w.most) || broken != nil {
		return broken
	}
	if size >= w.most {
		return w.Commit()
	}
	select {
	case w.full <- struct{}{}:
	default: // the committer knows already
	}
	return nil
}

// Note adds an entry of JSON.
func (w *Writer) Note(kind Kind, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return w.append(kind, text)
}

// append adds an entry.
func (w *Writer) append(kind Kind, body []byte) error {
	return w.Append(func(dst []byte) []byte {
		return AppendEntry(dst, kind, func(dst []byte) []byte { return append(dst, body...) })
	})
}

// NoteLarge is Note for the many entries of a long list, which should not all wait for one commit:
// it commits when as many bytes wait as are worth a commit, where commits are costly or where not.
func (w *Writer) NoteLarge(kind Kind, v any, costly bool) error {
	worth := cheapWorth
	if costly {
		worth = groupWorth
	}
	if err := w.Note(kind, v); err != nil {
		return err
	}
	w.mu.Lock()
	full := len(w.buf) >= worth
	w.mu.Unlock()
	if !full {
		return nil
	}
	return w.Commit()
}

// Commit makes durable what was appended before the call. Commits that come
// together share a sync: a commit whose entries became durable during its wait for
// its turn leaves what came since to the next commit.
func (w *Writer) Commit() error {
	w.mu.Lock()
	asked := w.appended
	w.mu.Unlock()
	w.io <- struct{}{}
	defer func() { <-w.io }()
	w.mu.Lock()
	if w.broken != nil || w.durable >= asked {
		defer w.mu.Unlock()
		return w.broken
	}
	data, upTo := w.buf, w.appended
	w.buf = w.spare[:0]
	w.mu.Unlock()
	err := w.write(data)
	if w.spare = data; cap(data) > min(2*groupWorth, w.most) { // a giant's memory
		w.spare = nil
	}
	if err == nil {
		w.mu.Lock()
		w.durable = upTo
		w.mu.Unlock()
	}
	return err
}

// write adds a group to the file and syncs the file. The caller holds w.io.
func (w *Writer) write(data []byte) error {
	if broken := w.failure(); broken != nil { // another commit broke w, while this commit waited for its turn
		return broken
	}
	err := caught.Err(func() error { return w.tryWrite(data) }) // a panic breaks w too: what data held is not in the file
	w.mu.Lock()
	defer w.mu.Unlock()
	w.broken, w.grown = err, time.Now()
	return err
}

func (w *Writer) tryWrite(data []byte) error {
	group := AppendGroup(nil, w.size, w.tag)
	if _, err := w.out.Write(group); err != nil {
		return err
	}
	if _, err := w.out.Write(data); err != nil {
		return err
	}
	w.size += int64(len(group) + len(data))
	return w.out.Sync()
}

// CommitEvery commits in the background, at every interval and whenever a group
// is full, until ctx ends. With a heartbeat, the log grows by an entry of [KindAlive]
// when nothing was logged for a heartbeat's time: other runs see that a run is at work, and
// a run that is superseded finds out.
func (w *Writer) CommitEvery(ctx context.Context, interval, heartbeat time.Duration) error {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-w.full:
		case <-tick.C:
		}
		if heartbeat > 0 && w.idle() >= heartbeat {
			if err := w.append(KindAlive, nil); err != nil {
				return err
			}
		}
		if err := w.Commit(); err != nil {
			return err
		}
	}
}

// idle is for how long nothing was made durable.
func (w *Writer) idle() time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	return time.Since(w.grown)
}

// failure is why the writer is broken; nil for a writer that is not.
func (w *Writer) failure() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.broken
}

// Seal commits, and ends the log with an empty group. Seal fails where a later run
// has taken the log over, even if nothing was left to commit.
func (w *Writer) Seal() error {
	if err := w.Commit(); err != nil {
		return err
	}
	w.io <- struct{}{}
	defer func() { <-w.io }()
	return w.write(nil)
}

// Close seals the log, so that damage to anything before its end can be told
// from a tail that was never durable. A broken log is only closed.
func (w *Writer) Close() error {
	broken := w.failure()
	if errors.Is(broken, store.ErrSuperseded) { // the run may have been told of another failure before
		return errors.Join(broken, w.out.Close())
	}
	if broken != nil { // the caller whose call broke w was told
		return w.out.Close()
	}
	return errors.Join(w.Seal(), w.out.Close())
}

// Abandon closes the log of a finished job, and writes no more. With
// empty, the log is emptied first: of this call and a run that takes the log
// over only one succeeds.
func (w *Writer) Abandon(empty bool) (err error) {
	if empty {
		err = w.out.Truncate(0)
	}
	return errors.Join(err, w.out.Close())
}
