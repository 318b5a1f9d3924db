package jobtest

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/batchmill/batchmill/formats/compress"
	"github.com/batchmill/batchmill/transform"
	"github.com/batchmill/batchmill/transform/job"
	"github.com/batchmill/batchmill/transform/manifest"
	"github.com/batchmill/batchmill/transform/plan"
	"github.com/batchmill/batchmill/transform/store"
	"github.com/batchmill/batchmill/transform/store/storetest"
	"github.com/batchmill/batchmill/workers"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestSimulation runs whole jobs on the memory store against fake hosts, in
// virtual time, and checks promises 1 to 4, 6 and 7 after each. A failure
// names its seed: -sim.from SEED -sim.seeds 1 runs it again.
func TestSimulation(t *testing.T) {
	n, from := seeds()
	t.Attr("seeds", strconv.Itoa(n))
	for i := range n {
		seed := from + uint64(i)
		synctest.Test(t, func(t *testing.T) {
			if err := simulate(t.Context(), seed); err != nil {
				t.Errorf("seed %d: %v", seed, err)
			}
		})
		forgetCompressors()
		if t.Failed() {
			return
		}
	}
}

// simulate runs one random job, now and then after a run that was cut short.
func simulate(ctx context.Context, seed uint64) error {
	w := newWorld(seed)
	if w.pools() {
		pooled.Store(true)
	}
	w.makeHosts()
	if inBucket(seed) {
		return w.simulateBucket(ctx, seed)
	}
	if w.wide == nil && w.tab == nil && seed%2 == 0 {
		return w.simulateSlips(ctx, seed)
	}
	if err := w.limitedRuns(ctx); err != nil {
		return err
	}
	for w.rnd.IntN(3) == 0 {
		if err := w.cancelledRun(ctx); err != nil {
			return err
		}
	}
	for w.rnd.IntN(2) == 0 {
		if err := w.crashedRun(ctx); err != nil {
			return err
		}
	}
	w.change()
	res, r, err := w.run(ctx, w.output)
	if err != nil {
		return fmt.Errorf("%+v: %w", w.spec, err)
	}
	if err := w.check(res, r); err != nil || w.tab == nil {
		return err
	}
	return w.sameBytes(ctx)
}

func (w *world) makeHosts() {
	faults := pick(w.rnd, 0, 0, 0.02, 0.3)
	poison := pick(w.rnd, 400, 500, 422)
	for i := range w.rnd.IntN(3) + 1 {
		w.hosts = append(w.hosts, &fakeHost{
			name: fmt.Sprintf("host%d", i), latency: pick(w.rnd, 0, time.Millisecond, time.Second), faults: faults,
			limit: pick(w.rnd, 0, 0, 500), poison: poison, down: w.outage(),
			rnd: rand.New(rand.NewPCG(w.rnd.Uint64(), 2)), alone: map[int]int{}, asked: map[int]int{},
		})
		if w.wide != nil {
			w.hosts[i].look = w.checkPayload
		}
		if w.wide != nil && w.wide.perBatch {
			w.hosts[i].keep, w.hosts[i].bare = w.wide.answers, w.rnd.IntN(2) == 0
		}
		if w.tab != nil {
			w.teach(w.hosts[i])
		}
	}
}

// outage is a time in which a host cannot be reached, or nil.
func (w *world) outage() func(time.Time) bool {
	if w.rnd.IntN(4) > 0 {
		return nil
	}
	from := time.Now().Add(time.Duration(w.rnd.IntN(10)) * time.Second)
	until := from.Add(time.Duration(w.rnd.IntN(120)) * time.Second)
	return func(now time.Time) bool { return now.After(from) && now.Before(until) }
}

// change changes what may change between runs.
func (w *world) change() {
	if w.rnd.IntN(3) > 0 {
		return
	}
	if batch := pick(w.rnd, 0, 1, 10, 50); w.spec.Answers != "per-batch" { // whose responses depend on it
		w.spec.BatchRecords = job.Auto(batch)
	}
	w.spec.Concurrency = job.Auto(pick(w.rnd, 0, 3, 5))
	w.spec.Memory = pick(w.rnd, job.Bytes(job.MinMemory), 4<<20)
	for _, h := range w.hosts {
		h.mostInFlight = 0
	}
}

