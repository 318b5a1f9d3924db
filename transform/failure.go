package transform

import (
	"errors"
	"fmt"

	"github.com/batchmill/batchmill/transform/store"
	"github.com/batchmill/batchmill/workers"
)

// Class is the kind of a failure that ends a job. The command line maps each
// to an exit code.
type Class uint8

const (
	Internal    Class = iota // a fault of batchmill itself
	Usage                    // the configuration is wrong; nothing was sent or written
	BadInput                 // the data, or the model as a whole, cannot be used
	NoHosts                  // no host is available
	Storage                  // a store failed
	Superseded               // another run owns the job
	Interrupted              // the caller ended the job
)

// A Failure ends a job. Err says what and where; Hint says what to do next.
type Failure struct {
	Class Class
	Err   error
	Hint  string
}

func (f *Failure) Error() string { return f.Err.Error() }
func (f *Failure) Unwrap() error { return f.Err }

// usage is a failure of the configuration, with its fix.
func usage(hint, format string, args ...any) error {
	return &Failure{Class: Usage, Err: fmt.Errorf(format, args...), Hint: hint}
}

// ClassOf says what kind of failure err is.
func ClassOf(err error) Class {
	var (
		failure     *Failure
		stored      *store.Error
		unavailable *workers.UnavailableError
		dropped     *workers.AllDroppedError
		damaged     *DamageError
		changed     *ChangedError
	)
	switch {
	case errors.As(err, &failure):
		return failure.Class
	case errors.Is(err, store.ErrLocked), errors.Is(err, store.ErrSuperseded), errors.Is(err, store.ErrGrown):
		return Superseded
	case errors.Is(err, store.ErrNoFile), errors.Is(err, store.ErrUnsafe):
		return Usage
	case errors.As(err, &stored), errors.As(err, &damaged):
		return Storage
	case errors.As(err, &changed):
		return BadInput
	case errors.As(err, &dropped) && dropped.Gone:
		return NoHosts
	case errors.As(err, &dropped):
		return Usage
	case errors.As(err, &unavailable):
		return NoHosts
	}
	return Internal
}

// HintOf is what to do about err, or "".
func HintOf(err error) string {
	var failure *Failure
	var damaged *DamageError
	var stored *store.Error
	switch {
	case errors.As(err, &failure):
		return failure.Hint
	case errors.Is(err, store.ErrSuperseded), errors.Is(err, store.ErrGrown):
		return "the later run goes on with all that was logged; should that one end too, run the same command again"
	case errors.Is(err, store.ErrUnsafe):
		return "choose an --output on disk or on a service that honours If-Match and If-None-Match: without them two runs could destroy each other's work"
	case errors.As(err, &damaged):
		return "put the file back as it was, or forget it with --restart"
	case errors.As(err, &stored) && ClassOf(err) == Storage:
		return "mend the cause and run the same command again; what was answered is kept"
	}
	return ""
}
