package transform

import (
	"math"
	"sync/atomic"
	"time"

	"github.com/batchmill/batchmill/workers"
)

// Progress tells how far a planned or running job is. The zero value is ready; a Progress may be
// read at any time, from any goroutine.
type Progress struct {
	started atomic.Pointer[time.Time]
	run     atomic.Pointer[run]
	listed  atomic.Int64              // objects of input found
	total   atomic.Int64              // bytes of input; 0 until all objects are found
	asked   atomic.Pointer[time.Time] // when the first request of the run had a host
	bytes   atomic.Int64              // of input whose records are settled, or passed over
	skipped atomic.Int64              // bytes of input that cost no request: settled or answered in an earlier run
	records atomic.Int64              // settled
	rejects atomic.Int64              // records
	retries atomic.Int64              // requests
	resumed atomic.Int64              // records answered from the log
}

// A Snapshot is Progress at one moment. Its JSON form is a contract.
type Snapshot struct {
	Time             time.Time `json:"time"`
	Records          int64     `json:"records"`     // settled: answered or rejected
	Bytes            int64     `json:"bytes"`       // of input whose records are settled
	TotalBytes       int64     `json:"total_bytes"` // 0 until all objects are found
	RecordsPerSecond float64   `json:"records_per_second"`
	BytesPerSecond   float64   `json:"bytes_per_second"`
	InFlight         int       `json:"in_flight"`
	Retries          int64     `json:"retries"`
	Rejects          int64     `json:"rejects"`
	Resumed          int64     `json:"resumed"` // of the records, answered from the log
	HostsUp          int       `json:"hosts_up"`
	Hosts            int       `json:"hosts"`
	Listed           int64     `json:"listed"`      // objects of input found
	ETASeconds       float64   `json:"eta_seconds"` // -1 while unknown
	// Standstill is who is waited for while every ready host rests; nil otherwise.
	Standstill *workers.Standstill `json:"standstill,omitempty"`
	// Waiting is what is waited for while no host is ready; nil otherwise.
	Waiting *workers.Waiting `json:"waiting,omitempty"`
}

// Found takes how many objects were found, and how many bytes the objects have together:
// 0 until all are found. Found may be called on a nil Progress.
func (p *Progress) Found(objects, bytes int64) {
	if p != nil {
		p.listed.Store(objects)
		p.total.Store(bytes)
	}
}

// begin notes that a run of the plan begins.
func (p *Progress) begin(r *run) {
	now := time.Now()
	p.Found(int64(r.plan.Count()), r.plan.Bytes())
	p.run.Store(r)
	p.started.Store(&now)
}

// Inside is what a running job holds and has done, for looking into an engine at work.
type Inside struct {
	Window, WindowPeak, WindowBudget int64 // bytes that batches hold now, at most so far, and may hold
	Places                           int   // batches and ends of objects in the window
	Batches                          int64 // batches that were cut so far, and ends of objects
	InFlight                         int   // requests at hosts
	Hedgeable                        int   // requests that may still get a twin
	BatchRecords                     int   // records that a batch may have now
}

// Inside looks into the job; all is zero before the job runs.
func (p *Progress) Inside() (in Inside) {
	r := p.run.Load()
	if r == nil {
		return in
	}
	in.InFlight, in.Hedgeable = r.pool.InFlight(), r.flights.count()
	in.BatchRecords, _ = r.sizer.Now()
	w := r.window
	w.mu.Lock()
	defer w.mu.Unlock()
	in.Window, in.WindowPeak, in.WindowBudget, in.Places, in.Batches = w.used, w.peak, w.budget, w.places, w.entered
	return in
}

// Hosts tells what each host of the job has done so far; nil before the job runs.
func (p *Progress) Hosts() []workers.HostStats {
	if r := p.run.Load(); r != nil {
		return r.pool.Stats()
	}
	return nil
}

// elapsed is how long the job has been running.
func (p *Progress) elapsed() time.Duration {
	if began := p.started.Load(); began != nil {
		return time.Since(*began)
	}
	return 0
}

// since is how many seconds after the job's beginning t was, to a tenth.
func (p *Progress) since(t time.Time) float64 {
	began := p.started.Load()
	if began == nil {
		return 0
	}
	return math.Round(10*max(0, t.Sub(*began).Seconds())) / 10
}

// settle counts bytes of input whose records are settled; if free, they cost this run no request.
func (p *Progress) settle(bytes int64, free bool) {
	p.bytes.Add(bytes)
	if free {
		p.skipped.Add(bytes)
	}
}

// asks notes that a request has a host, which may have taken long to be ready.
func (p *Progress) asks() {
	if p.asked.Load() == nil {
		now := time.Now()
		p.asked.CompareAndSwap(nil, &now)
	}
}

// Snapshot reads the counters. Time left is judged by the bytes of input that were settled in
// this run, and by the time since its first request.
func (p *Progress) Snapshot() Snapshot {
	s := Snapshot{
		Time: time.Now().UTC(), Listed: p.listed.Load(), Records: p.records.Load(), Bytes: p.bytes.Load(), TotalBytes: p.total.Load(),
		Retries: p.retries.Load(), Rejects: p.rejects.Load(), Resumed: p.resumed.Load(), ETASeconds: -1,
	}
	if r := p.run.Load(); r != nil {
		s.InFlight = r.pool.InFlight()
		s.HostsUp, s.Hosts = r.pool.Up()
		s.Standstill, s.Waiting = r.pool.Standstill(), r.pool.Waiting()
	}
	if seconds := p.elapsed().Seconds(); seconds > 0 {
		read := float64(s.Bytes - p.skipped.Load())
		s.RecordsPerSecond, s.BytesPerSecond = float64(s.Records)/seconds, read/seconds
		if asked := p.asked.Load(); read > 0 && asked != nil {
			s.ETASeconds = max(0, float64(s.TotalBytes-s.Bytes)*time.Since(*asked).Seconds()/read)
		}
	}
	return s
}
