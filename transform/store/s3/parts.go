package s3

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/batchmill/batchmill/internal/caught"
)

// What S3 allows, by its page "Amazon S3 multipart upload limits", and what an
// object takes of it.
const (
	maxParts    = 10_000
	partsOfSize = 1_000   // as many parts are of one size, the next ones of twice that
	maxPart     = 5 << 30 // bytes
	maxSending  = 4       // parts of one object under way
	maxToken    = 1 << 10 // bytes of an ETag or an upload's id
)

// cleanupTime bounds what is done for an object that has failed, when its own
// context may be over: somebody may wait for the process to end.
const cleanupTime = 10 * time.Second

var errManyParts = errors.New("an upload has at most 10,000 parts: the object is too long")

// A multipart is an object's upload. Only the object's owner touches it; those that
// send parts tell their results.
type multipart struct {
	id      string // "" before the first part
	parts   []part // all that were sent or are being sent, in order
	sending int    // how many results are to come
	results chan result
}

// A part is described to the service once more when the upload is completed.
type part struct {
	etag string
	sum  sum
}

// A result is what became of the part at a place of multipart.parts.
type result struct {
	index int
	part  part
	err   error
}

// partSize is how many bytes the next part has: with 8 MiB at first, 10,000 of
// them hold more than the 5 TiB that an object may have.
func (o *object) partSize() int64 {
	return min(o.s.o.Part<<(len(o.parts)/partsOfSize), maxPart)
}

// makeRoom lets the buffer take at least one byte more, and n if it may hold them.
func (o *object) makeRoom(n int) error {
	held, size := int64(len(o.buf.b)), o.partSize()
	switch {
	case held < int64(cap(o.buf.b)):
		return nil
	case held >= size:
		return o.flush()
	}
	next := min(firstBlock, size)
	for next < size && next < held+int64(n) {
		next = min(2*next, size)
	}
	if held == 0 {
		var err error
		o.buf, err = o.block(next)
		return err
	}
	o.buf = o.s.grow(o.buf, next)
	return nil
}

// flush sends the full buffer and takes another. Bytes at its end that may
// yet be copied move to the new one.
func (o *object) flush() error {
	full, cut := o.buf, o.span.cut(len(o.buf.b))
	tail := slices.Clone(full.b[cut:])
	full.b = full.b[:cut]
	o.buf = block{}
	o.span.from -= cut
	err := o.send(full)
	if err == nil {
		o.buf, err = o.block(o.partSize())
	}
	if err == nil {
		o.buf.b = append(o.buf.b, tail...)
	}
	return err
}

// block is memory for the next bytes: from the budget, or from the object's own
// parts as they arrive, or, when none is under way, from beyond the budget.
func (o *object) block(size int64) (block, error) {
	for {
		if b, ok := o.s.take(size); ok {
			return b, nil
		}
		if o.sending == 0 {
			return block{b: memory(size)}, nil
		}
		if err := o.collect(); err != nil {
			return block{}, err
		}
	}
}

// size is how many bytes were written, when all parts are collected.
func (o *object) size() int64 { return o.sum().size }

// sum is that of all parts, of which none is under way, and of what is not sent.
func (o *object) sum() sum {
	var whole sum
	for i := range o.parts {
		whole = whole.then(o.parts[i].sum)
	}
	return whole.then(sum{size: int64(len(o.buf.b))})
}

// begin starts the upload where there is none.
func (o *object) begin() error {
	if o.id != "" {
		return nil
	}
	in := &s3.CreateMultipartUploadInput{
		Bucket: &o.s.bucket, Key: &o.key, Metadata: o.meta, ContentType: mediaType(o.name),
	}
	if o.checksum {
		in.ChecksumAlgorithm, in.ChecksumType = types.ChecksumAlgorithmCrc64nvme, types.ChecksumTypeFullObject
	}
	ctx, cancel := o.outlasting()
	defer cancel()
	out, err := o.s.client.CreateMultipartUpload(ctx, in)
	if err != nil {
		return cmp.Or(o.ctx.Err(), err)
	}
	o.id, err = token(out.UploadId)
	return cmp.Or(o.ctx.Err(), err)
}

// outlasting is a context that ends cleanupTime after the object's own: an upload
// whose beginning is cut off has an id that nobody is told, and stays until Clean.
func (o *object) outlasting() (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(o.ctx))
	stop := context.AfterFunc(o.ctx, func() { time.AfterFunc(cleanupTime, cancel) })
	return ctx, func() { stop(); cancel() }
}

