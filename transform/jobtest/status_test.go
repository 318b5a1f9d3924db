package jobtest

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"maps"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/batchmill/batchmill/transform"
	"github.com/batchmill/batchmill/transform/answerlog"
	"github.com/batchmill/batchmill/transform/job"
	"github.com/batchmill/batchmill/transform/ledger"
	"github.com/batchmill/batchmill/transform/plan"
	"github.com/batchmill/batchmill/transform/store"
)

func mustStatus(t *testing.T, out store.Store) *ledger.Status {
	t.Helper()
	s, err := ledger.ReadStatus(t.Context(), out, false)
	if err != nil {
		t.Fatal(err)
	}
	c := s.Objects
	if c.Total != c.Published+c.Held+c.Failed+c.Begun+c.Untouched || s.Retryable > s.Rejected || len(s.Next) == 0 {
		t.Fatalf("does not add up: %+v", s)
	}
	return s
}

func TestStatusOfNothing(t *testing.T) {
	if s := mustStatus(t, store.NewMemory()); s.State != ledger.JobNone || s.Objects.Total != 0 {
		t.Errorf("%+v", s)
	}
}

// brokenReads is a store whose log, or manifest, is taken away while it is read, so often.
type brokenReads struct {
	*store.Memory
	err             error
	logs, manifests int
}

func (b *brokenReads) ReadLog(ctx context.Context, name string) (store.Reader, store.Info, error) {
	r, info, err := b.Memory.ReadLog(ctx, name)
	if err == nil && b.logs > 0 {
		b.logs--
		r = brokenReader{r, &store.Error{Op: "read", URI: b.URI(name), Err: b.err}}
	}
	return r, info, err
}

func (b *brokenReads) Open(ctx context.Context, name string) (store.Reader, store.Info, error) {
	r, info, err := b.Memory.Open(ctx, name)
	if err == nil && name == plan.ManifestName && b.manifests > 0 {
		b.manifests--
		r = brokenReader{r, &store.Error{Op: "read", URI: b.URI(name), Err: b.err}}
	}
	return r, info, err
}

type brokenReader struct {
	store.Reader
	err error
}

func (b brokenReader) Read([]byte) (int, error)          { return 0, b.err }
func (b brokenReader) ReadAt([]byte, int64) (int, error) { return 0, b.err }

// TestStatusOfWhatChanges: what a run replaces while it is read is read again,
// a few times; what is broken for good is not.
func TestStatusOfWhatChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := smallJob(2, 12, 3)
		if _, err := w.runOn(t.Context(), w.input, w.output); err != nil {
			t.Fatal(err)
		}
		want := mustStatus(t, w.output)
		if want.State != ledger.JobFinished || want.Logged.IsZero() {
			t.Fatalf("%+v: no log and manifest to read", want)
		}
		failed := errors.New("the cable is cut")
		for _, c := range []struct {
			b  brokenReads
			ok bool
		}{
			{brokenReads{err: store.ErrGrown, logs: 1}, true},
			{brokenReads{err: fs.ErrNotExist, logs: 2}, true},
			{brokenReads{err: store.ErrChanged, manifests: 1}, true},
			{brokenReads{err: store.ErrGrown, logs: 1, manifests: 1}, true},
			{brokenReads{err: store.ErrGrown, logs: 3}, false},
			{brokenReads{err: failed, logs: 1}, false},
		} {
			c.b.Memory = w.output
			s, err := ledger.ReadStatus(t.Context(), &c.b, false)
			switch {
			case (err == nil) != c.ok || err != nil && !errors.Is(err, c.b.err):
				t.Errorf("%+v: %v", c.b, err)
			case c.ok && !reflect.DeepEqual(s, want):
				t.Errorf("%+v: %+v, want %+v", c.b, s, want)
			}
		}
	})
}

