package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/batchmill/batchmill/benchmarks/corpus"
)

func cpus(milliseconds ...int) []usage {
	runs := make([]usage, len(milliseconds))
	for i, ms := range milliseconds {
		runs[i] = usage{cpu: time.Duration(ms) * time.Millisecond, wall: time.Second, peak: 64 << 20}
	}
	return runs
}

func TestSpread(t *testing.T) {
	tests := []struct {
		figures []float64
		want    spread
	}{
		{nil, spread{}},
		{[]float64{3}, spread{3, 3, 3}},
		{[]float64{5, 1, 3}, spread{3, 1, 5}},
		{[]float64{4, 1, 2, 3}, spread{2.5, 1, 4}},
	}
	for _, test := range tests {
		if got := spreadOf(test.figures); got != test.want {
			t.Errorf("%v: got %v, want %v", test.figures, got, test.want)
		}
	}
}

// Ratios are taken within a round: a slow round must not make one.
func TestRatioIsTakenByPairs(t *testing.T) {
	got := cpuRatio(cpus(150, 1500, 160), cpus(100, 1000, 100))
	if want := (spread{1.5, 1.5, 1.6}); got != want {
		t.Errorf("got %v, want %v", got, want)
	}
	if got := cpuRatio(cpus(1), cpus(0)); got != (spread{}) {
		t.Errorf("a program that took no time gave %v", got)
	}
}

func TestTargets(t *testing.T) {
	csv1000 := workload{corpus.CSV, 1e6, 1000}
	tests := []struct {
		name             string
		w                workload
		ours, plain, met int // of the floor's 100 ms
		judged           int
	}{
		{"both reached", csv1000, 160, 640, 2, 2},
		{"plain too near", csv1000, 160, 639, 1, 2},
		{"over the floor", csv1000, 161, 2000, 1, 2},
		{"json lines", workload{corpus.JSONL, 1e6, 1000}, 200, 300, 1, 1},
		{"json lines missed", workload{corpus.JSONL, 1e6, 1000}, 201, 300, 0, 1},
		{"small batches", workload{corpus.CSV, 1e6, 100}, 180, 300, 1, 1},
		{"parquet", workload{corpus.Parquet, 1e6, 1000}, 350, 1000, 1, 1},
		{"parquet missed", workload{corpus.Parquet, 1e6, 1000}, 351, 1000, 0, 1},
		{"no target", workload{corpus.JSONL, 1e6, 100}, 900, 300, 0, 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			all := judgeTimes(test.w, map[string][]usage{floorName: cpus(100), plainName: cpus(test.plain), batchmillName: cpus(test.ours)})
			met := 0
			for _, v := range all {
				if v.reached() {
					met++
				}
			}
			if len(all) != test.judged || met != test.met {
				t.Errorf("%d of %d reached: %+v", met, len(all), all)
			}
		})
	}
	if all := judgeTimes(csv1000, map[string][]usage{floorName: cpus(100)}); all != nil {
		t.Errorf("judged without batchmill: %+v", all)
	}
}

func TestMemoryTargets(t *testing.T) {
	const mib = 1 << 20
	tests := []struct {
		format corpus.Format
		peaks  []int64
		want   string
	}{
		{corpus.CSV, []int64{50 * mib, 110 * mib, 120 * mib}, "reached reached"},
		{corpus.CSV, []int64{100 * mib, 193 * mib, 120 * mib}, "MISSED reached"},
		{corpus.CSV, []int64{100 * mib, 110 * mib, 150 * mib}, "reached MISSED"},
		{corpus.CSV, []int64{25 * mib, 110 * mib}, "reached"}, // two sizes say nothing about growth
		{corpus.JSONL, []int64{180 * mib}, "reached"},
		{corpus.Parquet, []int64{160 * mib}, "reached"},
		{corpus.Parquet, []int64{161 * mib}, "MISSED"},
	}
	for _, test := range tests {
		var out bytes.Buffer
		missed := printVerdicts(&out, judgeMemory(workload{format: test.format}, test.peaks))
		var words []string
		for line := range strings.Lines(out.String()) {
			words = append(words, strings.Fields(line)[0])
		}
		if got := strings.Join(words, " "); got != test.want || missed != strings.Contains(test.want, "MISSED") {
			t.Errorf("%v: got %q, missed %v", test.peaks, got, missed)
		}
	}
}

