package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"time"

	"github.com/batchmill/batchmill/benchmarks/corpus"
)

const (
	logTarget    = 0.03 // of batchmill's CPU time on CSV at 1,000 records a batch
	replayTarget = 0.8  // of the speed of a run that asks the cheap host
)

// log measures what the answer log costs, and how fast it answers. perMillion
// is batchmill's CPU time for a million CSV records.
func (b *bench) log(ctx context.Context, perMillion time.Duration) ([]verdict, error) {
	each, err := logCost(ctx)
	if err != nil {
		return nil, err
	}
	asked, replayed, err := b.replay(ctx)
	if err != nil {
		return nil, err
	}
	share := each * 1e6 / float64(perMillion.Nanoseconds())
	speed := asked.Seconds() / replayed.Seconds()
	fmt.Fprintf(b.out, "the answer log, csv, 1000 records a batch\n\n")
	fmt.Fprintf(b.out, "  to log a record       %6.1f ns, %.1f%% of the CPU time\n", each, 100*share)
	fmt.Fprintf(b.out, "  asking the host       %6.2f s (wall, median of %d)\n", asked.Seconds(), b.repeats)
	fmt.Fprintf(b.out, "  answering by the log  %6.2f s, %.2f times the speed\n\n", replayed.Seconds(), speed)
	return []verdict{
		{"csv: the log's share of CPU time", share, logTarget, "of it"},
		{"csv: wall time of a replay over a run's", 1 / speed, 1 / replayTarget, "times"},
	}, nil
}

var perRecord = regexp.MustCompile(`([0-9.]+) ns/record`)

// logCost runs the engine's own benchmark of what a run does for its log.
func logCost(ctx context.Context) (float64, error) {
	said, err := exec.CommandContext(ctx, "go", "test", module+"transform", "-run", "^$", "-bench", "^BenchmarkAnswerLog$", "-count", "5").CombinedOutput()
	if err != nil {
		return 0, fmt.Errorf("benchmark of the log: %w: %s", err, firstLines(said))
	}
	var all []float64
	for _, m := range perRecord.FindAllStringSubmatch(string(said), -1) {
		v, err := strconv.ParseFloat(m[1], 64)
		if err != nil {
			return 0, err
		}
		all = append(all, v)
	}
	if len(all) == 0 {
		return 0, fmt.Errorf("benchmark of the log says nothing: %s", firstLines(said))
	}
	slices.Sort(all)
	return all[len(all)/2], nil
}

// replay runs a job that keeps its log, because one record of it is bad, and
// then the same job with --overwrite, which is answered by the log alone.
func (b *bench) replay(ctx context.Context) (asked, replayed time.Duration, err error) {
	w := workload{corpus.CSV, b.records, 1000}
	good, err := b.corpusFile(ctx, w)
	if err != nil {
		return 0, 0, err
	}
	in := filepath.Join(b.dir, "corpus-bad.csv")
	defer func() { err = errors.Join(err, os.Remove(in)) }()
	if err := copyWithBadRecord(in, good); err != nil {
		return 0, 0, err
	}
	p := b.programs[len(b.programs)-1]
	defer b.clean()
	var runs, replays []time.Duration
	for range b.repeats {
		if err := os.RemoveAll(b.outputOf(p)); err != nil {
			return 0, 0, err
		}
		for _, again := range []bool{false, true} {
			took, err := b.withReject(ctx, p, job{workload: w, in: in, out: b.outputOf(p), host: b.host, concurrency: b.concurrency}, again)
			if err != nil {
				return 0, 0, err
			}
			if again {
				replays = append(replays, took)
			} else {
				runs = append(runs, took)
			}
		}
	}
	slices.Sort(runs)
	slices.Sort(replays)
	return runs[len(runs)/2], replays[len(replays)/2], nil
}

func copyWithBadRecord(to, from string) (err error) {
	src, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { _ = src.Close() }() // it was only read
	dst, err := os.Create(to)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, dst.Close()) }()
	if _, err := io.Copy(dst, src); err != nil {
		return err
	}
	_, err = dst.WriteString("a record of one field\n")
	return err
}

// withReject runs a job that must end with rejects.
func (b *bench) withReject(ctx context.Context, p program, j job, again bool) (time.Duration, error) {
	args, _ := p.arguments(j)
	if again {
		args = append(args, "--overwrite")
	}
	cmd := exec.CommandContext(ctx, p.binary, args...)
	start := time.Now()
	said, err := cmd.CombinedOutput()
	took := time.Since(start)
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() == 3 {
		return took, nil
	}
	return 0, fmt.Errorf("%s with a bad record: %v, not exit code 3: %s", p.name, err, firstLines(said))
}
