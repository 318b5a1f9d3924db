package jobtest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/batchmill/batchmill/transform"
	"github.com/batchmill/batchmill/transform/job"
	"github.com/batchmill/batchmill/transform/ledger"
	"github.com/batchmill/batchmill/transform/manifest"
	"github.com/batchmill/batchmill/transform/plan"
	"github.com/batchmill/batchmill/transform/store"
)

// TestIdentityBindsTheJob: what changes output bytes may not change between
// runs of one job, and the refusal names it. What does not, may.
func TestIdentityBindsTheJob(t *testing.T) {
	for _, c := range []struct {
		field  string // empty: the job goes on
		change func(*world)
	}{
		{"join", func(w *world) { w.spec.Join = "none" }},
		{"answer-name", func(w *world) { w.spec.AnswerName = "score" }},
		{"answer-path", func(w *world) { w.spec.AnswerPath = "outputs" }},
		{"content-type", func(w *world) { w.spec.ContentType, w.spec.Accept = "application/json", "application/jsonlines" }},
		{"accept", func(w *world) { w.spec.Accept = "application/json" }},
		{"input-filter", func(w *world) { w.spec.InputFilter = "id" }},
		{"output-filter", func(w *world) { w.spec.OutputFilter = "id,prediction" }},
		{"input-format", func(w *world) { w.spec.InputFormat, w.spec.Join = "lines", "none" }},
		{"--limit", func(w *world) { w.spec.Limit = 5 }},
		{"max-record", func(w *world) { w.spec.MaxRecord = 1 << 20 }},
		{"", func(w *world) { w.spec.BatchRecords = 2 }},
		{"", func(w *world) { w.spec.Concurrency = 3 }},
		{"", func(w *world) { w.spec.Memory = 512 << 20 }},
		{"", func(w *world) { w.spec.MaxRejects = nil }},
		{"", func(w *world) { w.spec.Attempts = 2 }},
		{"input o1", func(w *world) { w.fill(&w.objects[1]) }}, // the same bytes at another time
		{"input o1", func(w *world) {
			w.objects[1].records = w.objects[1].records[1:]
			w.fill(&w.objects[1])
		}},
		{"o0", func(w *world) { _ = w.input.Remove(context.Background(), "o0") }},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := halfDone(t)
			before := w.output.Snapshot()
			c.change(w)
			if c.field == "" {
				w.mustSucceed(t, fmt.Sprintf("with %+v", w.spec))
				return
			}
			_, err := w.runOn(t.Context(), w.input, w.output)
			if err == nil || transform.ClassOf(err) != job.Usage || transform.HintOf(err) == "" {
				t.Fatalf("%s: %v", c.field, err)
			}
			if !strings.Contains(err.Error(), c.field) && c.field != "input-format" { // types follow formats
				t.Errorf("%s is not named: %v", c.field, err)
			}
			for name, text := range w.output.Snapshot() {
				if !bytes.Equal(text, before[name]) && name != ledger.LogName {
					t.Errorf("%s: %s changed", c.field, name)
				}
			}
		})
	}
}

// TestColumnTypesBindTheJob: types that give other bytes are another job, added
// and left out ones too; the same types said in other words are not.
func TestColumnTypesBindTheJob(t *testing.T) {
	for _, c := range []struct {
		first, then []string
		same        bool
	}{
		{nil, []string{"text=string"}, false},
		{[]string{"text=string"}, nil, false},
		{[]string{"id=number"}, []string{"id=json"}, false},
		{[]string{"id=number"}, []string{"text=string"}, false},
		{[]string{"id=number", "text=string"}, []string{"text=string", "0=number"}, true},
		{[]string{"id,text=string"}, []string{":=string"}, true},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := csvJob(9, 0)
			w.spec.OutputFormat, w.spec.ColumnType = "jsonl", c.first
			w.hosts[0].script = answersOnce(401)
			w.spec.BatchRecords, w.spec.HostWait, w.spec.Concurrency = 3, 1, 32
			if _, err := w.runOn(t.Context(), w.input, w.output); err == nil {
				t.Fatal("the job should stop half way")
			}
			w.hosts[0].script, w.spec.ColumnType = nil, c.then
			_, err := w.runOn(t.Context(), w.input, w.output)
			switch {
			case c.same && err != nil:
				t.Errorf("%q after %q: %v", c.then, c.first, err)
			case !c.same && (err == nil || transform.ClassOf(err) != job.Usage || !strings.Contains(err.Error(), "--column-type")):
				t.Errorf("%q after %q: error is %v", c.then, c.first, err)
			}
		})
	}
}

