package transform

import (
	"context"
	"errors"
	"sync"
)

// placeOverhead is how many bytes a place costs beside its batch: structs, a
// stack, channel slots. Counting them bounds the number of places.
const placeOverhead = 8 << 10

// window is the one ordered queue of a job, bounded in bytes. A place is taken
// in input order before its work starts and left in the same order after its records
// are written; the bytes of a place may grow and shrink in between.
//
// The head, the oldest place that is not answered, waits for memory only while older places are
// written, which need none. So
// whatever memory waiting places hold, the head gets done, and the
// next place is the head. Nor does the head wait for a host that is occupied by a place which
// waits for memory: such a place has to give its host up. So nothing can
// deadlock. The bound may be passed by what one place needs.
type window struct {
	budget int64

	mu       sync.Mutex
	used     int64
	peak     int64 // most that was ever used
	places   int
	entered  int64          // places that were ever taken
	head     int64          // sequence number of the oldest place
	growing  int            // places that wait to grow; newcomers wait behind them
	hostless map[int64]bool // places that wait for a host
	writing  bool           // the assembler writes, and does not wait for an answer
	full     bool           // a newcomer waits
	freed    chan struct{}  // closed when something was freed, and made anew
}

func newWindow(budget int64) *window {
	return &window{budget: budget, hostless: map[int64]bool{}, freed: make(chan struct{})}
}

// capacity is the largest number of places the window can hold.
func (w *window) capacity() int { return int(w.budget/placeOverhead) + 1 }

// enter takes the next place, n bytes large, when there is room or the window is empty.
func (w *window) enter(ctx context.Context, n int64) error {
	return w.wait(ctx, func() bool {
		budget := w.budget
		if w.writing {
			budget /= writersShare
		}
		w.full = w.places > 0 && (w.used+n > budget || w.growing > 0)
		if w.full {
			return false
		}
		w.places++
		w.entered++
		w.take(n)
		return true
	})
}

// holdsFew tells whether there is no room for n more bytes although the window holds
// fewer places than few.
func (w *window) holdsFew(n int64, few int) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.places > 0 && w.places < few && w.used+n > w.budget && !w.writing
}

// grow gives n more bytes to the place of number seq, at once if that is the head. With
// holdsHost, the place occupies a host: if the head waits for a host, grow fails
// with errNoRoom instead of waiting.
func (w *window) grow(ctx context.Context, seq, n int64, holdsHost bool) error {
	waits, yield := false, false
	err := w.wait(ctx, func() bool {
		if seq <= w.head && !w.writing || w.used+n <= w.budget {
			w.take(n)
			return true
		}
		if yield = holdsHost && w.hostless[w.head]; yield {
			return true
		}
		if !waits {
			waits = true
			w.growing++
		}
		return false
	})
	if waits {
		w.mu.Lock()
		w.growing--
		w.mu.Unlock()
	}
	if yield {
		return errNoRoom
	}
	return err
}

// charge gives n more bytes to a place whether there is room or not: for memory that
// is small beside its batch, and for memory that is taken already.
func (w *window) charge(n int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.take(n)
}

// errNoRoom says that a response found no memory and was given up, so that an
// older batch can have its host.
var errNoRoom = errors.New("no memory for the response now")

// needsHost notes that a place waits for a host, until the returned function is called.
func (w *window) needsHost(seq int64) (got func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.hostless[seq] = true
	w.wake()
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.hostless, seq)
	}
}

func (w *window) take(n int64) {
	w.used += n
	w.peak = max(w.peak, w.used)
}

// shrink takes n bytes back from a place that stays.
func (w *window) shrink(n int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.used -= n
	w.wake()
}

// writersShare is the part of the budget, one of 8, that may be full while the assembler
// is writing. All stages wait for the disk in that time, and reading further
// ahead would only pile up finished places. The whole budget is for a slow head.
const writersShare = 8

// setWriting says whether the assembler is writing.
func (w *window) setWriting(now bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.writing = now; !now {
		w.wake()
	}
}

// pass makes the next place the head: the head so far is answered, and needs
// neither memory nor a host any more.
func (w *window) pass() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.head++
	w.wake()
}

// leave gives up the oldest place and the n bytes that the place still holds.
func (w *window) leave(n int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.used -= n
	w.places--
	w.wake()
}

// blocked tells whether the reading side waits for memory.
func (w *window) blocked() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.full
}

// stuckAt is the head, and whether other places wait for the memory that the head will free.
func (w *window) stuckAt() (head int64, full bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.head, (w.full || w.growing > 0) && !w.writing
}

func (w *window) wake() {
	if !w.full && w.growing == 0 {
		return
	}
	close(w.freed)
	w.freed = make(chan struct{})
}

// wait calls try under the lock, now and after every release, until try returns true.
func (w *window) wait(ctx context.Context, try func() bool) error {
	for {
		w.mu.Lock()
		ok, freed := try(), w.freed
		w.mu.Unlock()
		if ok {
			return nil
		}
		select {
		case <-freed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
