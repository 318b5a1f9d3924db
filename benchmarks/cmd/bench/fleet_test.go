package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/batchmill/batchmill/benchmarks/knownhost"
)

// Each row's work takes its ideal as long as was asked for, and its rate leaves
// two cores time to spare.
func TestFleetRows(t *testing.T) {
	names := map[string]bool{}
	for _, r := range fleetRows() {
		const d = 40 * time.Second
		n := r.invocations(d)
		if got := r.ideal(float64(n)); got < d*98/100 || got > d*102/100 {
			t.Errorf("%s: %d invocations take %v, not %v", r.name, n, got, d)
		}
		if rate := float64(n) / d.Seconds(); rate > 500 {
			t.Errorf("%s: %.0f invocations a second", r.name, rate)
		}
		if names[r.name] {
			t.Errorf("two rows are called %s", r.name)
		}
		names[r.name] = true
	}
}

// By hand: four hosts with 10 invocations a second each, half of 400 with all.
func TestFleetIdeal(t *testing.T) {
	four := equal(4, knownhost.Model{Places: 1, Latency: 100 * ms})
	for trouble, want := range map[knownhost.Trouble]float64{
		"": 5 + 5, knownhost.Die: 5 + 200.0/30, knownhost.Stall: 5 + 200.0/30, knownhost.Slow: 5 + 200.0/31,
	} {
		r := fleetRow{hosts: four, trouble: trouble, batch: 100}
		if got := r.ideal(400).Seconds(); got < want-1e-6 || got > want+1e-6 {
			t.Errorf("%q: %v s, want %v", trouble, got, want)
		}
	}
	batches := knownhost.Model{Places: 4, Latency: 50 * ms, PerRecord: ms / 2} // best at 1900 a batch, a second each
	r := fleetRow{hosts: []knownhost.Model{batches}}
	if r.size() != 1900 || r.ideal(40) != 10*time.Second || r.invocations(10*time.Second) != 40 {
		t.Errorf("batches of %d; 40 take %v; %d take 10 s", r.size(), r.ideal(40), r.invocations(10*time.Second))
	}
	if turn(400) != 200 || turn(1) != 1 {
		t.Errorf("trouble at %d and %d", turn(400), turn(1))
	}
}

