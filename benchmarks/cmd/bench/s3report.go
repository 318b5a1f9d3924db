package main

import (
	"fmt"
	"runtime"
	"text/tabwriter"
	"time"

	"github.com/batchmill/batchmill/benchmarks/corpus"
)

// s3Target is 80% of a speed, as a ratio of times.
const s3Target = 1 / 0.8

// printRows writes a table. With objects it has a column of objects a second.
func (s *s3Bench) printRows(names []string, rows map[string][]s3Usage, objects int64) {
	t := tabwriter.NewWriter(s.out, 0, 0, 3, ' ', 0)
	rate := ""
	if objects > 0 {
		rate = "objects/s\t"
	}
	fmt.Fprintf(t, "  run\twall s\t%scpu s\tserver cpu s\thost cpu s\tcores busy\tpeak MiB\n", rate)
	for _, name := range names {
		runs := rows[name]
		wall := s3Each(runs, func(u s3Usage) float64 { return u.wall.Seconds() })
		if objects > 0 {
			rate = fmt.Sprintf("%.0f\t", float64(objects)/max(wall.median, 1e-9))
		}
		peak := "-"
		if most := s3Each(runs, func(u s3Usage) float64 { return mebi(u.peak) }).most; most > 0 {
			peak = fmt.Sprintf("%.0f", most)
		}
		fmt.Fprintf(t, "  %s\t%s\t%s%s\t%s\t%s\t%s\t%s\n", name, wall, rate,
			medianCPU(runs, func(u s3Usage) time.Duration { return u.cpu }),
			medianCPU(runs, func(u s3Usage) time.Duration { return u.server }),
			medianCPU(runs, func(u s3Usage) time.Duration { return u.host }),
			busy(runs), peak)
	}
	_ = t.Flush() // a table that cannot be printed cannot be reported either
	fmt.Fprintln(s.out)
}

func s3Each(runs []s3Usage, figure func(s3Usage) float64) spread {
	figures := make([]float64, len(runs))
	for i, run := range runs {
		figures[i] = figure(run)
	}
	return spreadOf(figures)
}

// medianCPU is empty where there is nothing to tell: systems other than Linux
// do not say what another process took so far.
func medianCPU(runs []s3Usage, figure func(s3Usage) time.Duration) string {
	median := s3Each(runs, func(u s3Usage) float64 { return figure(u).Seconds() }).median
	if median == 0 {
		return "-"
	}
	return fmt.Sprintf("%.2f", median)
}

// busy is how many cores the three kept busy together, of those there are.
func busy(runs []s3Usage) string {
	used := s3Each(runs, func(u s3Usage) float64 {
		return u.all().Seconds() / max(u.wall.Seconds(), 1e-9)
	}).median
	return fmt.Sprintf("%.1f of %d", used, runtime.NumCPU())
}

// wallRatio is the spread of one row's wall time over another's, pair by pair.
func wallRatio(runs, others []s3Usage) spread {
	var ratios []float64
	for i := range min(len(runs), len(others)) {
		if others[i].wall > 0 {
			ratios = append(ratios, float64(runs[i].wall)/float64(others[i].wall))
		}
	}
	return spreadOf(ratios)
}

// cpuOfAll is the spread of all CPU time that one row took, the server's and the
// host's with it, over another's. Unlike wall time it says something on a busy
// machine; where the cores are the limit, wall time cannot do better.
func cpuOfAll(runs, others []s3Usage) spread {
	var ratios []float64
	for i := range min(len(runs), len(others)) {
		if other := others[i].all(); other > 0 {
			ratios = append(ratios, float64(runs[i].all())/float64(other))
		}
	}
	return spreadOf(ratios)
}

func (u s3Usage) all() time.Duration { return u.cpu + u.server + u.host }

// judgeLarge takes the better of two ratios: a job on S3 cannot be quicker than
// the server, nor need it be quicker than on disk.
func (s *s3Bench) judgeLarge(rows map[string][]s3Usage) []verdict {
	ours := rows[s3Row]
	disk, both, beside := wallRatio(ours, rows[diskRow]), wallRatio(ours, rows[bothRow]), wallRatio(ours, rows[besideRow])
	fmt.Fprintf(s.out, "  S3 over disk                            %v\n", disk)
	fmt.Fprintf(s.out, "  S3 over the client, both at once        %v\n", both)
	fmt.Fprintf(s.out, "  S3 over disk with the client beside it  %v, no target\n\n", beside)
	peak := s3Each(ours, func(u s3Usage) float64 { return mebi(u.peak) }).most
	return []verdict{
		{"s3, large object: wall time over disk's or the client's", min(disk.median, both.median), s3Target, "times"},
		{"s3, large object: peak memory", peak, peakTargets[corpus.CSV], "MiB"},
	}
}

func (s *s3Bench) judgeSmall(rows map[string][]s3Usage) []verdict {
	ratio := wallRatio(rows[s3Row], rows[copyRow])
	fmt.Fprintf(s.out, "  S3 over the client                         %v\n", ratio)
	fmt.Fprintf(s.out, "  the same, in CPU time of all, server too   %v, no target\n\n", cpuOfAll(rows[s3Row], rows[copyRow]))
	peak := s3Each(rows[s3Row], func(u s3Usage) float64 { return mebi(u.peak) }).most
	return []verdict{
		{"s3, small objects: wall time over the client's", ratio.median, s3Target, "times"},
		{"s3, small objects: peak memory", peak, peakTargets[corpus.CSV], "MiB"},
	}
}
