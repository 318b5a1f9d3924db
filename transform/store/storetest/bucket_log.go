package storetest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strconv"
	"strings"
	"time"

	"github.com/batchmill/batchmill/transform/store"
)

// ErrDamaged says that a log's segments do not make a whole.
var ErrDamaged = errors.New("the log is damaged")

// claimTries is how many numbers in a row may be taken by others.
const claimTries = 100

// The log is kept as package s3 keeps it, and by the same protocol: numbered
// segments that are put where their number is free; each tells the log it belongs
// to and by which number that begins; the last one decides.

// mark is what a segment's metadata tells.
type mark struct {
	nonce string
	log   string
	base  int64
}

func (m mark) meta(job string) map[string]string {
	return map[string]string{metaJob: job, metaNonce: m.nonce, metaLog: m.log, metaBase: fmt.Sprint(m.base)}
}

func (o *bucketObject) mark() mark {
	base, _ := strconv.ParseInt(o.meta[metaBase], 10, 64)
	return mark{o.meta[metaNonce], o.meta[metaLog], base}
}

// segment is an entry of a listing.
type segment struct {
	number, size int64
	etag         string
	mod          time.Time
}

// logTable is a log as it was found.
type logTable struct {
	mark
	segments []segment
	size     int64
	stale    []int64 // what is left of an earlier log
	whole    bool    // it is one log, as it was at one moment
}

func (t *logTable) last() int64 { return t.base + int64(len(t.segments)) - 1 }

func segmentName(log string, number int64) string { return fmt.Sprintf("%s/%010d", log, number) }

// segmentNumber is 0 for what is no segment.
func segmentNumber(log, name string) int64 {
	rest, ok := strings.CutPrefix(name, log+"/")
	if !ok || len(rest) != 10 || strings.Trim(rest, "0123456789") != "" {
		return 0
	}
	n, _ := strconv.ParseInt(rest, 10, 64)
	return n
}

// segmentsAfter lists the segments with higher numbers than after, up to most.
func (c *Client) segmentsAfter(ctx context.Context, log string, after int64, most int) (found []segment, err error) {
	begin := ""
	if after > 0 {
		begin = segmentName(log, after)
	}
	err = c.walk(ctx, log+"/", begin, func(e bucketEntry) (bool, error) {
		if n := segmentNumber(log, e.name); n > 0 {
			found = append(found, segment{n, e.size, e.etag, e.mod})
		}
		return len(found) < most, nil
	})
	return found, err
}

// findLog finds a log. What looks like damage may be a log on its way out, so it
// is believed at the third look.
func (c *Client) findLog(ctx context.Context, log string) (*logTable, error) {
	base, damaged := int64(1), 0
	for range 20 {
		t, err := c.findOnce(ctx, log, base)
		switch {
		case errors.Is(err, ErrDamaged):
			if damaged++; damaged == 3 {
				return nil, err
			}
		case err != nil, t.whole:
			return t, err
		default:
			base = t.base
		}
	}
	return nil, errors.New("the log does not stand still")
}

// findOnce lists a log that is thought to begin with base. The listing is that of
// one log only if its first segment was there before and behind it; else the
// table is not whole, and has the base that the log seems to have.
func (c *Client) findOnce(ctx context.Context, log string, base int64) (*logTable, error) {
	before, err := c.headSegment(ctx, log, base)
	if err != nil && !errors.Is(err, errNoKey) {
		return nil, err
	}
	all, err := c.segmentsAfter(ctx, log, 0, 1<<30)
	if err != nil {
		return nil, err
	}
	if len(all) == 0 {
		return nil, fs.ErrNotExist
	}
	last := all[len(all)-1].number
	m, err := c.headSegment(ctx, log, last)
	if err != nil {
		return nil, damagedIfMissing(err)
	}
	if len(all) == 1 && m.base < last {
		// All that is left of a log that was removed: a run that slept meanwhile
		// put it when it woke up, and died before it could take it back.
		return &logTable{mark: mark{log: c.nonce(), base: last + 1}, stale: []int64{last}, whole: true}, nil
	}
	t := &logTable{mark: m}
	if m.base != base {
		return t, nil
	}
	if err := t.fill(all); err != nil {
		return nil, err
	}
	first := m
	if base != last {
		if first, err = c.headSegment(ctx, log, base); err != nil {
			return nil, damagedIfMissing(err)
		}
	}
	if first.log != m.log {
		return nil, fmt.Errorf("%w: segment %d belongs to a log that was removed", ErrDamaged, last)
	}
	t.whole = before.log == m.log
	return t, nil
}

