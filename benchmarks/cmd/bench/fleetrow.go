package main

import (
	"math"
	"strings"
	"time"

	"github.com/batchmill/batchmill/benchmarks/knownhost"
)

const (
	ms = time.Millisecond
	// fixedBatch is batchmill's batch in most rows. An invocation of their hosts
	// takes as long for one record as for a million, so the largest batch that
	// fits would be best, and say nothing about concurrency.
	fixedBatch = 100
	// answerTarget is batchmill's own --target-latency.
	answerTarget = time.Second
	// mostRecords is the largest batch that a best one is looked for in.
	mostRecords = 100_000
	// turnAt is the share of the work that is done when a host's trouble begins.
	turnAt = 0.5
)

// A fleetRow is a job against hosts whose best is known.
type fleetRow struct {
	name    string
	hosts   []knownhost.Model
	trouble knownhost.Trouble // of the first host, from mid-run; empty is none
	batch   int               // records; 0 leaves it to batchmill
}

// jittered is a host with a fifth of its latency on top at random.
func jittered(places int, latency time.Duration) knownhost.Model {
	return knownhost.Model{Places: places, Latency: latency, Jitter: latency / 5}
}

func equal(n int, m knownhost.Model) []knownhost.Model {
	hosts := make([]knownhost.Model, n)
	for i := range hosts {
		hosts[i] = m
	}
	return hosts
}

// fleetRows are all rows. Their rates stay below 400 requests a second, so that
// two cores have time to spare.
func fleetRows() []fleetRow {
	refusing, growing, batches, records := jittered(16, 50*ms), jittered(24, 50*ms), jittered(4, 50*ms), jittered(16, 5*ms)
	refusing.Refuse, growing.Growth, batches.PerRecord, records.PerRecord = true, 0.05, ms/2, ms
	four := equal(4, jittered(8, 100*ms))
	return []fleetRow{
		{"queue c=1 d=20ms", equal(1, jittered(1, 20*ms)), "", fixedBatch},
		{"queue c=4 d=50ms", equal(1, jittered(4, 50*ms)), "", fixedBatch},
		{"queue c=16 d=100ms", equal(1, jittered(16, 100*ms)), "", fixedBatch},
		{"queue c=64 d=200ms", equal(1, jittered(64, 200*ms)), "", fixedBatch},
		{"429 c=16 d=50ms", []knownhost.Model{refusing}, "", fixedBatch},
		{"growing c=24 d=50ms", []knownhost.Model{growing}, "", fixedBatch},
		{"batch c=4 d=50ms+0.5ms*n", []knownhost.Model{batches}, "", 0},
		{"batch c=16 d=5ms+1ms*n", []knownhost.Model{records}, "", 0},
		{"speeds 1,1,2,4", []knownhost.Model{jittered(8, 200*ms), jittered(8, 200*ms), jittered(8, 100*ms), jittered(8, 50*ms)}, "", fixedBatch},
		{"one of four dead", four, knownhost.Die, fixedBatch},
		{"one of four stalled", four, knownhost.Stall, fixedBatch},
		{"one of four slow", four, knownhost.Slow, fixedBatch},
	}
}

// longer is how many times longer than the others the row takes. Where the size of
// batches is found too an answer takes most of a second, and a search has as many
// answers to go by as elsewhere.
func (r fleetRow) longer() time.Duration {
	if r.batch == 0 {
		return 3
	}
	return 1
}

// pick keeps the rows whose name holds the text.
func pick(rows []fleetRow, text string) (kept []fleetRow) {
	for _, r := range rows {
		if strings.Contains(r.name, text) {
			kept = append(kept, r)
		}
	}
	return kept
}

// size is the batch that the ideal is computed with.
func (r fleetRow) size() int {
	if r.batch > 0 {
		return r.batch
	}
	return r.hosts[0].BestBatch(answerTarget, mostRecords)
}

// rest is the fleet after mid-run.
func (r fleetRow) rest() []knownhost.Model {
	switch r.trouble {
	case knownhost.Die, knownhost.Stall:
		return r.hosts[1:]
	case knownhost.Slow:
		return append([]knownhost.Model{r.hosts[0].Slower(knownhost.SlowTimes)}, r.hosts[1:]...)
	}
	return r.hosts
}

// ideal is how long so many invocations take at the ceiling: the share turnAt of
// them with all hosts, the others with what is left of the fleet.
func (r fleetRow) ideal(invocations float64) time.Duration {
	return knownhost.Ideal(turnAt*invocations, r.size(), r.hosts...) + knownhost.Ideal((1-turnAt)*invocations, r.size(), r.rest()...)
}

// invocations are about as many as take the ideal so long.
func (r fleetRow) invocations(d time.Duration) int {
	return max(int(math.Round(float64(d)/float64(r.ideal(1)))), 1)
}

// turn is how many good answers the fleet has given when trouble begins.
func turn(invocations int) int64 { return max(int64(turnAt*float64(invocations)), 1) }

// judge compares the medians of a row's runs with the targets.
func (r fleetRow) judge(runs []fleetRun) []verdict {
	share := overRuns(runs, func(u fleetRun) float64 { return u.ideal.Seconds() / u.wall.Seconds() })
	speed := verdict{r.name + ": lost of the ceiling", 1 - share.median, 0.05, "of it"}
	if r.trouble != "" {
		late := overRuns(runs, func(u fleetRun) float64 { return u.wall.Seconds() / u.ideal.Seconds() })
		speed = verdict{r.name + ": wall time over what the rest can do", late.median, 1.1, "times"}
	}
	if r.hosts[0].Refuse {
		over := overRuns(runs, func(u fleetRun) float64 { return u.overloads })
		return []verdict{speed, {r.name + ": overload answers after a quarter", over.median, 0.02, "of requests"}}
	}
	most := overRuns(runs, func(u fleetRun) float64 { return u.most })
	return []verdict{speed, {r.name + ": most at once over what is served at once", most.most, 5, "times"}}
}

func overRuns(runs []fleetRun, figure func(fleetRun) float64) spread {
	figures := make([]float64, len(runs))
	for i, run := range runs {
		figures[i] = figure(run)
	}
	return spreadOf(figures)
}
