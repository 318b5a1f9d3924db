package s3

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/batchmill/batchmill/internal/caught"
	"github.com/batchmill/batchmill/transform/store"
)

const (
	pageKeys   = 1000 // as many as a page can have
	emptyPages = 100  // a service that has more of them in a row is not going to end
)

// List yields the objects at or below prefix by ascending name, a page of a
// thousand at a time; while one is consumed, the next is fetched. Empty objects
// whose keys end in a slash are folders' markers and left out. A key that is no path
// has a name with codes, or is left out too: see Options.OddKeys. Names ascend as keys do then.
//
// ListObjectsV2: https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html
func (s *Store) List(ctx context.Context, prefix string) iter.Seq2[store.Info, error] {
	return func(yield func(store.Info, error) bool) {
		if prefix == "" {
			s.listBelow(ctx, s.prefix, yield)
			return
		}
		if err := s.begin(ctx, "list", prefix); err != nil {
			yield(store.Info{}, err)
			return
		}
		// An object's own key comes before all that it begins, however many
		// siblings like "prefix-2" there are.
		one := newListing(s, s.key(prefix), 1)
		infos, err := one.page(ctx)
		if err != nil {
			yield(store.Info{}, s.listError(prefix, err))
			return
		}
		if len(infos) > 0 && infos[0].Name == prefix && !yield(infos[0], nil) {
			return
		}
		s.listBelow(ctx, s.key(prefix)+"/", yield)
	}
}

// listBelow yields what the keys below folder name.
func (s *Store) listBelow(ctx context.Context, folder string, yield func(store.Info, error) bool) {
	for infos, err := range newListing(s, folder, pageKeys).pages(ctx) {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			yield(store.Info{}, s.listError(strings.TrimPrefix(folder, s.prefix), err))
			return
		}
		for _, info := range infos {
			if err := ctx.Err(); err != nil {
				yield(store.Info{}, err)
				return
			}
			if !yield(info, nil) {
				return
			}
		}
	}
	if err := ctx.Err(); err != nil {
		yield(store.Info{}, err)
	}
}

func (s *Store) listError(prefix string, err error) error { return wrap("list", s.URI(prefix), err) }

// A listing walks the keys that begin with prefix.
type listing struct {
	s      *Store
	prefix string // of keys
	most   int32
	token  *string // of the next page
	last   string  // the last key seen
	empty  int     // pages without keys in a row
	done   bool
}

func newListing(s *Store, prefix string, most int32) *listing {
	return &listing{s: s, prefix: prefix, most: most}
}

// pages yields page after page, and fetches one ahead. Its goroutine has ended
// when the sequence ends.
func (l *listing) pages(ctx context.Context) iter.Seq2[[]store.Info, error] {
	type page struct {
		infos []store.Info
		err   error
		last  bool
	}
	return func(yield func([]store.Info, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		ahead := make(chan page)
		caught.Start(func() {
			defer close(ahead)
			for {
				var infos []store.Info
				err := caught.Err(func() (err error) {
					infos, err = l.page(ctx)
					return err
				})
				select {
				case ahead <- page{infos: infos, err: err, last: err != nil || l.done}:
				case <-ctx.Done():
					return
				}
				if err != nil || l.done {
					return
				}
			}
		})
		defer func() {
			cancel()
			for range ahead {
			}
		}()
		for p := range ahead {
			if !yield(p.infos, p.err) || p.last {
				return
			}
		}
	}
}

// page fetches the next page.
func (l *listing) page(ctx context.Context) ([]store.Info, error) {
	in := &s3.ListObjectsV2Input{
		Bucket: &l.s.bucket, MaxKeys: &l.most, ContinuationToken: l.token,
		EncodingType: types.EncodingTypeUrl, // XML cannot hold every character that a key can
	}
	if l.prefix != "" {
		in.Prefix = &l.prefix
	}
	out, err := l.s.client.ListObjectsV2(ctx, in)
	if err != nil {
		return nil, err
	}
	infos := make([]store.Info, 0, len(out.Contents))
	for i := range out.Contents {
		info, skip, err := l.info(&out.Contents[i], out.EncodingType == types.EncodingTypeUrl)
		if err != nil {
			return nil, err
		}
		if !skip {
			infos = append(infos, info)
		}
	}
	return infos, l.turn(out)
}

// turn goes to the next page. The service is not trusted to come to an end.
func (l *listing) turn(out *s3.ListObjectsV2Output) error {
	if l.empty++; len(out.Contents) > 0 {
		l.empty = 0
	}
	next := aws.ToString(out.NextContinuationToken)
	switch {
	case !aws.ToBool(out.IsTruncated):
		l.done = true
	case next == "" || next == aws.ToString(l.token):
		return errors.New("the service says that the list goes on, and not where: it does not end")
	case l.empty > emptyPages:
		return fmt.Errorf("the service gave %d pages without a key: the list does not end", l.empty)
	}
	l.token = &next
	return nil
}

// info is what the listing tells about an object; skip, whether it only
// stands for a folder, or has a key that nothing of the store has.
func (l *listing) info(o *types.Object, encoded bool) (info store.Info, skip bool, err error) {
	key := aws.ToString(o.Key)
	if encoded {
		if key, err = url.QueryUnescape(key); err != nil {
			return info, false, fmt.Errorf("the service lists a key that cannot be decoded: %.300q", aws.ToString(o.Key))
		}
	}
	name, ok := strings.CutPrefix(key, l.s.prefix)
	if !ok || !strings.HasPrefix(key, l.prefix) {
		return info, false, fmt.Errorf("the service lists the key %.300q, which is not below %q", key, l.prefix)
	}
	if key <= l.last {
		return info, false, fmt.Errorf("the service lists the key %.300q behind %.300q: lists must be in order; directory buckets have none and cannot be used", key, l.last)
	}
	l.last = key
	size := aws.ToInt64(o.Size)
	if strings.HasSuffix(key, "/") && size == 0 {
		return info, true, nil
	}
	if l.most == 1 {
		return store.Info{Name: name, Size: size, ModTime: when(o.LastModified), ETag: unquote(o.ETag)}, false, nil
	}
	if l.s.o.OddKeys {
		name = nameOf(name)
	} else if !store.ValidName(name) {
		return info, true, nil
	}
	if size < 0 || !readable(key) {
		return info, false, fmt.Errorf("%w: the bucket holds the key %.300q of %d bytes; rename or remove it, or read another prefix", store.ErrBadName, key, size)
	}
	return store.Info{Name: name, Size: size, ModTime: when(o.LastModified), ETag: unquote(o.ETag)}, false, nil
}

// when is a time as all three of List, Stat and Open tell it: only listings know parts of seconds.
func when(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.UTC().Truncate(time.Second)
}

// unquote is an ETag without the quotes that it has in headers.
func unquote(etag *string) string { return strings.Trim(aws.ToString(etag), `"`) }