// freely are the settings that may change between runs of one job: no byte of
// an output depends on them, or, as with --on-bad, what is published keeps its own.
var freely = []string{
	"input-compression", // an object that can be read under two of its values has the same text under both: its first bytes must agree
	"input", "output", "host", "batch-records", "batch-bytes", "concurrency", "timeout", "attempts", "host-wait",
	"ready-timeout", "grace", "host-header", "on-bad", "max-rejects", "memory", "max-response", "restart", "overwrite", "resume-before-damage",
	"command", "replicas", "host-bearer", "host-basic", "host-ca", "host-cert", "host-key", "host-server-name",
	"target-latency", "max-concurrency", "no-keep-alive",
	"limit", // the object that it cut is built again when it grows; with per-batch answers it cuts a batch, whose response then differs
	"image", // what its name means is bound, by its digest
	"model", "env", "env-file", "network", "gpus", "container-memory", "container-cpus", "container-pids", "container-allow", "container-tmpfs",
	"input-manifest", "follow-symlinks", "s3-endpoint", "s3-path-style", "s3-anonymous", "s3-request-payer", "s3-sse", "s3-sse-kms-key-id", "s3-acl", "s3-tags", // the objects are bound one by one, wherever they are
}

// TestIdentityHoldsEverySetting: a setting is in the identity, with its value,
// or it is known to be free. Who adds one has to say which.
func TestIdentityHoldsEverySetting(t *testing.T) {
	typed := identityOf(t, func(s *job.Spec) {
		s.ContentType, s.ColumnType = "application/jsonlines", []string{"text=string"}
		s.Encoding, s.DedupeNames, s.Accept, s.AnswerHeader = "utf-8", true, "text/csv", "yes"
		s.Escape, s.Comment, s.Trim, s.Null = "backslash", "#", true, "NA"
		s.AnswerColumns = "score"
	})
	maps.Copy(typed, identityOf(t, func(s *job.Spec) { s.Header, s.SkipRows = "no", 1 }))
	for _, answers := range []string{"per-record", "per-batch"} {
		base := identityOf(t, func(s *job.Spec) { s.Answers, s.Join = answers, "none" })
		for _, name := range []string{"encoding", "dedupe-names", "column-type", "escape", "comment", "skip-rows", "trim", "null", "answer-columns"} {
			if _, held := base[name]; held { // jobs of releases without the setting go on
				t.Errorf("--%s is in the identity of a job that does not set it", name)
			}
		}
		maps.Copy(base, typed) // what is there only where it is set
		for _, f := range reflect.VisibleFields(reflect.TypeFor[job.Spec]()) {
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			free := slices.Contains(freely, name) && (answers == "per-record" || name != "limit" && !strings.HasPrefix(name, "batch-"))
			if _, held := base[name]; held == free {
				t.Errorf("--answers %s: --%s is in the identity: %v", answers, name, held)
			}
		}
	}
}

