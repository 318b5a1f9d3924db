package main

import (
	"fmt"
	"io"
	"slices"

	"github.com/batchmill/batchmill/benchmarks/corpus"
)

// A verdict is one target and the figure that was measured for it.
type verdict struct {
	what         string
	figure, most float64
	unit         string
}

func (v verdict) reached() bool { return v.figure <= v.most }

// floorTargets are how many times the floor's CPU time batchmill may take.
// JSON Lines at 100 records a batch has no target of its own, nor has Parquet.
var floorTargets = map[corpus.Format]map[int]float64{
	corpus.CSV:   {1000: 1.6, 100: 1.8},
	corpus.JSONL: {1000: 2.0},
}

// plainTargets are of the plain program's CPU time, at 1,000 records a batch.
var plainTargets = map[corpus.Format]float64{corpus.CSV: 0.25, corpus.Parquet: 0.35}

// peakTargets are in MiB, at every size.
var peakTargets = map[corpus.Format]float64{corpus.CSV: 192, corpus.JSONL: 192, corpus.Parquet: 160}

// flatTarget is how much more memory the largest corpus may take than the
// one a tenth of its size. The collector's moods make up to a fifth; what
// grows with the input would make a multiple. The smallest corpus is done
// before the buffers in flight have all been made, so it is no measure.
const flatTarget = 1.25

// judgeTimes compares the medians of the pairwise ratios to the targets of w.
func judgeTimes(w workload, series map[string][]usage) []verdict {
	ours := series[batchmillName]
	if len(ours) == 0 {
		return nil
	}
	var all []verdict
	name := fmt.Sprintf("%s, %d a batch: CPU over ", w.format, w.batch)
	if most, ok := floorTargets[w.format][w.batch]; ok {
		all = append(all, verdict{name + "the floor's", cpuRatio(ours, series[floorName]).median, most, "times"})
	}
	if most, ok := plainTargets[w.format]; ok && w.batch == 1000 && len(series[plainName]) > 0 {
		all = append(all, verdict{name + "the plain program's", cpuRatio(ours, series[plainName]).median, most, "times"})
	}
	return all
}

// judgeMemory takes peaks in bytes, by ascending size of the corpus.
func judgeMemory(w workload, peaks []int64) []verdict {
	all := []verdict{{fmt.Sprintf("%s: peak memory", w.format), mebi(slices.Max(peaks)), peakTargets[w.format], "MiB"}}
	if n := len(peaks); n > 2 {
		all = append(all, verdict{fmt.Sprintf("%s: peak of the largest corpus over that of the next", w.format),
			float64(peaks[n-1]) / float64(max(peaks[n-2], 1)), flatTarget, "times"})
	}
	return all
}

// printVerdicts tells whether one was missed.
func printVerdicts(out io.Writer, all []verdict) (missed bool) {
	for _, v := range all {
		word := "reached"
		if !v.reached() {
			word, missed = "MISSED ", true
		}
		fmt.Fprintf(out, "%s  %s: %.2f %s, target at most %g\n", word, v.what, v.figure, v.unit, v.most)
	}
	return missed
}
