package ledger

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/batchmill/batchmill/transform/manifest"
	"github.com/batchmill/batchmill/transform/plan"
	"github.com/batchmill/batchmill/transform/store"
)

// JobState says in a word how far a job is. The words are a contract.
type JobState string

// The states of an output's job.
const (
	JobNone       JobState = "none"       // no job is known there
	JobRunning    JobState = "running"    // a run is at work
	JobUnfinished JobState = "unfinished" // a run ended before the job did
	JobFinished   JobState = "finished"   // the manifest tells all that became of it
)

// Status is what an output tells about its job. Its JSON form is a contract:
// more keys may come, these stay.
type Status struct {
	State    JobState     `json:"state"`
	Output   string       `json:"output"`
	JobID    string       `json:"job_id,omitempty"`
	Started  time.Time    `json:"started,omitzero"`
	Finished time.Time    `json:"finished,omitzero"` // only of a finished job
	Logged   time.Time    `json:"logged,omitzero"`   // when the log grew last; zero without a log
	Objects  ObjectCounts `json:"objects"`
	// Answered and Rejected count records that are durable in the log: a running
	// job may be about a second further.
	Answered int64 `json:"records_answered"`
	Rejected int64 `json:"records_rejected"`
	// Retryable counts the records of Rejected that hosts rejected, so that
	// retry-rejects would retry them.
	Retryable int64 `json:"records_retryable"`
	// Limit is how many records of the job a run with --limit was to reach; 0 for all.
	Limit    int64 `json:"limit,omitempty"`
	Manifest bool  `json:"manifest"` // there is a manifest
	Success  bool  `json:"success"`  // there is a _SUCCESS
	// Settled: every object is published, held or failed. A job that is unfinished
	// nevertheless lacks only its manifest or its mark: a run died before it could write them, or a retry of
	// rejects after it had taken them down.
	Settled bool `json:"-"`
	// Next says what to do, most useful first; each step is a sentence without a full stop.
	Next []string `json:"next"`
}

// ObjectCounts are numbers of input objects. Total is the sum of Published,
// Held, Failed, Begun and Untouched.
type ObjectCounts struct {
	Total     int64 `json:"total"`
	Published int64 `json:"published"`
	Held      int64 `json:"held"`
	Failed    int64 `json:"failed"`    // as the last manifest has it: the next run retries them
	Begun     int64 `json:"begun"`     // some of their records are answered
	Untouched int64 `json:"untouched"` // none of their records is known
	// Rebuilt are settled objects whose outputs a run began to replace.
	Rebuilt int64 `json:"rebuilt"`
}

// ReadStatus tells how far the job in an output is. Nothing is locked or written,
// and the job may be running. An output without a job is
// no error: its State is JobNone. What other runs change during ReadStatus is read again.
// A damaged log is an error, or with beforeDamage the status is that before the first damage.
func ReadStatus(ctx context.Context, out store.Store, beforeDamage bool) (*Status, error) {
	for try := 1; ; try++ {
		s, err := readStatus(ctx, out, beforeDamage)
		changing := errors.Is(err, store.ErrGrown) || errors.Is(err, store.ErrChanged) || errors.Is(err, fs.ErrNotExist)
		if err == nil || try == statusReads || !changing {
			return s, err
		}
	}
}

// statusReads is how often a status is read at most while a run ends, or begins the log
// anew: no run has a reason to begin a log anew more than once in that time.
const statusReads = 3

func readStatus(ctx context.Context, out store.Store, beforeDamage bool) (*Status, error) {
	locker, locks := out.(store.Locker)
	running := false
	var err error
	if locks { // asked first: what a running job changes meanwhile can only be news
		if running, err = locker.Locked(ctx, LockName); err != nil {
			return nil, err
		}
	}
	logged, err := readCounts(ctx, out, beforeDamage)
	if err != nil {
		return nil, err
	}
	if !locks {
		running = logged.growing()
	}
	var ends manifest.Ends
	older := false // the manifest is that of an earlier run
	m, _, err := ReadManifest(ctx, out, func(o *manifest.Object) error {
		older = older || logged.differs(int(ends.All()), o)
		ends.Add(o.Status)
		return nil
	})
	if err != nil {
		return nil, err
	}
	limit := logged.job.Limit
	if m != nil && logged.job.ID == "" {
		limit = m.Limit
	}
	s := &Status{Limit: limit, Output: out.URI(""), JobID: logged.job.ID, Started: logged.job.Started, Logged: logged.grown, Manifest: m != nil}
	if s.Success, err = exists(ctx, out, plan.SuccessName); err != nil {
		return nil, err
	}
	final := m != nil && !(older && logged.job.ID == m.JobID) && logged.endsWith(m, ends)
	s.count(logged, m, ends, final)
	s.decide(logged, m, final && (s.Success || m.Limit > 0 || ends.Published < ends.All() || m.Totals.Unanswered()), running)
	s.Next = s.next(logged)
	return s, nil
}

