package s3

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/batchmill/batchmill/transform/store"
)

// A log called NAME is what its segments hold, one after another: the objects
// NAME/0000000001, NAME/0000000002 and so on. Objects are never changed. So a log grows
// by one segment for each Sync, and whoever puts the next number, on the
// condition that it is free, is the one who appends. The protocol is ours; all that it
// needs of the service is If-None-Match on puts, and listings and
// descriptions that show at once what was put and what was deleted.
//
// Every segment says in its metadata which log it belongs to, and by which
// number that log begins. The last segment decides: the log is what stands from
// its base to itself. Lower numbers are what is left of an earlier log, and go with it. To cut a log to nothing is therefore to put one more
// segment, with its own number as base. To keep its beginning is to put that once
// more, and then a segment that names the first of these as base. A log is taken over by an
// empty segment with the old base. Both fence the run that appended before: its
// next number is taken.
//
// Who removes segments puts such an empty beginning first, and deletes it when
// all others are known to be gone. So a removal that was interrupted leaves an
// empty log, never half of one, and a number that is missing is damage.
//
// A run may sleep while all that happens, and wake up to find its next number
// free again. So after each put it looks: first whether any higher
// number exists, then whether its log's first segment does. If its number had been
// taken and freed, then by a removal (or a cut, which leaves higher numbers). While
// the removal lasted, its highest segment was there; and once that was gone, so
// was every other, the sleeper's first one included. One of both looks
// finds it, in this order only, and in whatever order the others were deleted. A run
// may as well sleep while it removes a log. So it deletes what it has listed only while
// the beginning that it put stands: with that gone, the numbers may be a new log's.
const (
	metaLog  = "batchmill-log"  // the same random text in all segments of a log
	metaBase = "batchmill-base" // the number of the log's first segment

	segmentDigits = 10
	maxSegment    = 9_999_999_999
)

// A DamageError is a log whose segments do not make a whole.
type DamageError struct {
	URI string // of the segment
	Why string
}

func (e *DamageError) Error() string {
	return fmt.Sprintf("%s: %s; restore the object, or begin anew with --restart", e.URI, e.Why)
}

// Unwrap is [store.ErrDamaged].
func (e *DamageError) Unwrap() error { return store.ErrDamaged }

// mark is what the metadata of a segment tells.
type mark struct {
	nonce string
	log   string
	base  int64
}

// segment is an entry of a listing.
type segment struct {
	number, size int64
	etag         string
	modified     time.Time
}

// table is a log as it was found: the segments base, base+1 and so on.
type table struct {
	mark     // of the last segment
	segments []segment
	size     int64 // of all
}

func (t *table) last() int64 { return t.base + int64(len(t.segments)) - 1 }

// beginning tells the log from another log, and from itself before it was cut.
func (t *table) beginning() string { return segmentName(t.log, t.base) }

// segmentName is the name of a log's segment as an object.
func segmentName(log string, number int64) string {
	return fmt.Sprintf("%s/%0*d", log, segmentDigits, number)
}

// segmentNumber is the inverse, for a name without the log's and its slash; 0
// for what is no segment.
func segmentNumber(name string) int64 {
	if len(name) != segmentDigits || strings.Trim(name, "0123456789") != "" {
		return 0
	}
	n, _ := strconv.ParseInt(name, 10, 64) // ten digits always fit
	return n
}

// findLog finds the log called name; the error is fs.ErrNotExist when there is
// none. A listing takes its time, and a log that is removed meanwhile looks
// damaged. So damage is only what is still there at another look.
func (s *Store) findLog(ctx context.Context, name string) (*table, error) {
	base, damaged := int64(1), 0
	for range 20 {
		t, err := s.findOnce(ctx, name, base)
		var damage *DamageError
		var stray *strayError
		switch {
		case errors.As(err, &damage), errors.As(err, &stray):
			if damaged++; damaged == 3 {
				return nil, err
			}
		case err != nil, t.segments != nil:
			return t, err
		}
		if t != nil {
			base = t.base
		}
	}
	return nil, errors.New("the log does not stand still: other runs cut or remove it again and again; wait for them to end")
}

