// Package manifest is the record of a job: what was read, what was written, and
// the counts that prove that nothing was lost. It holds the manifest's shape
// ([Manifest]), the arithmetic it must obey ([Manifest.Check]), the comparison
// with what is really there ([Manifest.Verify]), and the shape of a line in a
// rejects file ([Reject]). docs/manifest.md describes both for readers.
package manifest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"
)

// Version is the version of the shape, the number under "version". It grows
// when a reader of the old shape would be misled; a new key alone is no reason.
const Version = 1

// maxSize bounds what Decode reads, in bytes: about two million objects.
const maxSize = 2<<30 - 2

// Status is an object's state at the end of a job.
type Status string

// The states of an object. There is no other one in a manifest.
const (
	Published Status = "published" // its output is visible
	Held      Status = "held"      // scored to the end, but held back by the policy "fail"
	Failed    Status = "failed"    // could not be finished; Object.Error says why
)

// A Manifest is the record of one job. Fill Objects, call Sum, then Check.
type Manifest struct {
	Version  int       `json:"version"` // Encode writes Version where it is 0
	Tool     string    `json:"tool"`    // "batchmill x.y.z"
	JobID    string    `json:"job_id"`
	Started  time.Time `json:"started"`
	Finished time.Time `json:"finished"`
	// Config is the job's configuration under the names of the flags with "_"
	// for "-", secrets redacted: a JSON object. Check reads on_bad and answers.
	Config json.RawMessage `json:"config"`
	// Identity is what binds the job across runs, in the engine's own shape.
	Identity json.RawMessage `json:"identity,omitempty"`
	Objects  []Object        `json:"objects"`
	Totals   Totals          `json:"totals"`
	Hosts    []Host          `json:"hosts"`
}

// An Object is what became of one input object.
type Object struct {
	Input  Input   `json:"input"`
	Output *Output `json:"output"` // nil unless published
	Status Status  `json:"status"`
	Error  string  `json:"error"` // why it failed or is held; else empty
	Counts
	Rejects *Rejects `json:"rejects"` // nil without rejects
	// OnBad is the policy under which the object was published, where it is
	// not the one in Config: the object stems from an earlier run.
	OnBad    string `json:"on_bad,omitempty"`
	Requests int64  `json:"requests"`
	Retries  int64  `json:"retries"`
}

// Counts are numbers of records. For a failed object they tell how far it came.
type Counts struct {
	In       int64 `json:"records_in"`
	Out      int64 `json:"records_out"`
	Answered int64 `json:"records_answered"`
	Rejected int64 `json:"records_rejected"`
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
}

// Host is what one host did in this run.
type Host struct {
	URL       string  `json:"url"` // without secrets
	Requests  int64   `json:"requests"`
	Records   int64   `json:"records"`
	P50       float64 `json:"p50_ms"` // milliseconds from request to whole answer
	P99       float64 `json:"p99_ms"`
	Retries   int64   `json:"retries"`
	Ejections int64   `json:"ejections"`
}

// Sum sets the totals that are sums over the objects, and leaves the others.
func (m *Manifest) Sum() {
	t := Totals{Resumed: m.Totals.Resumed, Seconds: m.Totals.Seconds}
	for i := range m.Objects {
		t.add(&m.Objects[i])
	}
	m.Totals = t
}

func (t *Totals) add(o *Object) {
	t.In += o.In
	t.Out += o.Out
	t.Answered += o.Answered
	t.Rejected += o.Rejected
	t.Requests += o.Requests
	t.Retries += o.Retries
}

// Encode renders the manifest: indented, keys in the order of the types, a
// newline at the end. The same manifest gives the same bytes. The error is about
// Config or Identity not being JSON, or a number that JSON does not have.
func (m *Manifest) Encode() ([]byte, error) {
	c := *m
	if c.Version == 0 {
		c.Version = Version
	}
	if c.Objects == nil {
		c.Objects = []Object{}
	}
	if c.Hosts == nil {
		c.Hosts = []Host{}
	}
	if len(c.Config) == 0 {
		c.Config = json.RawMessage("{}")
	}
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(&c); err != nil {
		return nil, fmt.Errorf("manifest: %w", err)
	}
	return buf.Bytes(), nil
}

// A VersionError is a manifest whose shape this program does not know.
type VersionError struct{ Got int }

func (e *VersionError) Error() string {
	return fmt.Sprintf("manifest: version %d, this batchmill reads version %d; use the batchmill that wrote it (see \"tool\")", e.Got, Version)
}

// Decode reads a manifest. It ignores keys that it does not know. The error is a
// *VersionError for another version, and says where for what is no manifest.
func Decode(r io.Reader) (*Manifest, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxSize+1))
	if err != nil {
		return nil, fmt.Errorf("manifest: %w", err)
	}
	if len(data) > maxSize {
		return nil, fmt.Errorf("manifest: larger than %d bytes", int64(maxSize))
	}
	// The version first: another one may have other types under the same keys.
	var v struct{ Version *int }
	if err := json.Unmarshal(data, &v); err != nil {
		return nil, syntaxError(err)
	}
	if v.Version == nil {
		return nil, errors.New("manifest: no version: this is not a manifest of batchmill")
	}
	if *v.Version != Version {
		return nil, &VersionError{Got: *v.Version}
	}
	m := new(Manifest)
	if err := json.Unmarshal(data, m); err != nil {
		return nil, syntaxError(err)
	}
	return m, nil
}

// syntaxError says at which byte err happened, where encoding/json knows it.
func syntaxError(err error) error {
	var s *json.SyntaxError
	var u *json.UnmarshalTypeError
	switch {
	case errors.As(err, &s):
		return fmt.Errorf("manifest: byte %d: %w; the file is cut or damaged", s.Offset, err)
	case errors.As(err, &u):
		return fmt.Errorf("manifest: byte %d: %w", u.Offset, err)
	}
	return fmt.Errorf("manifest: %w", err)
}
