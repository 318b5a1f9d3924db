package storetest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"

	"github.com/batchmill/batchmill/transform/store"
)

// delete removes objects, one request each: a service that takes many at a time
// does them in any order, and others come in between.
func (c *Client) delete(ctx context.Context, names []string) error {
	for _, name := range names {
		err := c.send(ctx, "delete", name, func(b *Bucket) error {
			delete(b.objects, name)
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// Remove removes an object and everything below it. A log is ended first, by an
// empty one behind it, which goes last.
func (c *Client) Remove(ctx context.Context, name string) error {
	if err := c.begin(ctx, "remove", name); err != nil {
		return err
	}
	r := bucketRemover{c: c, ends: map[string]*segmenter{}}
	err := r.below(ctx, name+"/")
	if err == nil {
		if _, err = c.look(ctx, name); err == nil {
			err = c.delete(ctx, []string{name})
		} else if errors.Is(err, errNoKey) {
			err = nil
		}
	}
	return c.wrap("remove", name, err)
}

// bucketRemover removes a folder's objects, page by page.
type bucketRemover struct {
	c    *Client
	ends map[string]*segmenter // by log: who ended it; nil for what is no log
}

func (r *bucketRemover) below(ctx context.Context, folder string) error {
	after := ""
	for more := true; more; {
		var page, names []string
		err := r.c.send(ctx, "list", folder, func(b *Bucket) error {
			page = page[:0]
			for _, e := range b.page(folder, after, pageNames) {
				page = append(page, e.name)
			}
			return nil
		})
		if err != nil {
			return err
		}
		for _, name := range page {
			after = name
			last, err := r.lasts(ctx, name)
			if err != nil {
				return err
			}
			if !last {
				names = append(names, name)
			}
		}
		slices.Reverse(names) // no order is promised
		if err := r.c.delete(ctx, names); err != nil {
			return err
		}
		more = len(page) == pageNames
	}
	var errs []error
	for _, end := range r.ends {
		if end != nil {
			errs = append(errs, end.remove(ctx))
		}
	}
	return errors.Join(errs...)
}

// lasts tells whether name outlasts the others: it is the segment at the end of a log.
func (r *bucketRemover) lasts(ctx context.Context, name string) (bool, error) {
	log := name[:max(0, strings.LastIndexByte(name, '/'))]
	number := segmentNumber(log, name)
	if number == 0 {
		return false, nil
	}
	end, known := r.ends[log]
	if !known {
		var err error
		if end, err = r.c.endLog(ctx, log); err != nil {
			return false, err
		}
		r.ends[log] = end
	}
	return end != nil && number >= end.last, nil
}

// endLog begins an empty log behind another.
func (c *Client) endLog(ctx context.Context, name string) (*segmenter, error) {
	all, err := c.segmentsAfter(ctx, name, 0, 1<<30)
	if err != nil || len(all) == 0 {
		return nil, err
	}
	last := all[len(all)-1].number
	m, err := c.headSegment(ctx, name, last)
	if errors.Is(err, errNoKey) {
		m, err = mark{base: last}, nil
	}
	if err != nil || m.base == 0 {
		return nil, err
	}
	a := &segmenter{c: c, ctx: ctx, name: name, id: c.nonce(), log: c.nonce(), last: last}
	for range claimTries {
		a.last++
		a.base = a.last
		other, err := a.put(ctx, nil)
		if err != nil || other == nil {
			return a, err
		}
	}
	return nil, fmt.Errorf("%d numbers in a row were taken by another run", claimTries)
}

// remove removes the segment that ended a log, when all before it are gone, and
// what one that claimed the log just before may have put behind it.
func (a *segmenter) remove(ctx context.Context) error {
	behind, err := a.c.segmentsAfter(ctx, a.name, a.last, 1)
	if err != nil {
		return err
	}
	if len(behind) > 0 {
		return store.ErrSuperseded
	}
	if err := a.c.removeSegments(ctx, a.name, []int64{a.last}); err != nil {
		return err
	}
	behind, err = a.c.segmentsAfter(ctx, a.name, a.last, claimTries)
	if err != nil {
		return err
	}
	for _, g := range behind {
		m, err := a.c.headSegment(ctx, a.name, g.number)
		if errors.Is(err, errNoKey) || err == nil && m.log != a.log {
			continue
		}
		if err == nil {
			err = a.c.removeSegments(ctx, a.name, []int64{g.number})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Spill makes a file on the process's own disk, which ends with the process.
func (c *Client) Spill(ctx context.Context, name string) (store.Spill, error) {
	if err := c.begin(ctx, "spill", name); err != nil {
		return nil, err
	}
	return &clientSpill{c: c, name: name}, nil
}

type clientSpill struct {
	c    *Client
	name string
	mu   sync.Mutex
	data []byte
}

func (s *clientSpill) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.c.died(); err != nil {
		return 0, s.c.wrap("write", s.name, err)
	}
	s.data = append(s.data, p...)
	return len(p), nil
}

func (s *clientSpill) ReadAt(p []byte, off int64) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.c.died(); err != nil {
		return 0, s.c.wrap("read", s.name, err)
	}
	n := copy(p, s.data[min(off, int64(len(s.data))):])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (s *clientSpill) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.data = nil
	return nil
}
