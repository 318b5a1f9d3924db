package s3

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"path"
	"strings"

	"github.com/batchmill/batchmill/transform/store"
)

// Every object bears these in its metadata: whose it is (see Own), and which
// Create made it. The nonce tells our own object from another's where a reply was lost.
const (
	metaJob   = "batchmill-job"
	metaNonce = "batchmill-nonce"
)

var errFinished = errors.New("the object is finished and takes no more")

// object is one being written. What fits into one part stays in memory and
// becomes one put; a longer one becomes a multipart upload, whose parts are
// sent while the next ones are written.
//
// Its memory is taken from what the store may hold for all that waits to be
// sent. An object never waits for the others to give theirs back, for they may
// be waiting too, or be in the same hands: it waits for its own parts, and when
// none is under way it may have one block that the budget does not cover. So all
// objects together hold at most half of [Store.Memory], and one part more for each
// of them that holds bytes; while a buffer grows, up to half a part besides.
type object struct {
	s        *Store
	name     string
	key      string
	nonce    string
	seen     string            // ETag that Commit replaces; "" for nothing there
	meta     map[string]string // of the object
	checksum bool              // requests carry CRC64NVME sums

	// Parts are sent when Write has returned, and Write, which has no context,
	// waits for them: Create's bounds both. stop ends what is being sent.
	created context.Context
	ctx     context.Context
	stop    context.CancelFunc
	err     error // why it takes no more
	done    bool  // committed or aborted

	buf    block  // the bytes of the next part
	span   span   // the end of what was written, if those bytes stand in an object too
	proven origin // the last object that the service copied from
	refuse bool   // it did not copy: nothing is copied any more
	multipart
}

// Create begins an object. ctx bounds all that is sent before Commit. With
// store.Replace the object that is there now is the one that Commit
// replaces: when another has taken its place by then, Commit fails with
// fs.ErrExist, as it does with store.New when anything has.
//
// Nothing is written to the service before a part is full. Abort, or a failed
// Commit, ends the upload; one whose beginning got no answer, or whose process
// died, is left to Clean.
func (s *Store) Create(ctx context.Context, name string, mode store.Mode) (store.Object, error) {
	if err := s.begin(ctx, "create", name); err != nil {
		return nil, err
	}
	nonce := newNonce()
	o := &object{
		s: s, name: name, key: s.key(name), nonce: nonce,
		meta:      map[string]string{metaNonce: nonce},
		checksum:  s.sums(),
		multipart: multipart{results: make(chan result, maxSending)},
	}
	if job := s.job.Load(); job != nil && *job != "" {
		o.meta[metaJob] = *job
	}
	if mode == store.Replace {
		found, err := o.look(ctx)
		if err != nil {
			return nil, wrap("create", s.URI(name), err)
		}
		o.seen = found.etag
	}
	o.created = ctx
	o.ctx, o.stop = context.WithCancel(ctx)
	return o, nil
}

// metaOf is the value of key in an object's metadata. Some services keep a case of their own.
func metaOf(meta map[string]string, key string) string {
	for k, v := range meta {
		if strings.EqualFold(k, key) {
			return v
		}
	}
	return ""
}

// newNonce is 128 random bits, which no two objects ever share.
func newNonce() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // it never fails
	return hex.EncodeToString(b[:])
}

// Write takes a copy of b.
func (o *object) Write(b []byte) (int, error) {
	if err := o.ready("write"); err != nil {
		return 0, err
	}
	if err := o.endSpan(); err != nil {
		return 0, o.fail("write", err)
	}
	return o.fill(b)
}

// fill appends b to the buffer, and sends what is full.
func (o *object) fill(b []byte) (int, error) {
	written := 0
	for len(b) > 0 {
		if err := o.makeRoom(len(b)); err != nil {
			return written, o.fail("write", err)
		}
		n := min(len(b), cap(o.buf.b)-len(o.buf.b))
		o.buf.b = append(o.buf.b, b[:n]...)
		written += n
		b = b[n:]
	}
	return written, nil
}

// ready tells why the object takes no more, if it does not.
func (o *object) ready(op string) error {
	if o.err == nil && o.done {
		o.err = wrap(op, o.s.URI(o.name), errFinished)
	}
	return o.err
}

// fail keeps err as the object's end. The end of a context is its own error,
// whatever the request that it cut off made of it.
func (o *object) fail(op string, err error) error {
	if ended := o.created.Err(); ended != nil {
		err = ended
	}
	o.err = wrap(op, o.s.URI(o.name), err)
	return o.err
}

// Abort forgets what was written and ends the upload. The error says that the
// service may still keep its parts; Clean finds them.
func (o *object) Abort() error {
	if o.done {
		return nil
	}
	o.done = true
	return wrap("abort", o.s.URI(o.name), o.discard())
}

// mediaTypes label outputs, for people and tools that list them.
var mediaTypes = map[string]string{
	".csv":     "text/csv",
	".json":    "application/json",
	".jsonl":   "application/jsonlines",
	".parquet": "application/vnd.apache.parquet",
}

func mediaType(name string) *string {
	t, ok := mediaTypes[path.Ext(name)]
	if !ok {
		t = "application/octet-stream"
	}
	return &t
}
