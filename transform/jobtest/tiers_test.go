package jobtest

import (
	"cmp"
	"flag"
	"runtime/debug"
	"slices"
	"testing"
)

// Flags that replace what a tier of the tests would run; docs/testing.md has the tiers.
var (
	simSeeds = flag.Int("sim.seeds", 0, "how many random jobs the simulation runs; 0 for as many as the tier of the tests has")
	simFrom  = flag.Uint64("sim.from", 0, "the first seed; 0 for that of the tier")

	millionObjects = flag.Int("million.objects", 0, "objects of the job whose memory is measured; 0 for as many as the tier of the tests has")
)

// seeds are those of this run: how many, and the first. The tiers have different
// ones, but for the first hundred, which make test runs with the race detector too.
func seeds() (n int, from uint64) {
	switch {
	case testing.Short() && raceDetected():
		n, from = 100, 1
	case testing.Short():
		n, from = 1000, 1
	case raceDetected():
		n, from = 500, 2001
	default:
		n, from = 1000, 1001
	}
	if *simSeeds > 0 {
		n, from = *simSeeds, 1
	}
	return n, cmp.Or(*simFrom, from)
}

// manyObjects is how many objects a job has whose memory is measured. In short
// runs, and with the race detector, which takes eight times as long and sees no
// other races in more of the same, they are few.
func manyObjects() int {
	few := 40_000
	if testing.Short() || raceDetected() {
		few = 4_000
	}
	return cmp.Or(*millionObjects, few)
}

// raceDetected says whether the test was built with the race detector.
func raceDetected() bool {
	built, ok := debug.ReadBuildInfo()
	return ok && slices.Contains(built.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
}

// few is all of it or, with the race detector, which takes eight times as long and
// sees no other races in more of the same, the first.
func few(seeds []uint64) []uint64 {
	if raceDetected() {
		return seeds[:1]
	}
	return seeds
}
