package storetest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/batchmill/batchmill/transform/store"
)

// maxConflicts is how often a put or a completion is asked for whose condition
// does not hold, though nothing is there that it could be about.
const maxConflicts = 6

// clientObject is an object that is being written: in memory up to a part, then
// as an upload.
type clientObject struct {
	c     *Client
	ctx   context.Context // Create's, for the parts
	name  string
	seen  string // ETag that Commit replaces; "" for nothing there
	nonce string
	meta  map[string]string
	buf   []byte
	id    int // of the upload; 0 before there is one
	parts int
	err   error
	done  bool
}

// Create begins an object. With store.Replace it is the object there now
// that Commit replaces.
func (c *Client) Create(ctx context.Context, name string, mode store.Mode) (store.Object, error) {
	if err := c.begin(ctx, "create", name); err != nil {
		return nil, err
	}
	o := &clientObject{c: c, ctx: ctx, name: name, nonce: c.nonce()}
	o.meta = c.marks(o.nonce)
	if mode == store.Replace {
		found, err := c.look(ctx, name)
		if err != nil && !errors.Is(err, errNoKey) {
			return nil, c.wrap("create", name, err)
		}
		if err == nil {
			o.seen = found.etag
		}
	}
	return o, nil
}

func (o *clientObject) Write(p []byte) (int, error) {
	if o.done && o.err == nil {
		o.err = o.c.wrap("write", o.name, fs.ErrClosed)
	}
	if o.err != nil {
		return 0, o.err
	}
	o.buf = append(o.buf, p...)
	for len(o.buf) > partSize {
		if o.err = o.c.wrap("write", o.name, o.send(o.ctx, o.buf[:partSize])); o.err != nil {
			return 0, o.err
		}
		o.buf = o.buf[partSize:]
	}
	return len(p), nil
}

// send sends the next part, and begins the upload before the first one. An
// upload whose beginning got no answer stays behind, as it does in the real thing.
func (o *clientObject) send(ctx context.Context, part []byte) error {
	if o.id == 0 {
		err := o.c.send(ctx, "begin", o.name, func(b *Bucket) error {
			if o.id > 0 { // the same request again: one upload each is too unkind
				return nil
			}
			o.id = b.begin(o.name, o.meta)
			return nil
		})
		if err != nil {
			return err
		}
	}
	number := o.parts
	o.parts++
	return o.c.send(ctx, "part", fmt.Sprint(o.name, number), func(b *Bucket) error { return b.part(o.id, number, part) })
}

// Commit puts the object, or completes its upload, on the condition that the
// name bears what was seen. What an answer leaves open is resolved by looking.
func (o *clientObject) Commit(ctx context.Context) error {
	if o.done || o.err != nil {
		if o.err == nil {
			o.err = o.c.wrap("commit", o.name, fs.ErrClosed)
		}
		return o.err
	}
	o.done = true
	err := ctx.Err()
	if err == nil {
		err = o.publish(ctx)
	}
	if err != nil {
		o.err = o.c.wrap("commit", o.name, err)
		_ = o.discard() // why it failed matters more
	}
	return o.err
}

func (o *clientObject) publish(ctx context.Context) error {
	request := func() error {
		return o.c.send(ctx, "put", o.name, func(b *Bucket) error { return b.put(o.name, o.seen, o.buf, o.meta) })
	}
	if o.id != 0 {
		if err := o.send(ctx, o.buf); err != nil {
			return err
		}
		request = func() error {
			return o.c.send(ctx, "complete", o.name, func(b *Bucket) error { return b.complete(o.id, o.parts, o.seen) })
		}
	}
	for try := 1; ; try++ {
		err := request()
		if err == nil || errors.Is(err, ErrDied) {
			return err
		}
		again, err := o.settle(ctx, err)
		if !again || try == maxConflicts {
			return err
		}
	}
}

// settle finds out what a request came to that failed with cause.
func (o *clientObject) settle(ctx context.Context, cause error) (again bool, err error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	found, err := o.c.look(ctx, o.name)
	switch {
	case errors.Is(err, errNoKey):
		found = &bucketObject{}
	case err != nil:
		return false, errors.Join(cause, err)
	}
	switch {
	case found.meta[metaNonce] == o.nonce:
		return false, nil
	case found.etag != "" && found.etag != o.seen:
		return false, fmt.Errorf("%w: somebody else wrote it meanwhile", fs.ErrExist)
	case found.etag == "" && o.seen != "":
		o.seen = ""
		return true, cause
	}
	return errors.Is(cause, errRefused), cause
}

// Abort forgets what was written, and ends the upload.
func (o *clientObject) Abort() error {
	if o.done && o.err == nil {
		return nil
	}
	o.done = true
	return o.c.wrap("abort", o.name, o.discard())
}

func (o *clientObject) discard() error {
	id := o.id
	if o.id = 0; id == 0 {
		return nil
	}
	return o.c.abort(context.WithoutCancel(o.ctx), id, o.name)
}
