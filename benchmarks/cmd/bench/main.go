// Command bench measures batchmill against the floor (the least program that
// does the same) and a plain Go program, on the same corpus, against the same
// cheap host, in turn. It prints CPU seconds and wall seconds for a million
// records, peak memory, ratios, and whether each target is reached. On S3 it
// measures batchmill against itself on disk and against AWS's own client, and
// against hosts whose best is known it measures how near to that it comes.
//
// It exits with 1 when a program failed or when outputs differ, and with
// --strict also when a target was missed.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/batchmill/batchmill/benchmarks/corpus"
)

// settings are the flags.
type settings struct {
	dir         string
	records     int64
	repeats     int
	concurrency int
	long        bool
	strict      bool
	only        corpus.Format
	noPlain     bool
	s3          bool
	objects     int64
	fleet       bool
	rows        string
	seconds     time.Duration
	with        string
	trace       bool
}

func parse(args []string) (settings, error) {
	var s settings
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.StringVar(&s.dir, "dir", ".cache/bench", "`folder` for programs, corpora and outputs; corpora are kept")
	flags.Int64Var(&s.records, "records", 1_000_000, "`records` in the corpora that times are taken on")
	flags.IntVar(&s.repeats, "repeats", 5, "how often each program runs on each corpus")
	flags.IntVar(&s.concurrency, "concurrency", 8, "requests in flight")
	flags.BoolVar(&s.long, "long", false, "measure memory with 10 million records too (needs 12 GB of disk)")
	flags.BoolVar(&s.strict, "strict", false, "exit with 1 when a target was missed")
	flags.BoolVar(&s.noPlain, "no-plain", false, "leave the plain program out; it takes most of the time")
	flags.StringVar((*string)(&s.only), "format", "", "measure this `format` only: csv, jsonl or parquet; leaves S3 and fleets out")
	flags.BoolVar(&s.s3, "s3", false, "measure S3 only (needs bin/versitygw: make versitygw)")
	flags.Int64Var(&s.objects, "objects", 100_000, "how many small `objects` on S3; 0 for the large one alone")
	flags.BoolVar(&s.fleet, "fleet", false, "measure hosts whose best is known only")
	flags.StringVar(&s.rows, "rows", "", "of these, only the rows whose name holds this `text`")
	seconds := flags.Float64("seconds", 40, "how long each of these rows takes at the ceiling")
	flags.StringVar(&s.with, "with", "", "more `flags` for batchmill in these rows, such as '--concurrency 16'")
	flags.BoolVar(&s.trace, "trace", false, "show how many requests were at each host over time")
	if err := flags.Parse(args); err != nil {
		return s, err
	}
	s.seconds = time.Duration(*seconds * float64(time.Second))
	switch {
	case flags.NArg() > 0:
		return s, fmt.Errorf("unknown argument %q; see --help", flags.Arg(0))
	case s.records < 1 || s.repeats < 1 || s.concurrency < 1:
		return s, errors.New("--records, --repeats and --concurrency must be 1 or more")
	case s.objects < 0:
		return s, errors.New("--objects must be 0 or more")
	case s.seconds <= 0:
		return s, errors.New("--seconds must be more than 0")
	case s.s3 && s.only != "":
		return s, errors.New("--s3 and --format exclude one another: on S3, CSV is measured")
	case s.fleet && (s.s3 || s.only != ""):
		return s, errors.New("--fleet excludes --s3 and --format: it measures something else")
	case len(s.workloads()) == 0:
		return s, fmt.Errorf("--format %q is unknown; use csv, jsonl or parquet", s.only)
	}
	return s, nil
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	context.AfterFunc(ctx, stop) // the second signal kills
	s, err := parse(os.Args[1:])
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err == nil {
		err = run(ctx, s, os.Stdout)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

var errMissed = errors.New("a target was missed")

// run is the whole measurement.
func run(ctx context.Context, s settings, out io.Writer) error {
	if err := os.MkdirAll(s.dir, 0o755); err != nil {
		return err
	}
	if s.fleet {
		return runFleet(ctx, s, out)
	}
	tools, err := build(ctx, s.dir, !s.noPlain && !s.s3, out)
	if err != nil {
		return err
	}
	host, err := startHost(ctx, tools.host)
	if err != nil {
		return err
	}
	defer host.stop()
	b := bench{settings: s, programs: tools.programs, maker: tools.corpus, host: host.url, out: out}
	var all []verdict
	for _, part := range []struct {
		wanted  bool
		measure func(context.Context) ([]verdict, error)
	}{{!s.s3, b.times}, {!s.s3, b.memory}, {s.only == "", b.s3}, {s.only == "" && !s.s3, b.fleets}} {
		if !part.wanted {
			continue
		}
		some, err := part.measure(ctx)
		if err != nil {
			return err
		}
		all = append(all, some...)
	}
	return s.judge(out, all)
}

// judge prints the verdicts.
func (s settings) judge(out io.Writer, all []verdict) error {
	if missed := printVerdicts(out, all); missed && s.strict {
		return errMissed
	}
	return nil
}

// times measures every workload, and the answer log.
func (b *bench) times(ctx context.Context) ([]verdict, error) {
	var all []verdict
	var csvCPU time.Duration // for a million records
	for _, w := range b.workloads() {
		series, err := b.measure(ctx, w)
		if err != nil {
			return nil, err
		}
		if ours := series[batchmillName]; w.format == corpus.CSV && w.batch == 1000 && len(ours) > 0 {
			csvCPU = time.Duration(each(ours, func(u usage) float64 { return u.cpu.Seconds() }).median * 1e15 / float64(w.records))
		}
		printSeries(b.out, w, series, b.repeats)
		all = append(all, judgeTimes(w, series)...)
	}
	if csvCPU == 0 {
		return all, nil
	}
	log, err := b.log(ctx, csvCPU)
	return append(all, log...), err
}

// workloads are what CPU time is taken on; at 1,000 records a batch peak memory
// too.
func (s settings) workloads() []workload {
	all := []workload{
		{corpus.CSV, s.records, 1000}, {corpus.JSONL, s.records, 1000}, {corpus.Parquet, s.records, 1000},
		{corpus.CSV, s.records, 100}, {corpus.JSONL, s.records, 100},
	}
	return slices.DeleteFunc(all, func(w workload) bool { return s.only != "" && s.only != w.format })
}

// sizes are the corpora that peak memory is taken on.
func sizes(long bool) []int64 {
	if long {
		return []int64{100_000, 1_000_000, 10_000_000}
	}
	return []int64{100_000, 1_000_000}
}

// corpusFile makes the corpus of w where it is not there yet. A process of its
// own makes it, for what the driver has held counts as its children's peak.
func (b *bench) corpusFile(ctx context.Context, w workload) (string, error) {
	name := filepath.Join(b.dir, fmt.Sprintf("corpus-%d.%s", w.records, w.format))
	if _, err := os.Stat(name); err == nil {
		return name, nil
	}
	fmt.Fprintf(os.Stderr, "bench: making %s\n", name)
	said, err := exec.CommandContext(ctx, b.maker, "--format", string(w.format), "--records", strconv.FormatInt(w.records, 10), "--out", name).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("make %s: %w: %s", name, err, firstLines(said))
	}
	return name, nil
}
