package s3

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/batchmill/batchmill/transform/store"
)

// partsOfCopy is how many of the object's parts one copied part is as long as:
// 64 MiB at first. So long copies take few requests, and still there are
// several to be at work beside each other.
const partsOfCopy = 8

// origin is one version of an object that a service may copy from.
type origin struct{ bucket, key, etag string }

// originer is a reader that knows what it reads.
type originer interface {
	origin() (bucket, key, etag, endpoint string)
}

func (r *reader) origin() (bucket, key, etag, endpoint string) {
	return r.s.bucket, r.v.key, r.v.etag, r.s.client.Endpoint
}

// A span is the end of what was written to an object, when those bytes stand one
// after another in another object too. They are kept in the buffer until there
// are enough of them for a part of their own; from then on they are
// dropped, and the service is asked to copy them.
type span struct {
	src     origin // zero: there is none
	from    int    // where the span begins in the buffer. It may lie behind its end: bytes before it fill up a part
	next    int64  // where in src the byte behind the span stands
	dropped sum    // the last bytes of the span, which no part holds yet
}

// cut is where a full buffer of held bytes ends a part.
func (p *span) cut(held int) int {
	if p.src == (origin{}) || p.from == 0 {
		return held
	}
	return min(p.from, held)
}

// WriteFrom is Write(b) for bytes that stand in src at offset off. Where src was
// opened by a store of this package at the same service, long stretches
// of such bytes are not sent: the service copies them, from the version that src
// reads and no other. It gets b all the same, since the object's sum needs it.
//
// A service that will not copy costs one request for an object, and its bytes
// are sent. Where src has changed meanwhile, or is gone, the error is
// [ErrChanged] with its address, here or at a later call.
func (o *object) WriteFrom(b []byte, src store.Reader, off int64) (int, error) {
	from, ok := o.copyable(src)
	if !ok {
		return o.Write(b)
	}
	if err := o.ready("write"); err != nil {
		return 0, err
	}
	if o.span.src != from || o.span.next != off {
		if err := o.endSpan(); err != nil {
			return 0, o.fail("write", err)
		}
		o.span = span{src: from, next: off}
		if held := len(o.buf.b); held > 0 {
			o.span.from = max(held, int(o.leastPart()))
		}
	}
	written := 0
	for len(b) > 0 && !o.refuse {
		n, err := o.extend(b)
		written += n
		b = b[n:]
		if err != nil {
			return written, o.fail("write", err)
		}
	}
	n, err := o.fill(b)
	return written + n, err
}

// copyable tells whether the service can copy what src reads.
func (o *object) copyable(src store.Reader) (origin, bool) {
	r, ok := src.(originer)
	if !ok || o.refuse {
		return origin{}, false
	}
	bucket, key, etag, endpoint := r.origin()
	if etag == "" || endpoint != o.s.client.Endpoint {
		return origin{}, false
	}
	return origin{bucket, key, `"` + strings.Trim(etag, `"`) + `"`}, true
}

// leastPart is what a part before the last must have: 5 MiB while parts have 8.
// It grows with them, so that an object of copies fits into 10,000 as well.
func (o *object) leastPart() int64 { return o.partSize() / 8 * 5 }

// extend adds some of b to the span.
func (o *object) extend(b []byte) (int, error) {
	p := &o.span
	if p.dropped.size > 0 {
		most := min(partsOfCopy*o.partSize(), maxPart)
		n := int(min(int64(len(b)), most-p.dropped.size))
		p.dropped = p.dropped.add(b[:n])
		p.next += int64(n)
		if p.dropped.size < most {
			return n, nil
		}
		return n, o.copyDropped()
	}
	if err := o.makeRoom(len(b)); err != nil {
		return 0, err
	}
	least := int(o.leastPart())
	n := min(len(b), cap(o.buf.b)-len(o.buf.b), p.from+least-len(o.buf.b))
	o.buf.b = append(o.buf.b, b[:n]...)
	p.next += int64(n)
	if len(o.buf.b) < p.from+least {
		return n, nil
	}
	return n, o.drop()
}

// drop takes the span's bytes out of the buffer, and sends what stands before
// them. They are dropped only if the service has copied from that object before:
// the first ones it is asked for while they are still here.
func (o *object) drop() error {
	cut := o.span.from
	dropped := sumOf(o.buf.b[cut:])
	copied := o.proven == o.span.src
	var first part
	if !copied {
		var err error
		if first, err = o.tryCopy(cut > 0, dropped); err != nil || o.refuse {
			return err
		}
	}
	if cut > 0 {
		head := o.buf
		head.b = head.b[:cut]
		o.buf = block{}
		if err := o.send(head); err != nil {
			return err
		}
	}
	o.buf.b = o.buf.b[:0]
	o.span.from = 0
	if copied {
		o.span.dropped = dropped
		return nil
	}
	o.parts = append(o.parts, first)
	return nil
}

