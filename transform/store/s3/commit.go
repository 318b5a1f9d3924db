package s3

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// maxConflicts is how often a request is made, at most, that meets a conflict
// with another; lookTime bounds the look at what it came to.
const (
	maxConflicts = 5
	lookTime     = time.Minute
)

// errForeign says that another object bears the name.
var errForeign = fmt.Errorf("%w: somebody else wrote it meanwhile", fs.ErrExist)

// Commit makes the object visible, in one request that the service carries out
// only if the name is free, or still bears what Create saw. What an answer
// leaves open is resolved by looking: an object with our nonce is ours.
//
// The error is fs.ErrExist when somebody else's object stands there. When the
// very last request failed, the whole object may still become visible.
func (o *object) Commit(ctx context.Context) error {
	if o.done {
		return o.ready("commit")
	}
	o.done = true
	err := o.err
	if err == nil {
		unbind := context.AfterFunc(ctx, o.stop)
		err = o.publish(ctx)
		unbind()
	}
	if ended := cmp.Or(ctx.Err(), o.created.Err()); err != nil && ended != nil {
		err = ended
	}
	if err != nil {
		o.err = wrap("commit", o.s.URI(o.name), err)
		// What cannot be cleaned up is found by Clean; why Commit failed matters more.
		_ = o.discard()
		return o.err
	}
	o.id = "" // there is nothing to end any more
	return wrap("commit", o.s.URI(o.name), o.discard())
}

// publish sends what is left and makes the object, again while the answer is a
// conflict: with a request for the same name that has come to nothing, or with
// an object that is gone again.
func (o *object) publish(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	request := o.put
	if err := o.endSpan(); err != nil {
		return err
	}
	if o.id != "" {
		request = o.complete
		if err := o.finishParts(); err != nil {
			return err
		}
	}
	for try := 1; ; try++ {
		err := request(ctx)
		if err == nil && o.id == "" {
			return nil
		}
		again, err := o.settle(ctx, err)
		if !again || try == maxConflicts {
			return err
		}
		if err := pause(ctx, try); err != nil {
			return err
		}
	}
}

// finishParts sends the last part and waits for all.
func (o *object) finishParts() error {
	if last := o.buf; len(last.b) > 0 {
		o.buf = block{}
		if err := o.send(last); err != nil {
			return err
		}
	}
	for o.sending > 0 {
		if err := o.collect(); err != nil {
			return err
		}
	}
	return nil
}

// put makes the object of what is in memory.
func (o *object) put(ctx context.Context) error {
	return twice(func() error {
		in := &s3.PutObjectInput{
			Bucket: &o.s.bucket, Key: &o.key, Metadata: o.meta, ContentType: mediaType(o.name),
			Body: body(o.buf.b), ContentLength: aws.Int64(int64(len(o.buf.b))),
		}
		if o.checksum {
			in.ChecksumCRC64NVME = aws.String(sumOf(o.buf.b).String())
		}
		in.IfMatch, in.IfNoneMatch = o.condition()
		_, err := o.s.client.PutObject(ctx, in)
		return permitted(err, "s3:PutObject")
	})
}

// condition is what must be so for the object to be made.
func (o *object) condition() (match, noneMatch *string) {
	if o.seen == "" {
		return nil, aws.String("*")
	}
	return &o.seen, nil
}

// complete makes the object of its parts. Where the service takes sums it is
// given that of the whole, and compares it with what its parts make.
func (o *object) complete(ctx context.Context) error {
	in := &s3.CompleteMultipartUploadInput{
		Bucket: &o.s.bucket, Key: &o.key, UploadId: &o.id,
		MultipartUpload: &types.CompletedMultipartUpload{Parts: make([]types.CompletedPart, len(o.parts))},
	}
	whole := o.sum()
	for i := range o.parts {
		p := &o.parts[i]
		done := &in.MultipartUpload.Parts[i]
		done.ETag, done.PartNumber = &p.etag, aws.Int32(int32(i+1))
		if o.checksum {
			done.ChecksumCRC64NVME = aws.String(p.sum.String())
		}
	}
	if o.checksum {
		in.ChecksumCRC64NVME, in.ChecksumType = aws.String(whole.String()), types.ChecksumTypeFullObject
		in.MpuObjectSize = &whole.size
	}
	in.IfMatch, in.IfNoneMatch = o.condition()
	out, err := o.s.client.CompleteMultipartUpload(ctx, in)
	if err == nil && aws.ToString(out.ETag) == "" {
		// The status is sent before the outcome is known, so an answer may end behind it.
		err = errors.New("the service answered without saying what it made")
	}
	return permitted(err, "s3:PutObject")
}

// settle finds out what a request came to that failed with cause, or that made
// an object of parts: a service may take the completion of an upload that is no
// more for the repetition of another one. settle returns no error where our
// object is there, and tells whether it is worth asking again.
func (o *object) settle(ctx context.Context, cause error) (again bool, err error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	looking, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	found, err := o.look(looking)
	until := time.Now().Add(2 * o.s.o.Stall) // as long as any answer is waited for
	for try := 1; cause == nil && err == nil && found.nonce != o.nonce && found.etag == o.seen && time.Now().Before(until); try++ {
		// It was told that it is there, perhaps as the repetition of a request that is
		// still being worked on.
		if pause(looking, min(try, 5)) != nil {
			break
		}
		found, err = o.look(looking)
	}
	cause = explain(cause)
	switch {
	case err != nil:
		return false, errors.Join(cause, fmt.Errorf("whether the object was made could not be seen: %w", explain(err)))
	case found.nonce == o.nonce && found.size != o.size():
		return false, fmt.Errorf("the service made an object of %d bytes out of %d", found.size, o.size())
	case found.nonce == o.nonce:
		return false, nil
	case found.etag != "" && found.etag != o.seen:
		return false, errForeign
	case cause == nil:
		return false, errors.New("the service said that it made the object, but did not")
	case found.etag == "" && o.seen != "":
		o.seen = "" // what was to be replaced is gone: nothing is lost by taking its place
		return true, cause
	case isPrecondition(cause) || isConflict(cause):
		return true, cause
	case isNoSuchUpload(cause):
		return false, fmt.Errorf("the upload was ended from elsewhere, by a rule of the bucket or a clean; run it again: %w", cause)
	}
	return false, cause
}

// standing is what bears a name.
type standing struct {
	etag  string // "" for nothing
	nonce string // "" for what this package did not make
	size  int64
}

// look tells what bears the object's name now.
func (o *object) look(ctx context.Context) (standing, error) {
	out, err := o.s.client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &o.s.bucket, Key: &o.key})
	if status(err) == 404 {
		return standing{}, nil
	}
	if err != nil {
		return standing{}, permitted(err, "s3:GetObject, and s3:ListBucket to see that there is none")
	}
	found := standing{aws.ToString(out.ETag), metaOf(out.Metadata, metaNonce), aws.ToInt64(out.ContentLength)}
	if found.etag == "" {
		return standing{}, errors.New("the service described an object without an ETag")
	}
	return found, nil
}
