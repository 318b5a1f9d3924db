package s3

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/url"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/batchmill/batchmill/transform/store"
)

// errNoEnd ends a listing that would go on for ever.
var errNoEnd = errors.New("the service listed its uploads in a circle: they cannot be cleaned up through it")

// Clean aborts the unfinished uploads below the store's folder whose names mine
// accepts, and yields their names: one for each upload, so that a name may come
// twice. The error is errors.ErrUnsupported where the service cannot list them.
func (s *Store) Clean(ctx context.Context, mine func(name string) bool) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		if err := s.clean(ctx, mine, func(name string) bool { return yield(name, nil) }); err != nil {
			yield("", err)
		}
	}
}

func (s *Store) clean(ctx context.Context, mine func(string) bool, yield func(string) bool) error {
	var at marker
	for {
		page, err := s.uploads(ctx, at)
		if err != nil {
			return wrap("clean", s.URI(""), err)
		}
		for i := range page.Uploads {
			u := &page.Uploads[i]
			name, ok := s.uploadName(page, u)
			if !ok || !mine(name) {
				continue
			}
			if err := s.abortUpload(ctx, s.key(name), aws.ToString(u.UploadId)); err != nil {
				return wrap("clean", s.URI(name), err)
			}
			if !yield(name) {
				return nil
			}
		}
		if !aws.ToBool(page.IsTruncated) {
			return nil
		}
		if at, err = at.next(page); err != nil {
			return wrap("clean", s.URI(""), err)
		}
	}
}

// marker is where a page of a listing begins.
type marker struct {
	key, id *string
	same    int // pages in a row that began at this key
}

// maxPages bounds the pages that begin at one key: 100,000 uploads of one object.
const maxPages = 100

// next is where the page behind page begins. Uploads are listed by ascending key,
// so it never lies before the last one.
func (m marker) next(page *s3.ListMultipartUploadsOutput) (marker, error) {
	next := marker{key: page.NextKeyMarker, id: page.NextUploadIdMarker}
	last, key := aws.ToString(m.key), aws.ToString(next.key)
	if key == last {
		next.same = m.same + 1
	}
	if key < last || key == "" || next.same > maxPages || key == last && aws.ToString(next.id) == aws.ToString(m.id) {
		return next, errNoEnd
	}
	return next, nil
}

// uploads is the page of the listing that begins behind at.
func (s *Store) uploads(ctx context.Context, at marker) (*s3.ListMultipartUploadsOutput, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	in := &s3.ListMultipartUploadsInput{
		Bucket: &s.bucket, KeyMarker: at.key, UploadIdMarker: at.id,
		EncodingType: types.EncodingTypeUrl, // XML cannot hold every key as it is
	}
	if s.prefix != "" {
		in.Prefix = &s.prefix
	}
	page, err := s.client.ListMultipartUploads(ctx, in)
	if isNotImplemented(err) {
		return nil, fmt.Errorf("%w: the service cannot list unfinished uploads, so a rule of the bucket has to end them: %w", errors.ErrUnsupported, explain(err))
	}
	if err != nil {
		return nil, permitted(err, "s3:ListBucketMultipartUploads")
	}
	if err == nil && page.EncodingType == types.EncodingTypeUrl && page.NextKeyMarker != nil {
		plain, err := url.QueryUnescape(*page.NextKeyMarker)
		page.NextKeyMarker = &plain
		if err != nil {
			return nil, errNoEnd
		}
	}
	return page, nil
}

// uploadName is the name of the object that u was begun for, if it is one of
// the store's.
func (s *Store) uploadName(page *s3.ListMultipartUploadsOutput, u *types.MultipartUpload) (string, bool) {
	key := aws.ToString(u.Key)
	if page.EncodingType == types.EncodingTypeUrl {
		plain, err := url.QueryUnescape(key)
		if err != nil {
			return "", false
		}
		key = plain
	}
	name, ok := strings.CutPrefix(key, s.prefix)
	return name, ok && store.ValidName(name) && aws.ToString(u.UploadId) != ""
}
