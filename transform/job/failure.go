package job

import "fmt"

// Class is the kind of a failure that ends a job. The command line maps each
// to an exit code.
type Class uint8

// The classes.
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

// Usagef is a failure of the configuration, with its fix.
func Usagef(hint, format string, args ...any) error {
	return &Failure{Class: Usage, Err: fmt.Errorf(format, args...), Hint: hint}
}
