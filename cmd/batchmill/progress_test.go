package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/batchmill/batchmill/internal/sink"
	"github.com/batchmill/batchmill/transform"
	"github.com/batchmill/batchmill/transform/job"
	"github.com/batchmill/batchmill/transform/plan"
	"github.com/batchmill/batchmill/transform/store"
	"github.com/batchmill/batchmill/workers"
)

func snapshot() transform.Snapshot {
	return transform.Snapshot{Records: 1_234_567, Bytes: 45_000_000, TotalBytes: 100_000_000,
		RecordsPerSecond: 12_345, BytesPerSecond: 4_500_000, InFlight: 8, Retries: 3, Rejects: 1,
		HostsUp: 2, Hosts: 2, ETASeconds: 79.2}
}

func TestStatus(t *testing.T) {
	waiting := transform.Snapshot{Hosts: 2, TotalBytes: 10, ETASeconds: -1}
	unknown := snapshot()
	unknown.TotalBytes, unknown.ETASeconds = 0, -1
	now := time.Date(2026, 11, 30, 14, 0, 0, 0, time.Local)
	resting := func(s transform.Snapshot, hosts int, d time.Duration) transform.Snapshot {
		s.Time, s.Standstill = now, &workers.Standstill{Host: "http://a:8080", Hosts: hosts, Until: now.Add(d), GivesUp: now.Add(5 * time.Second)}
		return s
	}
	for _, c := range []struct {
		name string
		s    transform.Snapshot
		want string
	}{
		{"the host rests", resting(waiting, 1, 5*time.Minute),
			"  0%  no host can be asked: http://a:8080 rests until 14:05:00, --host-wait ends at 14:00:05  0 records  0/s  0 B/s  in flight 0  retries 0  rejects 0  hosts 0/2"},
		{"all rest", resting(unknown, 3, time.Second),
			"no host can be asked: http://a:8080 rests until 14:00:01 and 2 others longer, --host-wait ends at 14:00:05  1.2M records  12.3k/s  4.5 MB/s  in flight 8  retries 3  rejects 1  hosts 2/2"},
		{"a short rest", resting(unknown, 1, time.Millisecond), "1.2M records  12.3k/s  4.5 MB/s  in flight 8  retries 3  rejects 1  hosts 2/2"},
		{"running", snapshot(), " 45%  1.2M records  12.3k/s  4.5 MB/s  1m20s left  in flight 8  retries 3  rejects 1  hosts 2/2"},
		{"before", transform.Snapshot{ETASeconds: -1}, "starting"},
		{"while the inputs are listed", transform.Snapshot{Listed: 120_000, ETASeconds: -1}, "looking at the inputs: 120,000 objects so far"},
		{"all listed", transform.Snapshot{Listed: 1, TotalBytes: 2_000_000, ETASeconds: -1}, "starting: 1 object of input, 2.0 MB"},
		{"no host yet", waiting, "  0%  waiting for a host to be ready (0 of 2)"},
		{"no host yet, and why", waitingFor(waiting, "http://a:8080", "GET /ping: connection\x1b refused"),
			`  0%  waiting for a host to be ready (0 of 2) since 14:00:00, --ready-timeout ends at 14:10:00; http://a:8080: GET /ping: connection\x1b refused`},
		{"unknown size", unknown, "1.2M records  12.3k/s  4.5 MB/s  in flight 8  retries 3  rejects 1  hosts 2/2"},
	} {
		if got := status(c.s); got != c.want {
			t.Errorf("%s:\n got %q\nwant %q", c.name, got, c.want)
		}
	}
}

func waitingFor(s transform.Snapshot, host, why string) transform.Snapshot {
	since := time.Date(2026, 11, 30, 14, 0, 0, 0, time.Local)
	s.Waiting = &workers.Waiting{Since: since, GivesUp: since.Add(10 * time.Minute), Host: host, Reason: why}
	return s
}

// Whatever the width, a live line never wraps, and always clears the one before.
func TestLiveLineFits(t *testing.T) {
	for width := 1; width < 200; width++ {
		var b bytes.Buffer
		l := liveLine{w: &b, width: func() int { return width }}
		l.show(snapshot())
		line, ok := strings.CutPrefix(b.String(), clearLine)
		if !ok || len(line) >= width || strings.ContainsAny(line, "\r\n") {
			t.Fatalf("width %d: %q", width, b.String())
		}
		if width > 150 && !strings.HasPrefix(line, "[############") {
			t.Fatalf("width %d: no bar in %q", width, line)
		}
		b.Reset()
		if l.end(snapshot()); b.String() != clearLine {
			t.Fatalf("end left %q", b.String())
		}
	}
}

