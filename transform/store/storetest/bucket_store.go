package storetest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"time"

	"github.com/batchmill/batchmill/transform/store"
)

var (
	_ store.Store   = (*Client)(nil)
	_ store.Keeper  = (*Client)(nil)
	_ store.Distant = (*Client)(nil)
	_ store.Owner   = (*Client)(nil)
	_ store.Cleaner = (*Client)(nil)
)

// Sizes are small, so that small jobs have many requests.
const (
	pageNames = 5   // of a listing
	blockSize = 256 // bytes that a read asks for
	partSize  = 64  // of uploads, but for the last part
)

// What the metadata tells.
const (
	metaJob   = "job"
	metaNonce = "nonce"
	metaLog   = "log"
	metaBase  = "base"
)

// ErrChanged says that an object is no longer what was opened.
var ErrChanged = errors.New("the object changed while it was read")

// URI is sim://bucket/name.
func (c *Client) URI(name string) string { return "sim://" + c.b.name + "/" + name }

// Concurrency is how many requests are worth having under way at a time.
func (c *Client) Concurrency() int { return 3 }

// Memory is what readers and objects hold at most, which is little.
func (c *Client) Memory() int64 { return 64 << 10 }

// Own says whose objects are created from now on.
func (c *Client) Own(job string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.job = job
}

// marks is the metadata of a new object, made by nobody but the holder of nonce.
func (c *Client) marks(nonce string) map[string]string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return map[string]string{metaJob: c.job, metaNonce: nonce}
}

// nonce is a name that was never given before.
func (c *Client) nonce() string {
	c.b.mu.Lock()
	defer c.b.mu.Unlock()
	return fmt.Sprintf("c%d-%d", c.id, c.b.next())
}

// OwnerOf tells whose object name is.
func (c *Client) OwnerOf(ctx context.Context, name string) (string, error) {
	o, err := c.stat(ctx, name)
	if err != nil {
		return "", err
	}
	return o.meta[metaJob], nil
}

// List asks for one page after another. What is made or removed meanwhile may be missing or not.
func (c *Client) List(ctx context.Context, prefix string) iter.Seq2[store.Info, error] {
	return func(yield func(store.Info, error) bool) {
		if prefix != "" && !store.ValidName(prefix) {
			yield(store.Info{}, &store.Error{Op: "list", URI: c.URI(prefix), Err: store.ErrBadName})
			return
		}
		more := true
		err := c.walk(ctx, prefix, "", func(e bucketEntry) (bool, error) {
			if err := ctx.Err(); err != nil {
				return false, err
			}
			if prefix != "" && e.name != prefix && e.name[len(prefix)] != '/' {
				return true, nil
			}
			more = yield(c.info(e), nil)
			return more, nil
		})
		if err != nil && more {
			yield(store.Info{}, c.wrap("list", prefix, err))
		}
	}
}

// walk gives each the names that begin with prefix and come behind after, until it
// wants no more, or fails.
func (c *Client) walk(ctx context.Context, prefix, after string, each func(bucketEntry) (bool, error)) error {
	for {
		var page []bucketEntry
		err := c.send(ctx, "list", prefix, func(b *Bucket) error {
			page = b.page(prefix, after, pageNames)
			return nil
		})
		if err != nil {
			return err
		}
		for _, e := range page {
			if more, err := each(e); err != nil || !more {
				return err
			}
			after = e.name
		}
		if len(page) < pageNames {
			return ctx.Err()
		}
	}
}

// info describes an object. Its ETag tells its content; its time does not.
func (c *Client) info(e bucketEntry) store.Info {
	c.mu.Lock()
	defer c.mu.Unlock()
	mod := e.mod.UTC()
	if c.weather.Drift {
		c.drifts++
		mod = mod.Add(time.Duration(c.drifts) * time.Second)
	}
	return store.Info{Name: e.name, Size: e.size, ETag: e.etag, ModTime: mod}
}

func (o *bucketObject) entry(name string) bucketEntry {
	return bucketEntry{name, o.etag, int64(len(o.data)), o.mod}
}

// Stat describes an object.
func (c *Client) Stat(ctx context.Context, name string) (store.Info, error) {
	o, err := c.stat(ctx, name)
	if err != nil {
		return store.Info{}, err
	}
	return c.info(o.entry(name)), nil
}

