// Package floor is the least program that still joins: it finds where records
// end, POSTs batches of them with net/http, puts each answer behind its record,
// and writes the result in order with its SHA-256. What it costs is what nobody
// who does this job in Go with net/http can save, so other programs are measured
// against it.
//
// It is no program to use. It looks into no record, tries nothing twice, makes
// nothing durable on the way, and takes its input to be well formed: records end
// with LF, quotes are paired, a JSON line is an object. It does stop when a
// response has another number of answers than its batch has records.
//
// There is no reader, no queue and no writer. Each of Concurrency goroutines
// takes the lock of the input, cuts a batch, gives the lock back, sends the
// batch, joins the answers, waits for its turn and writes. Batches change hands
// nowhere, and so many of them are all the memory there is.
//
// In Parquet the least is another: values are decoded by column and written as
// CSV for the host, but the output is a copy of the input's bytes with a column
// and a new footer behind it.
package floor

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"sync"

	"golang.org/x/sync/errgroup"
)

// Config says how to join.
type Config struct {
	// Format is csv (the first line is a header), jsonl or parquet.
	Format string
	// Host is the URL of a host; batches go to its /invocations.
	Host string
	// Batch is the number of records in a request, Concurrency the number of
	// requests in flight.
	Batch, Concurrency int
}

// Validate names the field that is wrong, and what to write instead.
func (c Config) Validate() error {
	switch {
	case c.Format != "csv" && c.Format != "jsonl" && c.Format != "parquet":
		return fmt.Errorf("format %q is unknown; use csv, jsonl or parquet", c.Format)
	case c.Host == "":
		return errors.New("no host; give its URL")
	case c.Batch < 1 || c.Concurrency < 1:
		return fmt.Errorf("batch is %d and concurrency %d; use 1 or more", c.Batch, c.Concurrency)
	}
	return nil
}

// Result is what came out of a run.
type Result struct {
	Records int64
	SHA256  [sha256.Size]byte // of all bytes written
}

// Join reads records of text from in and writes them with their answers to out. After
// an error what was written is a beginning of the output, of no use.
func Join(ctx context.Context, in io.Reader, out io.Writer, cfg Config) (Result, error) {
	if err := cfg.Validate(); err != nil {
		return Result{}, err
	}
	if cfg.Format == "parquet" {
		return Result{}, errors.New("parquet is read from its end; use JoinParquet")
	}
	j := &joiner{cfg: cfg, cut: cutter{src: in, quotes: cfg.Format == "csv"}, out: out, sum: sha256.New()}
	j.turn = make(chan struct{}, 1)
	j.turn <- struct{}{}
	if cfg.Format == "csv" {
		if err := j.header(); err != nil {
			return Result{}, err
		}
	}
	transport := newTransport(cfg)
	defer transport.CloseIdleConnections()
	group, ctx := errgroup.WithContext(ctx)
	for range cfg.Concurrency {
		group.Go(func() error { return j.work(ctx, transport) })
	}
	if err := group.Wait(); err != nil {
		return Result{}, err
	}
	result := Result{Records: j.records}
	j.sum.Sum(result.SHA256[:0])
	return result, nil
}

// A joiner is one run.
type joiner struct {
	cfg Config

	cutting sync.Mutex // guards cut and turn
	cut     cutter
	turn    chan struct{} // gets a token when the batch cut last has been written

	// The holder of the turn owns these.
	out     io.Writer
	sum     hash.Hash
	records int64
}

func (j *joiner) header() error {
	var b batch
	if err := j.cut.next(&b, 1); err != nil {
		if err == io.EOF {
			return nil
		}
		return err
	}
	line := append(bytes.TrimSuffix(b.data, []byte("\n")), ",prediction\n"...)
	return j.write(line)
}

func (j *joiner) write(p []byte) error {
	_, _ = j.sum.Write(p) // a hash takes everything
	_, err := j.out.Write(p)
	return err
}

// work takes batches from the input until it ends.
func (j *joiner) work(ctx context.Context, transport http.RoundTripper) error {
	var b batch
	var joined []byte
	c, err := newCall(ctx, j.cfg, transport)
	if err != nil {
		return err
	}
	for {
		before, after, err := j.next(&b)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		answers, err := c.post(b.data)
		if err != nil {
			return err
		}
		if joined, err = splice(joined[:0], &b, answers, j.cfg.Format == "csv"); err != nil {
			return err
		}
		select {
		case <-before:
		case <-ctx.Done():
			return ctx.Err()
		}
		if err := j.write(joined); err != nil {
			return err
		}
		j.records += int64(len(b.ends))
		after <- struct{}{}
	}
}

// next cuts a batch into b. Its turn to be written comes with before; after
// tells the one that follows.
func (j *joiner) next(b *batch) (before <-chan struct{}, after chan<- struct{}, err error) {
	j.cutting.Lock()
	defer j.cutting.Unlock()
	if err := j.cut.next(b, j.cfg.Batch); err != nil {
		return nil, nil, err
	}
	before, j.turn = j.turn, make(chan struct{}, 1)
	return before, j.turn, nil
}
