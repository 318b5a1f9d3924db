package transform

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"iter"
	"math"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/batchmill/batchmill/transform/manifest"
	"github.com/batchmill/batchmill/transform/store"
	"github.com/batchmill/batchmill/workers"
	"github.com/batchmill/batchmill/workers/process"
)

// Version is the program's version, as manifests name it.
const Version = "0.1.0"

// A Result is a job that ran to its end.
type Result struct {
	Manifest   *manifest.Manifest // without its objects, of which there may be millions
	Objects    manifest.Ends      // how many there are
	InputBytes int64              // of them, as stored
	// Unpublished are the first MaxUnpublished objects that are held or failed.
	Unpublished []manifest.Object
	Latency     workers.Percentiles
	Slowest     Stage
	// AlreadyDone: an earlier run had settled every object; nothing was asked.
	AlreadyDone bool
	// Storage is the first failure of a store that cost an object, or nil.
	Storage error
}

// MaxUnpublished is how many objects a Result names that are not published.
const MaxUnpublished = 20

// add counts an object of the manifest.
func (r *Result) add(o *manifest.Object) {
	r.Objects.Add(o.Status)
	r.InputBytes += o.Input.Size
	if o.Status != manifest.Published && len(r.Unpublished) < MaxUnpublished {
		r.Unpublished = append(r.Unpublished, *o)
	}
}

// allPublished tells whether every object is published.
func (r *Result) allPublished() bool { return r.Objects.Published == r.Objects.All() }

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

// results collects what became of each object in this run.
type results struct {
	fates    *fates
	mu       sync.Mutex
	internal error // the first fault of ours that cost an object
	storage  error // the first failure of a store that did
}

// put notes the end of o, which stands in the manifest from now on.
func (r *results) put(o *object, m *manifest.Object) error {
	r.fates.final[o.index] = true
	return r.fates.put(o.index, m)
}

// fail notes why an object failed.
func (r *results) fail(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var f *Failure
	if r.internal == nil && errors.As(err, &f) && f.Class == Internal {
		r.internal = err
	}
	if r.storage == nil && ClassOf(err) == Storage {
		r.storage = err
	}
}

// writeManifest writes the record of the job, in the order of its objects. An
// object that does not add up is a fault of ours, and is never passed over:
// then there is no manifest.
func (r *run) writeManifest(ctx context.Context) (*Result, error) {
	if r.results.internal != nil {
		return nil, r.results.internal
	}
	m, err := r.manifestHead()
	if err != nil {
		return nil, err
	}
	o, err := r.plan.Output.Create(ctx, manifestName, store.Replace)
	if err != nil {
		return nil, err
	}
	defer func() { _ = o.Abort() }() // after Commit it does nothing
	w, err := manifest.NewWriter(o, m)
	if err != nil {
		return nil, err
	}
	var check manifest.Checker
	result := &Result{Manifest: m, Latency: r.pool.Latency(), Slowest: r.clock.slowest(), Storage: r.results.storage}
	for e, err := range r.ends() {
		if err != nil {
			return nil, err
		}
		result.add(e)
		check.Object(e)
		if err := w.Object(e); err != nil {
			return nil, err
		}
	}
	sums := check.Totals()
	sums.Resumed, sums.Seconds = m.Totals.Resumed, m.Totals.Seconds
	m.Totals = sums
	if err := check.Check(m); err != nil {
		return nil, &Failure{Class: Internal, Err: err, Hint: "this is a fault of batchmill; please report it"}
	}
	if err := w.Close(m.Totals, m.Hosts); err != nil {
		return nil, err
	}
	if err := r.state.log.seal(); err != nil { // a run that was superseded concludes nothing
		return nil, err
	}
	return result, o.Commit(ctx)
}

// manifestHead is the manifest but for the objects and the sums over them.
func (r *run) manifestHead() (*manifest.Manifest, error) {
	config, err := r.plan.Spec.record()
	if err != nil {
		return nil, err
	}
	digest, err := r.plan.digest()
	if err != nil {
		return nil, err
	}
	m := &manifest.Manifest{
		Version: manifest.Version, Tool: "batchmill " + Version, JobID: r.state.job.ID,
		Started: r.state.job.Started, Finished: time.Now().UTC(),
		Config: config, Identity: json.RawMessage(`"` + digest + `"`), Image: r.plan.image,
	}
	m.Totals.Resumed = r.progress.resumed.Load()
	m.Totals.Seconds = r.progress.elapsed().Seconds()
	if size, found := r.sizer.now(); found {
		m.Settled = &manifest.Settled{BatchRecords: size}
	}
	for _, h := range r.pool.Stats() {
		m.Hosts = append(m.Hosts, r.hostEntry(&h))
	}
	return m, nil
}

