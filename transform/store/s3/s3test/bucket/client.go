package bucket

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/batchmill/batchmill/transform/store/s3/internal/calls"
	"github.com/batchmill/batchmill/transform/store/s3/s3test"
)

// Calls are what [s3.Over] takes: every request of a store goes through c's weather.
func (c *Client) Calls() calls.Client {
	return calls.Client{Reads: c, Writes: c, Lists: c, Uploads: c, Parts: c, Endpoint: "http://bucket.invalid"}
}

type options = func(*s3.Options)

// all reads the body of a request.
func all(body io.Reader, length *int64) ([]byte, error) {
	data := make([]byte, aws.ToInt64(length))
	_, err := io.ReadFull(body, data)
	return data, err
}

// PutObject makes an object.
func (c *Client) PutObject(ctx context.Context, in *s3.PutObjectInput, _ ...options) (*s3.PutObjectOutput, error) {
	data, err := all(in.Body, in.ContentLength)
	if err != nil {
		return nil, err
	}
	return send(ctx, c, s3test.Put, *in.Key, func(b *Bucket) (*s3.PutObjectOutput, error) { return b.put(in, data) })
}

// GetObject reads an object. Where an answer gets lost, half of its body may come before that.
func (c *Client) GetObject(ctx context.Context, in *s3.GetObjectInput, _ ...options) (*s3.GetObjectOutput, error) {
	out, err := send(ctx, c, s3test.Get, *in.Key+" "+aws.ToString(in.Range), func(b *Bucket) (*s3.GetObjectOutput, error) { return b.get(in) })
	if err == nil {
		out.LastModified = c.told(out.LastModified)
		if most := c.breaksOff(*in.Key, *out.ContentLength); most >= 0 {
			out.Body = io.NopCloser(io.MultiReader(io.LimitReader(out.Body, most), broken{}))
		}
	}
	return out, err
}

// broken is the end of an answer that breaks off.
type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, ErrLost }

// HeadObject describes an object.
func (c *Client) HeadObject(ctx context.Context, in *s3.HeadObjectInput, _ ...options) (*s3.HeadObjectOutput, error) {
	out, err := send(ctx, c, s3test.Head, *in.Key, func(b *Bucket) (*s3.HeadObjectOutput, error) { return b.head(in) })
	if err == nil {
		out.LastModified = c.told(out.LastModified)
	}
	return out, err
}

// ListObjectsV2 lists a page of objects.
func (c *Client) ListObjectsV2(ctx context.Context, in *s3.ListObjectsV2Input, _ ...options) (*s3.ListObjectsV2Output, error) {
	asked := aws.ToString(in.Prefix) + " " + cmp.Or(aws.ToString(in.ContinuationToken), aws.ToString(in.StartAfter))
	out, err := send(ctx, c, s3test.List, asked, func(b *Bucket) (*s3.ListObjectsV2Output, error) { return b.list(in), nil })
	if err == nil {
		for i := range out.Contents {
			out.Contents[i].LastModified = c.told(out.Contents[i].LastModified)
		}
	}
	return out, err
}

// DeleteObject removes an object.
func (c *Client) DeleteObject(ctx context.Context, in *s3.DeleteObjectInput, _ ...options) (*s3.DeleteObjectOutput, error) {
	return send(ctx, c, s3test.Delete, *in.Key, func(b *Bucket) (*s3.DeleteObjectOutput, error) {
		b.remove(*in.Key)
		return new(s3.DeleteObjectOutput), nil
	})
}

// DeleteObjects removes objects, in any order, and with the requests of others in
// between: each has a fate of its own.
func (c *Client) DeleteObjects(ctx context.Context, in *s3.DeleteObjectsInput, _ ...options) (*s3.DeleteObjectsOutput, error) {
	order := rand.New(rand.NewPCG(c.weather.Seed, uint64(len(in.Delete.Objects)))).Perm(len(in.Delete.Objects))
	for _, i := range order {
		if _, err := c.DeleteObject(ctx, &s3.DeleteObjectInput{Key: in.Delete.Objects[i].Key}); err != nil {
			return nil, err
		}
	}
	return new(s3.DeleteObjectsOutput), nil
}

// CreateMultipartUpload begins an upload.
func (c *Client) CreateMultipartUpload(ctx context.Context, in *s3.CreateMultipartUploadInput, _ ...options) (*s3.CreateMultipartUploadOutput, error) {
	var first *s3.CreateMultipartUploadOutput
	return send(ctx, c, s3test.CreateUpload, *in.Key, func(b *Bucket) (*s3.CreateMultipartUploadOutput, error) {
		if first == nil { // an upload for each attempt would leave more than Clean is asked to find
			first = b.create(in)
		}
		return first, nil
	})
}

// UploadPart brings a part of an upload.
func (c *Client) UploadPart(ctx context.Context, in *s3.UploadPartInput, _ ...options) (*s3.UploadPartOutput, error) {
	data, err := all(in.Body, in.ContentLength)
	if err != nil {
		return nil, err
	}
	return send(ctx, c, s3test.UploadPart, fmt.Sprint(*in.Key, " ", *in.PartNumber), func(b *Bucket) (*s3.UploadPartOutput, error) {
		return b.uploadPart(in, data)
	})
}

// UploadPartCopy makes a part of an object's bytes.
func (c *Client) UploadPartCopy(ctx context.Context, in *s3.UploadPartCopyInput, _ ...options) (*s3.UploadPartCopyOutput, error) {
	return send(ctx, c, s3test.CopyPart, fmt.Sprint(*in.Key, " ", *in.PartNumber), func(b *Bucket) (*s3.UploadPartCopyOutput, error) {
		return b.copyPart(in)
	})
}

// CompleteMultipartUpload makes an object of an upload.
func (c *Client) CompleteMultipartUpload(ctx context.Context, in *s3.CompleteMultipartUploadInput, _ ...options) (*s3.CompleteMultipartUploadOutput, error) {
	return send(ctx, c, s3test.Complete, *in.Key, func(b *Bucket) (*s3.CompleteMultipartUploadOutput, error) { return b.complete(in) })
}

// AbortMultipartUpload ends an upload.
func (c *Client) AbortMultipartUpload(ctx context.Context, in *s3.AbortMultipartUploadInput, _ ...options) (*s3.AbortMultipartUploadOutput, error) {
	return send(ctx, c, s3test.Abort, *in.Key, func(b *Bucket) (*s3.AbortMultipartUploadOutput, error) { return b.abort(in) })
}

// ListMultipartUploads lists a page of uploads.
func (c *Client) ListMultipartUploads(ctx context.Context, in *s3.ListMultipartUploadsInput, _ ...options) (*s3.ListMultipartUploadsOutput, error) {
	return send(ctx, c, s3test.ListUploads, aws.ToString(in.KeyMarker), func(b *Bucket) (*s3.ListMultipartUploadsOutput, error) {
		return b.listUploads(in), nil
	})
}

// told is a time of change as the client is told about it.
func (c *Client) told(t *time.Time) *time.Time {
	if !c.weather.Drift {
		return t
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.drifts++
	return aws.Time(t.Add(time.Duration(c.drifts) * time.Second))
}
