package transform

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"time"

	"github.com/batchmill/batchmill/formats"
	"github.com/batchmill/batchmill/transform/manifest"
	"github.com/batchmill/batchmill/transform/store"
)

// tally is what the log says, in numbers.
type tally struct {
	job     jobEntry
	objects tallies
	grown   time.Time
	closed  bool // it ends as a run leaves it that was not killed
}

// objectTally is what the log says about one object.
// There may be millions: it takes 32 bytes.
type objectTally struct {
	answered, rejected, retryable int64
	settled, held                 bool // held tells nothing of one that is not settled
	reopened                      bool // a run was at work on it since it was settled
}

// tallies are those of all objects, in pieces, so that growing copies nothing.
type tallies struct {
	pieces [][]objectTally
	count  int
}

const tallyPiece = 4096

func (t *tallies) add() {
	if t.count%tallyPiece == 0 {
		t.pieces = append(t.pieces, make([]objectTally, tallyPiece))
	}
	t.count++
}

func (t *tallies) at(i int) *objectTally { return &t.pieces[i/tallyPiece][i%tallyPiece] }

// all yields the tally of each object.
func (t *tallies) all() iter.Seq[*objectTally] {
	return func(yield func(*objectTally) bool) {
		for i := range t.count {
			if !yield(t.at(i)) {
				return
			}
		}
	}
}

// recentGrowth is how young the last entry of a log is whose job may still be
// running. Jobs commit every few seconds while answers come.
const recentGrowth = 20 * time.Second

// growing guesses whether a job is running, where nothing better is known.
func (t *tally) growing() bool {
	age := time.Since(t.grown)
	return t.job.ID != "" && !t.closed && age > -recentGrowth && age < recentGrowth // the clock may be another machine's
}

// endsWith tells whether m, with so many objects, is the last word on what the
// log says, or the only one.
func (t *tally) endsWith(m *manifest.Manifest, objects manifest.Ends) bool {
	if t.job.ID == "" {
		return true
	}
	settled, reopened := int64(0), int64(0)
	for o := range t.objects.all() {
		if o.settled {
			settled++
			if o.reopened {
				reopened++
			}
		}
	}
	return t.job.ID == m.JobID && reopened == 0 && settled >= objects.Published+objects.Held
}

// readTally reads the log as far as it went when it was opened: a running job
// goes on writing, and its last entry may be half there. A missing log is empty.
func readTally(ctx context.Context, out store.Store) (*tally, error) {
	t := new(tally)
	keeper, ok := out.(store.Keeper)
	if !ok {
		return t, nil
	}
	rc, info, err := keeper.ReadLog(ctx, logName)
	if errors.Is(err, fs.ErrNotExist) {
		return t, nil
	}
	if err != nil {
		return nil, err
	}
	defer rc.Close()
	t.grown = info.ModTime
	l := logReader{src: bufio.NewReaderSize(rc, 256<<10), uri: out.URI(logName), size: info.Size}
	// What came since must not be taken for proof that the half entry is damage.
	l.reopen = func() (io.ReadCloser, error) {
		again, _, err := keeper.ReadLog(ctx, logName)
		if err != nil {
			return nil, err
		}
		return struct {
			io.Reader
			io.Closer
		}{io.LimitReader(again, info.Size), again}, nil
	}
	return t, t.read(ctx, &l)
}

func (t *tally) read(ctx context.Context, l *logReader) error {
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		kind, body, err := l.next()
		if err == io.EOF || errors.Is(err, io.ErrUnexpectedEOF) { // a new run cut off what was torn
			return nil
		}
		var damage *DamageError
		if errors.As(err, &damage) {
			return &Failure{Class: Storage, Err: err, Hint: "restore the file, or redo everything with --restart --overwrite"}
		}
		if err != nil {
			return err
		}
		if err := t.take(kind, body); err != nil {
			return fmt.Errorf("%s: entry at byte %d: %w", l.uri, l.off, err)
		}
		l.off += entryHeader + 1 + int64(len(body))
		t.closed = kind == entryGroup && l.off == l.size
	}
}

// take counts one entry.
func (t *tally) take(kind byte, body []byte) error {
	switch kind {
	case entryGroup, entryLayout, entryAlive:
		return nil
	case entryJob:
		if err := json.Unmarshal(body, &t.job); err != nil {
			return err
		}
		if t.job.Version != logVersion {
			return usage("use the batchmill that wrote it", "the job there is logged in version %d, this batchmill reads %d", t.job.Version, logVersion)
		}
		return nil
	case entryObject:
		t.objects.add()
		return nil
	case entryAnswers, entryRetried:
		return t.takeAnswers(kind, body)
	case entryIntent, entrySettled:
		return t.takeSettled(kind, body)
	case entryRedo:
		for o := range t.objects.all() {
			o.reopened = true
		}
		return nil
	}
	return usage("use the batchmill that wrote it", "entries of kind %q are unknown; a newer batchmill wrote it", kind)
}

func (t *tally) takeAnswers(kind byte, body []byte) error {
	l, err := parseAnswers(body)
	if err != nil {
		return err
	}
	o, err := t.object(l.object)
	if err != nil {
		return err
	}
	if kind == entryRetried {
		o.retried(l)
		return nil
	}
	for _, h := range l.heads {
		switch {
		case formats.Form(h&(1<<formBits-1)) != formats.NoAnswer:
			o.answered++
		case h == 0:
			o.retryable++
			fallthrough
		default:
			o.rejected++
		}
	}
	return nil
}

// retried counts what became of records that a host had rejected. One that is
// answered is never asked about again, so that it is counted once.
func (o *objectTally) retried(l *logged) {
	o.reopened = true
	for _, h := range l.heads {
		if formats.Form(h&(1<<formBits-1)) == formats.NoAnswer {
			continue
		}
		o.retryable--
		o.rejected--
		o.answered++
	}
}

func (t *tally) takeSettled(kind byte, body []byte) error {
	var s settled
	if err := json.Unmarshal(body, &s); err != nil {
		return err
	}
	o, err := t.object(s.Index)
	if err != nil {
		return err
	}
	if o.reopened = kind == entryIntent; o.reopened {
		return nil
	}
	o.settled, o.held = true, s.Object.Status == manifest.Held
	o.answered, o.rejected = s.Object.Answered, s.Object.Rejected
	return nil
}

func (t *tally) object(i int) (*objectTally, error) {
	if i < 0 || i >= t.objects.count {
		return nil, fmt.Errorf("object %d is none of the job's", i)
	}
	return t.objects.at(i), nil
}
