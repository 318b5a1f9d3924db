package jobtest

import (
	"fmt"
	"testing"
	"time"

	"github.com/batchmill/batchmill/transform/job"
	"github.com/batchmill/batchmill/workers"
)

// costing is a host that takes so long for a request, and for each of its
// records, and serves two at once.
func costing(base, each time.Duration, script ...moment) *actor {
	h := plays(script...)
	h.base, h.each = base, each
	return h
}

// TestBatchSizeIsFound: the size that a job settles on costs nearly as little a
// record as the best one within the time that an answer may take.
func TestBatchSizeIsFound(t *testing.T) {
	for _, c := range []struct {
		name       string
		base, each time.Duration
		target     time.Duration
		records    int
		within     float64 // of the best
	}{
		{"20 ms and 1 ms", 20 * time.Millisecond, time.Millisecond, time.Second, 60000, 1.05},
		{"5 ms and 5 ms", 5 * time.Millisecond, 5 * time.Millisecond, time.Second, 20000, 1.05},
		{"1 ms and 100 us", time.Millisecond, 100 * time.Microsecond, time.Second, 90000, 1.05},
		{"200 ms and 2 ms", 200 * time.Millisecond, 2 * time.Millisecond, time.Second, 40000, 1.15}, // it uses 80% of the time
		{"20 ms and 1 ms, in 100 ms", 20 * time.Millisecond, time.Millisecond, 100 * time.Millisecond, 40000, 1.15},
		{"20 ms and 1 ms, in 10 s", 20 * time.Millisecond, time.Millisecond, 10 * time.Second, 60000, 1.05},
	} {
		t.Run(c.name, func(t *testing.T) {
			job := fleetCase{hosts: []*actor{costing(c.base, c.each), costing(c.base, c.each)}, records: c.records,
				spec: all(auto, func(sp *job.Spec) { sp.TargetLatency = job.Duration(c.target) }), extra: 4}
			job.also = func(t *testing.T, o *outcome) {
				cost := func(n int) float64 { return (c.base.Seconds() + float64(n)*c.each.Seconds()) / float64(n) }
				most := min(int((c.target-c.base)/c.each), c.records)
				o.judged(t, figure{fmt.Sprintf("the cost of a record in batches of %d, to that in the best of %d", o.size, most), cost(o.size) / cost(most), c.within, "the search comes near"})
				if took := c.base + time.Duration(o.size)*c.each; took > c.target {
					t.Errorf("%d records take %v, more than %v", o.size, took, c.target)
				}
			}
			job.test(t)
		})
	}
}

// sizeOf runs a job whose batches are found, and returns what it came to.
func sizeOf(t *testing.T, c fleetCase) (o *outcome) {
	t.Helper()
	if c.spec == nil {
		c.spec = auto
	}
	if c.extra == 0 {
		c.extra = 40
	}
	c.also = func(_ *testing.T, was *outcome) { o = was }
	c.test(t)
	return o
}

// TestBatchSizeOfOne: where a record takes as long as an answer may, batches are single records.
func TestBatchSizeOfOne(t *testing.T) {
	for _, each := range []time.Duration{time.Second, 3 * time.Second, 700 * time.Millisecond} {
		o := sizeOf(t, fleetCase{hosts: []*actor{costing(time.Millisecond, each), costing(time.Millisecond, each)}, records: 300})
		if o.size != 1 {
			t.Errorf("%v a record: batches of %d", each, o.size)
		}
	}
}

// TestBatchSizeGrowsToTheByteCap: where only requests cost, batches are as large as they may be.
func TestBatchSizeGrowsToTheByteCap(t *testing.T) {
	o := sizeOf(t, fleetCase{hosts: []*actor{costing(20*time.Millisecond, 0)}, records: 60000,
		spec: all(auto, func(sp *job.Spec) { sp.BatchBytes = 20000 })})
	if record := len(`{"id":30000,"text":"good"}`) + 1; o.size*record < 20000*3/4 || o.size*record > 20000*5/4 {
		t.Errorf("batches of %d, about %d bytes; the cap are 20,000", o.size, o.size*record)
	}
}

// TestBatchSizeStaysBelowTooLarge: a 413 in the probe ends it, and batches are
// then as large as hosts take.
func TestBatchSizeStaysBelowTooLarge(t *testing.T) {
	for _, largest := range []int{300, 2000, 5000} {
		a, b := costing(50*time.Millisecond, time.Millisecond), costing(50*time.Millisecond, time.Millisecond)
		a.largest, b.largest = largest, largest
		o := sizeOf(t, fleetCase{hosts: []*actor{a, b}, records: 60000, extra: 160}) // what is cut before the limit is known
		record := len(`{"id":9999,"text":"good"}`) + 1
		if each := 60000 / o.batches * record; each > largest || each < largest/3 {
			t.Errorf("batches of %d bytes, of %d records at most; hosts take %d bytes", each, o.size, largest)
		}
	}
}