// crashedRun lets the machine die at a random operation of the output's store.
// What was not durable is gone; what is visible then must be whole.
func (w *world) crashedRun(ctx context.Context) error {
	var out store.Store = storetest.FailFrom(w.output, w.rnd.Int64N(120), errInjected)
	_, _, err := w.run(ctx, out)
	if err != nil && !errors.Is(err, errInjected) {
		return fmt.Errorf("crashed run: %w", err)
	}
	w.output.CrashTorn(pick(w.rnd, 0, 0, 1, 7, 30, 1000))
	return w.checkVisible(err == nil)
}

// run runs the job as the command line does.
func (w *world) run(ctx context.Context, out store.Store) (*transform.Result, *transform.Progress, error) {
	spec := w.spec
	if err := spec.Validate(); err != nil {
		return nil, nil, err
	}
	plan, err := plan.New(ctx, spec, []plan.Source{{Store: w.input}}, out, nil)
	if err != nil {
		return nil, nil, err
	}
	var hosts []workers.Host
	for _, h := range w.hosts {
		hosts = append(hosts, h)
	}
	progress := new(transform.Progress)
	defer plan.Close()
	res, err := transform.Run(ctx, plan, workers.Fleet{Hosts: hosts}, progress)
	res, err = whole(w.output, res, err)
	return res, progress, err
}

// cancelledRun ends a run at a random moment. Whatever is visible then must be whole.
func (w *world) cancelledRun(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Duration(w.rnd.IntN(5000))*time.Millisecond)
	defer cancel()
	_, _, err := w.run(ctx, w.output)
	if err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("cancelled run: %w", err)
	}
	return w.checkVisible(err == nil)
}

// checkVisible holds what an unfinished job shows against the oracle.
func (w *world) checkVisible(finished bool) error {
	seen := w.output.Snapshot()
	for i := range w.objects {
		o := &w.objects[i]
		got, ok := seen[w.outName(o)]
		if !ok {
			continue
		}
		rejected, err := w.rejectsOf(o)
		if err != nil {
			return err
		}
		if wrong := w.wrongVisible(o, got, rejected); wrong != "" {
			return fmt.Errorf("%s is visible before the job's end and not whole: %s", o.name, wrong)
		}
	}
	if _, ok := seen[plan.SuccessName]; ok && !finished && len(seen) < len(w.objects) {
		return errors.New("the mark of success stands on an unfinished job")
	}
	return nil
}

// wrong says how an output differs from what the oracle has; "" if it does not.
func (w *world) wrong(o *simObject, got []byte, rejected map[int64]bool) string {
	if w.tab != nil && w.tab.out == "parquet" {
		return w.wrongTable(o, got, rejected)
	}
	if want := w.expect(o, rejected); !bytes.Equal(got, want) {
		return difference(w.unpack(got), w.unpack(want))
	}
	return ""
}

func (w *world) outName(o *simObject) string {
	switch {
	case w.tab != nil:
		return w.tableName(o)
	case w.wide == nil:
		return o.name
	}
	name := strings.TrimSuffix(o.name, w.wide.packed.Ext())
	if w.wide.in != w.wide.out {
		name += map[string]string{"csv": ".csv", "jsonl": ".jsonl", "lines": ".txt"}[w.wide.out]
	}
	c, _ := compress.ByName(cmp.Or(w.spec.Compression, "none"))
	return name + c.Ext()
}

