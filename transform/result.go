package transform

import (
	"context"
	"errors"
	"io/fs"
	"math"
	"sync/atomic"
	"time"

	"github.com/batchmill/batchmill/transform/codec"
	"github.com/batchmill/batchmill/transform/job"
	"github.com/batchmill/batchmill/transform/ledger"
	"github.com/batchmill/batchmill/transform/manifest"
	"github.com/batchmill/batchmill/transform/plan"
	"github.com/batchmill/batchmill/transform/store"
	"github.com/batchmill/batchmill/workers"
)

// A Result is a job that ran to its end.
type Result struct {
	ledger.Summary
	Latency workers.Percentiles
	Slowest Stage
	// Encodings says how text was found to be stored, beside UTF-8.
	Encodings []string
	// AlreadyDone: an earlier run had settled every object; nothing was asked.
	AlreadyDone bool
	// Storage is the first failure of a store that cost an object, or nil.
	Storage error
}

// Stage is a part of a job that can hold the job back.
type Stage string

// The stages that a summary names.
const (
	Reading Stage = "reading"
	Hosts   Stage = "the hosts"
	Writing Stage = "writing"
)

// clock adds up where the job's time went, in nanoseconds. The assembler is the last stage: what it
// waits for is what holds the job back.
type clock struct {
	reading atomic.Int64 // the cutter read and cut
	cut     atomic.Int64 // the assembler waited for the next batch to be cut
	asked   atomic.Int64 // the assembler waited for a batch to be answered
	writing atomic.Int64 // the assembler logged and wrote
}

// slowest is the stage that the assembler spent most time on. A wait for the next batch is reading
// as far as the cutter read; beyond that, the cutter itself waited for hosts.
func (c *clock) slowest() Stage {
	cut, writing := c.cut.Load(), c.writing.Load()
	reading := min(c.reading.Load(), cut)
	switch hosts := c.asked.Load() + cut - reading; {
	case writing > hosts && writing > reading:
		return Writing
	case reading > hosts:
		return Reading
	}
	return Hosts
}

// spent adds the time since began.
func spent(on *atomic.Int64, began time.Time) { on.Add(int64(time.Since(began))) }

// manifestTries is how often a manifest is written at most. Only runs that are
// started at the same time need more than two tries.
const manifestTries = 5

// conclude writes the manifest, and only after it, when every object is
// published, the mark that schedulers wait for.
func (r *run) conclude(ctx context.Context) (*Result, error) {
	result, err := r.writeManifest(ctx)
	// An older run may have been about to write its manifest when this run took over.
	for try := 1; errors.Is(err, fs.ErrExist) && try < manifestTries; try++ {
		result, err = r.writeManifest(ctx)
	}
	if err != nil {
		return nil, err
	}
	return result, r.ledger.Finish(ctx, &result.Summary)
}

// writeManifest writes the record of the job, in the order of its objects. An
// object that does not add up is a fault of batchmill, and is never passed over:
// no manifest is written.
func (r *run) writeManifest(ctx context.Context) (*Result, error) {
	if r.failures.internal != nil {
		return nil, r.failures.internal
	}
	m, err := r.manifestHead()
	if err != nil {
		return nil, err
	}
	o, err := r.plan.Output.Create(ctx, plan.ManifestName, store.Replace)
	if err != nil {
		return nil, err
	}
	defer func() { _ = o.Abort() }() // after Commit it does nothing
	w, err := manifest.NewWriter(o, m)
	if err != nil {
		return nil, err
	}
	var check manifest.Checker
	result := &Result{Summary: ledger.Summary{Manifest: m}, Latency: r.pool.Latency(), Slowest: r.clock.slowest(), Storage: r.failures.storage,
		Encodings: r.codec.Found().Encodings}
	for e, err := range r.ledger.Outcomes() {
		if err != nil {
			return nil, err
		}
		result.Add(e)
		check.Object(e)
		if err := w.Object(e); err != nil {
			return nil, err
		}
	}
	sums := check.Totals()
	sums.Resumed, sums.Seconds = m.Totals.Resumed, m.Totals.Seconds
	m.Totals = sums
	if err := check.Check(m); err != nil {
		return nil, &job.Failure{Class: job.Internal, Err: err, Hint: "this is a fault of batchmill; please report it"}
	}
	if err := w.Close(m.Totals, m.Hosts); err != nil {
		return nil, err
	}
	if err := r.ledger.Seal(); err != nil { // a run that was superseded concludes nothing
		return nil, err
	}
	return result, o.Commit(ctx)
}

// manifestHead is the manifest but for the objects and the sums over them.
func (r *run) manifestHead() (*manifest.Manifest, error) {
	config, err := r.plan.Spec.Record()
	if err != nil {
		return nil, err
	}
	record, err := r.plan.Record()
	if err != nil {
		return nil, err
	}
	id, started := r.ledger.Job()
	m := &manifest.Manifest{
		Version: manifest.Version, Tool: "batchmill " + job.Version, JobID: id,
		Started: started, Finished: time.Now().UTC(),
		Config: config, Identity: record, Image: r.plan.Image(), Skipped: r.plan.Skipped, Header: headerOf(r.codec), Limit: r.plan.Spec.Limit,
	}
	m.Totals.Resumed = r.progress.resumed.Load()
	m.Totals.Seconds = r.progress.elapsed().Seconds()
	if size, found := r.sizer.Now(); found {
		m.Settled = &manifest.Settled{BatchRecords: size}
	}
	for _, h := range r.pool.Stats() {
		m.Hosts = append(m.Hosts, r.hostEntry(&h))
	}
	return m, nil
}

// headerOf tells whether the job's CSV has headers; nil for other formats.
func headerOf(c *codec.Codec) *manifest.Header {
	found := c.Found()
	if found.Header == "" {
		return nil
	}
	return &manifest.Header{Present: found.Header == "yes", Why: found.HeaderWhy}
}

// hostEntry is a host as the manifest has it.
func (r *run) hostEntry(h *workers.HostStats) manifest.Host {
	e := manifest.Host{URL: h.Name, Requests: h.Requests, Records: h.Records, P50: milliseconds(h.P50), P99: milliseconds(h.P99),
		Retries: h.Retries, Ejections: h.Ejections, Hedges: h.Hedges, Limit: h.Limit, Dropped: h.Dropped}
	if seconds := r.progress.elapsed().Seconds(); seconds > 0 {
		e.Rate = math.Round(10*float64(h.Records)/seconds) / 10
	}
	for _, f := range h.Failed() {
		e.Failures = append(e.Failures, manifest.HostFailure{Cause: f.Cause.String(), Count: f.Count, Sample: f.Sample})
	}
	for _, c := range h.Limits {
		e.Limits = append(e.Limits, manifest.Limit{Seconds: r.progress.since(c.At), Limit: c.Limit})
	}
	return e
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
