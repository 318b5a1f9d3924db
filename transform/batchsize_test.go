package transform

import (
	"math"
	"testing"
	"time"

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
				spec: all(auto, func(sp *Spec) { sp.TargetLatency = Duration(c.target) }), extra: 4}
			job.also = func(t *testing.T, o *outcome) {
				cost := func(n int) float64 { return (c.base.Seconds() + float64(n)*c.each.Seconds()) / float64(n) }
				most := min(int((c.target-c.base)/c.each), c.records)
				if got, best := cost(o.size), cost(most); got > c.within*best {
					t.Errorf("settled on %d records, each costs %.3g s; the best are %d at %.3g s", o.size, got, most, best)
				}
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
		spec: all(auto, func(sp *Spec) { sp.BatchBytes = 20000 })})
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
		spec   func(*Spec)
		params workers.Parameters
		want   int
	}{
		"--batch-records": {spec: func(sp *Spec) { sp.BatchRecords = 17 }, want: 17},
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
	if n := (&Spec{Answers: "per-batch"}).batchRecords(); n != DefaultBatchRecords {
		t.Errorf("responses that are written whole have batches of %d, which show in the output", n)
	}
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

// TestBatchSizeShrinks: after the probe a size is only ever halved, by answers that time out.
func TestBatchSizeShrinks(t *testing.T) {
	pool := workers.NewPool(workers.Fleet{}, workers.Limits{})
	sz := newSizer(time.Second, 0, pool)
	sz.fix(100)
	sz.given = false // as one that was found
	for range 10 {
		sz.answered(nil, nil, 10, time.Second)
	}
	for i, want := range []int{100, 100, 50, 50, 50, 25} {
		sz.failed(nil, nil, workers.Broken, true)
		if size, found := sz.now(); size != want || !found {
			t.Errorf("after %d timeouts the size is %d, want %d", i+1, size, want)
		}
	}
	sz.failed(nil, nil, workers.Broken, false)
	sz.failed(nil, nil, workers.Failed, false)
	for range 100 {
		sz.answered(nil, nil, 10, time.Second)
	}
	for range 19 {
		sz.failed(nil, nil, workers.Broken, true)
	}
	if size, _ := sz.now(); size != 25 {
		t.Errorf("19 timeouts beside 100 answers made it %d", size)
	}
	sz.pressed(10) // smaller ones than those that are cut now
	sz.pressed(25)
	if size, _ := sz.now(); size != 12 {
		t.Errorf("too few batches in memory made it %d, want 12", size)
	}
	for range 100 {
		sz.pressed(math.MaxInt32)
	}
	if size, _ := sz.now(); size != 1 {
		t.Errorf("the least size is %d", size)
	}
}

// TestGivenSizeStays: what the user or a host said does not shrink, and the manifest
// does not say that it did.
func TestGivenSizeStays(t *testing.T) {
	s := newSizer(time.Second, 100, nil)
	for range 10 {
		s.failed(nil, nil, workers.Broken, true)
		s.pressed(100)
	}
	if size, _ := s.now(); size != 100 {
		t.Errorf("a size of 100 that was given became %d", size)
	}
}