// TestBatchSizeIsNotProbed where it is given, told, or shows in the output.
func TestBatchSizeIsNotProbed(t *testing.T) {
	for name, c := range map[string]struct {
		spec   func(*job.Spec)
		params workers.Parameters
		want   int
	}{
		"--batch-records": {spec: func(sp *job.Spec) { sp.BatchRecords = 17 }, want: 17},
		"SingleRecord":    {spec: auto, params: workers.Parameters{SingleRecord: true}, want: 1},
	} {
		t.Run(name, func(t *testing.T) {
			h := costing(10*time.Millisecond, time.Millisecond)
			h.params = c.params
			o := sizeOf(t, fleetCase{hosts: []*actor{h}, records: 1000, spec: c.spec})
			if batches := (1000 + c.want - 1) / c.want; o.size != c.want || o.batches != batches {
				t.Errorf("%d batches of %d, want %d of %d", o.batches, o.size, batches, c.want)
			}
		})
	}
	if n := (&job.Spec{Answers: "per-batch"}).BatchSize(); n != job.DefaultBatchRecords {
		t.Errorf("responses that are written whole have batches of %d, which show in the output", n)
	}
}

// TestBatchSizeBesideBrokenHosts: hosts that fail everything from the start, and one of three
// that does so from some instant of the search on, end no search. A broken host fails many
// batches in the time that another one takes for an answer.
func TestBatchSizeBesideBrokenHosts(t *testing.T) {
	for name, bad := range map[string]mood{"500": says(500), "400": says(400), "413": says(413), "resets": resets, "garbled": garbled} {
		if (testing.Short() || raceDetected()) && name != "500" {
			continue
		}
		for _, n := range []int{1, 2} {
			t.Run(fmt.Sprintf("%s, %d from the start", name, n), func(t *testing.T) { besideBroken(t, n, moment{0, bad}) })
		}
		if name == "413" {
			continue // such a host tells its size, and batches above its size are split
		}
		for _, from := range []float64{1, 3, 5, 7, 9, 14, 20, 30} {
			t.Run(fmt.Sprintf("%s, one from %v s on", name, from), func(t *testing.T) { besideBroken(t, 1, moment{sec(from), bad}) })
		}
	}
}

func besideBroken(t *testing.T, broken int, when moment) {
	const request, record = 2 * time.Second, 10 * time.Millisecond
	hosts := []*actor{costing(request, record), costing(request, record)}
	for range broken {
		hosts = append(hosts, costing(request, record, when))
	}
	c := fleetCase{hosts: hosts, records: 40000, extra: 400, why: whyEjected,
		spec: all(auto, func(sp *job.Spec) { sp.TargetLatency = job.Duration(20 * time.Second) })}
	c.also = func(t *testing.T, o *outcome) {
		cost := func(n int) float64 { return request.Seconds()/float64(n) + record.Seconds() }
		const best = 1400 // whose answers take 80% of the target
		o.judged(t, figure{fmt.Sprintf("the cost of a record in batches of %d, to that in the best of %d", o.size, best), cost(o.size) / cost(best), 1.15, "the other hosts decide"})
	}
	c.test(t)
}

// TestBatchSizeProbeEnds: nothing that can happen in the probe makes the reader wait for ever.
func TestBatchSizeProbeEnds(t *testing.T) {
	for name, c := range map[string]fleetCase{
		"objects of 3 records":       {hosts: playing(2), objects: 300, records: 3},
		"one record":                 {hosts: playing(2), records: 1},
		"as many as the first level": {hosts: playing(2), records: 2 * 48},
		"one more":                   {hosts: playing(2), records: 2*48 + 1},
		"all but one are rejects":    {hosts: playing(1), records: 2000, poison: span(8, 48), extra: 400},
		"all of a later level are":   {hosts: playing(1), records: 2000, poison: span(48, 5*48), extra: 1000},
		"a host dies":                {hosts: playing(1, plays(moment{sec(0.15), dead})), records: 4000},
		"the host dies and returns":  {hosts: []*actor{plays(gone(0.15, 30)...)}, records: 4000},
		"a host stalls":              {hosts: playing(1, plays(moment{sec(0.15), silent})), records: 4000},
		"a host leaves":              {sourced: true, hosts: []*actor{plays(), joining(0, sec(0.15))}, records: 4000},
		"hosts join":                 {sourced: true, hosts: []*actor{plays(), joining(sec(0.2), 0), joining(sec(0.5), 0)}, records: 4000},
		"little memory":              {hosts: playing(2), records: 20000, spec: all(auto, little)},
	} {
		t.Run(name, func(t *testing.T) {
			if o := sizeOf(t, c); o.took > time.Hour {
				t.Errorf("it took %v", o.took)
			}
		})
	}
}
