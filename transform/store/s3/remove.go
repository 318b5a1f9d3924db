package s3

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"golang.org/x/sync/errgroup"

	"github.com/batchmill/batchmill/internal/caught"
	"github.com/batchmill/batchmill/transform/store"
)

// mostDeletes is how many keys one request may name.
const mostDeletes = 1000

// Remove removes an object, and everything below it. A log is ended first, so
// that whoever appends to it is fenced, and so that an interrupted removal
// leaves an empty log. What is not there is no error. If a run takes a log over while it
// is removed, its own segments stay and the error is ErrSuperseded.
func (s *Store) Remove(ctx context.Context, name string) error {
	if err := s.begin(ctx, "remove", name); err != nil {
		return err
	}
	r := remover{s: s, ends: map[string]*appender{}}
	err := r.below(ctx, s.key(name)+"/")
	if err == nil {
		err = r.one(ctx, s.key(name))
	}
	if ended := ctx.Err(); err != nil && ended != nil && !errors.Is(err, store.ErrSuperseded) {
		err = ended
	}
	return wrap("remove", s.URI(name), err)
}

// remover removes a folder's objects, page by page of its listing.
type remover struct {
	s    *Store
	ends map[string]*appender // by log: who put the segment that ends it; nil for what is no log
}

func (r *remover) below(ctx context.Context, folder string) error {
	err := r.s.walk(ctx, folder, "", pageKeys, func(objects []types.Object) (bool, error) {
		for _, end := range r.ends {
			if err := end.stands(ctx); err != nil {
				return false, err
			}
		}
		var keys []string
		for _, o := range objects {
			last, err := r.lasts(ctx, *o.Key)
			if err != nil {
				return false, err
			}
			if !last {
				keys = append(keys, *o.Key)
			}
		}
		return true, r.s.deleteKeys(ctx, keys)
	})
	if err != nil {
		return err
	}
	var errs []error
	for _, end := range r.ends {
		if end != nil {
			errs = append(errs, end.remove(ctx))
		}
	}
	return errors.Join(errs...)
}

// lasts tells whether key must outlast the others: it is a segment at the end of a
// log or behind it. It ends the log at the first segment of it that it is asked about.
func (r *remover) lasts(ctx context.Context, key string) (bool, error) {
	at := strings.LastIndexByte(key, '/')
	number := segmentNumber(key[at+1:])
	if number == 0 || at < len(r.s.prefix) {
		return false, nil
	}
	log := key[len(r.s.prefix):at]
	end, known := r.ends[log]
	if !known {
		var err error
		if end, err = r.s.endLog(ctx, log); err != nil {
			return false, err
		}
		r.ends[log] = end
	}
	return end != nil && number >= end.last, nil
}

// endLog begins an empty log behind that called name, without asking whether
// it is whole. It returns nil where the objects are no log's.
func (s *Store) endLog(ctx context.Context, name string) (*appender, error) {
	all, err := s.segmentsAfter(ctx, name, 0, math.MaxInt)
	if err != nil || len(all) == 0 {
		return nil, err
	}
	last := all[len(all)-1].number
	m, err := s.headSegment(ctx, name, last)
	if isMissing(err) { // another run is removing it too
		m, err = mark{base: last}, nil
	}
	if err != nil || m.base == 0 {
		return nil, err
	}
	a := &appender{s: s, name: name, id: rand.Text(), log: rand.Text(), last: last}
	for range claimTries {
		a.last++
		a.base = a.last
		other, err := a.put(ctx, nil)
		if err != nil || other == nil {
			return a, err
		}
	}
	return nil, fmt.Errorf("%s: %d numbers in a row were taken by another run: wait for it to end", s.URI(name), claimTries)
}

// remove removes a log that a ended: first what was put before that and was
// not listed yet, then the segment that ended it.
func (a *appender) remove(ctx context.Context) error {
	left, err := a.s.segmentsAfter(ctx, a.name, 0, math.MaxInt)
	if err != nil {
		return err
	}
	if len(left) == 0 {
		return nil // by another run
	}
	if err := a.stands(ctx); err != nil {
		return err
	}
	var numbers []int64
	for _, g := range left {
		if g.number < a.last {
			numbers = append(numbers, g.number)
		}
	}
	if err := a.s.removeSegments(ctx, a.name, numbers); err != nil {
		return err
	}
	return a.removeEnd(ctx)
}

