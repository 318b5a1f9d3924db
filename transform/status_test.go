package transform

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

	"github.com/batchmill/batchmill/transform/store"
)

func mustStatus(t *testing.T, out store.Store) *Status {
	t.Helper()
	s, err := ReadStatus(t.Context(), out)
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
	if s := mustStatus(t, store.NewMemory()); s.State != JobNone || s.Objects.Total != 0 {
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
	if err == nil && name == manifestName && b.manifests > 0 {
		b.manifests--
		r = brokenReader{r, &store.Error{Op: "read", URI: b.URI(name), Err: b.err}}
	}
	return r, info, err
}

type brokenReader struct {
	store.Reader
	err error
}

func (b brokenReader) Read([]byte) (int, error) { return 0, b.err }

// TestStatusOfWhatChanges: what a run replaces while it is read is read again,
// a few times; what is broken for good is not.
func TestStatusOfWhatChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := smallJob(2, 12, 3)
		if _, err := w.runOn(t.Context(), w.input, w.output); err != nil {
			t.Fatal(err)
		}
		want := mustStatus(t, w.output)
		if want.State != JobFinished || want.Logged.IsZero() {
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
			s, err := ReadStatus(t.Context(), &c.b)
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
	seen := map[JobState]bool{}
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
			_, mark := before[successName]
			if s.State == JobRunning || (s.State == JobFinished) != mark {
				t.Errorf("crash at %d: %s; mark of success: %v", n, s.State, mark)
			}
			w.mustSucceed(t, "after the status was read")
			want := ObjectCounts{Total: 3, Published: 3}
			if s := mustStatus(t, w.output); s.State != JobFinished || s.Answered != 36 || s.Objects != want || !s.Success || s.Finished.IsZero() {
				t.Errorf("crash at %d, then finished: %+v", n, s)
			}
		})
	}
	if !begun || !seen[JobNone] || !seen[JobUnfinished] || !seen[JobFinished] {
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
		if s.State != JobFinished || s.Objects.Held != 2 || s.Answered != 21 || s.Rejected != 3 || s.Retryable != 2 || s.Success {
			t.Errorf("held: %+v", s)
		}
		if next := strings.Join(s.Next, "\n"); !strings.Contains(next, "retry-rejects") || !strings.Contains(next, "--on-bad skip") {
			t.Errorf("next: %q", s.Next)
		}
		w.hosts[0].script = func(int) fault { return cut(0) }
		if _, err := w.retryOn(t.Context(), w.output); err != nil {
			t.Fatal(err)
		}
		if s = mustStatus(t, w.output); s.State != JobFinished || s.Objects.Published != 1 || s.Rejected != 1 || s.Retryable != 0 || s.Objects.Rebuilt != 0 {
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
		body := []byte{0, 4, 1, 0, 3<<formBits | 2, '"', 'x', '"'} // record 4 of object 0
		growLog(t, w.output, frameEntry(nil, entryRetried, func(dst []byte) []byte { return append(dst, body...) }))
		s := mustStatus(t, w.output)
		if s.State != JobUnfinished || s.Objects.Rebuilt != 1 || s.Objects.Published != 2 || s.Retryable != 1 || !s.Manifest {
			t.Errorf("%+v", s)
		}
	})
}

func growLog(t *testing.T, m *store.Memory, entry []byte) {
	t.Helper()
	if err := m.Put(logName, append(m.Snapshot()[logName], entry...)); err != nil {
		t.Fatal(err)
	}
}

// TestStatusOfDamagedLog: damage is told, with its place; it is no shorter log.
func TestStatusOfDamagedLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := halfDone(t)
		log := bytes.Clone(w.output.Snapshot()[logName])
		log[groupSize+entryHeader+5] ^= 1
		growLog(t, w.output, nil)
		if err := w.output.Put(logName, append(log, frameGroup(nil, int64(len(log)))...)); err != nil {
			t.Fatal(err)
		}
		_, err := ReadStatus(t.Context(), w.output)
		if err == nil || ClassOf(err) != Storage || HintOf(err) == "" || !strings.Contains(err.Error(), "damaged at byte") {
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
	if name == logName && err == nil {
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
		size := int64(len(w.output.Snapshot()[logName]))
		for cut := size; cut > size-100 && cut > 0; cut-- {
			g := &growing{Memory: w.output, sizes: []int64{cut, size}, mod: time.Now()}
			if s := mustStatus(t, probed{g, true}); s.State != JobRunning {
				t.Fatalf("cut at %d of %d: %+v", cut, size, s)
			}
			g.sizes = []int64{cut, size}
			if s := mustStatus(t, probed{g, false}); s.State != JobUnfinished {
				t.Fatalf("cut at %d of %d, nobody there: %+v", cut, size, s)
			}
			g.sizes = []int64{cut, size}
			if s := mustStatus(t, unlocked(g)); s.State != JobRunning { // by the log's age
				t.Fatalf("cut at %d of %d, log just grown: %+v", cut, size, s)
			}
			g.sizes, g.mod = []int64{cut, size}, time.Now().Add(-time.Minute)
			if s := mustStatus(t, unlocked(g)); s.State != JobUnfinished {
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
		whole, _, err := readLog(t.Context(), w.output, logName, func(int64, byte, []byte) error { return nil })
		if err != nil {
			t.Fatal(err)
		}
		if err := w.output.Put(logName, frameGroup(w.output.Snapshot()[logName][:whole], whole)); err != nil {
			t.Fatal(err)
		}
		size := int64(len(w.output.Snapshot()[logName]))
		if s := mustStatus(t, unlocked(&growing{Memory: w.output, sizes: []int64{size}, mod: time.Now()})); s.State != JobUnfinished {
			t.Errorf("%+v", s)
		}
	})
}

// TestStatusReportsFaults: what cannot be read is an error, never "no job".
func TestStatusReportsFaults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := halfDone(t)
		for _, name := range []string{logName, manifestName, successName} {
			if _, err := ReadStatus(t.Context(), unreadable{w.output, name}); !errors.Is(err, errInjected) {
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
	job := frameEntry(frameGroup(nil, 0), entryJob, func(dst []byte) []byte { return append(dst, `{"version":1,"job_id":"x"}`...) })
	job = frameEntry(job, entryObject, func(dst []byte) []byte { return append(dst, `{"path":"a"}`...) })
	f.Add(job)
	f.Add(frameEntry(bytes.Clone(job), entryRetried, func(dst []byte) []byte { return append(dst, 0, 1, 1, 1<<formBits|2, '1') }))
	f.Add(frameEntry(bytes.Clone(job), entryAnswers, func(dst []byte) []byte { return append(dst, 9, 1, 200, 200, 200, 1) }))
	f.Fuzz(func(t *testing.T, log []byte) {
		m := store.NewMemory()
		if err := m.Put(logName, log); err != nil {
			t.Fatal(err)
		}
		s, err := ReadStatus(t.Context(), m)
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
		growLog(t, w.output, frameEntry(nil, entryRedo, func(dst []byte) []byte { return append(dst, "{}"...) }))
		if s := mustStatus(t, w.output); s.State != JobUnfinished || s.Objects.Rebuilt != 2 {
			t.Errorf("%+v", s)
		}
		w.spec.Overwrite = true
		if _, err := w.runOn(t.Context(), w.input, w.output); err != nil {
			t.Fatal(err)
		}
		if s := mustStatus(t, w.output); s.State != JobFinished || s.Objects.Rebuilt != 0 || s.Objects.Published != 2 {
			t.Errorf("%+v", s)
		}
	})
}
