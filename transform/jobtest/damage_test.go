package jobtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/batchmill/batchmill/transform"
	"github.com/batchmill/batchmill/transform/answerlog"
	"github.com/batchmill/batchmill/transform/job"
	"github.com/batchmill/batchmill/transform/ledger"
	"github.com/batchmill/batchmill/transform/store"
)

// interrupted is a job of 80 records of which about 60 are logged, in groups of 5. Nothing is published.
func interrupted(t *testing.T) (w *world, log []byte) {
	t.Helper()
	w = smallJob(1, 80)
	w.spec.BatchRecords = 1
	w.hosts[0].latency = 200 * time.Millisecond
	ctx, cancel := context.WithTimeout(t.Context(), 12*time.Second)
	defer cancel()
	if _, err := w.runOn(ctx, w.input, w.output); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}
	return w, w.output.Snapshot()[ledger.LogName]
}

// damages are what may become of a log around byte at.
var damages = map[string]func(log []byte, at int) []byte{
	"a bit":             func(log []byte, at int) []byte { log[at] ^= 4; return log },
	"100 bytes cut":     func(log []byte, at int) []byte { return slices.Delete(log, at, min(at+100, len(log))) },
	"100 bytes put in":  func(log []byte, at int) []byte { return slices.Insert(log, at, bytes.Repeat([]byte("x"), 100)...) },
	"100 zeros":         func(log []byte, at int) []byte { clear(log[at:min(at+100, len(log))]); return log },
	"a part once again": func(log []byte, at int) []byte { return slices.Insert(log, at, bytes.Clone(log[at/2:at])...) },
}

// TestResumeBeforeDamage: a run goes on beside no damage by itself, and leaves the log as it is. Told to, it keeps
// the answers before the damage, asks for the others again, says in a line how many these are, and ends as if nothing had been.
func TestResumeBeforeDamage(t *testing.T) {
	for what, damage := range damages {
		synctest.Test(t, func(t *testing.T) {
			w, log := interrupted(t)
			told := 0
			for at := 1; at < len(log)-300; at += 97 {
				damaged := damage(bytes.Clone(log), at)
				w.output = store.NewMemory()
				if err := w.output.Put(ledger.LogName, damaged); err != nil {
					t.Fatal(err)
				}
				w.spec.BeforeDamage, w.hosts[0].asked = false, map[int]int{}
				_, err := w.runOn(t.Context(), w.input, w.output)
				var found *answerlog.DamageError
				if !errors.As(err, &found) || transform.ClassOf(err) != job.Storage || !strings.Contains(transform.HintOf(err), "--resume-before-damage") {
					t.Fatalf("%s at byte %d: %v", what, at, err)
				}
				if !bytes.Equal(w.output.Snapshot()[ledger.LogName], damaged) || len(w.hosts[0].asked) > 0 {
					t.Fatalf("%s at byte %d: the log changed, or %d records were asked about", what, at, len(w.hosts[0].asked))
				}
				told += w.resumesBefore(t, fmt.Sprintf("%s at byte %d", what, at), log, found)
			}
			if told == 0 {
				t.Errorf("%s: no answer was lost anywhere", what)
			}
		})
	}
}

// resumesBefore runs the job again before the damage, and returns how many answers it says are lost.
func (w *world) resumesBefore(t *testing.T, what string, log []byte, found *answerlog.DamageError) (lost int) {
	t.Helper()
	var lines []string
	w.notice = func(line string) {
		if !strings.HasPrefix(line, "stopping: ") {
			lines = append(lines, line)
		}
	}
	w.spec.BeforeDamage = true
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if _, err := w.runOn(ctx, w.input, w.output); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("%s: a run that is interrupted: %v", what, err)
	}
	w.spec.BeforeDamage = false // the damage is gone
	w.mustSucceed(t, what)
	if len(lines) != 1 || !strings.HasPrefix(lines[0], found.Error()) {
		t.Fatalf("%s: told %q", what, lines)
	}
	if _, err := fmt.Sscanf(lines[0][strings.Index(lines[0], "at least"):], "at least %d behind are lost", &lost); err != nil {
		t.Fatalf("%s: %q: %v", what, lines[0], err)
	}
	kept := bytes.Count(log[:found.Offset], []byte("A")) // at least the kinds of its entries of answers
	if asked := len(w.hosts[0].asked); asked > 80 || kept > 0 && asked < 20 || asked+kept < 80-20 || asked < lost {
		t.Fatalf("%s: asked about %d records, with %d answers lost", what, asked, lost)
	}
	return lost
}
