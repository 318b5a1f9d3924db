package transform

import (
	"context"
	"errors"
	"time"

	"github.com/batchmill/batchmill/formats"
)

// An assembler takes the places in input order, waits for each, and writes the place's
// output records to the sink of its object. Its goroutine is the only one that
// writes outputs, so the order of records needs no other care. Finished sinks go to the publishers.
type assembler struct {
	*run
	order      <-chan *place
	publishing chan *sink         // to the publishers
	room       *publishRoom       // for what publishing holds
	join       func(*place) error // where copies are late

	sink    *sink          // of the object at hand; nil between objects
	waiting []*place       // before the layout of answers is known
	learned formats.Layout // what the answers of waiting say about the layout
	ended   bool           // a batch was answered and not joined: from there on places are only logged
	bytes   int64          // that waiting holds in the window
}

func newAssembler(r *run, order <-chan *place, join func(*place) error) *assembler {
	return &assembler{run: r, order: order, join: join, publishing: make(chan *sink), room: newPublishRoom(r.plan.Output)}
}

// assemble writes the whole job. That the caller has ended the job is no error.
func (a *assembler) assemble(ctx context.Context) error {
	defer func() { a.sink.abort() }()
	err := a.all(ctx)
	if errors.Is(err, errStopped) {
		a.stopped, err = true, nil
	}
	if err == nil {
		close(a.publishing)
	}
	return err
}

// errStopped says that the caller has ended the job, and that what comes next
// in order was not answered.
var errStopped = errors.New("stopped")

func (a *assembler) all(ctx context.Context) error {
	for {
		began := time.Now()
		p, err := receive(ctx, a, a.order)
		spent(&a.clock.cut, began)
		if err != nil {
			return err
		}
		if p == nil { // order is closed: that was the last place
			return a.finish(ctx)
		}
		if err := a.take(ctx, p); err != nil {
			return err
		}
	}
}

// take passes on p, unless the layout is needed first and not known: then p
// waits for the answers that fix the layout. A quarter of the memory full of records
// whose answers do not fix the layout ends that wait: then what is known fixes the layout.
func (a *assembler) take(ctx context.Context, p *place) error {
	began := time.Now()
	_, err := receive(ctx, a, p.answered)
	spent(&a.clock.asked, began)
	if err != nil {
		return err
	}
	a.window.pass()
	defer spent(&a.clock.writing, time.Now())
	if err := a.doubts.rely(p); err != nil {
		return err
	}
	if err := a.log(p); err != nil {
		return err
	}
	if !a.layout.fixed() {
		full := a.bytes+p.bytes > int64(a.plan.Spec.Memory)/4
		if !a.learn(p) && !full {
			a.waiting = append(a.waiting, p)
			a.bytes += p.bytes
			return nil
		}
		if err := a.fixLayout(full, full); err != nil {
			return err
		}
	}
	return a.emit(ctx, p)
}

// lateEntry is about how many bytes of answers an entry has that is made late.
const lateEntry = 4 << 20

// log tells the log about p.
func (a *assembler) log(p *place) error {
	if p.late && p.logged == nil {
		for part := range p.outcomes().Parts(lateEntry) { // a large batch is never in memory once more
			if err := a.ledger.Append(part.AppendEntry); err != nil {
				return err
			}
		}
		return nil
	}
	if p.late {
		return a.ledger.Append(p.makeEntries)
	}
	err := a.ledger.Append(func(dst []byte) []byte { return append(dst, p.entries...) })
	entries.put(p.entries)
	p.entries = nil
	a.copies.give(p.early)
	return err
}

// learn tells whether p's answers fix the layout.
func (a *assembler) learn(p *place) bool {
	for i, answer := range p.answers.List {
		if answer.Form != formats.NoAnswer && a.codec.Joiner.Learn(&a.learned, p.answers.Bytes(i), answer.Form) {
			return true
		}
	}
	return false
}

// fixLayout fixes the layout for this run and, where answers decided about
// the layout, for later runs. With guess, what the answers left open is decided too. With
// pin, later runs are bound in any case: objects are published by this layout, which
// a resumed run would pass over, and guess otherwise.
func (a *assembler) fixLayout(guess, pin bool) error {
	answered := a.learned.Seen > 0 || a.learned.Fields > 0
	if guess {
		a.codec.Joiner.Learn(&a.learned, nil, formats.NoAnswer)
		a.learned.Guessed = true
	}
	a.layout.fix(a.learned)
	if !answered && !pin {
		return nil
	}
	return a.ledger.FixLayout(a.learned)
}

// emit writes the places that waited, and then p.
func (a *assembler) emit(ctx context.Context, p *place) error {
	all := append(a.waiting, p)
	a.waiting = nil
	for _, q := range all {
		if a.ended {
			return nil
		}
		err := a.write(ctx, q)
		if a.ended = errors.Is(err, errStopped); err != nil && !a.ended {
			return err
		}
	}
	return nil
}

// finish is the end of the job's last object.
func (a *assembler) finish(ctx context.Context) error {
	if !a.layout.fixed() {
		if err := a.fixLayout(true, false); err != nil {
			return err
		}
	}
	for _, q := range a.waiting {
		if err := a.write(ctx, q); err != nil {
			return err
		}
	}
	return nil
}

// write puts one place into its object's sink, and leaves the window.
func (a *assembler) write(ctx context.Context, p *place) error {
	if p.late {
		if err := a.join(p); err != nil {
			return err
		}
	} else if _, err := receive(ctx, a, p.joined); err != nil {
		return err
	}
	if a.sink == nil {
		a.sink = &sink{run: a.run, object: p.object}
	}
	if err := a.sink.add(ctx, p); err != nil {
		return err
	}
	outputs.put(p.out)
	a.window.leave(p.bytes)
	if p.end == nil {
		return nil
	}
	a.progress.settle(p.span, p.end.err != nil)
	done := a.sink
	a.sink = nil
	if err := a.room.enter(ctx, done); err != nil {
		done.abort()
		return err
	}
	select {
	case a.publishing <- done:
		return nil
	case <-ctx.Done():
		done.abort()
		return ctx.Err()
	}
}

// receive takes the next value of ch, the zero value where ch is closed. The error is
// errStopped once no asker is left that could send or close, or ctx's.
func receive[T any](ctx context.Context, a *assembler, ch <-chan T) (v T, err error) {
	select {
	case v = <-ch:
		return v, nil
	default:
	}
	defer a.pause()()
	select {
	case v = <-ch:
		return v, nil
	case <-a.drained:
	case <-ctx.Done():
		return v, ctx.Err()
	}
	select {
	case v = <-ch:
		return v, nil
	default:
		return v, errStopped
	}
}

// pause tells the window that the assembler waits, until the returned function
// is called. An assembler that does not wait is writing.
func (a *assembler) pause() (resume func()) {
	a.window.setWriting(false)
	return func() { a.window.setWriting(true) }
}