// check holds the finished job against the oracle.
func (w *world) check(res *transform.Result, p *transform.Progress) error {
	if len(res.Manifest.Objects) != len(w.objects) {
		return fmt.Errorf("%d objects in the manifest, not %d", len(res.Manifest.Objects), len(w.objects))
	}
	seen := w.output.Snapshot()
	held := false
	if w.tab != nil {
		if err := w.learn(); err != nil {
			return err
		}
	}
	for i := range w.objects {
		o := &w.objects[i]
		m := w.entry(res.Manifest, o)
		if err := w.checkObject(o, m, seen); err != nil {
			return fmt.Errorf("%s: %w", o.name, err)
		}
		held = held || m.Status != manifest.Published // checkObject knows which objects are
	}
	sums := res.Manifest.Totals
	if _, ok := seen[plan.SuccessName]; ok == (held || w.spec.Limit > 0 || sums.In > 0 && sums.Answered == 0) {
		return fmt.Errorf("mark of success: %v, held or failed objects: %v, %d of %d records answered", ok, held, sums.Answered, sums.In)
	}
	if int64(len(sums.Reasons)) > sums.Rejected || sums.Reasons.Sum() != sums.Rejected {
		return fmt.Errorf("reasons %+v of %d rejects", sums.Reasons, sums.Rejected)
	}
	for name := range seen {
		if strings.Contains(name, ".tmp") {
			return fmt.Errorf("left behind: %s", name)
		}
	}
	if res.AlreadyDone || p == nil {
		return nil
	}
	return w.checkBounds(p)
}

func (w *world) entry(m *manifest.Manifest, o *simObject) *manifest.Object {
	for i := range m.Objects {
		if strings.HasSuffix(m.Objects[i].Input.URI, o.name) { // it may stand in a bucket
			return &m.Objects[i]
		}
	}
	return &manifest.Object{}
}

// refused tells whether not one of two records or more of o can be sent.
func (o *simObject) refused() bool {
	sendable := 0
	for _, r := range o.records {
		if !r.flawed {
			sendable++
		}
	}
	return len(o.records) > 1 && sendable == 0
}

func (w *world) checkObject(o *simObject, m *manifest.Object, seen map[string][]byte) error {
	if o.refused() {
		if _, visible := seen[w.outName(o)]; m.Status != manifest.Failed || visible {
			return fmt.Errorf("%s, visible: %v, and not one record can be sent", m.Status, visible)
		}
		return nil
	}
	rejected, err := w.rejectsOf(o)
	if err != nil {
		return err
	}
	if m.In != int64(len(o.records)) || m.Rejected != int64(len(rejected)) || m.In != m.Answered+m.Rejected {
		return fmt.Errorf("%s (%s): counts %+v: %d records, %d rejects", m.Status, m.Error, m.Counts, len(o.records), len(rejected))
	}
	if err := w.checkRejects(o, rejected); err != nil {
		return err
	}
	got, ok := seen[w.outName(o)]
	if w.spec.OnBad == "fail" && len(rejected) > 0 {
		if ok || m.Status != manifest.Held || m.Out != 0 {
			return fmt.Errorf("should be held: %+v, visible: %v", m, ok)
		}
		return nil
	}
	if wrong := w.wrong(o, got, rejected); !ok || wrong != "" {
		return fmt.Errorf("output differs (visible: %v): %s", ok, wrong)
	}
	return nil
}

// checkRejects: what must be rejected is, and nothing else but what hosts refused
// alone at least twice, and what is not believed after a wrong count.
func (w *world) checkRejects(o *simObject, rejected map[int64]bool) error {
	for i, rec := range o.records {
		bad := rejected[int64(i+1)]
		if (rec.flawed || rec.poison) && !bad {
			return fmt.Errorf("record %d is bad and was not rejected", i+1)
		}
		if w.tab != nil && w.tab.misfit[rec.id] {
			if !bad {
				return fmt.Errorf("the answer to record %d does not fit, and it was not rejected", i+1)
			}
			continue
		}
		if bad && !rec.flawed && w.timesAlone(rec.id) < 2 && !w.tooLargeAlone(rec) && !w.doubted(o, i, rec) {
			return fmt.Errorf("record %d was rejected after failing alone %d times", i+1, w.timesAlone(rec.id))
		}
	}
	return nil
}