// token is an ETag or an upload's id. What the service gives is kept for every
// part, so it must be no longer than such a thing can be.
func token(given *string) (string, error) {
	if n := len(aws.ToString(given)); n == 0 || n > maxToken {
		return "", fmt.Errorf("the service answered with an ETag or upload id of %d bytes", n)
	}
	return *given, nil
}

// send sends b as the next part, behind the caller's back. It gives b back.
func (o *object) send(b block) error {
	err := o.begin()
	if err == nil {
		err = o.next()
	}
	if err != nil {
		o.s.give(b)
		return err
	}
	index := len(o.parts) - 1
	o.behind(index, func() (part, error) {
		defer o.s.give(b)
		return o.sendPart(int32(index+1), b.b)
	})
	return nil
}

// behind makes the part with that index in a goroutine, for collect.
func (o *object) behind(index int, send func() (part, error)) {
	caught.Start(func() {
		r := result{index: index}
		r.err = caught.Err(func() (err error) {
			r.part, err = send()
			return err
		})
		o.results <- r
	})
}

// next makes a place for one more part, and waits while too many are under way.
func (o *object) next() error {
	if len(o.parts) == maxParts {
		return errManyParts
	}
	for o.sending == maxSending {
		if err := o.collect(); err != nil {
			return err
		}
	}
	o.parts = append(o.parts, part{})
	o.sending++
	return nil
}

// collect waits for one part. The first that fails stops the others.
func (o *object) collect() error {
	r := <-o.results
	o.sending--
	o.parts[r.index] = r.part
	if r.err != nil {
		o.stop()
	}
	return r.err
}

// sendPart sends b as part number.
func (o *object) sendPart(number int32, b []byte) (part, error) {
	p := part{sum: sumOf(b)}
	err := twice(func() error {
		in := &s3.UploadPartInput{
			Bucket: &o.s.bucket, Key: &o.key, UploadId: &o.id, PartNumber: &number,
			Body: body(b), ContentLength: aws.Int64(int64(len(b))),
		}
		if o.checksum {
			in.ChecksumCRC64NVME = aws.String(p.sum.String())
		}
		out, err := o.s.client.UploadPart(o.ctx, in)
		if err != nil {
			return err
		}
		p.etag, err = token(out.ETag)
		return err
	})
	return p, err
}

// body is b as a request's body. Only reading and seeking show: net/http would
// let a bytes.Reader write itself, and the SDK, which waits for the body before
// it returns, would wait for a service that answers early and reads no further.
func body(b []byte) io.ReadSeeker {
	return struct{ io.ReadSeeker }{bytes.NewReader(b)}
}

// twice sends once more what was damaged on its way: the bytes are still here,
// and the SDK takes the answer for a mistake of its caller.
func twice(send func() error) error {
	err := send()
	if damaged(err) {
		err = send()
	}
	return err
}

// damaged tells whether the service received other bytes than were sent.
func damaged(err error) bool {
	switch code(err) {
	case "BadDigest", "XAmzContentChecksumMismatch", "XAmzContentSHA256Mismatch":
		return true
	}
	return false
}

// discard stops what is under way, ends the upload and gives the memory back.
// It takes what time it needs to leave nothing behind, but no more than cleanupTime.
func (o *object) discard() error {
	o.stop()
	cut := o.sending > 0
	for o.sending > 0 {
		_ = o.collect() // all is forgotten anyway
	}
	o.s.give(o.buf)
	o.buf = block{}
	if o.id == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(o.ctx), cleanupTime)
	defer cancel()
	err := o.s.abortUpload(ctx, o.key, o.id)
	if err == nil && cut {
		// A part whose request was cut off may arrive after the upload's end
		// and is kept, S3 says, until it is ended again.
		err = o.s.abortUpload(ctx, o.key, o.id)
	}
	return err
}

// abortUpload ends an upload. One that is no more is none that failed.
func (s *Store) abortUpload(ctx context.Context, key, id string) error {
	_, err := s.client.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{Bucket: &s.bucket, Key: &key, UploadId: &id})
	if isNoSuchUpload(err) {
		return nil
	}
	return permitted(err, "s3:AbortMultipartUpload")
}
