package jobtest

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/batchmill/batchmill/transform"
	"github.com/batchmill/batchmill/transform/answerlog"
	"github.com/batchmill/batchmill/transform/job"
	"github.com/batchmill/batchmill/transform/ledger"
	"github.com/batchmill/batchmill/transform/store/s3/s3test/bucket"
)

// bucketCommand is a command whose output is in a bucket, and what has been run before it.
type bucketCommand struct {
	name          string
	before, after func(*world) // change the spec, or the host; nil for no run before
	retry         bool
}

var bucketCommands = []bucketCommand{
	{name: "run", after: func(*world) {}},
	{name: "run --overwrite", before: func(w *world) { w.spec.AnswerName = "earlier" }, after: func(w *world) { w.spec.AnswerName, w.spec.Overwrite = "", true }},
	{name: "run --restart", before: func(w *world) { w.spec.MaxRejects = &job.Allowance{} }, after: func(w *world) {
		w.spec.MaxRejects, w.spec.Restart = &job.Allowance{Percent: 100, IsShare: true}, true
	}},
	{name: "retry-rejects of held objects", before: func(w *world) { w.spec.OnBad = "fail" }, after: func(w *world) { w.hosts[0].poison = 0 }, retry: true},
	{name: "retry-rejects", before: func(*world) {}, after: func(w *world) { w.hosts[0].poison = 0 }, retry: true},
}

// run runs the command in a bucket, in a process that the weather may kill.
func (c *bucketCommand) run(t *testing.T, w *world, b *bucket.Bucket, weather bucket.Weather) error {
	t.Helper()
	out := overBucket("out", b.Connect(weather))
	if c.retry { // as the command line asks first
		s, err := ledger.ReadStatus(t.Context(), out, false)
		if err != nil || s.State == ledger.JobFinished && s.Retryable == 0 {
			return err
		}
		if s.State == ledger.JobUnfinished && s.Objects.Rebuilt == 0 && !s.Settled {
			return fmt.Errorf("the job there is not finished: %+v", s)
		}
	}
	_, err := w.runAs(t.Context(), w.input, out, c.retry)
	return err
}

// prepared is a world and its bucket before the command.
func (c *bucketCommand) prepared(t *testing.T) (*world, *bucket.Bucket) {
	t.Helper()
	w, b := smallJob(2, 12, 3, 15), simBucket("out")
	w.spec.Output = "s3://out"
	if c.before != nil {
		c.before(w)
		_, err := w.runAs(t.Context(), w.input, overBucket("out", b.Connect(bucket.Weather{})), false)
		if err != nil && transform.ClassOf(err) != job.BadInput {
			t.Fatal(err)
		}
	}
	c.after(w)
	return w, b
}

// outputs are what readers see in a bucket.
func outputs(b *bucket.Bucket) string {
	var text strings.Builder
	all := b.Snapshot()
	for _, key := range b.Keys() {
		if !strings.HasPrefix(key, "_") || key == "_SUCCESS" {
			fmt.Fprintf(&text, "%s:\n%s", key, all[key])
		}
	}
	return text.String()
}

// TestKilledCommandsInBucket: whatever request of a command was the last, done or not, the same
// command ends as if nothing had been.
func TestKilledCommandsInBucket(t *testing.T) {
	points := 0
	defer func() { t.Attr("fault_points", strconv.Itoa(points)) }()
	step := int64(1)
	if testing.Short() || raceDetected() {
		step = 7
	}
	for _, c := range bucketCommands {
		var want string
		synctest.Test(t, func(t *testing.T) {
			w, b := c.prepared(t)
			if err := c.run(t, w, b, bucket.Weather{}); err != nil {
				t.Fatalf("%s: %v", c.name, err)
			}
			want = outputs(b)
		})
		tried := 0
		for at, alive := int64(1), true; alive && !t.Failed(); at += step {
			synctest.Test(t, func(t *testing.T) {
				w, b := c.prepared(t)
				weather := bucket.Weather{Seed: uint64(at), Dies: at}
				if alive = c.run(t, w, b, weather) != nil; alive {
					tried++
				}
				done := outputs(b) == want
				if err := c.run(t, w, b, bucket.Weather{}); err != nil && !(done && w.spec.Restart) { // which refuses what is finished
					t.Errorf("%s, killed at request %d: the same command again: %v", c.name, at, err)
				} else if got := outputs(b); got != want {
					t.Errorf("%s, killed at request %d: %s", c.name, at, difference([]byte(got), []byte(want)))
				}
			})
		}
		if points += tried; tried < 5 {
			t.Errorf("%s: only %d requests were the last", c.name, tried)
		}
	}
}

// TestResumeBeforeDamageInBucket: a segment that somebody changed is damage wherever it is, and what stands before it is kept.
func TestResumeBeforeDamageInBucket(t *testing.T) {
	damaged := 0
	for n, more := 1, true; more; n++ {
		synctest.Test(t, func(t *testing.T) {
			w, b := smallJob(1, 24, 23), simBucket("out")
			w.spec.Output, w.spec.BatchRecords, w.spec.MaxRejects = "s3://out", 1, &job.Allowance{}
			w.hosts[0].latency = 3e9
			c := bucketCommand{}
			if err := c.run(t, w, b, bucket.Weather{}); err == nil || transform.ClassOf(err) != job.BadInput {
				t.Fatal(err)
			}
			w.hosts[0].poison, w.hosts[0].asked = 0, map[int]int{}
			key := fmt.Sprintf("%s/%010d", ledger.LogName, n)
			segment := b.Get(key)
			if more = segment != nil; !more {
				return
			}
			data := bytes.Clone(segment.Data)
			if len(data) == 0 { // a takeover
				return
			}
			damaged++
			b.PutAs(key, append(data[:len(data)/2:len(data)/2], data[min(len(data), len(data)/2+100):]...), segment.Meta)
			err := c.run(t, w, b, bucket.Weather{})
			var damage *answerlog.DamageError
			if !errors.As(err, &damage) {
				t.Fatalf("segment %d: %v", n, err)
			}
			w.spec.BeforeDamage = true
			if err := c.run(t, w, b, bucket.Weather{}); err != nil {
				t.Fatalf("segment %d, before its damage: %v", n, err)
			}
			if n > 8 && len(w.hosts[0].asked) > 20 {
				t.Errorf("segment %d: %d records of 24 were asked about again", n, len(w.hosts[0].asked))
			}
			if seen := b.Snapshot(); !strings.Contains(string(seen["o0"]), `"id":23`) || seen["_SUCCESS"] == nil {
				t.Errorf("segment %d: not finished", n)
			}
		})
	}
	if damaged < 5 {
		t.Errorf("only %d segments were changed", damaged)
	}
}