// doubted tells whether record i was rejected for an answer that is not believed,
// or for one and a failure, and may be so: a host had given another number of answers
// to a request that held the record.
func (w *world) doubted(o *simObject, i int, rec simRecord) bool {
	text := w.output.Snapshot()[plan.RejectsDir+"/"+o.name+".jsonl"]
	for line := range bytes.Lines(text) {
		rej, err := manifest.DecodeReject(line)
		if err != nil || rej.Record != int64(i+1) {
			continue
		}
		return (rej.Reason == "unproved" || w.timesAlone(rec.id) == 1) && slices.ContainsFunc(w.hosts, func(h *fakeHost) bool { return h.miscounted[rec.id] })
	}
	return false
}

func (w *world) timesAlone(id int) (n int) {
	for _, h := range w.hosts {
		n += h.alone[id]
	}
	return n
}

func (w *world) tooLargeAlone(rec simRecord) bool {
	for _, h := range w.hosts {
		if h.limit > 0 && len(rec.text)+10 > h.limit {
			return true
		}
	}
	return false
}

// rejectsOf reads an object's rejects file: record numbers, each once, ascending.
func (w *world) rejectsOf(o *simObject) (map[int64]bool, error) {
	rejected := map[int64]bool{}
	text, ok := w.output.Snapshot()[plan.RejectsDir+"/"+o.name+".jsonl"]
	if !ok {
		return rejected, nil
	}
	last := int64(0)
	for _, line := range strings.SplitAfter(string(text), "\n") {
		if line == "" {
			continue
		}
		rej, err := manifest.DecodeReject([]byte(line))
		if err != nil {
			return nil, err
		}
		if rej.Record <= last || rej.Record > int64(len(o.records)) {
			return nil, fmt.Errorf("reject of record %d stands behind %d", rej.Record, last)
		}
		if rec := o.records[rej.Record-1]; len(rec.text) < 64 && !strings.HasPrefix(string(rej.Data), rec.text) {
			return nil, fmt.Errorf("reject of record %d holds %q, not %q", rej.Record, rej.Data, rec.text)
		}
		if at := w.offsetOf(o, rej.Record); at != rej.Offset && at >= 0 {
			return nil, fmt.Errorf("reject of record %d at offset %d, not %d", rej.Record, rej.Offset, at)
		}
		last = rej.Record
		rejected[last] = true
	}
	return rejected, nil
}

// offsetOf is where a record begins, found by its text, which is unique. It is
// -1 in a Parquet file, where that depends on batches.
func (w *world) offsetOf(o *simObject, number int64) int64 {
	if w.tab != nil && w.tab.in == "parquet" {
		return -1
	}
	text := w.input.Snapshot()[o.name]
	if w.wide != nil {
		text = []byte(w.wide.texts[o.name])
	}
	at := 0
	for _, rec := range o.records[:number] {
		at += bytes.Index(text[at:], []byte(rec.text))
		if rec.id == o.records[number-1].id {
			break
		}
		at += len(rec.text)
	}
	return int64(at)
}

// checkBounds: memory stayed in its budget, and hosts were not given more than
// they were allowed.
func (w *world) checkBounds(p *transform.Progress) error {
	in := p.Inside()
	if w.spec.Memory > 0 && in.WindowPeak > in.WindowBudget+int64(w.spec.Memory)/2 {
		return fmt.Errorf("the window held %d bytes of %d", in.WindowPeak, in.WindowBudget)
	}
	if in.Window != 0 || in.Places != 0 {
		return fmt.Errorf("the window still holds %d bytes in %d places", in.Window, in.Places)
	}
	for _, h := range w.hosts {
		if w.spec.Concurrency > 0 && h.mostInFlight > int(w.spec.Concurrency) {
			return fmt.Errorf("%s had %d requests in flight, more than %d", h.name, h.mostInFlight, w.spec.Concurrency)
		}
	}
	return nil
}

func difference(got, want []byte) string {
	i := 0
	for i < len(got) && i < len(want) && got[i] == want[i] {
		i++
	}
	from := max(0, i-40)
	return fmt.Sprintf("at byte %d: %q, want %q", i, got[from:min(len(got), i+60)], want[from:min(len(want), i+60)])
}
