package transform

import (
	"context"
	"errors"
	"time"
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
	waiting []*place // without an answer, before the width of answers is known
	ended   bool     // a batch was answered and not joined: only logging goes on
	held    int64    // bytes they hold in the window
}

// take passes on p, unless how wide answers are is needed first and not known:
// then p waits for the job's first answer. A quarter of the memory full of
// records without any answer ends that wait, and answers are taken to have one field.
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
	if !a.width.settled() {
		i, ok := p.firstAnswer()
		var err error
		switch {
		case ok:
			err = a.settleWidth(a.plan.codec.joiner.Width(p.answers.Bytes(i), p.answers.List[i].Form))
		case a.held+p.held > int64(a.plan.Spec.Memory)/4:
			a.width.settle(1) // no answer did, so it binds this run alone
		default:
			a.waiting = append(a.waiting, p)
			a.held += p.held
			return nil
		}
		if err != nil {
			return err
		}
	}
	return a.emit(ctx, p)
}

// settleWidth settles how wide answers are, for this run and the next ones.
func (a *assembler) settleWidth(fields int) error {
	a.width.settle(fields)
	return a.state.note(entryWidth, widthEntry{fields})
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
	if !a.width.settled() {
		a.width.settle(1)
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