func TestTable(t *testing.T) {
	var out bytes.Buffer
	w := workload{corpus.CSV, 500_000, 1000}
	printSeries(&out, w, map[string][]usage{floorName: cpus(200, 200), batchmillName: cpus(300, 320)}, 2)
	for _, want := range []string{
		"csv, 1000 records a batch, 500000 records, 2 rounds",
		"floor       0.40      2.00       64         -                   -",
		"batchmill   0.62      2.00       64         1.55 (1.50..1.60)   -",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no line %q in\n%s", want, &out)
		}
	}
}

func TestFirstDifference(t *testing.T) {
	long := strings.Repeat("x", 200_000)
	tests := []struct {
		a, b string
		at   int64
		same bool
	}{
		{"", "", 0, true},
		{long, long, 200_000, true},
		{long, long + "y", 200_000, false},
		{long[:65536], long, 65536, false},
		{long + "a", long + "b", 200_000, false},
	}
	for i, test := range tests {
		at, same, err := firstDifference(strings.NewReader(test.a), iotest.HalfReader(strings.NewReader(test.b)))
		if at != test.at || same != test.same || err != nil {
			t.Errorf("case %d: at %d, same %v, %v", i, at, same, err)
		}
	}
	fault := errors.New("disk on fire")
	if _, _, err := firstDifference(iotest.ErrReader(fault), strings.NewReader("")); !errors.Is(err, fault) {
		t.Errorf("a read error came back as %v", err)
	}
}

func TestFlags(t *testing.T) {
	for _, args := range [][]string{{"--records", "0"}, {"--repeats", "0"}, {"now"}, {"--concurrency=-1"}, {"--format", "orc"}, {"--objects=-1"}, {"--s3", "--format", "csv"}} {
		if _, err := parse(args); err == nil {
			t.Errorf("%q was accepted", args)
		}
	}
}

// All three programs must send the same payload, or they are not compared.
func TestBatchmillSendsCSV(t *testing.T) {
	for format, want := range map[corpus.Format]bool{corpus.CSV: false, corpus.JSONL: false, corpus.Parquet: true} {
		args, output := batchmillArguments(job{workload: workload{format, 1, 1}, in: filepath.Join("a", "b."+string(format)), out: "out"})
		if got := strings.Contains(strings.Join(args, " "), "--content-type text/csv"); got != want {
			t.Errorf("%s: %q", format, args)
		}
		if want := filepath.Join("out", "b."+string(format)); output != want {
			t.Errorf("output is %q, want %q", output, want)
		}
	}
}

// The whole driver, short: real programs are built and run.
func TestRun(t *testing.T) {
	if testing.Short() {
		t.Skip("builds and runs four programs")
	}
	dir := t.TempDir()
	tools, err := build(t.Context(), dir, true, t.Output())
	if err != nil {
		t.Fatal(err)
	}
	host, err := startHost(t.Context(), tools.host)
	if err != nil {
		t.Fatal(err)
	}
	defer host.stop()
	b := bench{settings: settings{dir: dir, records: 3000, repeats: 1, concurrency: 4}, programs: tools.programs[:2], maker: tools.corpus, host: host.url, out: t.Output()}
	for _, w := range b.workloads() {
		series, err := b.measure(t.Context(), w)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{floorName, plainName} {
			if runs := series[name]; len(runs) != 1 || runs[0].cpu <= 0 || runs[0].wall <= 0 || runs[0].peak < 1<<20 {
				t.Errorf("%s: %+v", name, runs)
			}
		}
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "out-*")); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
	b.programs = b.programs[:1]
	b.programs[0].binary = filepath.Join(dir, "missing")
	if _, err := b.measure(t.Context(), b.workloads()[0]); err == nil {
		t.Error("a program that cannot run went unnoticed")
	}
}

// A host that dies before it serves must be an error, not a wait.
func TestHostThatFails(t *testing.T) {
	script := filepath.Join(t.TempDir(), "mute")
	if err := os.WriteFile(script, []byte("#!/bin/sh\nexit 0\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := startHost(context.Background(), script); err == nil {
		t.Error("a host without a URL was taken")
	}
}
