package hosttest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/batchmill/batchmill/transform"
	"github.com/batchmill/batchmill/transform/job"
	"github.com/batchmill/batchmill/transform/manifest"
	"github.com/batchmill/batchmill/transform/plan"
	"github.com/batchmill/batchmill/transform/store"
	"github.com/batchmill/batchmill/workers"
)

// The job of every row: records of one length, in batches of one count, so that no length and
// no count tells one response from another.
var objects = []struct {
	name    string
	records int
}{{"a.csv", 60}, {"b.csv", 70}, {"c.csv", 70}}

const (
	firstID = 1000
	patient = time.Minute // no request that is answered takes as long
	hasty   = time.Second // --timeout where a host hangs
	bound   = 2 * time.Minute
)

// A run is one job against one host.
type run struct {
	spec  job.Spec
	input *store.Memory
	out   *store.Memory
}

func newRun(t *testing.T, r *row) *run {
	t.Helper()
	j := &run{input: store.NewMemory(), out: store.NewMemory()}
	j.spec = job.Spec{
		Input: []string{"mem:in"}, Output: "mem:out", InputFormat: "csv", Header: "no", Join: "input", OnBad: "placeholder",
		BatchRecords: 10, Concurrency: 8, Attempts: 2, HostWait: job.Duration(2 * time.Second), ReadyTimeout: job.Duration(2 * time.Second),
		MaxRejects: &job.Allowance{Percent: 100, IsShare: true},
	}
	if r.want.whole && !slices.Contains(r.want.classes, job.BadInput) { // no busy machine may end such a job
		j.spec.HostWait, j.spec.ReadyTimeout = job.Duration(patient), job.Duration(patient)
	}
	if r.spec != nil {
		r.spec(&j.spec)
	}
	id := firstID
	for _, o := range objects {
		text := ""
		for range o.records {
			text += record(id) + "\n"
			id++
		}
		if err := j.input.Put(o.name, []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	return j
}

func record(id int) string { return fmt.Sprintf("%d,some text", id) }

// do runs the job as the command line does.
func (j *run) do(ctx context.Context, h workers.Host) (*transform.Result, error) {
	spec := j.spec
	if err := spec.Validate(); err != nil {
		return nil, err
	}
	p, err := plan.New(ctx, spec, []plan.Source{{Store: j.input}}, j.out, nil)
	if err != nil {
		return nil, err
	}
	defer p.Close()
	return transform.Run(ctx, p, workers.Fleet{Hosts: []workers.Host{h}}, nil)
}

// An end is how a job ended.
type end struct {
	err     error
	class   job.Class
	wrong   []string // lines of outputs that hold an answer to another record
	missing []string // outputs that are not there, or not whole
	rejects []int    // ids
	mark    bool     // _SUCCESS or the manifest is there
}

// look reads every line of what a job left.
func (j *run) look(r *row, err error) end {
	e := end{err: err}
	if err != nil {
		e.class = transform.ClassOf(err)
	}
	seen := j.out.Snapshot()
	_, marked := seen[plan.SuccessName]
	_, listed := seen[plan.ManifestName]
	e.mark = marked || listed
	id := firstID
	for _, o := range objects {
		rejects := rejectsOf(seen[plan.RejectsDir+"/"+o.name+".jsonl"])
		text, ok := seen[o.name]
		lines := strings.Split(string(text), "\n")
		if !ok || len(lines) != o.records+1 {
			e.missing = append(e.missing, o.name)
		}
		for i := range o.records {
			want := record(id) + "," + answerTo(id, r.equal)
			if slices.Contains(rejects, i+1) {
				e.rejects = append(e.rejects, id)
				want = record(id) + ","
			}
			if ok && i < len(lines)-1 && lines[i] != want {
				e.wrong = append(e.wrong, fmt.Sprintf("%s: %q, want %q", o.name, lines[i], want))
			}
			id++
		}
	}
	return e
}

// rejectsOf are the record numbers in a rejects file.
func rejectsOf(text []byte) (numbers []int) {
	for line := range strings.Lines(string(text)) {
		rej, err := manifest.DecodeReject([]byte(line))
		if err != nil {
			panic(err)
		}
		numbers = append(numbers, int(rej.Record))
	}
	return numbers
}

// String is the end in a few words, as the table shows it.
func (e end) String() string {
	switch {
	case e.err != nil && len(e.wrong) > 0:
		return fmt.Sprintf("refused: %s, %d wrong lines are visible, without a manifest", classNames[e.class], len(e.wrong))
	case e.err != nil:
		return "refused: " + classNames[e.class]
	case len(e.wrong) > 0:
		return fmt.Sprintf("WRONG: %d lines", len(e.wrong))
	case len(e.missing) > 0:
		return "MISSING: " + strings.Join(e.missing, " ")
	case len(e.rejects) > 0:
		return fmt.Sprintf("whole, rejects of %v", e.rejects)
	}
	return "whole"
}

var classNames = map[job.Class]string{
	job.Internal: "Internal", job.Usage: "Usage", job.BadInput: "BadInput", job.NoHosts: "NoHosts", job.Storage: "Storage",
	job.Superseded: "Superseded", job.Interrupted: "Interrupted",
}

// check holds an end against what its row allows.
func (e end) check(r *row) error {
	switch {
	case r.want.hole:
		return nil
	case e.err == nil && len(e.wrong) > 0:
		return fmt.Errorf("a wrong answer in a job that ended well: %s", e.wrong[0])
	case e.err == nil && len(e.missing) > 0:
		return fmt.Errorf("not whole: %s", e.missing)
	case e.err == nil && !r.want.whole:
		return errors.New("the job ended well")
	case e.err == nil && !slices.Equal(e.rejects, r.want.rejects):
		return fmt.Errorf("rejects of %v, want %v", e.rejects, r.want.rejects)
	case e.err == nil:
		return nil
	case e.mark:
		return fmt.Errorf("a manifest of a job that was refused: %w", e.err)
	case len(e.wrong) > 0 && !r.want.seen:
		return fmt.Errorf("a wrong answer is visible: %s: %w", e.wrong[0], e.err)
	case !slices.Contains(r.want.classes, e.class):
		return fmt.Errorf("refused as %s, want %v: %w", classNames[e.class], r.want, e.err)
	case r.want.says != "" && !strings.Contains(e.err.Error()+" "+transform.HintOf(e.err), r.want.says):
		return fmt.Errorf("the refusal does not say %q: %w", r.want.says, e.err)
	}
	return nil
}
