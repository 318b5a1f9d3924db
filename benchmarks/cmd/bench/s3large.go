package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/batchmill/batchmill/benchmarks/corpus"
)

// The rows of the large object, in the order they run in each round.
const (
	diskRow     = "batchmill, disk to disk"
	s3Row       = "batchmill, S3 to S3"
	downloadRow = "client, download"
	uploadRow   = "client, upload of as many bytes"
	bothRow     = "client, both at once"
	besideRow   = "disk to disk, and the client beside it"
)

var largeRows = []string{diskRow, s3Row, downloadRow, uploadRow, bothRow, besideRow}

// How the client moves large objects: the quickest found on two cores.
var largeArguments = []string{"--concurrency", "16", "--part", strconv.Itoa(8 << 20)}

// large joins one large CSV on disk and on S3.
func (s *s3Bench) large(ctx context.Context) ([]verdict, error) {
	w := workload{corpus.CSV, s.records, 1000}
	in, err := s.corpusFile(ctx, w)
	if err != nil {
		return nil, err
	}
	defer s.clean()
	key := "large/" + filepath.Base(in)
	seeded, err := s.toServer(ctx, "upload", "--to", key, "--file", in)
	if err != nil {
		return nil, err
	}
	if _, _, err := s.once(ctx, s.mill, w, in); err != nil { // the corpus comes into the page cache
		return nil, err
	}
	rows := map[string][]s3Usage{}
	for range s.repeats {
		if err := s.largeRound(ctx, w, in, key, rows); err != nil {
			return nil, err
		}
	}
	fmt.Fprintf(s.out, "S3: one CSV of %.0f MiB, %d records, joined, 1000 records a batch, %d in flight, %d rounds\n\n",
		mebi(seeded.Bytes), w.records, s.concurrency, s.repeats)
	s.printRows(largeRows, rows, 0)
	return s.judgeLarge(rows), s.remove("large")
}

func (s *s3Bench) largeRound(ctx context.Context, w workload, in, key string, rows map[string][]s3Usage) error {
	took, output, err := s.onDisk(ctx, w, in)
	if err != nil {
		return err
	}
	rows[diskRow] = append(rows[diskRow], took)
	if took, err = s.onS3(ctx, w, key, "out-large", s.concurrency); err != nil {
		return err
	}
	rows[s3Row] = append(rows[s3Row], took)
	if err := sameBytes(output, filepath.Join(s.bucket, "out-large", filepath.Base(in))); err != nil {
		return err
	}
	stat, err := os.Stat(output)
	if err != nil {
		return err
	}
	size := strconv.FormatInt(stat.Size(), 10)
	for _, move := range []struct{ row, action string }{{downloadRow, "download"}, {uploadRow, "upload"}, {bothRow, "copy"}} {
		if took, err = s.moves(ctx, move.action, key, size); err != nil {
			return err
		}
		rows[move.row] = append(rows[move.row], took)
	}
	if took, err = s.beside(ctx, w, in, key, size); err != nil {
		return err
	}
	rows[besideRow] = append(rows[besideRow], took)
	return s.remove("out-large")
}

// moves lets the client download the input, upload as many bytes as the output
// has, or both.
func (s *s3Bench) moves(ctx context.Context, action, key, size string) (s3Usage, error) {
	const to = "moved/object"
	if err := s.remove(to); err != nil {
		return s3Usage{}, err
	}
	took, _, err := s.asks(ctx, action, append([]string{"--from", key, "--to", to, "--bytes", size}, largeArguments...)...)
	return took, err
}

// beside runs the job on disk and the client at once: all of a job's work and
// all of the server's, on these cores. Where they are the limit, no job on S3
// that does the same can be much quicker.
func (s *s3Bench) beside(ctx context.Context, w workload, in, key, size string) (s3Usage, error) {
	var work, moving usage
	took, err := s.shared(func() (usage, error) {
		g, ctx := errgroup.WithContext(ctx)
		start := time.Now()
		g.Go(func() (err error) { work, _, err = s.once(ctx, s.mill, w, in); return err })
		g.Go(func() error {
			both, err := s.moves(ctx, "copy", key, size)
			moving = both.usage
			return err
		})
		err := g.Wait()
		return usage{cpu: work.cpu + moving.cpu, wall: time.Since(start)}, err
	})
	return took, err
}

// toServer makes objects before anything is measured.
func (s *s3Bench) toServer(ctx context.Context, action string, args ...string) (moved, error) {
	_, did, err := s.asks(ctx, action, args...)
	return did, err
}
