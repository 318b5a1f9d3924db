package ledger

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/batchmill/batchmill/transform/answerlog"
	"github.com/batchmill/batchmill/transform/job"
	"github.com/batchmill/batchmill/transform/manifest"
	"github.com/batchmill/batchmill/transform/plan"
)

// logVersion is raised when an older batchmill would misunderstand newer logs. Logs of all
// versions from 1 on are read; the groups of version 1 have no tag.
const logVersion = 2

// jobEntry is what binds a log to a job.
type jobEntry struct {
	Version  int               `json:"version"`
	ID       string            `json:"job_id"`
	Started  time.Time         `json:"started"`
	Identity map[string]string `json:"identity"`
	// Restarted: --restart began the job, so that what the job has published since is for a further --restart to replace.
	Restarted bool `json:"restarted,omitempty"`
	// Limit is how many records of the job are to be done from the entry on, 0 for all.
	Limit int64 `json:"limit,omitempty"`
}

// read tells whether this batchmill reads logs of the version.
func (j *jobEntry) read() bool { return 1 <= j.Version && j.Version <= logVersion }

// otherJobError is a log whose job differs from the job to be run.
type otherJobError struct{ *job.Failure }

func (e *otherJobError) Unwrap() error { return e.Failure }

func otherJob(format string, args ...any) error {
	return &otherJobError{&job.Failure{Class: job.Usage, Err: fmt.Errorf(format, args...),
		Hint: "choose another --output, or redo everything with --restart --overwrite"}}
}

// sameJob compares the logged identity with this run's and names the first difference.
func (l *Ledger) sameJob() error {
	if !l.job.read() {
		return otherJob("the job there was begun by a batchmill that writes logs of version %d, this one reads logs up to %d", l.job.Version, logVersion)
	}
	if difference := differing(l.job.Identity, l.plan.Identity()); difference != "" {
		return otherJob("the job there was begun with %s", difference)
	}
	return nil
}

// differing names the first setting in which two jobs differ; empty for none.
func differing(was, now map[string]string) string {
	names := maps.Clone(now)
	maps.Copy(names, was)                 // a setting that only one of the two has counts too
	if _, bound := now["limit"]; !bound { // earlier builds bound it always
		if limit := names["limit"]; limit != "" && limit != "0" {
			return fmt.Sprintf("--limit %q by an earlier batchmill, whose limited jobs cannot go on", limit)
		}
		delete(names, "limit")
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if was[name] != now[name] {
			return fmt.Sprintf("--%s %q, this one has %q", name, was[name], now[name])
		}
	}
	return ""
}

// record is what binds a job, as its manifest has it.
type record struct {
	Digest   string            `json:"digest"` // of everything
	Settings map[string]string `json:"settings"`
}

// otherMade says in what the job that left m differs from the plan's; empty for the plan's job.
func (l *Ledger) otherMade(m *manifest.Manifest) (string, error) {
	text, err := l.plan.Record()
	if err != nil {
		return "", err
	}
	var was, now record
	if err := json.Unmarshal(text, &now); err != nil {
		return "", err
	}
	if json.Unmarshal(m.Identity, &was) != nil {
		_ = json.Unmarshal(m.Identity, &was.Digest) // builds before wrote the digest alone
	}
	switch difference := differing(was.Settings, now.Settings); {
	case was.Digest == now.Digest:
		if difference = shrunk(m.Limit, l.plan.Spec.Limit); difference == "" {
			return "", nil
		}
		return "it was run with " + difference, nil
	case was.Settings == nil:
		return "its inputs or its settings differ", nil
	case difference != "":
		return "it was run with " + difference, nil
	}
	return "its inputs differ", nil
}

// answered tells whether the log holds anything that was paid for or published: an answer, the
// end of an object that was, an intent to publish. Before that, a log binds nobody.
func (l *Ledger) answered(ctx context.Context) (bool, error) {
	log, err := l.file.Open(ctx)
	if err != nil {
		return false, err
	}
	defer log.Close()
	for e, err := range log.Entries() {
		if err != nil {
			return false, err
		}
		switch e.Kind {
		case answerlog.KindObject, answerlog.KindAlive, answerlog.KindLayout, answerlog.KindForget, answerlog.KindRedo:
		case answerlog.KindJob:
			var j jobEntry
			if err := e.Decode(&j); err != nil || !j.read() {
				return true, err
			}
		case answerlog.KindAnswers, answerlog.KindRetried:
			a, err := answerlog.ParseAnswers(e.Body)
			if err != nil {
				return false, err
			}
			if answered, _, _ := a.Count(); answered > 0 {
				return true, nil
			}
		case answerlog.KindIntent, answerlog.KindSettled:
			var s settled
			if err := e.Decode(&s); err != nil || s.Object.Status == manifest.Published {
				return true, err
			}
		default: // a doubt, or what a newer batchmill wrote
			return true, nil
		}
	}
	return false, nil
}

// sameObject compares the next logged input with the plan's.
func (l *Ledger) sameObject(e *answerlog.Entry) error {
	var was plan.Pin
	if err := e.Decode(&was); err != nil {
		return err
	}
	i := l.objects
	l.objects++
	if i >= l.plan.Count() {
		return otherJob("the job there also has the input %s, which is gone", was.Path)
	}
	o, err := l.plan.Object(i)
	if err != nil {
		return err
	}
	switch now := o.Pin(); {
	case was.Path != now.Path:
		return otherJob("the job there has %s as input %d, this one has %s", was.Path, i+1, now.Path)
	case was.Size != now.Size || !was.ModTime.Equal(now.ModTime) || was.ETag != now.ETag:
		return otherJob("input %s changed since the job there was begun (%d bytes of %s, now %d of %s)", now.Path,
			was.Size, was.Version(), now.Size, now.Version())
	}
	return nil
}