func (c *Client) stat(ctx context.Context, name string) (*bucketObject, error) {
	if err := c.begin(ctx, "stat", name); err != nil {
		return nil, err
	}
	o, err := c.look(ctx, name)
	if errors.Is(err, errNoKey) {
		err = fs.ErrNotExist
	}
	return o, c.wrap("stat", name, err)
}

// look asks for what describes name now.
func (c *Client) look(ctx context.Context, name string) (o *bucketObject, err error) {
	err = c.send(ctx, "head", name, func(b *Bucket) (err error) {
		o, err = b.head(name)
		return err
	})
	return o, err
}

// Open asks for the first block, and pins what it is of.
func (c *Client) Open(ctx context.Context, name string) (store.Reader, store.Info, error) {
	if err := c.begin(ctx, "open", name); err != nil {
		return nil, store.Info{}, err
	}
	r := &bucketReader{c: c, ctx: ctx, name: name}
	o, err := r.ask(0)
	if errors.Is(err, errNoKey) {
		err = fs.ErrNotExist
	}
	if err != nil {
		return nil, store.Info{}, c.wrap("open", name, err)
	}
	r.etag, r.size = o.etag, int64(len(o.data))
	return r, c.info(o.entry(name)), nil
}

// bucketReader reads one version of an object, block by block.
type bucketReader struct {
	c    *Client
	ctx  context.Context
	name string
	etag string
	size int64

	pos    int64  // of Read, which one goroutine calls
	from   int64  // where block begins
	block  []byte // the last one that Read asked for
	closed bool
}

// ask asks for the block at off, for Read.
func (r *bucketReader) ask(off int64) (*bucketObject, error) {
	o, data, err := r.fetch(off, blockSize)
	if err == nil {
		r.from, r.block = off, data
	}
	return o, err
}

func (r *bucketReader) fetch(off, most int64) (o *bucketObject, data []byte, err error) {
	err = r.c.send(r.ctx, "get", fmt.Sprint(r.name, off), func(b *Bucket) error {
		o, data, err = b.get(r.name, r.etag, off, most)
		return err
	})
	if r.etag != "" && (errors.Is(err, errRefused) || errors.Is(err, errNoKey)) {
		err = ErrChanged
	}
	return o, data, err
}

func (r *bucketReader) Read(p []byte) (int, error) {
	if r.closed {
		return 0, r.c.wrap("read", r.name, fs.ErrClosed)
	}
	if len(p) == 0 {
		return 0, nil
	}
	if r.pos == r.size {
		return 0, io.EOF
	}
	if r.pos == r.from+int64(len(r.block)) {
		if _, err := r.ask(r.pos); err != nil {
			return 0, r.c.wrap("read", r.name, err)
		}
	}
	n := copy(p, r.block[r.pos-r.from:])
	r.pos += int64(n)
	return n, nil
}

func (r *bucketReader) ReadAt(p []byte, off int64) (int, error) {
	if r.closed {
		return 0, r.c.wrap("read", r.name, fs.ErrClosed)
	}
	if off < 0 {
		return 0, r.c.wrap("read", r.name, errors.New("a place before the beginning"))
	}
	if off >= r.size {
		return 0, io.EOF
	}
	_, data, err := r.fetch(off, int64(len(p)))
	n := copy(p, data)
	if err == nil && n < len(p) {
		err = io.EOF
	}
	if err == io.EOF {
		return n, err
	}
	return n, r.c.wrap("read", r.name, err)
}

func (r *bucketReader) Close() error {
	if r.closed {
		return r.c.wrap("close", r.name, fs.ErrClosed)
	}
	r.closed = true
	return nil
}

// Clean aborts the unfinished uploads that mine accepts.
func (c *Client) Clean(ctx context.Context, mine func(name string) bool) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		found := map[int]string{}
		err := c.send(ctx, "uploads", "", func(b *Bucket) error {
			for id, u := range b.uploads {
				found[id] = u.name
			}
			return nil
		})
		if err != nil {
			yield("", c.wrap("clean", "", err))
			return
		}
		for id, name := range found {
			if !mine(name) {
				continue
			}
			if err := c.abort(ctx, id, name); err != nil {
				yield("", c.wrap("clean", name, err))
				return
			}
			if !yield(name, nil) {
				return
			}
		}
	}
}

// abort ends an upload. One that is no more is none that failed.
func (c *Client) abort(ctx context.Context, id int, name string) error {
	return c.send(ctx, "abort", fmt.Sprint(name, id), func(b *Bucket) error {
		delete(b.uploads, id)
		return nil
	})
}
