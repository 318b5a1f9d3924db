package transform

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/batchmill/batchmill/transform/manifest"
	"github.com/batchmill/batchmill/workers"
)

// Version is the program's version, as manifests name it.
const Version = "0.1.0"

// A Result is a job that ran to its end.
type Result struct {
	Manifest *manifest.Manifest
	Latency  workers.Percentiles
	Slowest  Stage
	// AlreadyDone: an earlier run had settled every object; nothing was asked.
	AlreadyDone bool
	// Storage is the first failure of a store that cost an object, or nil.
	Storage error
}

// Stage is a part of a job that can hold it back.
type Stage string

// The stages that a summary names.
const (
	Reading Stage = "reading"
	Hosts   Stage = "the hosts"
	Writing Stage = "writing"
)

// clock adds up where the job's time went, in nanoseconds.
type clock struct {
	reading atomic.Int64 // the cutter read and cut
	waiting atomic.Int64 // the cutter waited for those behind it
	writing atomic.Int64 // the assembler wrote
}

// slowest is the stage that kept the others waiting: a cutter that never waits
// is the slowest itself, else it waits for the writer or, mostly, for hosts.
func (c *clock) slowest() Stage {
	reading, waiting, writing := c.reading.Load(), c.waiting.Load(), c.writing.Load()
	switch {
	case reading >= waiting && reading >= writing:
		return Reading
	case writing > waiting/2 && writing > reading:
		return Writing
	}
	return Hosts
}

// results collects what became of each object.
type results struct {
	mu      sync.Mutex
	objects []manifest.Object // by index; Status is empty while unsettled
	errs    []error
}

func (r *results) put(o *object, m manifest.Object) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.objects[o.index] = m
}

func (r *results) fail(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.errs = append(r.errs, err)
}

// storage is the first failure that a store is to blame for.
func (r *results) storage() error {
	for _, err := range r.errs {
		if ClassOf(err) == Storage {
			return err
		}
	}
	return nil
}

// manifest is the record of the job. An object that does not add up is a
// fault of ours, and is never passed over.
func (r *run) manifest() (*manifest.Manifest, error) {
	config, err := r.plan.Spec.record()
	if err != nil {
		return nil, err
	}
	m := &manifest.Manifest{
		Tool: "batchmill " + Version, JobID: r.state.job.ID,
		Started: r.state.job.Started, Finished: time.Now().UTC(),
		Config: config, Identity: json.RawMessage(`"` + r.plan.digest() + `"`),
	}
	for _, o := range r.results.objects {
		if o.OnBad == r.plan.Spec.OnBad {
			o.OnBad = "" // only another policy than the job's is worth a word
		}
		if o.Status != "" { // else --limit ended before it
			m.Objects = append(m.Objects, o)
		}
	}
	m.Totals.Resumed = r.progress.resumed.Load()
	m.Totals.Seconds = r.progress.elapsed().Seconds()
	for _, h := range r.pool.Stats() {
		m.Hosts = append(m.Hosts, manifest.Host{URL: h.Name, Requests: h.Requests, Records: h.Records,
			P50: milliseconds(h.P50), P99: milliseconds(h.P99), Retries: h.Retries, Ejections: h.Ejections})
	}
	m.Sum()
	for _, err := range r.results.errs {
		var f *Failure
		if errors.As(err, &f) && f.Class == Internal {
			return nil, err
		}
	}
	if err := m.Check(); err != nil {
		return nil, &Failure{Class: Internal, Err: err, Hint: "this is a fault of batchmill; please report it"}
	}
	return m, nil
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// record is the spec as the manifest keeps it: the flags' names with
// underscores. Values of --host-header are names of variables and files, not
// what is in them; the query of a host's URL may hold a key, and is left out.
func (s *Spec) record() (json.RawMessage, error) {
	c := *s
	c.Hosts = slices.Clone(s.Hosts)
	for i, h := range c.Hosts {
		if at := strings.IndexByte(h, '?'); at >= 0 {
			c.Hosts[i] = h[:at] + "?[redacted]"
		}
	}
	text, err := json.Marshal(&c)
	if err != nil {
		return nil, err
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(text, &fields); err != nil {
		return nil, err
	}
	out := make(map[string]json.RawMessage, len(fields))
	for name, v := range fields {
		b := []byte(name)
		for i := range b {
			if b[i] == '-' {
				b[i] = '_'
			}
		}
		out[string(b)] = v
	}
	return json.Marshal(out)
}

// alreadyDone returns the manifest of an earlier run that settled every object
// for good.
func (st *state) alreadyDone(ctx context.Context) (*manifest.Manifest, error) {
	m, err := readManifest(ctx, st.plan.Output)
	if m == nil || err != nil {
		return nil, err
	}
	if !st.plan.made(m) || st.plan.Spec.Overwrite || st.plan.Spec.Restart {
		return nil, nil
	}
	if !st.tells(m) {
		return nil, nil
	}
	if allPublished(m) {
		if _, err := st.plan.Output.Stat(ctx, successName); err != nil {
			if errors.Is(err, fs.ErrNotExist) {
				err = nil // it died between the manifest and the mark
			}
			return nil, err
		}
		if m.Totals.Rejected == 0 {
			return m, st.remove(ctx)
		}
	}
	return m, nil
}

// tells tells whether m is what the log says: a run that died after it had
// published something leaves the manifest of the run before.
func (st *state) tells(m *manifest.Manifest) bool {
	if len(st.settled) < len(m.Objects) {
		return false
	}
	for i := range m.Objects {
		was, ok := st.settled[i]
		now := &m.Objects[i]
		if !ok || now.Status != was.Status || now.Counts != was.Counts || (now.Output == nil) != (was.Output == nil) ||
			now.Output != nil && *now.Output != *was.Output {
			return false
		}
	}
	return true
}

// remove takes away the working state of a job that needs it no more.
func (st *state) remove(ctx context.Context) error {
	if st.log != nil {
		err := st.log.out.Close()
		st.log = nil
		if err != nil {
			return err
		}
	}
	return st.keeper.Remove(ctx, workDir)
}
