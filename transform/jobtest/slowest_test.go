package jobtest

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/batchmill/batchmill/transform"
	"github.com/batchmill/batchmill/transform/store"
)

// slowReading is a store whose objects take long to read.
type slowReading struct{ store.Store }

func (s slowReading) Open(ctx context.Context, name string) (store.Reader, store.Info, error) {
	r, info, err := s.Store.Open(ctx, name)
	return slowReader{r}, info, err
}

type slowReader struct{ store.Reader }

func (r slowReader) Read(b []byte) (int, error) {
	time.Sleep(time.Second)
	return r.Reader.Read(b[:min(len(b), 500)])
}

// TestSlowest: what held a job back is told rightly, for one small input too.
func TestSlowest(t *testing.T) {
	for _, c := range []struct {
		name             string
		objects, records int
		host             time.Duration
		read, write      bool
		want             transform.Stage
	}{
		{"one small input, slow host", 1, 30, time.Second, false, false, transform.Hosts},
		{"one batch, slow host", 1, 5, time.Second, false, false, transform.Hosts},
		{"small inputs, slow host", 20, 5, time.Second, false, false, transform.Hosts},
		{"slow input", 3, 300, 10 * time.Millisecond, true, false, transform.Reading},
		{"slow input, slower host", 3, 300, 3 * time.Second, true, false, transform.Hosts},
		{"slow output", 3, 300, 10 * time.Millisecond, false, true, transform.Writing},
		{"slow output, slower host", 3, 300, time.Minute, false, true, transform.Hosts},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := smallJob(c.objects, c.records)
			w.hosts[0].pace = c.host
			var in, out store.Store = w.input, w.output
			if c.read {
				in = slowReading{in}
			}
			if c.write {
				out = slowWriting{replacing{Store: w.output, Keeper: w.output, Locker: w.output, replace: func() {}}, func() { time.Sleep(time.Second) }}
			}
			result, err := w.runOn(t.Context(), in, out)
			if err != nil {
				t.Fatal(err)
			}
			if result.Slowest != c.want {
				t.Errorf("%s: held back by %s, want %s", c.name, result.Slowest, c.want)
			}
		})
	}
}