// TestStatusAfterCrash: wherever a run died, the status adds up, claims no
// record that no host was asked about, calls finished only what is, and
// changes nothing.
func TestStatusAfterCrash(t *testing.T) {
	seen := map[ledger.JobState]bool{}
	begun := false
	for n, crashed := int64(0), true; crashed && !t.Failed(); n++ {
		synctest.Test(t, func(t *testing.T) {
			w := smallJob(3, 12)
			w.hosts[0].latency = 400 * time.Millisecond
			crashed = w.crashAt(t, n, int(n)%40)
			before := w.output.Snapshot()
			s := mustStatus(t, w.output)
			if after := w.output.Snapshot(); !maps.EqualFunc(before, after, bytes.Equal) {
				t.Errorf("crash at %d: the output changed", n)
			}
			seen[s.State] = true
			begun = begun || s.Objects.Begun > 0 && s.Objects.Untouched > 0
			if asked := int64(len(w.hosts[0].asked)); s.Answered > asked {
				t.Errorf("crash at %d: %d records are answered, %d were asked about", n, s.Answered, asked)
			}
			_, mark := before[plan.SuccessName]
			if s.State == ledger.JobRunning || (s.State == ledger.JobFinished) != mark {
				t.Errorf("crash at %d: %s; mark of success: %v", n, s.State, mark)
			}
			w.mustSucceed(t, "after the status was read")
			want := ledger.ObjectCounts{Total: 3, Published: 3}
			if s := mustStatus(t, w.output); s.State != ledger.JobFinished || s.Answered != 36 || s.Objects != want || !s.Success || s.Finished.IsZero() {
				t.Errorf("crash at %d, then finished: %+v", n, s)
			}
		})
	}
	if !begun || !seen[ledger.JobNone] || !seen[ledger.JobUnfinished] || !seen[ledger.JobFinished] {
		t.Errorf("states seen: %v, one with objects begun: %v", seen, begun)
	}
}

// TestStatusOfRejects: only rejects of hosts are worth a retry, and what a
// retry found out counts.
func TestStatusOfRejects(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := smallJob(2, 12, 3, 20)
		w.objects[1].records[1].text = `{"flawed`
		w.fill(&w.objects[1])
		w.spec.OnBad = "fail"
		if _, err := w.runOn(t.Context(), w.input, w.output); err != nil {
			t.Fatal(err)
		}
		s := mustStatus(t, w.output)
		if s.State != ledger.JobFinished || s.Objects.Held != 2 || s.Answered != 21 || s.Rejected != 3 || s.Retryable != 2 || s.Success {
			t.Errorf("held: %+v", s)
		}
		if next := strings.Join(s.Next, "\n"); !strings.Contains(next, "retry-rejects") || !strings.Contains(next, "--on-bad skip") {
			t.Errorf("next: %q", s.Next)
		}
		w.hosts[0].script = func(int) fault { return cut(0) }
		if _, err := w.retryOn(t.Context(), w.output); err != nil {
			t.Fatal(err)
		}
		if s = mustStatus(t, w.output); s.State != ledger.JobFinished || s.Objects.Published != 1 || s.Rejected != 1 || s.Retryable != 0 || s.Objects.Rebuilt != 0 {
			t.Errorf("retried: %+v", s)
		}
	})
}

// TestStatusOfCrashedRetry: a retry that died between its answers and its
// outputs leaves a job that is unfinished, although a manifest stands.
func TestStatusOfCrashedRetry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := smallJob(2, 12, 3, 20)
		if _, err := w.runOn(t.Context(), w.input, w.output); err != nil {
			t.Fatal(err)
		}
		body := []byte{0, 4, 1, 0, 3<<3 | 2, '"', 'x', '"'} // record 4 of object 0
		growLog(t, w.output, answerlog.AppendEntry(nil, answerlog.KindRetried, func(dst []byte) []byte { return append(dst, body...) }))
		s := mustStatus(t, w.output)
		if s.State != ledger.JobUnfinished || s.Objects.Rebuilt != 1 || s.Objects.Published != 2 || s.Retryable != 1 || !s.Manifest {
			t.Errorf("%+v", s)
		}
	})
}

func growLog(t *testing.T, m *store.Memory, entry []byte) {
	t.Helper()
	if err := m.Put(ledger.LogName, append(m.Snapshot()[ledger.LogName], entry...)); err != nil {
		t.Fatal(err)
	}
}

