package process

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/batchmill/batchmill/workers/hostlog"
)

// A startError is a process that could not be started at all.
type startError struct{ text string }

func (e *startError) Error() string { return "it cannot be started: " + e.text }

// A GaveUpError is a process that is not started any more.
type GaveUpError struct {
	Host   string // its name
	Starts int    // in a row
	Err    error  // how it ended last
	Last   string // the last lines that it printed, as it wrote them; may be empty
	Log    string // the file that has them all; empty without one
}

func (e *GaveUpError) Error() string { return e.Host + ": " + e.reason() }

func (e *GaveUpError) reason() string {
	var b strings.Builder
	fmt.Fprintf(&b, "given up after %d start", e.Starts)
	if e.Starts != 1 {
		b.WriteByte('s')
	}
	fmt.Fprintf(&b, ": %v", e.Err)
	if e.Last != "" {
		fmt.Fprintf(&b, ": its last lines: %s", e.Last)
	}
	if e.Log != "" {
		fmt.Fprintf(&b, ": look into %s, and run the command by itself", e.Log)
	}
	return b.String()
}

// Unwrap gives how the process ended last.
func (e *GaveUpError) Unwrap() error { return e.Err }

// Keep starts the process, and again each time that it ends, after a pause of
// 100 ms that doubles. After five times in a row in which it did not run for a
// minute and answer something well, it gives up with a *GaveUpError. A process
// that cannot be started at all is given up at once. When it returns nothing is left of the process, for which
// it takes 10 seconds at most.
func (h *Host) Keep(ctx context.Context) error {
	log, err := h.logs.Open(h.number)
	if err != nil {
		err = fmt.Errorf("its log cannot be opened: %w", err)
		h.at(0, err)
		return fmt.Errorf("%s: %w", h.Name(), err)
	}
	defer log.Close() // it holds what it holds
	gaveUp := h.keep(ctx, log)
	if gaveUp == nil {
		h.at(0, errors.New("the job is over"))
		return ctx.Err()
	}
	h.logs.Keep()
	gaveUp.Log = log.Path()
	h.at(0, errors.New(gaveUp.reason()))
	return gaveUp
}

// keep returns nil once ctx has ended.
func (h *Host) keep(ctx context.Context, log *hostlog.Log) *GaveUpError {
	pause := firstPause
	var last error // how it ended last
	for starts := 1; ; starts++ {
		began := time.Now()
		err := h.once(ctx, log, last)
		if ctx.Err() != nil {
			return nil
		}
		log.Note(err.Error())
		if time.Since(began) >= steady && h.served.Load() {
			starts, pause = 1, firstPause
		}
		var never *startError
		if starts > restarts || errors.As(err, &never) {
			return &GaveUpError{Host: h.Name(), Starts: starts, Err: err, Last: log.Tail()}
		}
		if last = err; log.Tail() != "" {
			last = fmt.Errorf("%w: its last lines: %s", err, log.Tail())
		}
		h.at(0, fmt.Errorf("%w: it is started again after %v", last, pause))
		if !sleep(ctx, pause) {
			return nil
		}
		pause = min(2*pause, longestPause)
	}
}

// once runs the process to its end; last is how the one before ended. The error
// is never nil.
func (h *Host) once(ctx context.Context, log *hostlog.Log, last error) error {
	port, err := h.ports.take()
	if err != nil {
		return err
	}
	defer h.ports.giveBack(port)
	log.Begin(fmt.Sprintf("the process starts, port %d", port))
	h.served.Store(false)
	h.at(port, last)
	err = h.run(ctx, port, log)
	h.at(0, err) // before the port may be another one's
	return err
}

// sleep tells whether ctx still lives after d.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}
