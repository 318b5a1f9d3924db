package transform

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/batchmill/batchmill/transform/manifest"
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
	// Answered and Rejected count records that are durable in the log: a job
	// that is running may be about a second further.
	Answered int64 `json:"records_answered"`
	Rejected int64 `json:"records_rejected"`
	// Retryable counts those of Rejected that hosts rejected, so that
	// retry-rejects would ask about them again.
	Retryable int64 `json:"records_retryable"`
	Manifest  bool  `json:"manifest"` // there is one
	Success   bool  `json:"success"`  // there is a _SUCCESS
	// Next says what to do, most useful first; each is a sentence without a full stop.
	Next []string `json:"next"`
}

// ObjectCounts are numbers of input objects. Total is the sum of Published,
// Held, Failed, Begun and Untouched.
type ObjectCounts struct {
	Total     int64 `json:"total"`
	Published int64 `json:"published"`
	Held      int64 `json:"held"`
	Failed    int64 `json:"failed"`    // as the last manifest has it: the next run tries them again
	Begun     int64 `json:"begun"`     // some of their records are answered
	Untouched int64 `json:"untouched"` // none of their records is known
	// Rebuilt are settled ones whose outputs a run began to replace.
	Rebuilt int64 `json:"rebuilt"`
}

// ReadStatus tells how far the job in an output is. It locks and writes
// nothing, and may be called while the job runs. An output without a job is
// no error: its State is JobNone. What other runs change while it is read is read again.
func ReadStatus(ctx context.Context, out store.Store) (*Status, error) {
	for try := 1; ; try++ {
		s, err := readStatus(ctx, out)
		if err == nil || try == statusReads || !changing(err) {
			return s, err
		}
	}
}

// statusReads is how often a status is read at most. Nobody has a reason to
// begin a log anew more than once while it is read.
const statusReads = 3

// changing tells whether err may come from a run that ended, or began the log
// anew, while the status was read.
func changing(err error) bool {
	return errors.Is(err, store.ErrGrown) || errors.Is(err, store.ErrChanged) || errors.Is(err, fs.ErrNotExist)
}

func readStatus(ctx context.Context, out store.Store) (*Status, error) {
	// Asked first: what a running job changes meanwhile can only be news.
	running, known, err := lockHeld(ctx, out)
	if err != nil {
		return nil, err
	}
	t, err := readTally(ctx, out)
	if err != nil {
		return nil, err
	}
	if !known {
		running = t.growing()
	}
	var ends manifest.Ends
	m, err := readManifest(ctx, out, func(o *manifest.Object) error {
		ends.Add(o.Status)
		return nil
	})
	if err != nil {
		return nil, &Failure{Class: BadInput, Err: err, Hint: "restore the manifest, or redo everything with --restart --overwrite"}
	}
	s := &Status{Output: out.URI(""), JobID: t.job.ID, Started: t.job.Started, Logged: t.grown, Manifest: m != nil}
	if s.Success, err = exists(ctx, out, successName); err != nil {
		return nil, err
	}
	final := m != nil && t.endsWith(m, ends)
	s.count(t, m, ends, final)
	s.judge(t, m, final && (s.Success || ends.Published < ends.All()), running)
	s.Next = s.next(t)
	return s, nil
}

// lockHeld tells whether a run is at work, where the store can.
func lockHeld(ctx context.Context, out store.Store) (held, known bool, err error) {
	probe, ok := out.(store.Locker)
	if !ok {
		return false, false, nil
	}
	held, err = probe.Locked(ctx, lockName)
	return held, true, err
}

func exists(ctx context.Context, s store.Store, name string) (bool, error) {
	_, err := s.Stat(ctx, name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// count fills in the numbers: the log's, and where the manifest is the last
// word (final) its own.
func (s *Status) count(t *tally, m *manifest.Manifest, ends manifest.Ends, final bool) {
	for o := range t.objects.all() {
		s.add(o)
	}
	s.Objects.Total = int64(t.objects.count)
	switch {
	case m == nil || !final && t.job.ID != m.JobID:
		return
	case final:
		s.Objects = ObjectCounts{Total: ends.All(), Published: ends.Published, Held: ends.Held}
		s.Answered, s.Rejected = m.Totals.Answered, m.Totals.Rejected
		s.JobID, s.Started = m.JobID, m.Started
	}
	c := &s.Objects
	c.Failed = ends.Failed
	// The log does not tell a failed object from one that is begun or untouched.
	left := max(0, c.Total-c.Published-c.Held-c.Failed)
	c.Begun = min(c.Begun, left)
	c.Untouched = left - c.Begun
}

func (s *Status) add(o *objectTally) {
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

// judge finds the state, once the numbers are known. Whole is a manifest that
// is the last word, with the mark that belongs to it.
func (s *Status) judge(t *tally, m *manifest.Manifest, whole, running bool) {
	switch {
	case whole && (!running || t.job.ID == ""):
		s.State, s.Finished = JobFinished, m.Finished
	case running:
		s.State = JobRunning
	case m == nil && t.job.ID == "":
		s.State = JobNone
	default:
		s.State = JobUnfinished
	}
}

// next is what to do, by state.
func (s *Status) next(t *tally) []string {
	switch s.State {
	case JobNone:
		return []string{"begin a job there with batchmill run"}
	case JobRunning:
		return []string{"wait for it; stopped with SIGINT or SIGTERM it keeps what was answered"}
	case JobUnfinished:
		if s.Objects.Rebuilt > 0 && s.Manifest {
			return []string{"run the command that was replacing outputs again: it goes on where it ended"}
		}
		return []string{"run the same command again: it goes on where it ended"}
	}
	var next []string
	if s.Objects.Failed > 0 {
		next = append(next, "run the same command again: only the failed objects are tried anew")
	}
	if s.Retryable > 0 {
		next = append(next, fmt.Sprintf("batchmill retry-rejects asks the hosts again about %d of the rejects", s.Retryable))
	}
	if s.Objects.Held > 0 && t.job.ID != "" {
		next = append(next, "run the same command with --on-bad skip or --on-bad placeholder: it publishes the held objects from the log")
	}
	return append(next, "batchmill verify compares the outputs with the manifest")
}
