package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/batchmill/batchmill/benchmarks/knownhost"
)

// fleetRounds is the most: each takes minutes.
const fleetRounds = 3

// A fleetRun is what one run came to.
type fleetRun struct {
	ideal     time.Duration
	wall      time.Duration // of the process
	asked     time.Duration // from the first request to the last answer
	most      float64       // requests at a host at once, over its places; the largest of all hosts
	level     float64       // the same on average after the first quarter, of all hosts together
	busy      float64       // share of the places that were taken, over the time asked; hosts in trouble too
	overloads float64       // share of the requests after the first quarter
	requests  int
	refused   int // 429
	extra     int // requests beyond one for each batch
	p50, p99  time.Duration
	settled   settled
	hosts     [][]knownhost.Request
}

// fleetBench measures the batchmill that it is given, hosts being its own.
type fleetBench struct {
	settings
	mill string
	out  io.Writer
}

// runFleet is the measurement of fleets alone.
func runFleet(ctx context.Context, s settings, out io.Writer) error {
	mill, err := compile(ctx, s.dir, batchmillName, "cmd/batchmill")
	if err != nil {
		return err
	}
	b := fleetBench{s, mill, out}
	all, err := b.measure(ctx)
	if err != nil {
		return err
	}
	return s.judge(out, all)
}

// fleet measures fleets after everything else.
func (b *bench) fleets(ctx context.Context) ([]verdict, error) {
	mill := b.programs[len(b.programs)-1]
	if mill.name != batchmillName {
		fmt.Fprintf(b.out, "fleets are left out: there is no batchmill\n\n")
		return nil, nil
	}
	f := fleetBench{b.settings, mill.binary, b.out}
	return f.measure(ctx)
}

// measure runs batchmill against hosts whose best is known, row by row, round
// by round.
func (b *fleetBench) measure(ctx context.Context) ([]verdict, error) {
	rows := pick(fleetRows(), b.rows)
	if len(rows) == 0 {
		var names []string
		for _, r := range fleetRows() {
			names = append(names, strconv.Quote(r.name))
		}
		return nil, fmt.Errorf("--rows %q is in no row's name; there are %s", b.rows, strings.Join(names, ", "))
	}
	rounds := min(b.repeats, fleetRounds)
	runs := make([][]fleetRun, len(rows))
	for range rounds {
		for i, r := range rows {
			one, err := b.once(ctx, r)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", r.name, err)
			}
			fmt.Fprintf(os.Stderr, "bench: %s: ideal %.1f s, took %.1f s\n", r.name, one.ideal.Seconds(), one.wall.Seconds())
			runs[i] = append(runs[i], one)
		}
	}
	var all []verdict
	b.print(rows, runs, rounds)
	for i, r := range rows {
		all = append(all, r.judge(runs[i])...)
	}
	return all, nil
}

// once runs batchmill on one row, from nothing.
func (b *fleetBench) once(ctx context.Context, r fleetRow) (one fleetRun, err error) {
	dir, err := os.MkdirTemp(b.dir, "fleet-")
	if err != nil {
		return one, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	invocations := r.invocations(b.seconds * r.longer())
	records := int64(invocations * r.size())
	in, out := filepath.Join(dir, "in.csv"), filepath.Join(dir, "out")
	if err := writeNumbers(in, records); err != nil {
		return one, err
	}
	hosts, stop, err := r.serve(turn(invocations))
	if err != nil {
		return one, err
	}
	defer stop()
	start := time.Now()
	if err := b.mills(ctx, r, in, out, hosts); err != nil {
		return one, err
	}
	one = fleetRun{ideal: r.ideal(float64(invocations)), wall: time.Since(start)}
	stop()
	if one.settled, err = readSettled(filepath.Join(out, "_manifest.json"), hosts); err != nil {
		return one, err
	}
	for _, h := range hosts {
		one.hosts = append(one.hosts, h.Requests())
	}
	one.count(r, invocations)
	return one, checkAnswers(filepath.Join(out, "in.csv"), records)
}

// serve starts the row's hosts. The first meets its trouble at the fleet's
// answer of that number.
func (r fleetRow) serve(turn int64) (hosts []*knownhost.Host, stop func(), err error) {
	var answered atomic.Int64
	stop = func() {
		for _, h := range hosts {
			h.Close()
		}
	}
	start := time.Now()
	trouble := make(chan struct{})
	for i, m := range r.hosts {
		h, err := knownhost.Start(knownhost.Options{Model: m, Seed: uint64(i + 1), Start: start, Answered: func() {
			if answered.Add(1) == turn {
				close(trouble)
			}
		}})
		if err != nil {
			stop()
			return nil, nil, err
		}
		hosts = append(hosts, h)
	}
	if r.trouble != "" {
		hosts[0].TurnOn(trouble, r.trouble)
	}
	return hosts, stop, nil
}

// mills runs batchmill, told nothing that it can find out.
func (b *fleetBench) mills(ctx context.Context, r fleetRow, in, out string, hosts []*knownhost.Host) error {
	args := []string{"run", "--input", in, "--output", out, "--join", "none", "--progress", "none"}
	for _, h := range hosts {
		args = append(args, "--host", h.URL)
	}
	if r.batch > 0 {
		args = append(args, "--batch-records", strconv.Itoa(r.batch))
	}
	cmd := exec.CommandContext(ctx, b.mill, append(args, strings.Fields(b.with)...)...)
	var said bytes.Buffer
	cmd.Stderr = &said
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("batchmill: %w: %s", err, firstLines(said.Bytes()))
	}
	return nil
}

