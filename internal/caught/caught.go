// Package caught starts all goroutines of batchmill, and turns a panic in one of
// them into an error: a job then ends as it does after any other error, its log
// is whole, and the exit code is 1.
//
// What Go cannot catch ends the process with exit code 2: memory that the system
// does not give, a stack of a gigabyte, maps written to by two goroutines at once,
// and a panic in a goroutine that a library has started.
package caught

import (
	"bytes"
	"fmt"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
)

// A Panic is an error of batchmill itself, where something panicked. A Panic holds no
// data of a job, so it may be shown and reported: of a value that may quote a
// record, only the type is told.
type Panic struct {
	what  string
	Stack []byte // of the goroutine, from where it panicked
}

func (p *Panic) Error() string { return "internal error: " + p.what }

// maxStack bounds what is kept of a stack, in bytes.
const maxStack = 16 << 10

func newPanic(value any) *Panic {
	if inner, ok := value.(*Panic); ok { // of a goroutine that another one waited for
		return inner
	}
	what := fmt.Sprintf("panic with a %T", value)
	if err, ok := value.(runtime.Error); ok { // an index, a nil pointer, a type: no data
		what = err.Error()
	}
	stack := debug.Stack()
	if _, below, ok := bytes.Cut(stack, []byte("\npanic(")); ok { // this package stands above it
		stack = append([]byte("panic("), below...)
	}
	return &Panic{what: what, Stack: stack[:min(len(stack), maxStack)]}
}

// Err runs f. When f panics, the error is a *[Panic].
func Err(f func() error) (err error) {
	defer func() {
		if value := recover(); value != nil {
			err = newPanic(value)
		}
	}()
	return f()
}

// A Group is what an errgroup.Group does for Go.
type Group interface{ Go(f func() error) }

// Go runs f in a goroutine of g, whose error is a panic of f too.
func Go(g Group, f func() error) { g.Go(func() error { return Err(f) }) }

// In runs f in a goroutine of its own that wg counts, as [Run] does.
func In(wg *sync.WaitGroup, f func()) { wg.Go(func() { Run(f) }) }

// Start runs f in a goroutine of its own, as [Run] does.
func Start(f func()) { go Run(f) }

// last gets the panics of goroutines that have nobody to tell.
var last atomic.Pointer[func(*Panic)]

// SetLast has panics given to end that no error can tell of. The process cannot go on
// behind such a panic, for others may wait for its goroutine, so end should end it.
// Without end the process ends as Go ends it.
func SetLast(end func(*Panic)) { last.Store(&end) }

// Run runs f. When f panics, Run tells what [SetLast] set.
func Run(f func()) {
	defer func() {
		value := recover()
		if value == nil {
			return
		}
		end := last.Load()
		if end == nil {
			panic(value)
		}
		(*end)(newPanic(value))
	}()
	f()
}