// TestIdentityTellsValuesApart: another value is another identity, and in no
// other setting.
func TestIdentityTellsValuesApart(t *testing.T) {
	for name, change := range map[string]func(*job.Spec){
		"output-format": func(s *job.Spec) { s.OutputFormat = "jsonl" }, "send-header": func(s *job.Spec) { s.SendHeader = true },
		"header": func(s *job.Spec) { s.Header = "no" }, "delimiter": func(s *job.Spec) { s.Delimiter = ";" },
		"quote": func(s *job.Spec) { s.Quote = "'" }, "ragged": func(s *job.Spec) { s.Ragged = true },
		"join": func(s *job.Spec) { s.Join = "none" }, "answer-name": func(s *job.Spec) { s.AnswerName = "score" },
		"answer-path": func(s *job.Spec) { s.AnswerPath = "outputs" },
		"max-record":  func(s *job.Spec) { s.MaxRecord = 1 << 20 }, "column-type": func(s *job.Spec) { s.ColumnType = []string{"0=string"} },
		"compression": func(s *job.Spec) { s.Compression = "gzip" }, "answer-header": func(s *job.Spec) { s.AnswerHeader = "auto" },
		"encoding": func(s *job.Spec) { s.Encoding = "latin1" }, "dedupe-names": func(s *job.Spec) { s.DedupeNames = true },
		"escape": func(s *job.Spec) { s.Escape = "\\" }, "comment": func(s *job.Spec) { s.Comment = "#" }, "skip-rows": func(s *job.Spec) { s.SkipRows = 1 },
		"trim": func(s *job.Spec) { s.Trim = true }, "null": func(s *job.Spec) { s.Null = "NA" },
		"answer-columns": func(s *job.Spec) { s.AnswerColumns = "score" },
	} {
		payload := "application/jsonlines"
		if name == "send-header" { // which only CSV has
			payload = "text/csv"
		}
		base := identityOf(t, func(s *job.Spec) { s.ContentType, s.Accept = payload, "text/csv" })
		now := identityOf(t, func(s *job.Spec) {
			s.ContentType, s.Accept = payload, "text/csv"
			change(s)
		})
		for key, value := range now {
			if (value != base[key]) != (key == name) {
				t.Errorf("with another --%s, --%s is %q, was %q", name, key, value, base[key])
			}
		}
	}
}

// identityOf is the identity of a CSV job with changed settings.
func identityOf(t *testing.T, change func(*job.Spec)) map[string]string {
	t.Helper()
	w := csvJob(3, 0)
	change(&w.spec)
	if err := w.spec.Validate(); err != nil {
		t.Fatal(err)
	}
	plan, err := plan.New(t.Context(), w.spec, []plan.Source{{Store: w.input}}, w.output, nil)
	if err != nil {
		t.Fatal(err)
	}
	return closing(t, plan).Identity()
}

// TestForeignOutputIsRefused: a file that the job has not written is never
// replaced, and found before anything is asked.
func TestForeignOutputIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := smallJob(2, 3)
		if err := w.output.Put("o1", []byte("mine")); err != nil {
			t.Fatal(err)
		}
		_, err := w.runOn(t.Context(), w.input, w.output)
		if err == nil || transform.ClassOf(err) != job.Usage || !strings.Contains(err.Error(), "o1") {
			t.Errorf("error is %v", err)
		}
		if w.hosts[0].count != 0 {
			t.Errorf("%d requests were sent before it was found", w.hosts[0].count)
		}
		if got := string(w.output.Snapshot()["o1"]); got != "mine" {
			t.Errorf("it holds %q now", got)
		}
	})
}

// TestSecondRunIsRefused: two runs of one job exclude each other.
func TestSecondRunIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := smallJob(1, 3)
		unlock, err := w.output.Lock(t.Context(), ledger.LockName)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.runOn(t.Context(), w.input, w.output); err == nil || transform.ClassOf(err) != job.Superseded {
			t.Errorf("error is %v", err)
		}
		if w.hosts[0].count != 0 || len(w.output.Snapshot()) != 0 {
			t.Errorf("%d requests, %d files", w.hosts[0].count, len(w.output.Snapshot()))
		}
		if err := unlock(); err != nil {
			t.Fatal(err)
		}
		w.mustSucceed(t, "after the other run")
	})
}

// shrunk ends an object cut bytes early, or all of them, without an error, as a
// server does that loses its connection, or a file that is being rewritten.
type shrunk struct {
	store.Store
	cut  int64
	only string // empty: all
}