func TestProgressModes(t *testing.T) {
	for _, c := range []struct {
		mode  string
		width int
		after time.Duration
		lines int // written in that time, the last report included
	}{
		{"none", 100, time.Minute, 0},
		{"auto", 0, 35 * time.Second, 3},
		{"json", 100, 5500 * time.Millisecond, 6},
		{"auto", 100, time.Second + time.Millisecond, 6},
	} {
		synctest.Test(t, func(t *testing.T) {
			var b bytes.Buffer
			a := &app{stderr: sink.New(&b), width: func() int { return c.width }}
			stop := a.showProgress(new(transform.Progress), c.mode)
			time.Sleep(c.after)
			stop()
			if got := strings.Count(b.String(), "\n") + strings.Count(b.String(), "\r"); got != c.lines {
				t.Errorf("%s at width %d: %d lines, want %d: %q", c.mode, c.width, got, c.lines, b.String())
			}
			if c.mode != "json" {
				return
			}
			for line := range strings.Lines(b.String()) {
				var s map[string]any
				if err := json.Unmarshal([]byte(line), &s); err != nil {
					t.Fatal(err)
				}
				for _, key := range []string{"time", "listed", "records", "bytes", "total_bytes", "records_per_second",
					"in_flight", "retries", "rejects", "hosts_up", "eta_seconds"} {
					if _, ok := s[key]; !ok {
						t.Errorf("no %s in %s", key, line)
					}
				}
			}
		})
	}
}

// slowList is a store that takes its time to list what is in it.
type slowList struct{ *store.Memory }

func (s slowList) List(ctx context.Context, prefix string) iter.Seq2[store.Info, error] {
	return func(yield func(store.Info, error) bool) {
		for info, err := range s.Memory.List(ctx, prefix) {
			if time.Sleep(time.Second); !yield(info, err) {
				return
			}
		}
	}
}

// TestProgressOfAPlan: nobody waits blindly while inputs are listed for long.
func TestProgressOfAPlan(t *testing.T) {
	in := slowList{store.NewMemory()}
	for i := range 25 {
		if err := in.Put(fmt.Sprintf("%02d.jsonl", i), []byte("{}\n")); err != nil {
			t.Fatal(err)
		}
	}
	spec := job.Spec{Input: []string{"in"}, Output: "out", Hosts: []string{"http://a"}}
	if err := spec.Validate(); err != nil {
		t.Fatal(err)
	}
	for mode, want := range map[string]string{
		"auto": "looking at the inputs: 9 objects so far\nlooking at the inputs: 19 objects so far\n",
		"none": "",
	} {
		synctest.Test(t, func(t *testing.T) {
			var b bytes.Buffer
			a := &app{stderr: sink.New(&b), width: func() int { return 0 }}
			progress := new(transform.Progress)
			stop := a.showProgress(progress, mode)
			time.Sleep(time.Millisecond) // so that no line is due while an object is found
			plan, err := plan.New(t.Context(), spec, []plan.Source{{Store: in}}, store.NewMemory(), progress.Found)
			stop()
			if err != nil {
				t.Fatal(err)
			}
			defer plan.Close()
			if b.String() != want {
				t.Errorf("%s: %q", mode, b.String())
			}
		})
	}
}

func TestUnits(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{count(0), "0"}, {count(999), "999"}, {count(999.6), "1.0k"}, {count(12_345), "12.3k"}, {count(300_000), "300k"},
		{count(999_600), "1.0M"}, {count(5e12), "5000G"}, {count(-1), "0"}, {count(math.NaN()), "0"}, {count(math.Inf(1)), "0"},
		{size(57_100_000), "57.1 MB"}, {size(12), "12 B"}, {size(1e15), "1000 TB"},
		{grouped(0), "0"}, {grouped(999), "999"}, {grouped(1000), "1,000"}, {grouped(1234567), "1,234,567"}, {grouped(-1234), "-1,234"}, {grouped(-123), "-123"},
		{plural(1, "record"), "1 record"}, {plural(0, "record"), "0 records"}, {plural(1200, "record"), "1,200 records"},
		{span(850 * time.Millisecond), "850 ms"}, {span(12340 * time.Millisecond), "12.3 s"}, {span(59990 * time.Millisecond), "1m0s"},
		{span(80 * time.Second), "1m20s"}, {span(3*time.Hour + 5*time.Minute), "3h05m"}, {span(time.Hour - time.Millisecond), "1h00m"},
		{latency(0), "-"}, {latency(20 * time.Microsecond), "<0.1 ms"}, {rate(0), "0"}, {rate(0.34), "0.3"}, {rate(42), "42.0"}, {rate(99.96), "100"}, {rate(12_345), "12.3k"},
		{latency(400 * time.Microsecond), "0.4 ms"}, {latency(12 * time.Millisecond), "12 ms"}, {latency(1200 * time.Millisecond), "1.2 s"},
		{left(-1), ""}, {left(0), "0s"}, {left(79.2), "1m20s"}, {left(7200), "2h00m"}, {left(math.Inf(1)), ""}, {left(math.NaN()), ""},
		{counted(1, "object held"), "1 object held"}, {counted(2, "object held"), "2 objects held"},
	} {
		if c.got != c.want {
			t.Errorf("got %q, want %q", c.got, c.want)
		}
	}
}
