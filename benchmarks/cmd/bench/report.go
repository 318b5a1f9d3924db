package main

import (
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"
)

// A spread is the median of some figures and their range.
type spread struct{ median, least, most float64 }

func spreadOf(figures []float64) spread {
	if len(figures) == 0 {
		return spread{}
	}
	sorted := slices.Sorted(slices.Values(figures))
	n := len(sorted)
	return spread{(sorted[(n-1)/2] + sorted[n/2]) / 2, sorted[0], sorted[n-1]}
}

func (s spread) String() string { return fmt.Sprintf("%.2f (%.2f..%.2f)", s.median, s.least, s.most) }

func each(runs []usage, figure func(usage) float64) spread {
	figures := make([]float64, len(runs))
	for i, run := range runs {
		figures[i] = figure(run)
	}
	return spreadOf(figures)
}

// cpuRatio is the spread of one program's CPU time over another's, pair by pair:
// a machine that slows down for a while slows both of a pair.
func cpuRatio(runs, others []usage) spread {
	var ratios []float64
	for i := range min(len(runs), len(others)) {
		if others[i].cpu > 0 {
			ratios = append(ratios, float64(runs[i].cpu)/float64(others[i].cpu))
		}
	}
	return spreadOf(ratios)
}

func mebi(bytes int64) float64 { return float64(bytes) / (1 << 20) }

// perMillion scales a duration to seconds for a million records.
func perMillion(d time.Duration, records int64) float64 {
	return d.Seconds() * 1e6 / float64(records)
}

// printSeries writes the table of one workload.
func printSeries(out io.Writer, w workload, series map[string][]usage, repeats int) {
	fmt.Fprintf(out, "%s, %d records a batch, %d records, %d rounds\n\n", w.format, w.batch, w.records, repeats)
	t := tabwriter.NewWriter(out, 0, 0, 3, ' ', 0)
	fmt.Fprintln(t, "  program\tcpu s/M\twall s/M\tpeak MiB\tcpu / floor\tcpu / plain")
	for _, name := range []string{floorName, plainName, batchmillName} {
		runs := series[name]
		if len(runs) == 0 {
			continue
		}
		cpu := each(runs, func(u usage) float64 { return perMillion(u.cpu, w.records) })
		wall := each(runs, func(u usage) float64 { return perMillion(u.wall, w.records) })
		peak := each(runs, func(u usage) float64 { return mebi(u.peak) })
		fmt.Fprintf(t, "  %s\t%.2f\t%.2f\t%.0f\t%s\t%s\n", name, cpu.median, wall.median, peak.most,
			versus(name, floorName, series), versus(name, plainName, series))
	}
	_ = t.Flush() // a table that cannot be printed cannot be reported either
	fmt.Fprintln(out)
}

func versus(name, other string, series map[string][]usage) string {
	if name == other || len(series[other]) == 0 {
		return "-"
	}
	return cpuRatio(series[name], series[other]).String()
}