// A strayError is a segment that stands alone and belongs to a log that began
// before it: a run put it that had slept while its log was removed, and died when
// it woke up. Nobody's log is there: it is [fs.ErrNotExist].
type strayError struct{ number int64 }

func (e *strayError) Error() string {
	return fmt.Sprintf("segment %d belongs to a log that was removed", e.number)
}
func (e *strayError) Unwrap() error { return fs.ErrNotExist }

// findOnce lists a log that is thought to begin with base. The listing is one of
// one log only if that log's first segment was there before and
// behind it: in between, another may have taken the name. Where it was
// not, the table has no segments, and the base that the log seems to have.
func (s *Store) findOnce(ctx context.Context, name string, base int64) (*table, error) {
	before, err := s.headSegment(ctx, name, base)
	if err != nil && !isMissing(err) {
		return nil, err
	}
	all, err := s.segmentsAfter(ctx, name, 0, math.MaxInt)
	if err != nil {
		return nil, err
	}
	if len(all) == 0 {
		return nil, fs.ErrNotExist
	}
	last := all[len(all)-1].number
	m, err := s.headSegment(ctx, name, last)
	if err != nil {
		return nil, s.damaged(name, last, err)
	}
	if m.base == 0 {
		return nil, &DamageError{s.URI(segmentName(name, last)), "its metadata does not say which log it belongs to"}
	}
	if len(all) == 1 && m.base < last {
		return nil, &strayError{last}
	}
	t := &table{mark: m}
	if m.base != base {
		return t, nil
	}
	if err := s.fill(t, name, all); err != nil {
		return nil, err
	}
	first := m
	if base != last {
		if first, err = s.headSegment(ctx, name, base); err != nil {
			return nil, s.damaged(name, base, err)
		}
	}
	switch {
	case first.log != m.log:
		// A run that slept while its log was removed, and died when it woke up, may
		// have left a segment behind a log that is not its own.
		return nil, &DamageError{s.URI(segmentName(name, last)), "it belongs to a log that was removed"}
	case before.log != m.log:
		t.segments = nil
	}
	return t, nil
}

// fill makes the table of what is listed.
func (s *Store) fill(t *table, name string, all []segment) error {
	for _, g := range all {
		switch next := t.base + int64(len(t.segments)); {
		case g.number < t.base:
			continue
		case g.number > next:
			return s.damaged(name, next, fs.ErrNotExist)
		case g.size > math.MaxInt64-t.size:
			return &DamageError{s.URI(segmentName(name, g.number)), "its size cannot be"}
		}
		t.segments = append(t.segments, g)
		t.size += g.size
	}
	return nil
}

// damaged makes damage of a segment that is not there.
func (s *Store) damaged(name string, number int64, err error) error {
	if !errors.Is(err, fs.ErrNotExist) && !isMissing(err) {
		return err
	}
	return &DamageError{s.URI(segmentName(name, number)), "this segment of the log is missing"}
}

// segmentsAfter lists a log's segments with higher numbers than after,
// ascending, and stops when it has as many as most. What else is below the
// log's name is passed over.
func (s *Store) segmentsAfter(ctx context.Context, name string, after int64, most int) (found []segment, err error) {
	folder, begin := s.key(name)+"/", ""
	if after > 0 {
		begin = s.key(segmentName(name, after))
	}
	last := after
	err = s.walk(ctx, folder, begin, int32(min(most, pageKeys)), func(objects []types.Object) (bool, error) {
		for _, o := range objects {
			g := segment{segmentNumber((*o.Key)[len(folder):]), aws.ToInt64(o.Size), unquote(o.ETag), when(o.LastModified)}
			switch {
			case g.number == 0 || len(found) == most:
				continue
			case g.number <= last || g.size < 0:
				return false, fmt.Errorf("the service lists segment %d of %d bytes behind %d: lists must be in order", g.number, g.size, last)
			}
			last = g.number
			found = append(found, g)
		}
		return len(found) < most, nil
	})
	return found, err
}

