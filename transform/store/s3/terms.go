package s3

import (
	"context"
	"net/url"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/batchmill/batchmill/transform/store/s3/internal/calls"
)

// Terms are what a bucket's owner asks of requests. They change no byte of an object. The
// zero value asks nothing.
type Terms struct {
	Encryption string // AES256, aws:kms or aws:kms:dsse: what is written is encrypted so
	KMSKey     string // the key of aws:kms
	ACL        string // canned: who may do what with what is written
	Tags       string // k=v,k=v: of what is written
	Payer      string // requester: who asks pays
}

// on puts the terms on every request of a client that takes them.
func (t Terms) on(c calls.Client) calls.Client {
	if t == (Terms{}) {
		return c
	}
	d := termed{c, t, types.RequestPayer(t.Payer), t.tagging()}
	return calls.Client{Reads: d, Writes: d, Lists: d, Uploads: d, Parts: d, Endpoint: c.Endpoint}
}

// tagging is the tags as the header has them; nil without.
func (t Terms) tagging() *string {
	if t.Tags == "" {
		return nil
	}
	tags := url.Values{}
	for tag := range strings.SplitSeq(t.Tags, ",") {
		k, v, _ := strings.Cut(tag, "=")
		tags.Set(k, v)
	}
	return aws.String(tags.Encode())
}

// key is the key of the encryption; nil for the service's own.
func (t Terms) key() *string {
	if t.KMSKey == "" {
		return nil
	}
	return &t.KMSKey
}

// A termed client sends each request with the terms that the API has room for. Encryption, access
// and tags are those of the object, which a put or the beginning of an upload makes.
type termed struct {
	c     calls.Client
	terms Terms
	payer types.RequestPayer
	tags  *string
}

type sdk = func(*s3.Options)

func (d termed) PutObject(ctx context.Context, given *s3.PutObjectInput, o ...sdk) (*s3.PutObjectOutput, error) {
	in := *given
	in.RequestPayer, in.ACL, in.Tagging = d.payer, types.ObjectCannedACL(d.terms.ACL), d.tags
	in.ServerSideEncryption, in.SSEKMSKeyId = types.ServerSideEncryption(d.terms.Encryption), d.terms.key()
	return d.c.PutObject(ctx, &in, o...)
}

func (d termed) CreateMultipartUpload(ctx context.Context, given *s3.CreateMultipartUploadInput, o ...sdk) (*s3.CreateMultipartUploadOutput, error) {
	in := *given
	in.RequestPayer, in.ACL, in.Tagging = d.payer, types.ObjectCannedACL(d.terms.ACL), d.tags
	in.ServerSideEncryption, in.SSEKMSKeyId = types.ServerSideEncryption(d.terms.Encryption), d.terms.key()
	return d.c.CreateMultipartUpload(ctx, &in, o...)
}

func (d termed) GetObject(ctx context.Context, given *s3.GetObjectInput, o ...sdk) (*s3.GetObjectOutput, error) {
	in := *given
	in.RequestPayer = d.payer
	return d.c.GetObject(ctx, &in, o...)
}

func (d termed) HeadObject(ctx context.Context, given *s3.HeadObjectInput, o ...sdk) (*s3.HeadObjectOutput, error) {
	in := *given
	in.RequestPayer = d.payer
	return d.c.HeadObject(ctx, &in, o...)
}

func (d termed) DeleteObject(ctx context.Context, given *s3.DeleteObjectInput, o ...sdk) (*s3.DeleteObjectOutput, error) {
	in := *given
	in.RequestPayer = d.payer
	return d.c.DeleteObject(ctx, &in, o...)
}

func (d termed) DeleteObjects(ctx context.Context, given *s3.DeleteObjectsInput, o ...sdk) (*s3.DeleteObjectsOutput, error) {
	in := *given
	in.RequestPayer = d.payer
	return d.c.DeleteObjects(ctx, &in, o...)
}

func (d termed) ListObjectsV2(ctx context.Context, given *s3.ListObjectsV2Input, o ...sdk) (*s3.ListObjectsV2Output, error) {
	in := *given
	in.RequestPayer = d.payer
	return d.c.ListObjectsV2(ctx, &in, o...)
}

func (d termed) ListMultipartUploads(ctx context.Context, given *s3.ListMultipartUploadsInput, o ...sdk) (*s3.ListMultipartUploadsOutput, error) {
	in := *given
	in.RequestPayer = d.payer
	return d.c.ListMultipartUploads(ctx, &in, o...)
}

func (d termed) CompleteMultipartUpload(ctx context.Context, given *s3.CompleteMultipartUploadInput, o ...sdk) (*s3.CompleteMultipartUploadOutput, error) {
	in := *given
	in.RequestPayer = d.payer
	return d.c.CompleteMultipartUpload(ctx, &in, o...)
}

func (d termed) AbortMultipartUpload(ctx context.Context, given *s3.AbortMultipartUploadInput, o ...sdk) (*s3.AbortMultipartUploadOutput, error) {
	in := *given
	in.RequestPayer = d.payer
	return d.c.AbortMultipartUpload(ctx, &in, o...)
}

func (d termed) UploadPart(ctx context.Context, given *s3.UploadPartInput, o ...sdk) (*s3.UploadPartOutput, error) {
	in := *given
	in.RequestPayer = d.payer
	return d.c.UploadPart(ctx, &in, o...)
}

func (d termed) UploadPartCopy(ctx context.Context, given *s3.UploadPartCopyInput, o ...sdk) (*s3.UploadPartCopyOutput, error) {
	in := *given
	in.RequestPayer = d.payer
	return d.c.UploadPartCopy(ctx, &in, o...)
}