func exists(ctx context.Context, s store.Store, name string) (bool, error) {
	_, err := s.Stat(ctx, name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// count fills in the numbers: the log's, and where the manifest is the last
// word (final) the manifest's.
func (s *Status) count(logged *counts, m *manifest.Manifest, ends manifest.Ends, final bool) {
	for i := range logged.objects {
		s.add(&logged.objects[i])
	}
	s.Objects.Total = int64(len(logged.objects))
	switch {
	case m == nil || !final && logged.job.ID != m.JobID:
		return
	case final:
		total := ends.All()
		if m.Limit > 0 { // objects behind the limit are not in the manifest
			total = max(total, s.Objects.Total)
		}
		s.Objects = ObjectCounts{Total: total, Published: ends.Published, Held: ends.Held}
		s.Answered, s.Rejected = m.Totals.Answered, m.Totals.Rejected
		s.JobID, s.Started = m.JobID, m.Started
	}
	c := &s.Objects
	c.Failed = ends.Failed
	// The log does not tell a failed object from an object that is begun or untouched.
	left := max(0, c.Total-c.Published-c.Held-c.Failed)
	c.Begun = min(c.Begun, left)
	c.Untouched = left - c.Begun
}

func (s *Status) add(o *objectCounts) {
	s.Answered += o.answered
	s.Rejected += o.rejected
	s.Retryable += max(0, o.retryable)
	switch {
	case o.settled && o.held:
		s.Objects.Held++
	case o.settled:
		s.Objects.Published++
	case o.answered+o.rejected > 0:
		s.Objects.Begun++
	default:
		s.Objects.Untouched++
	}
	if o.settled && o.reopened {
		s.Objects.Rebuilt++
	}
}

// decide finds the state, once the numbers are known. Whole is a manifest that
// is the last word, with the mark that belongs to the manifest.
func (s *Status) decide(logged *counts, m *manifest.Manifest, whole, running bool) {
	o := &s.Objects
	s.Settled = o.Total > 0 && o.Published+o.Held+o.Failed == o.Total
	switch {
	case whole && (!running || logged.job.ID == ""):
		s.State, s.Finished = JobFinished, m.Finished
	case running:
		s.State = JobRunning
	case m == nil && logged.job.ID == "":
		s.State = JobNone
	default:
		s.State = JobUnfinished
	}
}

// next is what to do, by state.
func (s *Status) next(logged *counts) []string {
	switch s.State {
	case JobNone:
		return []string{"begin a job there with batchmill run"}
	case JobRunning:
		return []string{"wait for it; stopped with SIGINT or SIGTERM it keeps what was answered"}
	case JobUnfinished:
		if s.Objects.Rebuilt > 0 && s.Manifest {
			return []string{"run the command that was replacing outputs again: it continues where it stopped"}
		}
		return []string{"run the same command again: it continues where it stopped"}
	}
	var next []string
	if s.Objects.Failed > 0 {
		next = append(next, "run the same command again: only the failed objects are retried")
	}
	if s.Retryable > 0 {
		next = append(next, fmt.Sprintf("batchmill retry-rejects asks the hosts again about %d of the rejects", s.Retryable))
	}
	if s.Objects.Held > 0 && logged.job.ID != "" {
		next = append(next, "run the same command with --on-bad skip or --on-bad placeholder: it publishes the held objects from the log")
	}
	if s.Limit > 0 && logged.job.ID != "" {
		next = append(next, "run the same command with a larger --limit, or without, to go on to more records")
	}
	return append(next, "batchmill verify compares the outputs with the manifest")
}
