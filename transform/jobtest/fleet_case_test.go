package jobtest

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/batchmill/batchmill/transform"
	"github.com/batchmill/batchmill/transform/job"
	"github.com/batchmill/batchmill/transform/plan"
	"github.com/batchmill/batchmill/workers"
)

// A fleetCase is a job whose hosts play scripts, and what has to come of it.
type fleetCase struct {
	name  string
	why   string // the bounds are what they are
	hosts []*actor
	// sourced: the hosts are found by a name; kept: they were started for the job.
	sourced, kept bool

	objects, records int
	poison           []int
	spec             func(*job.Spec)

	ends  time.Duration // when the caller ends the job; 0 is never
	fails job.Class     // how the first run ends; 0 is well. The second one has hosts that serve.
	extra int           // requests beyond one a batch, at most
	// within is by what factor, and plus what, the job may take longer than the ideal of
	// its hosts while they serve; 0 is not asserted.
	within float64
	plus   time.Duration
	// also looks at more, in every run. What chance moves are figures to be judged.
	also func(t *testing.T, o *outcome)
}

// outcome is what one run came to.
type outcome struct {
	took, ideal time.Duration
	best        time.Duration // the ideal with batches of the best size
	batches     int
	extra       int
	hedges      int
	account     *account
	size        int // records of a batch at the end
	inside      transform.Inside
	pool        []workers.HostStats
	result      *transform.Result
	figures     []figure
}

// fixed, and auto, are how batches and concurrency are found.
func fixed(sp *job.Spec) { sp.BatchRecords, sp.Concurrency = 10, 2 }
func auto(sp *job.Spec)  { sp.BatchRecords, sp.Concurrency = 0, 0 }

// all does each.
func all(changes ...func(*job.Spec)) func(*job.Spec) {
	return func(sp *job.Spec) {
		for _, change := range changes {
			change(sp)
		}
	}
}

// little is the least memory: its window holds about a hundred batches.
func little(sp *job.Spec) { sp.Memory, sp.MaxRecord = job.MinMemory, 1<<16 }

func policy(onBad string) func(*job.Spec) { return func(sp *job.Spec) { sp.OnBad = onBad } }

// plays is a host with a script: without one it serves two requests of ten
// records at once, each in 200 ms.
func plays(script ...moment) *actor {
	return &actor{part: part{script: script}, places: 2, base: 100 * time.Millisecond, each: 10 * time.Millisecond,
		timeout: job.DefaultTimeout, bad: status(400, 0)}
}

// playing is n hosts that serve, and then those given.
func playing(n int, more ...*actor) (hosts []*actor) {
	for range n {
		hosts = append(hosts, plays())
	}
	return append(hosts, more...)
}

func (c *fleetCase) job() *world {
	w := smallJob(max(c.objects, 1), c.records, c.poison...)
	w.hosts = nil
	w.spec.BatchRecords, w.spec.Concurrency, w.spec.HostWait = 10, 2, job.Duration(10*time.Minute)
	if c.spec != nil {
		c.spec(&w.spec)
	}
	return w
}

// test runs the job, and again where a figure is beyond its tight bound.
func (c *fleetCase) test(t *testing.T) {
	t.Helper()
	heldByMedian(t, func() (figures []figure) {
		synctest.Test(t, func(t *testing.T) { figures = c.run(t) })
		return figures
	})
}

// run runs the job, and once more where that is to fail. It holds what must hold in every
// run, and returns the figures that chance moves.
func (c *fleetCase) run(t *testing.T) []figure {
	t.Helper()
	w := c.job()
	o, err := c.once(t, w)
	if got := transform.ClassOf(err); err != nil && got != c.fails || err == nil && c.fails != 0 {
		t.Fatalf("the run ended with %v (class %d), want class %d", err, got, c.fails)
	}
	if c.fails != 0 {
		c.nothingWhole(t, w)
		if most := time.Duration(w.spec.HostWait) + 2*time.Minute; o.took > most {
			t.Errorf("it failed after %v, want at most %v", o.took, most)
		}
		for _, h := range c.hosts {
			was := h.part
			defer func() { h.part = was }()
			h.part = part{}
		}
		if o, err = c.once(t, w); err != nil {
			t.Fatal("the second run:", err)
		}
	}
	c.check(t, w, o)
	return o.figures
}

