// Package manifest is the record of a job: what was read, what was written, and
// the counts that prove that nothing was lost. The package holds the manifest's shape
// ([Manifest]), the arithmetic that a manifest must obey ([Checker]), the comparison with
// what is really there ([Verifier]), and the shape of a line in a rejects file
// ([Reject]). docs/manifest.md describes both for readers.
//
// A job may have millions of objects. So a manifest is written and read object
// by object ([Writer], [Read]), and checked and compared that way too.
package manifest

import (
	"encoding/json"
	"time"
)

// Version is the version of the shape, the number under "version". Version grows
// when a reader of the old shape would be misled; a new key alone is no reason.
const Version = 1

// Status is an object's state at the end of a job.
type Status string

// The states of an object. A manifest has no other states.
const (
	Published Status = "published" // its output is visible
	Held      Status = "held"      // scored to the end, but held back by the policy "fail"
	Failed    Status = "failed"    // could not be finished; Object.Error says why
)

// Ends counts objects by what became of them.
type Ends struct{ Published, Held, Failed int64 }

// Add counts one object. An unknown status is not counted.
func (e *Ends) Add(s Status) {
	switch s {
	case Published:
		e.Published++
	case Held:
		e.Held++
	case Failed:
		e.Failed++
	}
}

// All is the number of objects.
func (e Ends) All() int64 { return e.Published + e.Held + e.Failed }

// A Manifest is the record of one job. Where objects are written or read one by
// one, Objects stays nil.
type Manifest struct {
	Version  int       `json:"version"` // 0 is written as the constant Version
	Tool     string    `json:"tool"`    // "batchmill x.y.z"
	JobID    string    `json:"job_id"`
	Started  time.Time `json:"started"`
	Finished time.Time `json:"finished"`
	// Config is the job's configuration under the names of the flags with "_"
	// for "-", secrets redacted: a JSON object. Check reads on_bad and answers.
	Config json.RawMessage `json:"config"`
	// Identity is what binds the job across runs, in the engine's own shape.
	Identity json.RawMessage `json:"identity,omitempty"`
	Image    *Image          `json:"image,omitempty"` // nil where no hosts were started from an image
	Settled  *Settled        `json:"settled,omitempty"`
	Limit    int64           `json:"limit,omitempty"`   // records of the job that were asked for; 0 for all
	Skipped  []Skipped       `json:"skipped,omitempty"` // files at the inputs that were not read
	Header   *Header         `json:"header,omitempty"`  // nil for formats without headers
	Objects  []Object        `json:"objects"`
	Totals   Totals          `json:"totals"`
	Hosts    []Host          `json:"hosts"`
}

// Header tells whether the objects of CSV begin with a header.
type Header struct {
	Present bool   `json:"present"`
	Why     string `json:"why,omitempty"` // what showed that; empty where the job was told
}

// Image is what the job's hosts were started from.
type Image struct {
	Name   string `json:"name"`   // as the job named it
	Digest string `json:"digest"` // sha256:..., of its content and configuration
}

// Settled is what a run found for its hosts by itself, or was told.
type Settled struct {
	BatchRecords int `json:"batch_records"` // records of a batch at most, at the end of the run
}

// An Object is what became of one input object.
type Object struct {
	Input  Input   `json:"input"`
	Output *Output `json:"output"` // nil unless published
	Status Status  `json:"status"`
	Error  string  `json:"error"` // why it failed or is held; else empty
	Counts
	Rejects *Rejects `json:"rejects"` // nil without rejects
	Reasons Reasons  `json:"reasons,omitempty"`
	// OnBad is the policy under which the object was published, where that differs
	// from the policy in Config: the object stems from an earlier run.
	OnBad string `json:"on_bad,omitempty"`
	// Cut: the job's limit ended within the object or at its end, and the object may hold more records.
	Cut      bool  `json:"cut,omitempty"`
	Requests int64 `json:"requests"`
	Retries  int64 `json:"retries"`
}

// Counts are numbers of records. For a failed object the counts tell how far the run came.
type Counts struct {
	In       int64 `json:"records_in"`
	Out      int64 `json:"records_out"`
	Answered int64 `json:"records_answered"`
	Rejected int64 `json:"records_rejected"`
	Blank    int64 `json:"blank_lines"` // of text, which are no records
	// SkippedLines are comments, and lines before the header, which are no records either.
	SkippedLines int64 `json:"skipped_lines"`
}

// Input is an input object as it was read, pinned by ETag, or by size and
// modification time where the store has no ETags.
type Input struct {
	URI   string    `json:"uri"`
	Size  int64     `json:"size"` // bytes, as stored
	ETag  string    `json:"etag,omitempty"`
	MTime time.Time `json:"mtime,omitzero"`
}

// Output is a published output.
type Output struct {
	URI    string `json:"uri"`
	Size   int64  `json:"size"`   // bytes, as stored
	SHA256 string `json:"sha256"` // of the bytes as stored, lower-case hex
}

// Rejects is a file with one JSON line for each reject of an object.
type Rejects struct {
	URI    string `json:"uri"`
	SHA256 string `json:"sha256"` // lower-case hex
}

// Totals are sums over all objects, and what only the job as a whole knows.
type Totals struct {
	Counts
	Requests int64   `json:"requests"`
	Retries  int64   `json:"retries"`
	Resumed  int64   `json:"records_resumed"` // answered by an earlier run's log
	Seconds  float64 `json:"seconds"`         // of this run, by the clock on the wall
	Reasons  Reasons `json:"reasons,omitempty"`
}

// Unanswered tells of a job that had records and got not one answer: nothing of it is
// worth going on with, whatever its policy let out.
func (t *Totals) Unanswered() bool { return t.In > 0 && t.Answered == 0 }

// Host is what one host did in this run.
type Host struct {
	URL       string  `json:"url"` // without secrets
	Requests  int64   `json:"requests"`
	Records   int64   `json:"records"`
	P50       float64 `json:"p50_ms"` // milliseconds from request to whole answer
	P99       float64 `json:"p99_ms"`
	Retries   int64   `json:"retries"`
	Ejections int64   `json:"ejections"`
	Hedges    int64   `json:"hedges"`             // requests that repeated a request which another host was slow with
	Rate      float64 `json:"records_per_second"` // over the whole run
	Limit     int     `json:"limit"`              // requests in flight at once, at the end
	Limits    []Limit `json:"limits,omitempty"`   // how the limit changed; at most 64 changes
	// Failures count the requests without a good answer, the most frequent cause first.
	Failures []HostFailure `json:"failures,omitempty"`
	// Dropped says why the host was not used any more; empty otherwise.
	Dropped string `json:"dropped,omitempty"`
}

// HostFailure is a cause for which requests to a host got no good answer.
type HostFailure struct {
	Cause  string `json:"cause"`
	Count  int64  `json:"count"`
	Sample string `json:"sample"` // of the first: its status, or what happened to the connection
}

// Limit is how many requests a host got at once from a moment of the run on.
type Limit struct {
	Seconds float64 `json:"seconds"` // since the run began
	Limit   int     `json:"limit"`
}

// Add adds the numbers of more.
func (c *Counts) Add(more Counts) {
	c.In += more.In
	c.Out += more.Out
	c.Answered += more.Answered
	c.Rejected += more.Rejected
	c.Blank += more.Blank
	c.SkippedLines += more.SkippedLines
}

func (t *Totals) add(o *Object) {
	t.Counts.Add(o.Counts)
	t.Requests += o.Requests
	t.Retries += o.Retries
	t.Reasons.merge(o.Reasons)
}
