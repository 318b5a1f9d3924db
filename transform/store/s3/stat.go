package s3

import (
	"context"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/batchmill/batchmill/transform/store"
)

// Stat describes an object. Its Info equals that of List and Open.
func (s *Store) Stat(ctx context.Context, name string) (store.Info, error) {
	out, err := s.head(ctx, "stat", name)
	if err != nil {
		return store.Info{}, err
	}
	return store.Info{
		Name: name, Size: aws.ToInt64(out.ContentLength), ModTime: when(out.LastModified), ETag: unquote(out.ETag),
	}, nil
}

// OwnerOf tells whose object name is, by the job in its metadata; "" when there is none.
func (s *Store) OwnerOf(ctx context.Context, name string) (string, error) {
	out, err := s.head(ctx, "stat", name)
	if err != nil {
		return "", err
	}
	for key, value := range out.Metadata {
		if strings.EqualFold(key, metaJob) { // some services keep their own case
			return value, nil
		}
	}
	return "", nil
}

func (s *Store) head(ctx context.Context, op, name string) (*s3.HeadObjectOutput, error) {
	if err := s.begin(ctx, op, name); err != nil {
		return nil, err
	}
	out, err := s.client.HeadObject(ctx, headInput(s.bucket, s.key(name)))
	if err != nil {
		return nil, wrap(op, s.URI(name), err)
	}
	return out, nil
}

func headInput(bucket, key string) *s3.HeadObjectInput {
	return &s3.HeadObjectInput{Bucket: &bucket, Key: &key}
}