func TestFleetTargets(t *testing.T) {
	for _, c := range []struct {
		name  string
		row   string
		wall  float64 // ideal is 1
		most  float64
		later float64
		want  string
	}{
		{"all reached", "queue c=4", 1.05, 5, 0, "reached reached"},
		{"slow", "queue c=4", 1.06, 5, 0, "MISSED reached"},
		{"too many", "queue c=4", 1, 5.5, 0, "reached MISSED"},
		{"refused", "429", 1.05, 9, 0.02, "reached reached"},
		{"refused often", "429", 1.05, 9, 0.021, "reached MISSED"},
		{"a host dies", "dead", 1.1, 5, 0, "reached reached"},
		{"a host dies, late", "dead", 1.11, 5, 0, "MISSED reached"},
	} {
		run := fleetRun{ideal: time.Second, wall: time.Duration(c.wall * float64(time.Second)), most: c.most, overloads: c.later}
		var out bytes.Buffer
		printVerdicts(&out, pick(fleetRows(), c.row)[0].judge([]fleetRun{run}))
		var words []string
		for line := range strings.Lines(out.String()) {
			words = append(words, strings.Fields(line)[0])
		}
		if got := strings.Join(words, " "); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

func TestFleetCount(t *testing.T) {
	s := func(n float64) time.Duration { return time.Duration(n * float64(time.Second)) }
	r := fleetRow{hosts: equal(2, knownhost.Model{Places: 2, Latency: time.Second}), batch: 100}
	run := fleetRun{hosts: [][]knownhost.Request{
		{{Came: s(1), Went: s(3), Status: 200}, {Came: s(1), Went: s(5), Status: 200}, {Came: s(2), Went: s(3), Status: 200}},
		{{Came: s(1), Went: s(1), Status: 429}, {Came: s(3), Went: s(3), Status: 429}, {Came: s(3), Went: s(5), Status: 200}},
	}}
	run.count(r, 3)
	if run.asked != s(4) || run.most != 1.5 || run.busy != 0.5 || run.overloads != 1.0/3 || run.requests != 6 || run.refused != 2 || run.extra != 3 ||
		run.p50 != s(2) || run.p99 != s(4) || fmt.Sprintf("%.4f", run.level) != "0.5833" {
		t.Errorf("%+v", run)
	}
	r.batch = 0
	if run.count(r, 3); run.extra != 2 {
		t.Errorf("%d extra beyond the answers", run.extra)
	}
}

func TestSettled(t *testing.T) {
	name := filepath.Join(t.TempDir(), "m.json")
	hosts := []*knownhost.Host{{URL: "http://a"}, {URL: "http://b"}}
	for text, want := range map[string]settled{
		`{"hosts":[{"url":"http://b","requests":1},{"url":"http://a"}]}`:                                         {"- -", "-"},
		`{"settled":{"batch_records":800},"hosts":[{"url":"http://b","limit":7},{"url":"http://a","limit":20}]}`: {"20 7", "800"},
		`{"settled":null,"hosts":[{"url":"http://c","limit":7},{"url":"http://a","limit":[1,2]}]}`:               {"- -", "-"},
	} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := readSettled(name, hosts); got != want || err != nil {
			t.Errorf("%s: %+v, %v", text, got, err)
		}
	}
	if _, err := readSettled(name+"x", hosts); err == nil {
		t.Error("no manifest, no error")
	}
	if number(json.RawMessage(`"7"`)) != "-" {
		t.Error("a string is no number")
	}
}

func TestCheckAnswers(t *testing.T) {
	name := filepath.Join(t.TempDir(), "out.csv")
	for text, good := range map[string]bool{
		"0.0\n0.1\n0.2\n": true, "0.0\n0.1\n": false, "0.0\n0.1\n0.2\n0.3\n": false, "0.0\n0.2\n0.1\n": false,
	} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := checkAnswers(name, 3); (err == nil) != good {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestFleetFlags(t *testing.T) {
	if _, err := parse([]string{"--fleet", "--rows", "429", "--seconds", "1.5", "--with", "--concurrency 16", "--trace"}); err != nil {
		t.Error(err)
	}
	for _, args := range [][]string{{"--fleet", "--s3"}, {"--fleet", "--format", "csv"}, {"--seconds", "0"}} {
		if _, err := parse(args); err == nil {
			t.Errorf("%q was accepted", args)
		}
	}
	b := fleetBench{settings: settings{rows: "no such row"}, out: t.Output()}
	if _, err := b.measure(t.Context()); err == nil || !strings.Contains(err.Error(), "speeds 1,1,2,4") {
		t.Errorf("an unknown row gave %v", err)
	}
}

// All of it, short: batchmill is built and run. What it reaches in so short a
// time says nothing; that all comes out right, and is told, does.
func TestFleet(t *testing.T) {
	if testing.Short() {
		t.Skip("builds and runs batchmill")
	}
	dir := t.TempDir()
	var out bytes.Buffer
	s := settings{dir: dir, repeats: 1, rows: "queue c=4", seconds: time.Second / 2, trace: true, fleet: true}
	if err := run(t.Context(), s, &out); err != nil {
		t.Fatal(err)
	}
	s.rows, s.seconds = "dead", time.Second/2
	if err := run(t.Context(), s, &out); err != nil {
		t.Fatal(err)
	}
	t.Log(out.String())
	for _, want := range []string{"queue c=4 d=50ms: lost of the ceiling", "queue c=4 d=50ms: most at once", "requests at each host", "one of four dead: wall time"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the report lacks %q", want)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "fleet-*")); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}