// walk gives each the pages of a listing of the keys that begin with folder and
// come behind the key after, until it wants no more. Unlike [Store.List] it
// takes keys that are nobody's names, and folders' markers: they can be removed.
func (s *Store) walk(ctx context.Context, folder, after string, most int32, each func([]types.Object) (more bool, err error)) error {
	l := newListing(s, folder, most)
	for more := true; more && !l.done; {
		in := &s3.ListObjectsV2Input{
			Bucket: &s.bucket, Prefix: &folder, MaxKeys: &most, ContinuationToken: l.token, EncodingType: types.EncodingTypeUrl,
		}
		if after != "" && l.token == nil {
			in.StartAfter = &after
		}
		out, err := s.client.ListObjectsV2(ctx, in)
		if err != nil {
			return err
		}
		for i := range out.Contents {
			key := aws.ToString(out.Contents[i].Key)
			if out.EncodingType == types.EncodingTypeUrl {
				if key, err = url.QueryUnescape(key); err != nil {
					return fmt.Errorf("the service lists a key that cannot be decoded: %w", err)
				}
			}
			if !strings.HasPrefix(key, folder) { // what was not asked for is neither read nor removed
				return fmt.Errorf("the service lists the key %.300q, which is not below %q", key, folder)
			}
			out.Contents[i].Key = &key
		}
		if err := l.turn(out); err != nil {
			return err
		}
		if more, err = each(out.Contents); err != nil {
			return err
		}
	}
	return nil
}

// headSegment reads the mark of a segment. What is no segment of ours has base 0.
func (s *Store) headSegment(ctx context.Context, name string, number int64) (mark, error) {
	out, err := s.client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &s.bucket, Key: aws.String(s.key(segmentName(name, number)))})
	if err != nil {
		return mark{}, err
	}
	var m mark
	for key, value := range out.Metadata {
		switch strings.ToLower(key) { // some services keep their own case
		case metaNonce:
			m.nonce = value
		case metaLog:
			m.log = value
		case metaBase:
			m.base = segmentNumber(value)
		}
	}
	if m.base > number || m.log == "" {
		m.base = 0
	}
	return m, nil
}

// metadata is what a segment bears that m describes.
func (s *Store) metadata(m mark) map[string]string {
	meta := map[string]string{metaNonce: m.nonce, metaLog: m.log, metaBase: fmt.Sprintf("%0*d", segmentDigits, m.base)}
	if job := s.job.Load(); job != nil && *job != "" {
		meta[metaJob] = *job
	}
	return meta
}

// ReadLog opens a log as it is now. What it holds is pinned: a segment that is
// changed or removed while it is read is an error. A log that is there and
// holds nothing has size 0; Info tells when its last segment was put, and has no
// ETag. A log whose segments do not make a whole is a [*DamageError].
//
// The reader reads up to 16 MiB ahead where it is read from front to back, by Read
// or by ReadAt, out of the store's [Options.Memory], and waits for none of it. It
// keeps about a hundred bytes for each segment. Its requests end with ctx.
func (s *Store) ReadLog(ctx context.Context, name string) (store.Reader, store.Info, error) {
	if err := s.begin(ctx, "open", name); err != nil {
		return nil, store.Info{}, err
	}
	t, err := s.findLog(ctx, name)
	if err != nil {
		return nil, store.Info{}, wrap("open", s.URI(name), err)
	}
	s.logs.Store(name, t.beginning())
	info := store.Info{Name: name, Size: t.size, ModTime: t.segments[len(t.segments)-1].modified}
	return newLogReader(ctx, s, name, t), info, nil
}
