package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/batchmill/batchmill/benchmarks/knownhost"
)

// traceSteps is how many pieces a run's time is cut into by --trace.
const traceSteps = 24

// print writes the table, and with --trace how the last round of each row went.
func (b *fleetBench) print(rows []fleetRow, runs [][]fleetRun, rounds int) {
	told := "told neither concurrency nor batch size, but where n/batch is fixed"
	if b.with != "" {
		told = "told " + b.with
	}
	fmt.Fprintf(b.out, "fleet: hosts whose best is known, batchmill %s, %d rounds\n\n", told, rounds)
	t := tabwriter.NewWriter(b.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "  row\tideal s\tasked s\twall s\tof ceiling\tbusy\tlevel/c\tmost/c\trequests\textra\t429\t429 later\tp50 ms\tp99 ms\tlimit\tn/batch")
	for i, r := range rows {
		printFleetRow(t, r, runs[i])
	}
	_ = t.Flush() // a table that cannot be printed cannot be reported either
	fmt.Fprintln(b.out)
	if !b.trace {
		return
	}
	for i, r := range rows {
		traceRow(b.out, r, runs[i][len(runs[i])-1])
	}
}

func printFleetRow(out io.Writer, r fleetRow, runs []fleetRun) {
	median := func(figure func(fleetRun) float64) float64 { return overRuns(runs, figure).median }
	last := runs[len(runs)-1].settled
	batch := last.batch
	if r.batch > 0 {
		batch = fmt.Sprint(r.batch, " fixed")
	}
	fmt.Fprintf(out, "  %s\t%.1f\t%.1f\t%.1f\t%.3f\t%.2f\t%.2f\t%.2f\t%.0f\t%.0f\t%.0f\t%.4f\t%.0f\t%.0f\t%s\t%s\n", r.name,
		median(func(u fleetRun) float64 { return u.ideal.Seconds() }),
		median(func(u fleetRun) float64 { return u.asked.Seconds() }),
		median(func(u fleetRun) float64 { return u.wall.Seconds() }),
		median(func(u fleetRun) float64 { return u.ideal.Seconds() / u.wall.Seconds() }),
		median(func(u fleetRun) float64 { return u.busy }),
		median(func(u fleetRun) float64 { return u.level }),
		overRuns(runs, func(u fleetRun) float64 { return u.most }).most,
		median(func(u fleetRun) float64 { return float64(u.requests) }),
		median(func(u fleetRun) float64 { return float64(u.extra) }),
		median(func(u fleetRun) float64 { return float64(u.refused) }),
		median(func(u fleetRun) float64 { return u.overloads }),
		median(func(u fleetRun) float64 { return milliseconds(u.p50) }),
		median(func(u fleetRun) float64 { return milliseconds(u.p99) }),
		last.limits, batch)
}

func milliseconds(d time.Duration) float64 { return d.Seconds() * 1000 }

// traceRow shows how many requests were at each host on average, piece by piece
// of the run.
func traceRow(out io.Writer, r fleetRow, run fleetRun) {
	first, last := knownhost.Span(slices.Concat(run.hosts...))
	step := (last - first) / traceSteps
	fmt.Fprintf(out, "%s: requests at each host, every %.1f s\n", r.name, step.Seconds())
	for i, requests := range run.hosts {
		var levels []string
		for at := range traceSteps {
			from := first + time.Duration(at)*step
			levels = append(levels, fmt.Sprintf("%.1f", knownhost.Level(requests, from, from+step, 0)))
		}
		fmt.Fprintf(out, "  c=%d  %s\n", r.hosts[i].Places, strings.Join(levels, " "))
	}
	fmt.Fprintln(out)
}