// once runs the job.
func (c *fleetCase) once(t *testing.T, w *world) (*outcome, error) {
	t.Helper()
	spec := w.spec
	if err := spec.Validate(); err != nil {
		t.Fatal(err)
	}
	plan, err := plan.New(t.Context(), spec, []plan.Source{{Store: w.input}}, w.output, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer plan.Close()
	l := &account{bodies: map[string]string{}, times: map[string]int{}}
	progress, begin := new(transform.Progress), time.Now()
	fleet := c.fleet(l)
	ctx, cancel := context.WithTimeout(t.Context(), cmp.Or(c.ends, 24*time.Hour)) // what hangs ends then
	defer cancel()
	res, err := transform.Run(ctx, plan, fleet, progress)
	res, err = whole(w.output, res, err)
	o := &outcome{took: time.Since(begin), inside: progress.Inside(), result: res}
	o.pool, o.account = progress.Hosts(), l
	for _, h := range o.pool {
		o.hedges += int(h.Hedges)
	}
	o.batches = int(o.inside.Batches) - len(w.objects)
	o.extra = l.asked - o.batches
	o.size = o.inside.BatchRecords
	o.ideal = c.idealTime(len(w.objects)*c.records, min(o.size, c.records))
	o.best = o.ideal
	if c.searches() {
		o.best = c.idealTime(len(w.objects)*c.records, min(c.bestSize(time.Duration(spec.TargetLatency)), c.records))
	}
	c.checkEnd(t, o, err)
	return o, err
}

func (c *fleetCase) fleet(l *account) (f workers.Fleet) {
	for i, h := range c.hosts {
		h.name = fmt.Sprint("host", i)
		h.begin(l)
		switch {
		case c.sourced:
		case c.kept:
			f.Hosts = append(f.Hosts, kept{h})
		default:
			f.Hosts = append(f.Hosts, h)
		}
	}
	if c.sourced {
		f.Sources = []workers.Source{&named{c.hosts}}
	}
	return f
}

// idealTime is when so many records would be answered by hosts that are kept
// busy whenever they serve.
func (c *fleetCase) idealTime(records, size int) time.Duration {
	const step = 20 * time.Millisecond
	left := float64(records)
	for at := time.Duration(0); at < 12*time.Hour; at += step {
		for _, h := range c.hosts {
			m, _ := h.moodAt(at)
			there := at >= h.joins && (h.leaves == 0 || at < h.leaves) && (h.gives == 0 || at < h.gives)
			if m.kind == serving && there {
				left -= float64(h.places*size) / h.cost(size).Seconds() / max(m.slow, 1) * step.Seconds()
			}
		}
		if left <= 0 {
			return at + step
		}
	}
	return math.MaxInt64
}

// checkEnd: whatever came of the job, nothing of it is left.
func (c *fleetCase) checkEnd(t *testing.T, o *outcome, err error) {
	t.Helper()
	if o.account.wrong != "" {
		t.Error(o.account.wrong)
	}
	if most := 10 + 0.2*float64(o.account.asked) + 3*o.took.Seconds(); float64(o.hedges) > most {
		t.Errorf("%d second hosts were asked in %v, of %d requests: more than the retry budget", o.hedges, o.took, o.account.asked)
	}
	if n := o.inside.InFlight + o.inside.Hedgeable; n != 0 {
		t.Errorf("%d requests are in flight after the job", n)
	}
	if in := o.inside; err == nil && (in.Window != 0 || in.Places != 0) {
		t.Errorf("the window still holds %d bytes in %d places", in.Window, in.Places)
	}
	for _, h := range c.hosts {
		if h.inFlight != 0 {
			t.Errorf("%s still has %d requests", h.name, h.inFlight)
		}
	}
}

// nothingWhole: a job that failed has no mark of success and no output that is not whole.
func (c *fleetCase) nothingWhole(t *testing.T, w *world) {
	t.Helper()
	seen := w.output.Snapshot()
	if _, ok := seen[plan.SuccessName]; ok {
		t.Error("the mark of success stands on a job that failed")
	}
	for i := range w.objects {
		if got, ok := seen[w.objects[i].name]; ok && !bytes.Equal(got, w.expect(&w.objects[i], c.rejected(w, i))) {
			t.Errorf("%s is visible and not whole", w.objects[i].name)
		}
	}
}

// rejected are the numbers of the records of object i that no host answers.
func (c *fleetCase) rejected(w *world, i int) map[int64]bool {
	bad := map[int64]bool{}
	for k, r := range w.objects[i].records {
		if slices.Contains(c.poison, r.id) {
			bad[int64(k+1)] = true
		}
	}
	return bad
}

// check holds a job that is done against the oracle, and takes its figures.
func (c *fleetCase) check(t *testing.T, w *world, o *outcome) {
	t.Helper()
	seen := w.output.Snapshot()
	for i := range w.objects {
		object := &w.objects[i]
		bad := c.rejected(w, i)
		got, ok := seen[object.name]
		if held := w.spec.OnBad == "fail" && len(bad) > 0; held {
			if ok {
				t.Errorf("%s is to be held, and is visible", object.name)
			}
			continue
		}
		if want := w.expect(object, bad); !ok || !bytes.Equal(got, want) {
			t.Errorf("%s (visible: %v): %s", object.name, ok, difference(got, want))
		}
		if rejected, err := w.rejectsOf(object); err != nil || fmt.Sprint(rejected) != fmt.Sprint(bad) {
			t.Errorf("%s: rejects of records %v, want %v, %v", object.name, rejected, bad, err)
		}
	}
	if n := o.result.Manifest.Totals.Counts; n.In != n.Answered+n.Rejected || n.In != int64(len(w.objects)*c.records) || n.Rejected != int64(len(c.poison)) {
		t.Errorf("%+v", n)
	}
	c.costs(t, o)
	if c.also != nil {
		c.also(t, o)
	}
}

// searchShare is what finding out takes of jobs as short as these: a minute or two,
// while an answer to the batches that are found takes a second. What it takes of
// longer ones is in auto_test.go.
const searchShare = 0.1

// searches tells whether the job finds batches and numbers of requests by itself.
func (c *fleetCase) searches() bool {
	s := job.Spec{BatchRecords: 1}
	if c.spec != nil {
		c.spec(&s)
	}
	return s.BatchRecords == 0
}

// bestSize is the largest batch whose answers take as long as a search allows.
func (c *fleetCase) bestSize(target time.Duration) int {
	best := math.MaxInt32
	for _, h := range c.hosts {
		if h.each > 0 {
			best = min(best, max(1, int((target*4/5-h.base)/h.each)))
		}
	}
	return best
}

// costs takes the requests and the time that a job took. No run may take many times as long
// as the best batches would, whatever batches the job settled on.
func (c *fleetCase) costs(t *testing.T, o *outcome) {
	t.Helper()
	t.Logf("%v, ideal %v (%.2f); %d batches, %d extra requests; batches of %d: %s", o.took.Round(time.Millisecond), o.ideal,
		float64(o.took)/float64(o.ideal), o.batches, o.extra, o.size, hostLine(o.pool))
	within, extra := c.within, c.extra
	if c.searches() {
		within, extra = within+searchShare, extra+extra/4
	}
	o.judged(t, figure{"requests beyond one a batch", float64(o.extra), float64(extra), c.why})
	if c.within == 0 {
		return
	}
	o.judged(t, figure{"seconds", o.took.Seconds(), o.ideal.Seconds()*within + c.plus.Seconds(), c.why})
	if most := outOfChance * (o.best.Seconds()*within + c.plus.Seconds()); o.took.Seconds() > most {
		t.Errorf("it took %v, and with the best batches no run may take more than %.1f s (%s)", o.took, most, c.why)
	}
}

func hostLine(stats []workers.HostStats) (text string) {
	for _, h := range stats {
		text += fmt.Sprintf(" %s %d requests, limit %d, %d retries, %d ejections, %d hedges;", h.Name, h.Requests, h.Limit, h.Retries, h.Ejections, h.Hedges)
	}
	return text
}