// hostEntry is a host as the manifest has it.
func (r *run) hostEntry(h *workers.HostStats) manifest.Host {
	e := manifest.Host{URL: h.Name, Requests: h.Requests, Records: h.Records, P50: milliseconds(h.P50), P99: milliseconds(h.P99),
		Retries: h.Retries, Ejections: h.Ejections, Hedges: h.Hedges, Limit: h.Limit}
	if seconds := r.progress.elapsed().Seconds(); seconds > 0 {
		e.Rate = math.Round(10*float64(h.Records)/seconds) / 10
	}
	for _, c := range h.Limits {
		e.Limits = append(e.Limits, manifest.Limit{Seconds: r.progress.since(c.At), Limit: c.Limit})
	}
	return e
}

// ends yields what became of the job's objects; those behind a --limit are not among them.
func (r *run) ends() iter.Seq2[*manifest.Object, error] {
	return func(yield func(*manifest.Object, error) bool) {
		f := r.state.fates
		for o, err := range r.plan.all() {
			var e *manifest.Object
			if err == nil {
				if !f.final[o.index] {
					continue
				}
				if e, err = f.of(o); err == nil && e.OnBad == r.plan.Spec.OnBad {
					e.OnBad = "" // only another policy than the job's is worth a word
				}
			}
			if !yield(e, err) || err != nil {
				return
			}
		}
	}
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// record is the spec as the manifest keeps it: the flags' names with
// underscores. Values of --host-header are names of variables and files, not
// what is in them; the query of a host's URL, the arguments of a command and the
// value of a variable may be secret, and are left out.
func (s *Spec) record() (json.RawMessage, error) {
	c := *s
	c.Hosts = slices.Clone(s.Hosts)
	for i, h := range c.Hosts {
		if at := strings.IndexByte(h, '?'); at >= 0 {
			c.Hosts[i] = h[:at] + "?[redacted]"
		}
	}
	c.Env = slices.Clone(s.Env)
	for i, e := range c.Env {
		if name, _, ok := strings.Cut(e, "="); ok {
			c.Env[i] = name + "=[redacted]"
		}
	}
	if c.Command != "" {
		c.Command = process.Program(s.Command) + " [redacted]"
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

// errDiffers ends the reading of a manifest that the log does not agree with.
var errDiffers = errors.New("the log says otherwise")

// alreadyDone returns the result of an earlier run that settled every object
// for good.
func (st *state) alreadyDone(ctx context.Context) (*Result, error) {
	if st.plan.Spec.Overwrite || st.plan.Spec.Restart {
		return nil, nil
	}
	r, i := &Result{AlreadyDone: true}, 0
	m, err := readManifest(ctx, st.plan.Output, func(o *manifest.Object) error {
		r.add(o)
		i++
		return st.agrees(i-1, o)
	})
	if errors.Is(err, errDiffers) {
		return nil, nil
	}
	if m == nil || err != nil {
		return nil, err
	}
	if made, err := st.plan.made(m); !made || err != nil {
		return nil, err
	}
	r.Manifest = m
	if r.allPublished() {
		if _, err := st.plan.Output.Stat(ctx, successName); err != nil {
			if errors.Is(err, fs.ErrNotExist) {
				err = nil // it died between the manifest and the mark
			}
			return nil, err
		}
		if m.Totals.Rejected == 0 {
			return r, st.remove(ctx)
		}
	}
	return r, nil
}

// agrees tells, by errDiffers, whether what a manifest says of its object i is
// not what the log says: a run that died after it had published something
// leaves the manifest of the run before.
func (st *state) agrees(i int, now *manifest.Object) error {
	if i >= st.plan.count() || !st.fates.has(i, settledMark) {
		return errDiffers
	}
	_, was, err := st.fate(i)
	switch {
	case err != nil:
		return err
	case now.Status != was.Status || now.Counts != was.Counts || (now.Output == nil) != (was.Output == nil):
		return errDiffers
	case now.Output != nil && (now.Output.Size != was.Output.Size || now.Output.SHA256 != was.Output.SHA256):
		return errDiffers
	}
	return nil
}

// remove takes away the working state of a job that needs it no more. Where no
// lock keeps others out the log is emptied first: of this and a run that takes the
// log over only one succeeds, so a log that is another's by now stays.
func (st *state) remove(ctx context.Context) error {
	if st.unlock == nil && st.log == nil && st.seen > 0 {
		out, err := st.keeper.Append(ctx, logName, st.seen)
		if err != nil {
			return err
		}
		st.log = newLogWriter(out, st.seen)
	}
	if st.log != nil {
		out := st.log.out
		st.log = nil
		var err error
		if st.unlock == nil {
			err = out.Truncate(0)
		}
		if err = errors.Join(err, out.Close()); err != nil {
			return err
		}
	}
	return st.keeper.Remove(ctx, workDir)
}
