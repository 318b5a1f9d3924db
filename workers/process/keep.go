package process

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/batchmill/batchmill/workers"
	"github.com/batchmill/batchmill/workers/hostlog"
)

// A startError says that a process could not be started at all.
type startError struct{ text string }

func (e *startError) Error() string { return "it cannot be started: " + e.text }

// A gaveUpError says that a process is not started any more.
type gaveUpError struct {
	Host   string // the host's name
	Starts int    // starts in a row that ended soon
	Err    error  // how the process ended last
	Last   string // the last lines that the process printed; may be empty
	Log    string // the file with all lines; empty without a file
}

func (e *gaveUpError) Error() string { return e.Host + ": " + e.reason() }

func (e *gaveUpError) reason() string {
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
func (e *gaveUpError) Unwrap() error { return e.Err }

// Keep starts the process, and starts the process again each time it ends, after a
// pause of 100 ms that doubles up to 30 seconds. A process that ended six times in a
// row, without having run for a minute and answered an invocation, is given up; a
// process that cannot be started at all is given up at once. When Keep returns,
// nothing is left of the process; ending it takes at most 10 seconds.
func (h *Host) Keep(ctx context.Context) error {
	log, err := h.logs.Open(h.number)
	if err != nil {
		err = fmt.Errorf("its log cannot be opened: %w", err)
		h.setPort(0, err)
		return fmt.Errorf("%s: %w", h.Name(), err)
	}
	defer log.Close() // a log that cannot be closed is no reason to fail
	h.mu.Lock()
	h.log = log.Path()
	h.mu.Unlock()
	gaveUp := h.keep(ctx, log)
	if gaveUp == nil {
		h.setPort(0, errors.New("the job is over"))
		return ctx.Err()
	}
	h.logs.Keep()
	gaveUp.Log = log.Path()
	h.setPort(0, errors.New(gaveUp.reason()))
	return gaveUp
}

// keep returns nil once ctx has ended.
func (h *Host) keep(ctx context.Context, log *hostlog.Log) *gaveUpError {
	pause := firstPause
	var last error // how the process ended last
	for starts := 1; ; starts++ {
		began := time.Now()
		err := h.runOnce(ctx, log, last)
		if ctx.Err() != nil {
			return nil
		}
		log.Note(err.Error())
		if time.Since(began) >= steadyRun && h.answered.Load() {
			starts, pause = 1, firstPause
		}
		var never *startError
		if starts > mostRestarts || errors.As(err, &never) {
			return &gaveUpError{Host: h.Name(), Starts: starts, Err: err, Last: log.Tail()}
		}
		if last = err; log.Tail() != "" {
			last = fmt.Errorf("%w: its last lines: %s", err, log.Tail())
		}
		h.setPort(0, fmt.Errorf("%w: it is started again after %v", last, pause))
		if workers.Sleep(ctx, pause) != nil {
			return nil
		}
		pause = min(2*pause, longestPause)
	}
}

// runOnce runs a process to its end; last is how the process before ended. The error
// is never nil.
func (h *Host) runOnce(ctx context.Context, log *hostlog.Log, last error) error {
	port, err := h.ports.reserve()
	if err != nil {
		return err
	}
	defer h.ports.release(port)
	log.Begin(fmt.Sprintf("the process starts, port %d", port))
	h.answered.Store(false)
	h.setPort(port, last)
	err = h.run(ctx, port, log)
	h.setPort(0, err) // before another process gets the port
	return err
}