// count takes the figures from what hosts noted.
func (u *fleetRun) count(r fleetRow, invocations int) {
	var all []knownhost.Request
	for i, some := range u.hosts {
		all = append(all, some...)
		u.most = max(u.most, float64(knownhost.Most(some))/float64(r.hosts[i].Places))
	}
	first, last := knownhost.Span(all)
	quarter := first + (last-first)/4
	places := 0
	for i, m := range r.hosts {
		places += m.Places
		u.busy += knownhost.Level(u.hosts[i], first, last, m.Places)
		u.level += knownhost.Level(u.hosts[i], quarter, last, 0)
	}
	u.busy, u.level = u.busy/float64(places), u.level/float64(places)
	u.asked, u.overloads, u.requests = last-first, knownhost.Overloads(all, quarter), len(all)
	u.p50, u.p99 = knownhost.Quantile(all, 0.5), knownhost.Quantile(all, 0.99)
	if r.batch == 0 {
		invocations = 0
		for _, one := range all {
			if one.Good() {
				invocations++
			}
		}
	}
	for _, one := range all {
		if one.Status == 429 {
			u.refused++
		}
	}
	u.extra = u.requests - invocations
}

// settled is what batchmill found, as its manifest has it; "-" where it has not.
type settled struct{ limits, batch string }

func readSettled(name string, hosts []*knownhost.Host) (settled, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return settled{}, err
	}
	var m struct {
		Settled struct {
			BatchRecords json.RawMessage `json:"batch_records"`
		} `json:"settled"`
		Hosts []struct {
			URL   string          `json:"url"`
			Limit json.RawMessage `json:"limit"`
		} `json:"hosts"`
	}
	if err := json.Unmarshal(text, &m); err != nil {
		return settled{}, fmt.Errorf("%s: %w", name, err)
	}
	limits := map[string]string{}
	for _, h := range m.Hosts {
		limits[h.URL] = number(h.Limit)
	}
	var list []string
	for _, h := range hosts {
		list = append(list, number(json.RawMessage(limits[h.URL])))
	}
	return settled{strings.Join(list, " "), number(m.Settled.BatchRecords)}, nil
}

// number is the text of a JSON number, or "-" for anything else.
func number(raw json.RawMessage) string {
	if _, err := strconv.ParseFloat(string(raw), 64); err != nil {
		return "-"
	}
	return string(raw)
}

// writeNumbers makes a CSV of two short columns. Records cost next to nothing:
// these rows are about time, not about CPU.
func writeNumbers(name string, records int64) (err error) {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	w := bufio.NewWriter(f)
	for i := range records {
		if _, err := fmt.Fprintf(w, "%07d,0.25\n", i); err != nil {
			return err
		}
	}
	return w.Flush()
}

// checkAnswers compares the output with what the hosts' model makes of
// writeNumbers.
func checkAnswers(name string, records int64) error {
	text, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	want := bytes.Repeat([]byte("0.0\n0.1\n0.2\n0.3\n0.4\n0.5\n0.6\n0.7\n0.8\n0.9\n"), int(records/10+1))[:4*records]
	at, same, err := firstDifference(bytes.NewReader(text), bytes.NewReader(want))
	if err == nil && !same {
		err = fmt.Errorf("%s differs from the right answers from byte %d on", name, at)
	}
	return err
}