// stands makes sure that the segment which ended a log is there, so that what was
// listed before with lower numbers belongs to that log. A run that slept may find its
// end gone, and a new log with the same numbers; the error is ErrSuperseded then.
func (a *appender) stands(ctx context.Context) error {
	if a == nil { // it is no log
		return nil
	}
	found, err := a.s.headSegment(ctx, a.name, a.last)
	if isMissing(err) || err == nil && found.nonce != a.nonce() {
		return store.ErrSuperseded
	}
	return err
}

// removeEnd removes the empty log that a began, unless another run has taken it
// over; then the error is ErrSuperseded. Who claims it at this very moment finds
// its beginning gone, and can sync nothing; what it may have left is removed too.
func (a *appender) removeEnd(ctx context.Context) error {
	behind, err := a.s.segmentsAfter(ctx, a.name, a.last, 1)
	if err != nil {
		return err
	}
	if len(behind) > 0 {
		return store.ErrSuperseded
	}
	if err := a.s.removeSegments(ctx, a.name, []int64{a.last}); err != nil {
		return err
	}
	return a.sweep(ctx)
}

// sweep removes what is left of the log that a began, and whose beginning is gone.
func (a *appender) sweep(ctx context.Context) error {
	behind, err := a.s.segmentsAfter(ctx, a.name, a.last, claimTries)
	if err != nil {
		return err
	}
	var numbers []int64
	for _, g := range behind {
		m, err := a.s.headSegment(ctx, a.name, g.number)
		if err != nil && !isMissing(err) {
			return err
		}
		if err == nil && m.log == a.log {
			numbers = append(numbers, g.number)
		}
	}
	return a.s.removeSegments(ctx, a.name, numbers)
}

// removeSegments deletes segments of a log. What bears a higher number must
// stay until it has returned.
func (s *Store) removeSegments(ctx context.Context, name string, numbers []int64) error {
	for some := range slices.Chunk(numbers, mostDeletes) {
		keys := make([]string, len(some))
		for i, n := range some {
			keys[i] = s.key(segmentName(name, n))
		}
		if err := s.deleteKeys(ctx, keys); err != nil {
			return err
		}
	}
	return nil
}

// one deletes the object key where there is one. It asks first: some services
// take the name of a folder for an object's.
func (r *remover) one(ctx context.Context, key string) error {
	_, err := r.s.client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &r.s.bucket, Key: &key})
	switch {
	case isMissing(err):
		return nil
	case err != nil:
		return err
	}
	return r.s.deleteEach(ctx, []string{key})
}

// deleteKeys deletes up to a thousand objects, in no order. When it returns nil they are gone.
func (s *Store) deleteKeys(ctx context.Context, keys []string) error {
	if len(keys) < 2 {
		return s.deleteEach(ctx, keys)
	}
	objects := make([]types.ObjectIdentifier, len(keys))
	for i := range keys {
		if strings.ContainsFunc(keys[i], notXML) { // it would name another object
			return s.deleteEach(ctx, keys)
		}
		objects[i].Key = &keys[i]
	}
	out, err := s.client.DeleteObjects(ctx, &s3.DeleteObjectsInput{
		Bucket: &s.bucket, Delete: &types.Delete{Objects: objects, Quiet: aws.Bool(true)},
	})
	switch status(err) {
	case http.StatusBadRequest, http.StatusMethodNotAllowed, http.StatusNotImplemented:
		// Not every service has this request, or takes the checksum the SDK sends with it.
		return s.deleteEach(ctx, keys)
	}
	if err != nil {
		return err
	}
	for _, e := range out.Errors {
		if aws.ToString(e.Code) != "NoSuchKey" {
			return fmt.Errorf("%d objects were not deleted, %q among them: %q, %q",
				len(out.Errors), aws.ToString(e.Key), aws.ToString(e.Code), aws.ToString(e.Message))
		}
	}
	return nil
}

// notXML tells whether a character may be changed on its way through XML.
func notXML(c rune) bool { return c == utf8.RuneError || !unicode.IsPrint(c) }

// deleteEach is deleteKeys by a request for each key.
func (s *Store) deleteEach(ctx context.Context, keys []string) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(s.o.Concurrency)
	for _, key := range keys {
		caught.Go(group, func() error {
			_, err := s.client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &s.bucket, Key: &key})
			if isMissing(err) {
				return nil
			}
			return err
		})
	}
	return group.Wait()
}
