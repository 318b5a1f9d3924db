package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/batchmill/batchmill/benchmarks/corpus"
	"github.com/batchmill/batchmill/benchmarks/peak"
)

// A usage is what one run took.
type usage struct {
	cpu, wall time.Duration // cpu is user and system time together
	peak      int64         // most memory resident at a time, in bytes
}

// bench measures.
type bench struct {
	settings
	programs []program
	maker    string // the program that makes corpora
	host     string
	out      io.Writer
}

// measure runs every program on w in turn, repeats times, so that what else the
// machine does meets all of them alike. The i-th usages of two programs were
// taken right after one another, and make a pair.
func (b *bench) measure(ctx context.Context, w workload) (map[string][]usage, error) {
	in, err := b.corpusFile(ctx, w)
	if err != nil {
		return nil, err
	}
	defer b.clean()
	if _, _, err := b.once(ctx, b.programs[0], w, in); err != nil { // the corpus comes into the page cache
		return nil, err
	}
	series := map[string][]usage{}
	for range b.repeats {
		reference := ""
		for _, p := range b.programs {
			took, output, err := b.once(ctx, p, w, in)
			if err != nil {
				return nil, err
			}
			series[p.name] = append(series[p.name], took)
			if reference == "" {
				reference = output
				continue
			}
			if err := sameOutput(w.format, reference, output); err != nil {
				return nil, err
			}
		}
	}
	return series, nil
}

// memory takes the peak of batchmill, or of the floor where there is no
// batchmill, on corpora of different sizes.
func (b *bench) memory(ctx context.Context) ([]verdict, error) {
	defer b.clean()
	p := b.programs[len(b.programs)-1]
	if p.name != batchmillName {
		p = b.programs[0]
	}
	fmt.Fprintf(b.out, "peak memory of %s in MiB, 1000 records a batch\n\n", p.name)
	var all []verdict
	for _, w := range b.workloads() {
		if w.batch != 1000 {
			continue
		}
		var peaks []int64
		for _, w.records = range sizes(b.long) {
			in, err := b.corpusFile(ctx, w)
			if err != nil {
				return nil, err
			}
			took, _, err := b.once(ctx, p, w, in)
			if err != nil {
				return nil, err
			}
			peaks = append(peaks, took.peak)
			fmt.Fprintf(b.out, "  %-7s %9d records  %6.1f\n", w.format, w.records, mebi(took.peak))
		}
		if p.name == batchmillName {
			all = append(all, judgeMemory(w, peaks)...)
		}
	}
	fmt.Fprintln(b.out)
	return all, nil
}

func (b *bench) outputOf(p program) string { return filepath.Join(b.dir, "out-"+p.name) }

func (b *bench) clean() {
	for _, p := range b.programs {
		_ = os.RemoveAll(b.outputOf(p)) // what cannot be removed is removed by the next run
	}
}

// once runs p on w, from nothing, and returns the file it wrote.
func (b *bench) once(ctx context.Context, p program, w workload, in string) (usage, string, error) {
	j := job{workload: w, in: in, out: b.outputOf(p), host: b.host, concurrency: b.concurrency}
	if err := os.RemoveAll(j.out); err != nil {
		return usage{}, "", err
	}
	args, output := p.arguments(j)
	cmd := exec.CommandContext(ctx, p.binary, args...)
	var said bytes.Buffer
	cmd.Stderr = &said
	start := time.Now()
	err := cmd.Run()
	took := usage{wall: time.Since(start)}
	if err != nil {
		return usage{}, "", fmt.Errorf("%s on %s, %d records a batch: %w: %s", p.name, in, w.batch, err, firstLines(said.Bytes()))
	}
	took.cpu = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	took.peak, err = peak.Of(cmd.ProcessState)
	return took, output, err
}

// sameOutput compares two outputs: Parquet by values, for each program encodes
// them in its own way.
func sameOutput(format corpus.Format, one, other string) error {
	if format == corpus.Parquet {
		return sameValues(one, other)
	}
	return sameBytes(one, other)
}

// sameBytes compares two files. It holds little memory on purpose: on Linux a
// process starts with the peak of the one that started it.
func sameBytes(one, other string) error {
	a, err := os.Open(one)
	if err != nil {
		return err
	}
	defer func() { _ = a.Close() }() // it was only read
	b, err := os.Open(other)
	if err != nil {
		return err
	}
	defer func() { _ = b.Close() }() // it was only read
	at, same, err := firstDifference(a, b)
	if err == nil && !same {
		err = fmt.Errorf("%s and %s differ from byte %d on", one, other, at)
	}
	return err
}

func firstDifference(a, b io.Reader) (at int64, same bool, err error) {
	const piece = 64 << 10
	x, y := make([]byte, piece), make([]byte, piece)
	for {
		n, errA := io.ReadFull(a, x)
		m, errB := io.ReadFull(b, y)
		for i := range min(n, m) {
			if x[i] != y[i] {
				return at + int64(i), false, nil
			}
		}
		at += int64(min(n, m))
		for _, err := range []error{errA, errB} {
			if err != nil && err != io.EOF && !errors.Is(err, io.ErrUnexpectedEOF) {
				return at, false, err
			}
		}
		if n != m || errA != nil {
			return at, n == m, nil
		}
	}
}
