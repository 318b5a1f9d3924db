package transform

import (
	"context"
	"errors"
	"time"

	"github.com/batchmill/batchmill/formats"
)

// assemble takes the places in input order, waits for each, and writes its
// output records to the sink of its object. It is the only goroutine that
// writes outputs, so order needs no other care.
func (r *run) assemble(ctx context.Context) error {
	a := assembler{run: r}
	defer func() { a.sink.abort() }()
	err := a.all(ctx)
	if errors.Is(err, errStopped) {
		r.stopped, err = true, nil
	}
	if err == nil {
		close(r.publishing)
	}
	return err
}

// errStopped says that the caller has ended the job, and that what comes next
// in order was not answered.
var errStopped = errors.New("stopped")

func (a *assembler) all(ctx context.Context) error {
	for {
		p, err := a.next(ctx)
		if err != nil {
			return err
		}
		if p == nil {
			return a.finish(ctx)
		}
		if err := a.take(ctx, p); err != nil {
			return err
		}
	}
}

// next is the next place, nil after the last one.
func (a *assembler) next(ctx context.Context) (*place, error) {
	select {
	case p := <-a.order:
		return p, nil
	default:
	}
	defer a.pause()()
	select {
	case p := <-a.order:
		return p, nil
	case <-a.drained:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	select {
	case p := <-a.order:
		return p, nil
	default:
		return nil, errStopped
	}
}

type assembler struct {
	*run
	sink    *sink
	waiting []*place       // before the layout of answers is known
	learned formats.Layout // what their answers say about it
	ended   bool           // a batch was answered and not joined: only logging goes on
	held    int64          // bytes they hold in the window
}

// take passes on p, unless the layout is needed first and not known: then p
// waits for the answers that settle it. A quarter of the memory full of records
// that do not ends that wait, and what is known by then settles it.
func (a *assembler) take(ctx context.Context, p *place) error {
	if err := a.wait(ctx, p.answered); err != nil {
		return err
	}
	a.window.pass()
	if err := a.state.log.append(p.entries); err != nil {
		return err
	}
	entries.put(p.entries)
	p.entries = nil
	if !a.layout.settled() {
		full := a.held+p.held > int64(a.plan.Spec.Memory)/4
		if !a.learn(p) && !full {
			a.waiting = append(a.waiting, p)
			a.held += p.held
			return nil
		}
		if err := a.settleLayout(full, full); err != nil {
			return err
		}
	}
	return a.emit(ctx, p)
}

// learn tells whether p's answers settle the layout.
func (a *assembler) learn(p *place) bool {
	for i, answer := range p.answers.List {
		if answer.Form != formats.NoAnswer && a.plan.codec.joiner.Learn(&a.learned, p.answers.Bytes(i), answer.Form) {
			return true
		}
	}
	return false
}

// settleLayout settles the layout for this run and, where answers had a say in
// it, for the next ones. With guess, what they left open is decided too. With
// pin, the next ones are bound in any case: objects are published by it, which
// a resumed run would pass over, and guess otherwise.
func (a *assembler) settleLayout(guess, pin bool) error {
	answered := a.learned.Seen > 0 || a.learned.Fields > 0
	if guess {
		a.plan.codec.joiner.Learn(&a.learned, nil, formats.NoAnswer)
	}
	a.layout.settle(a.learned)
	if !answered && !pin {
		return nil
	}
	return a.state.note(entryLayout, a.learned)
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
	if !a.layout.settled() {
		if err := a.settleLayout(true, false); err != nil {
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
	if err := a.wait(ctx, p.joined); err != nil {
		return err
	}
	began := time.Now()
	defer func() { a.clock.writing.Add(int64(time.Since(began))) }()
	if a.sink == nil {
		a.sink = newSink(a.run, p.object)
	}
	if err := a.sink.add(ctx, p); err != nil {
		return err
	}
	outputs.put(p.out)
	a.window.leave(p.held)
	if !p.last {
		return nil
	}
	done := a.sink
	a.sink = nil
	if err := a.publishRoom.enter(ctx, done); err != nil {
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

// wait waits for a batch, or until it is sure that it will not come.
func (a *assembler) wait(ctx context.Context, done <-chan struct{}) error {
	select {
	case <-done:
		return nil
	default:
	}
	defer a.pause()()
	select {
	case <-done:
		return nil
	case <-a.drained:
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case <-done:
		return nil
	default:
		return errStopped
	}
}

// pause tells the window that the assembler waits, until the returned function
// is called. As long as it does not, it is writing.
func (a *assembler) pause() (resume func()) {
	a.window.setWriting(false)
	return func() { a.window.setWriting(true) }
}
