package storetest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/batchmill/batchmill/transform/store"
)

// segmenter puts segments: it is an appender.
type segmenter struct {
	c    *Client
	ctx  context.Context
	name string
	id   string

	log  string
	base int64
	last int64
	size int64
	buf  []byte
	err  error
}

// Append takes the log over, or begins it.
func (c *Client) Append(ctx context.Context, name string, seen int64) (store.Appender, error) {
	if err := c.begin(ctx, "append", name); err != nil {
		return nil, err
	}
	a := &segmenter{c: c, ctx: context.WithoutCancel(ctx), name: name, id: c.nonce()}
	if err := a.open(ctx, seen); err != nil {
		return nil, c.wrap("append", name, err)
	}
	return a, nil
}

func (a *segmenter) open(ctx context.Context, seen int64) error {
	t, err := a.c.findLog(ctx, a.name)
	if errors.Is(err, fs.ErrNotExist) {
		t, err = &logTable{mark: mark{log: a.id, base: 1}}, nil
	}
	if err != nil {
		return err
	}
	if seen == 0 && t.size > 0 {
		return store.ErrGrown
	}
	if err := a.claim(ctx, t, seen == 0); err != nil {
		return err
	}
	behind, err := a.confirm(ctx, a.log, a.base, t.last())
	if err != nil {
		return err
	}
	if a.log != t.log { // it was cut, or removed and begun anew
		return store.ErrGrown
	}
	a.size = t.size
	for i, g := range behind {
		if g.number != t.last()+1+int64(i) {
			return fmt.Errorf("%w: segment %d is missing", ErrDamaged, t.last()+1+int64(i))
		}
		a.size += g.size
	}
	if a.size != seen {
		return store.ErrGrown
	}
	return a.c.removeSegments(ctx, a.name, t.stale)
}

// claim puts an empty segment behind all others.
func (a *segmenter) claim(ctx context.Context, t *logTable, seenNothing bool) error {
	a.log, a.base, a.last = t.log, t.base, t.last()+1
	for range claimTries {
		other, err := a.put(ctx, nil)
		if err != nil || other == nil {
			return err
		}
		if seenNothing {
			return store.ErrGrown
		}
		a.log, a.base = other.log, other.base
		a.last++
	}
	return fmt.Errorf("%d numbers in a row were taken by another run", claimTries)
}

// put makes segment number last, and returns the mark of what is there instead.
func (a *segmenter) put(ctx context.Context, data []byte) (other *mark, err error) {
	name := segmentName(a.name, a.last)
	m := mark{nonce: fmt.Sprintf("%s-%d", a.id, a.last), log: a.log, base: a.base}
	for range maxConflicts {
		err = a.c.send(ctx, "put", name, func(b *Bucket) error { return b.put(name, "", data, m.meta("")) })
		if err == nil || errors.Is(err, ErrDied) || ctx.Err() != nil {
			return nil, err
		}
		found, lookErr := a.c.headSegment(ctx, a.name, a.last)
		switch {
		case lookErr == nil && found.nonce == m.nonce:
			return nil, nil
		case lookErr == nil:
			return &found, nil
		case !errors.Is(lookErr, errNoKey):
			return nil, errors.Join(err, lookErr)
		}
	}
	return nil, err
}

// confirm finds out, after segment number last was put, whether it is the last
// of the log that began with segment base, and returns those between after and it.
func (a *segmenter) confirm(ctx context.Context, log string, base, after int64) ([]segment, error) {
	behind, err := a.c.segmentsAfter(ctx, a.name, after, int(a.last-after)+1)
	if err != nil {
		return nil, err
	}
	if base != a.last {
		first, err := a.c.headSegment(ctx, a.name, base)
		if err != nil && !errors.Is(err, errNoKey) {
			return nil, err
		}
		if err != nil || first.log != log {
			return nil, errors.Join(store.ErrSuperseded, a.withdraw(ctx))
		}
	}
	if n := len(behind); n > 0 && behind[n-1].number > a.last {
		return nil, store.ErrSuperseded
	}
	return behind, nil
}

// withdraw deletes the segment just put: its log is gone.
func (a *segmenter) withdraw(ctx context.Context) error {
	found, err := a.c.headSegment(ctx, a.name, a.last)
	if errors.Is(err, errNoKey) {
		return nil
	}
	if err != nil || found.nonce != fmt.Sprintf("%s-%d", a.id, a.last) {
		return err
	}
	return a.c.removeSegments(ctx, a.name, []int64{a.last})
}

func (a *segmenter) Write(p []byte) (int, error) {
	if a.err != nil {
		return 0, a.err
	}
	a.buf = append(a.buf, p...)
	return len(p), nil
}

// Sync puts what was written as one segment.
func (a *segmenter) Sync() error {
	if a.err != nil || len(a.buf) == 0 {
		return a.err
	}
	if a.err = a.c.wrap("sync", a.name, a.add(a.log, a.base)); a.err == nil {
		a.size += int64(len(a.buf))
		a.buf = nil
	}
	return a.err
}

// add puts what is buffered behind the log that began with base.
func (a *segmenter) add(log string, base int64) error {
	a.last++
	other, err := a.put(a.ctx, a.buf)
	if err != nil {
		return err
	}
	if other != nil {
		return store.ErrSuperseded
	}
	_, err = a.confirm(a.ctx, log, base, a.last)
	return err
}

// Truncate forgets what was not synced, or all: segments are whole.
func (a *segmenter) Truncate(size int64) error {
	switch {
	case a.err != nil || size == a.size+int64(len(a.buf)):
		return a.err
	case size == a.size:
		a.buf = nil
		return nil
	case size != 0:
		return a.c.wrap("truncate", a.name, fmt.Errorf("cannot cut a log of %d bytes to %d", a.size, size))
	}
	log, base := a.log, a.base
	a.log, a.base, a.buf, a.size = a.c.nonce(), a.last+1, nil, 0
	err := a.add(log, base)
	if err == nil {
		var old []int64
		for n := base; n < a.base; n++ {
			old = append(old, n)
		}
		err = a.c.removeSegments(a.ctx, a.name, old)
	}
	a.err = a.c.wrap("truncate", a.name, err)
	return a.err
}

func (a *segmenter) Close() error {
	if errors.Is(a.err, fs.ErrClosed) {
		return a.err
	}
	a.err, a.buf = a.c.wrap("write", a.name, fs.ErrClosed), nil
	return nil
}

func (c *Client) removeSegments(ctx context.Context, log string, numbers []int64) error {
	names := make([]string, len(numbers))
	for i, n := range numbers {
		names[i] = segmentName(log, n)
	}
	return c.delete(ctx, names)
}
