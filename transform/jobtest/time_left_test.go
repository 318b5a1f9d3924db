package jobtest

import (
	"bytes"
	"compress/gzip"
	"context"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/batchmill/batchmill/transform"
	"github.com/batchmill/batchmill/transform/plan"
	"github.com/batchmill/batchmill/workers"
)

// TestTimeLeft: after a tenth of a steady job, the time that is said to be left is right to a
// fifth, whether hosts are slow or fast, whether files are small or large, whether the model takes
// long to load, and whether an earlier run has done a part. The share that is done never runs ahead.
func TestTimeLeft(t *testing.T) {
	for _, c := range []struct {
		name             string
		objects, records int
		took             time.Duration // by a request
		load             time.Duration // of the model
		gzip, resumed    bool
	}{
		{name: "one small file, slow host", objects: 1, records: 2000, took: 10 * time.Second},
		{name: "one large file, fast host", objects: 1, records: 100_000, took: 10 * time.Millisecond},
		{name: "many small files", objects: 200, records: 20, took: time.Second},
		{name: "a model that loads for long", objects: 1, records: 2000, took: time.Second, load: time.Hour},
		{name: "compressed", objects: 20, records: 200, took: time.Second, gzip: true},
		{name: "resumed", objects: 1, records: 2000, took: time.Second, resumed: true},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := smallJob(c.objects, c.records)
			w.hosts[0].pace = c.took
			if c.gzip {
				for i := range w.objects {
					w.pack(t, &w.objects[i])
				}
			}
			if c.resumed {
				w.stopAfter(t, c.objects*c.records/10/2)
				w.hosts[0].script = nil
			}
			var said []transform.Snapshot
			began := w.watched(t, c.load, func(s transform.Snapshot) { said = append(said, s) })
			end := said[len(said)-1].Time
			total := end.Sub(began.Add(c.load)).Seconds()
			judged := 0
			for _, s := range said {
				if gone := s.Time.Sub(began.Add(c.load)).Seconds(); gone < total/10 || gone > total*9/10 {
					continue
				}
				judged++
				left := end.Sub(s.Time).Seconds()
				if math.Abs(s.ETASeconds-left) > total/5 {
					t.Errorf("%s: %.0f s of %.0f are left, and %.0f are said to be", c.name, left, total, s.ETASeconds)
					return
				}
			}
			if judged < 5 {
				t.Errorf("%s: %d snapshots of %d", c.name, judged, len(said))
			}
			if last := said[len(said)-1]; last.Bytes != last.TotalBytes {
				t.Errorf("%s: %d of %d bytes in the end", c.name, last.Bytes, last.TotalBytes)
			}
		})
	}
}

// pack compresses an object in its place; its name says so.
func (w *world) pack(t *testing.T, o *simObject) {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	for _, r := range o.records {
		_, _ = z.Write([]byte(r.text + r.eol))
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	if err := w.input.Remove(t.Context(), o.name); err != nil {
		t.Fatal(err)
	}
	if err := w.input.Put(o.name+".jsonl.gz", b.Bytes()); err != nil {
		t.Fatal(err)
	}
}

// watched runs the job on a host that is ready after a while, tells its progress once a hundredth of the
// time that its requests take, and again at the end, and returns when it began.
func (w *world) watched(t *testing.T, load time.Duration, tell func(transform.Snapshot)) (began time.Time) {
	t.Helper()
	spec := w.spec
	spec.ReadyTimeout = 1 << 62
	if err := spec.Validate(); err != nil {
		t.Fatal(err)
	}
	p, err := plan.New(t.Context(), spec, []plan.Source{{Store: w.input}}, w.output, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	progress, ended := new(transform.Progress), make(chan bool)
	began = time.Now()
	go func() {
		defer close(ended)
		for tick := time.NewTicker(w.hosts[0].pace); ; {
			select {
			case <-tick.C:
				tell(progress.Snapshot())
			case <-ctx.Done():
				tick.Stop()
				return
			}
		}
	}()
	host := lateHost{w.hosts[0], began.Add(load)}
	if _, err := transform.Run(t.Context(), p, workers.Fleet{Hosts: []workers.Host{host}}, progress); err != nil {
		t.Fatal(err)
	}
	stop()
	<-ended
	tell(progress.Snapshot())
	return began
}

// lateHost is a host that is not ready before its time.
type lateHost struct {
	*fakeHost
	ready time.Time
}

func (l lateHost) Ready(ctx context.Context) (workers.Parameters, error) {
	if time.Now().Before(l.ready) {
		return workers.Parameters{}, &workers.TransportError{Host: l.name, Cause: workers.Unreachable, Err: context.DeadlineExceeded}
	}
	return l.fakeHost.Ready(ctx)
}