// fill makes the table of what is listed.
func (t *logTable) fill(all []segment) error {
	for _, g := range all {
		next := t.base + int64(len(t.segments))
		if g.number < t.base {
			t.stale = append(t.stale, g.number)
			continue
		}
		if g.number > next {
			return fmt.Errorf("%w: segment %d is missing", ErrDamaged, next)
		}
		t.segments = append(t.segments, g)
		t.size += g.size
	}
	return nil
}

func damagedIfMissing(err error) error {
	if errors.Is(err, errNoKey) {
		return fmt.Errorf("%w: a segment that was listed is missing", ErrDamaged)
	}
	return err
}

func (c *Client) headSegment(ctx context.Context, log string, number int64) (mark, error) {
	o, err := c.look(ctx, segmentName(log, number))
	if err != nil {
		return mark{}, err
	}
	return o.mark(), nil
}

// ReadLog opens a log as it is now.
func (c *Client) ReadLog(ctx context.Context, name string) (store.Reader, store.Info, error) {
	if err := c.begin(ctx, "open", name); err != nil {
		return nil, store.Info{}, err
	}
	t, err := c.findLog(ctx, name)
	if err != nil {
		return nil, store.Info{}, c.wrap("open", name, err)
	}
	if len(t.segments) == 0 {
		return nil, store.Info{}, c.wrap("open", name, fs.ErrNotExist)
	}
	info := c.info(bucketEntry{name: name, size: t.size, mod: t.segments[len(t.segments)-1].mod})
	return &segmentReader{c: c, ctx: ctx, name: name, table: t}, info, nil
}

// segmentReader reads segments as one log.
type segmentReader struct {
	c      *Client
	ctx    context.Context
	name   string
	table  *logTable
	pos    int64
	from   int64  // where block begins, in the log
	block  []byte // the segment that Read is in
	closed bool
}

// fetch reads the segment that holds byte off of the log, and tells where it begins.
func (r *segmentReader) fetch(off int64) (from int64, data []byte, err error) {
	for _, g := range r.table.segments {
		if off >= from+g.size {
			from += g.size
			continue
		}
		err = r.c.send(r.ctx, "get", segmentName(r.name, g.number), func(b *Bucket) error {
			_, data, err = b.get(segmentName(r.name, g.number), g.etag, 0, g.size)
			return err
		})
		if errors.Is(err, errRefused) || errors.Is(err, errNoKey) {
			err = r.gone(g.number)
		}
		return from, data, err
	}
	return 0, nil, io.EOF
}

// gone tells why a segment is not there any more: another run has ended the log
// or begun a new one, or it is damage.
func (r *segmentReader) gone(number int64) error {
	t, err := r.c.findLog(r.ctx, r.name)
	switch {
	case errors.Is(err, fs.ErrNotExist), err == nil && t.log != r.table.log:
		return store.ErrGrown
	case err != nil:
		return err
	}
	return fmt.Errorf("%w: segment %d went while it was read", ErrDamaged, number)
}

func (r *segmentReader) Read(p []byte) (int, error) {
	if r.closed {
		return 0, r.c.wrap("read", r.name, fs.ErrClosed)
	}
	if r.pos == r.table.size {
		return 0, io.EOF
	}
	if r.pos >= r.from+int64(len(r.block)) {
		from, block, err := r.fetch(r.pos)
		if err != nil {
			return 0, r.c.wrap("read", r.name, err)
		}
		r.from, r.block = from, block
	}
	n := copy(p, r.block[r.pos-r.from:])
	r.pos += int64(n)
	return n, nil
}

func (r *segmentReader) ReadAt(p []byte, off int64) (n int, err error) {
	if r.closed || off < 0 {
		return 0, r.c.wrap("read", r.name, fs.ErrClosed)
	}
	for n < len(p) {
		at := off + int64(n)
		from, data, err := r.fetch(at)
		if err == io.EOF {
			return n, err
		}
		if err != nil {
			return n, r.c.wrap("read", r.name, err)
		}
		n += copy(p[n:], data[at-from:])
	}
	return n, nil
}

func (r *segmentReader) Close() error {
	if r.closed {
		return r.c.wrap("close", r.name, fs.ErrClosed)
	}
	r.closed = true
	return nil
}