// tagOf is the tag of a log: the end of its first entry.
func tagOf(log []byte) (tag [8]byte) {
	copy(tag[:], log[answerlog.GroupSize-len(tag):])
	return tag
}

// TestStatusOfDamagedLog: damage is told, with its place; it is no shorter log.
func TestStatusOfDamagedLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := halfDone(t)
		log := bytes.Clone(w.output.Snapshot()[ledger.LogName])
		log[answerlog.GroupSize+answerlog.HeaderSize+5] ^= 1
		growLog(t, w.output, nil)
		if err := w.output.Put(ledger.LogName, append(log, answerlog.AppendGroup(nil, int64(len(log)), tagOf(log))...)); err != nil {
			t.Fatal(err)
		}
		_, err := ledger.ReadStatus(t.Context(), w.output, false)
		if err == nil || transform.ClassOf(err) != job.Storage || transform.HintOf(err) == "" || !strings.Contains(err.Error(), "damaged at byte") {
			t.Errorf("error is %v", err)
		}
	})
}

// growing is a store whose job is running:
// the log grows between one look and the next.
type growing struct {
	*store.Memory
	sizes []int64 // of the log, one look each; the last one stays
	mod   time.Time
}

func (g *growing) Open(ctx context.Context, name string) (store.Reader, store.Info, error) {
	rc, info, err := g.Memory.Open(ctx, name)
	if name == ledger.LogName && err == nil {
		info.Size, info.ModTime = g.sizes[0], g.mod
		if len(g.sizes) > 1 {
			g.sizes = g.sizes[1:]
		}
	}
	return rc, info, err
}

func (g *growing) ReadLog(ctx context.Context, name string) (store.Reader, store.Info, error) {
	return g.Open(ctx, name)
}

func unlocked(g *growing) lockless { return lockless{g, g} }

// lockless is a store that cannot tell whether a run is at work.
type lockless struct {
	store.Store
	store.Keeper
}

type probed struct {
	*growing
	held bool
}

func (p probed) Locked(context.Context, string) (bool, error) { return p.held, nil }

// TestStatusOfRunningJob: an entry that is half there because the job is just
// writing it is not damage, whatever stands behind it at the next look.
func TestStatusOfRunningJob(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := halfDone(t)
		size := int64(len(w.output.Snapshot()[ledger.LogName]))
		for cut := size; cut > size-100 && cut > 0; cut-- {
			g := &growing{Memory: w.output, sizes: []int64{cut, size}, mod: time.Now()}
			if s := mustStatus(t, probed{g, true}); s.State != ledger.JobRunning {
				t.Fatalf("cut at %d of %d: %+v", cut, size, s)
			}
			g.sizes = []int64{cut, size}
			if s := mustStatus(t, probed{g, false}); s.State != ledger.JobUnfinished {
				t.Fatalf("cut at %d of %d, nobody there: %+v", cut, size, s)
			}
			g.sizes = []int64{cut, size}
			if s := mustStatus(t, unlocked(g)); s.State != ledger.JobRunning { // by the log's age
				t.Fatalf("cut at %d of %d, log just grown: %+v", cut, size, s)
			}
			g.sizes, g.mod = []int64{cut, size}, time.Now().Add(-time.Minute)
			if s := mustStatus(t, unlocked(g)); s.State != ledger.JobUnfinished {
				t.Fatalf("cut at %d of %d, log grown long ago: %+v", cut, size, s)
			}
		}
	})
}

// TestStatusAfterOrderlyEnd: a log that a run closed is nobody's any more,
// however young it is.
func TestStatusAfterOrderlyEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := halfDone(t)
		whole, err := wholeLog(t.Context(), w.output)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.output.Put(ledger.LogName, answerlog.AppendGroup(w.output.Snapshot()[ledger.LogName][:whole], whole, tagOf(w.output.Snapshot()[ledger.LogName]))); err != nil {
			t.Fatal(err)
		}
		size := int64(len(w.output.Snapshot()[ledger.LogName]))
		if s := mustStatus(t, unlocked(&growing{Memory: w.output, sizes: []int64{size}, mod: time.Now()})); s.State != ledger.JobUnfinished {
			t.Errorf("%+v", s)
		}
	})
}

