package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"github.com/batchmill/batchmill/benchmarks/corpus"
)

const (
	// smallInFlight is how many requests both may have under way, to the
	// server and to the host.
	smallInFlight = 64
	smallRounds   = 3 // at most: each takes minutes
	smallBytes    = 1000
	// recordsOfSmall is more than an object takes, at 190 bytes a record.
	recordsOfSmall = 6

	smallPrefix = "small"

	copyRow = "client, get and put"
	onceRow = "batchmill, disk to disk (once)"
)

// small joins many small objects on S3, beside a client that only copies them.
func (s *s3Bench) small(ctx context.Context) ([]verdict, error) {
	w := workload{corpus.CSV, max(s.records, s.objects*recordsOfSmall), 1000}
	in, err := s.corpusFile(ctx, w)
	if err != nil {
		return nil, err
	}
	defer s.clean()
	seeded, err := s.toServer(ctx, "seed", "--to", smallPrefix+"/", "--file", in,
		"--objects", strconv.FormatInt(s.objects, 10), "--bytes", strconv.Itoa(smallBytes))
	if err != nil {
		return nil, err
	}
	rows := map[string][]s3Usage{}
	took, _, err := s.onDisk(ctx, w, filepath.Join(s.bucket, smallPrefix))
	if err != nil {
		return nil, err
	}
	rows[onceRow] = append(rows[onceRow], took)
	rounds := min(s.repeats, smallRounds)
	for range rounds {
		if err := s.smallRound(ctx, w, rows); err != nil {
			return nil, err
		}
	}
	fmt.Fprintf(s.out, "S3: %d objects of %d bytes on average, joined, %d in flight to the server and to the host, %d rounds\n\n",
		seeded.Objects, seeded.Bytes/max(seeded.Objects, 1), smallInFlight, rounds)
	s.printRows([]string{s3Row, copyRow, onceRow}, rows, s.objects)
	return s.judgeSmall(rows), s.remove(smallPrefix)
}

func (s *s3Bench) smallRound(ctx context.Context, w workload, rows map[string][]s3Usage) error {
	took, err := s.onS3(ctx, w, smallPrefix+"/", "out-small", smallInFlight)
	if err != nil {
		return err
	}
	rows[s3Row] = append(rows[s3Row], took)
	if err := sameTrees(s.outputOf(s.mill), filepath.Join(s.bucket, "out-small"), s.objects); err != nil {
		return err
	}
	if err := s.remove("out-small"); err != nil {
		return err
	}
	took, did, err := s.asks(ctx, "small", "--from", smallPrefix+"/", "--to", "copy/", "--concurrency", strconv.Itoa(smallInFlight))
	if err == nil && did.Objects != s.objects {
		err = fmt.Errorf("the client copied %d objects of %d", did.Objects, s.objects)
	}
	if err != nil {
		return err
	}
	rows[copyRow] = append(rows[copyRow], took)
	return s.remove("copy")
}

// sameTrees compares each CSV file below one folder to the one of that name
// below another; there have to be so many.
func sameTrees(one, other string, files int64) error {
	seen := int64(0)
	err := filepath.WalkDir(one, func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || filepath.Ext(name) != ".csv" {
			return err
		}
		relative, err := filepath.Rel(one, name)
		if err != nil {
			return err
		}
		seen++
		return sameBytes(name, filepath.Join(other, relative))
	})
	if err == nil && seen != files {
		err = fmt.Errorf("%s holds %d outputs, not %d", one, seen, files)
	}
	if errors.Is(err, os.ErrNotExist) {
		err = fmt.Errorf("an output is missing: %w", err)
	}
	return err
}