func (s shrunk) Open(ctx context.Context, name string) (store.Reader, store.Info, error) {
	rc, info, err := s.Store.Open(ctx, name)
	if err != nil || s.only != "" && s.only != name {
		return rc, info, err
	}
	whole := io.NewSectionReader(rc, 0, info.Size-s.cut)
	return shrunkReader{rc, whole}, info, nil
}

type shrunkReader struct {
	store.Reader
	whole *io.SectionReader
}

func (r shrunkReader) Read(b []byte) (int, error)              { return r.whole.Read(b) }
func (r shrunkReader) ReadAt(b []byte, off int64) (int, error) { return r.whole.ReadAt(b, off) }

// TestChangedInputFailsItsObject: an object that ends before the size it was
// listed with is not a short object.
func TestChangedInputFailsItsObject(t *testing.T) {
	record := int64(len(smallJob(1, 1).objects[0].records[0].text) + 1)
	for _, lost := range []int64{1, record, 2 * record} {
		synctest.Test(t, func(t *testing.T) {
			w := smallJob(1, 9)
			res, err := w.runOn(t.Context(), shrunk{w.input, lost, ""}, w.output)
			if err != nil {
				t.Fatal(err)
			}
			checkFailed(t, w, res)
		})
	}
}

// TestChangedInputIsNotRead: an object that was replaced after it was listed,
// by one of the same size, is another one.
func TestChangedInputIsNotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := smallJob(1, 9)
		out := replacing{Store: w.output, Keeper: w.output, Locker: w.output, replace: func() { w.fill(&w.objects[0]) }}
		res, err := w.runOn(t.Context(), w.input, out)
		if err != nil {
			t.Fatal(err)
		}
		checkFailed(t, w, res)
	})
}

// replacing replaces an input while the output is locked: the plan is made, and
// nothing is read yet.
type replacing struct {
	store.Store
	store.Keeper
	store.Locker
	replace func()
}

func (r replacing) Lock(ctx context.Context, name string) (func() error, error) {
	r.replace()
	return r.Locker.Lock(ctx, name)
}

func checkFailed(t *testing.T, w *world, res *transform.Result) {
	t.Helper()
	o := res.Manifest.Objects[0]
	if o.Status != manifest.Failed || !strings.Contains(o.Error, "listed") || o.Output != nil {
		t.Errorf("the object is %+v", o)
	}
	seen := w.output.Snapshot()
	for _, name := range []string{"o0", plan.SuccessName} {
		if _, ok := seen[name]; ok {
			t.Errorf("%s is visible", name)
		}
	}
}

// TestImageBindsTheJob: hosts from another image, or from none, are another job's,
// and the refusal names both digests. The manifest names the image.
func TestImageBindsTheJob(t *testing.T) {
	const first, second = "sha256:1111", "sha256:2222"
	for _, c := range []struct{ was, now string }{{first, second}, {"", first}, {first, ""}, {first, first}} {
		synctest.Test(t, func(t *testing.T) {
			w := csvJob(9, 0)
			w.hosts[0].script = answersOnce(401)
			w.spec.BatchRecords, w.spec.HostWait, w.spec.Concurrency, w.image = 3, 1, 32, c.was
			if _, err := w.runOn(t.Context(), w.input, w.output); err == nil {
				t.Fatal("the job should stop half way")
			}
			w.hosts[0].script, w.image = nil, c.now
			result, err := w.runOn(t.Context(), w.input, w.output)
			switch {
			case c.was == c.now && (err != nil || *result.Manifest.Image != manifest.Image{Name: "model", Digest: first}):
				t.Errorf("the same image: %+v, %v", result, err)
			case c.was != c.now && (err == nil || transform.ClassOf(err) != job.Usage || !strings.Contains(err.Error(), "--image") ||
				!strings.Contains(err.Error(), strconv.Quote(c.was)) || !strings.Contains(err.Error(), strconv.Quote(c.now))):
				t.Errorf("%q after %q: %v", c.now, c.was, err)
			}
		})
	}
}