// tryCopy copies the first bytes from an object, and waits. Where the service
// fails to, whatever the reason, nothing is copied into this object any more. That
// the source changed is the only failure that is an error.
func (o *object) tryCopy(behind bool, dropped sum) (part, error) {
	if err := o.begin(); err != nil {
		return part{}, err
	}
	number := len(o.parts) + 1
	if behind {
		number++
	}
	if number > maxParts {
		return part{}, errManyParts
	}
	p, err := o.sendCopy(int32(number), o.span.src, o.span.next-dropped.size, dropped)
	if err == nil {
		o.proven = o.span.src
		return p, nil
	}
	o.refuse, o.span = true, span{}
	if ended := o.created.Err(); ended != nil || !errors.Is(err, ErrChanged) {
		return part{}, ended
	}
	return part{}, err
}

// endSpan ends the span: what is written next stands nowhere else.
func (o *object) endSpan() error {
	defer func() { o.span = span{} }()
	if o.span.dropped.size == 0 {
		return nil
	}
	return o.copyDropped()
}

// copyDropped has the bytes copied that were dropped, behind the caller's back.
func (o *object) copyDropped() error {
	if err := o.next(); err != nil {
		return err
	}
	src, dropped, index := o.span.src, o.span.dropped, len(o.parts)-1
	off := o.span.next - dropped.size
	o.span.dropped = sum{}
	o.behind(index, func() (part, error) { return o.sendCopy(int32(index+1), src, off, dropped) })
	return nil
}

// sendCopy has part number copied from off of src, and holds what the service
// copied against want. Some services give a part the sum of the whole object that
// it was copied from (versitygw 1.8 does, where that has a CRC64NVME sum): the
// upload's own sum would come out wrong then, so they copy nothing for us.
func (o *object) sendCopy(number int32, src origin, off int64, want sum) (part, error) {
	out, err := o.s.client.UploadPartCopy(o.ctx, &s3.UploadPartCopyInput{
		Bucket: &o.s.bucket, Key: &o.key, UploadId: &o.id, PartNumber: &number,
		CopySource:        aws.String(escape(copySource(src.bucket, src.key))),
		CopySourceIfMatch: &src.etag,
		CopySourceRange:   aws.String(fmt.Sprintf("bytes=%d-%d", off, off+want.size-1)),
	})
	if o.changed(src, err) {
		return part{}, &store.Error{Op: "read", URI: scheme + src.bucket + "/" + src.key, Err: ErrChanged}
	}
	if err != nil {
		return part{}, permitted(err, "s3:PutObject, and s3:GetObject of "+src.bucket)
	}
	if out.CopyPartResult == nil {
		return part{}, errors.New("the service copied a part without saying what it made")
	}
	etag, err := token(out.CopyPartResult.ETag)
	if err != nil {
		return part{}, err
	}
	got := aws.ToString(out.CopyPartResult.ChecksumCRC64NVME)
	if o.checksum && got != "" && got != want.String() {
		return part{}, errors.New("the service copied other bytes than were read, or does not tell their sum")
	}
	return part{etag, want}, nil
}

// changed tells whether a copy failed because its source is no longer the version
// that is read. A service may say so because it does not understand how the source
// or the condition is written, so what plainly stands there unchanged has not changed.
func (o *object) changed(src origin, err error) bool {
	if !isPrecondition(err) && code(err) != "NoSuchKey" {
		return false
	}
	out, err := o.s.client.HeadObject(o.ctx, &s3.HeadObjectInput{Bucket: &src.bucket, Key: &src.key})
	return err != nil || strings.Trim(aws.ToString(out.ETag), `"`) != strings.Trim(src.etag, `"`)
}

// copySource names an object to copy from.
func copySource(bucket, key string) string {
	if isAccessPoint(bucket) {
		bucket += "/object"
	}
	return bucket + "/" + key
}

// escape writes a bucket and key as x-amz-copy-source has them: all but
// slashes and the unreserved characters of a URL by their code.
func escape(s string) string {
	return strings.NewReplacer("+", "%20", "%2F", "/").Replace(url.QueryEscape(s))
}
