package transform

import (
	"math"
	"sync/atomic"
	"time"

	"github.com/batchmill/batchmill/workers"
)

// Progress tells how far a job is that is planned or running. The zero value is ready; it may be
// read at any time, from any goroutine.
type Progress struct {
	started atomic.Pointer[time.Time]
	run     atomic.Pointer[run]
	listed  atomic.Int64 // objects of input found
	total   atomic.Int64 // bytes of input; 0 until all objects are found
	bytes   atomic.Int64 // of them read, or passed over
	skipped atomic.Int64 // of them passed over: settled by an earlier run
	records atomic.Int64 // settled
	rejects atomic.Int64
	retries atomic.Int64
	resumed atomic.Int64 // records answered from the log
}

// A Snapshot is Progress at one moment. Its JSON form is a contract.
type Snapshot struct {
	Time             time.Time `json:"time"`
	Records          int64     `json:"records"`     // settled: answered or rejected
	Bytes            int64     `json:"bytes"`       // of input read
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
}

// planned is told when the plan is made.
func (p *Progress) planned(plan *Plan) {
	p.listed.Store(int64(plan.count()))
	p.total.Store(plan.objects.bytes)
}

func (p *Progress) begin(r *run) {
	now := time.Now()
	p.planned(r.plan)
	p.run.Store(r)
	p.started.Store(&now)
}

// Hosts tells what each host of the job has done so far; nil before it runs.
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

// Snapshot reads the counters. Time left is judged by the bytes read in this run.
func (p *Progress) Snapshot() Snapshot {
	s := Snapshot{
		Time: time.Now().UTC(), Listed: p.listed.Load(), Records: p.records.Load(), Bytes: p.bytes.Load(), TotalBytes: p.total.Load(),
		Retries: p.retries.Load(), Rejects: p.rejects.Load(), Resumed: p.resumed.Load(), ETASeconds: -1,
	}
	if r := p.run.Load(); r != nil {
		s.InFlight = r.pool.InFlight()
		s.HostsUp, s.Hosts = r.pool.Up()
	}
	if seconds := p.elapsed().Seconds(); seconds > 0 {
		read := float64(s.Bytes - p.skipped.Load())
		s.RecordsPerSecond, s.BytesPerSecond = float64(s.Records)/seconds, read/seconds
		if read > 0 {
			s.ETASeconds = max(0, float64(s.TotalBytes-s.Bytes)/s.BytesPerSecond)
		}
	}
	return s
}