// TestStatusReportsFaults: what cannot be read is an error, never "no job".
func TestStatusReportsFaults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := halfDone(t)
		for _, name := range []string{ledger.LogName, plan.ManifestName, plan.SuccessName} {
			if _, err := ledger.ReadStatus(t.Context(), unreadable{w.output, name}, false); !errors.Is(err, errInjected) {
				t.Errorf("%s cannot be read: %v", name, err)
			}
		}
	})
}

type unreadable struct {
	*store.Memory
	name string
}

func (u unreadable) Open(ctx context.Context, name string) (store.Reader, store.Info, error) {
	if name == u.name {
		return nil, store.Info{}, errInjected
	}
	return u.Memory.Open(ctx, name)
}

func (u unreadable) ReadLog(ctx context.Context, name string) (store.Reader, store.Info, error) {
	return u.Open(ctx, name)
}

func (u unreadable) Stat(ctx context.Context, name string) (store.Info, error) {
	if name == u.name {
		return store.Info{}, errInjected
	}
	return u.Memory.Stat(ctx, name)
}

// FuzzStatus: no log makes it panic, or say what does not add up.
func FuzzStatus(f *testing.F) {
	f.Add([]byte{})
	job := answerlog.AppendEntry(answerlog.AppendGroup(nil, 0, [8]byte{}), answerlog.KindJob, func(dst []byte) []byte { return append(dst, `{"version":1,"job_id":"x"}`...) })
	job = answerlog.AppendEntry(job, answerlog.KindObject, func(dst []byte) []byte { return append(dst, `{"path":"a"}`...) })
	f.Add(job)
	f.Add(answerlog.AppendEntry(bytes.Clone(job), answerlog.KindRetried, func(dst []byte) []byte { return append(dst, 0, 1, 1, 1<<3|2, '1') }))
	f.Add(answerlog.AppendEntry(bytes.Clone(job), answerlog.KindAnswers, func(dst []byte) []byte { return append(dst, 9, 1, 200, 200, 200, 1) }))
	f.Fuzz(func(t *testing.T, log []byte) {
		m := store.NewMemory()
		if err := m.Put(ledger.LogName, log); err != nil {
			t.Fatal(err)
		}
		s, err := ledger.ReadStatus(t.Context(), m, false)
		if err != nil {
			return
		}
		c := s.Objects
		if s.Retryable < 0 || c.Total != c.Published+c.Held+c.Failed+c.Begun+c.Untouched {
			t.Fatalf("%+v", s)
		}
	})
}

// TestStatusAfterRedo: a job whose outputs are all to be made again, from what
// is logged, is unfinished until they are.
func TestStatusAfterRedo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := smallJob(2, 12, 3)
		if _, err := w.runOn(t.Context(), w.input, w.output); err != nil {
			t.Fatal(err)
		}
		growLog(t, w.output, answerlog.AppendEntry(nil, answerlog.KindRedo, func(dst []byte) []byte { return append(dst, "{}"...) }))
		if s := mustStatus(t, w.output); s.State != ledger.JobUnfinished || s.Objects.Rebuilt != 2 {
			t.Errorf("%+v", s)
		}
		w.spec.Overwrite = true
		if _, err := w.runOn(t.Context(), w.input, w.output); err != nil {
			t.Fatal(err)
		}
		if s := mustStatus(t, w.output); s.State != ledger.JobFinished || s.Objects.Rebuilt != 0 || s.Objects.Published != 2 {
			t.Errorf("%+v", s)
		}
	})
}

// wholeLog reads a job's log, and tells how many bytes of it are whole.
func wholeLog(ctx context.Context, k store.Keeper) (int64, error) {
	log, err := answerlog.File{Keeper: k, Name: ledger.LogName, URI: "the log"}.Open(ctx)
	if err != nil {
		return 0, err
	}
	defer log.Close()
	for _, err := range log.Entries() {
		if err != nil {
			return 0, err
		}
	}
	return log.Offset(), nil
}
