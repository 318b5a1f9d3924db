package jobtest

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/batchmill/batchmill/transform/manifest"
	"github.com/batchmill/batchmill/transform/store"
)

// looked counts how objects are looked at: every one of these is a request on S3.
type looked struct {
	*store.Memory
	opens, stats, reads atomic.Int64
}

func (l *looked) Open(ctx context.Context, name string) (store.Reader, store.Info, error) {
	l.opens.Add(1)
	r, info, err := l.Memory.Open(ctx, name)
	return &lookedReader{r, l}, info, err
}

func (l *looked) Stat(ctx context.Context, name string) (store.Info, error) {
	l.stats.Add(1)
	return l.Memory.Stat(ctx, name)
}

type lookedReader struct {
	store.Reader
	l *looked
}

var _ io.ReaderAt = (*lookedReader)(nil)

func (r *lookedReader) ReadAt(p []byte, off int64) (int, error) {
	r.l.reads.Add(1)
	return r.Reader.ReadAt(p, off)
}

// TestLookAtFirstBytesIsFree: a job opens each object once, and one object once more to plan; an
// object whose first bytes disagree fails alone, without another look.
func TestLookAtFirstBytesIsFree(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 60
		w := smallJob(1, 1)
		in := &looked{Memory: store.NewMemory()}
		for i := range n {
			text := `{"id":1}` + "\n"
			if i%10 == 5 {
				text = "\x1f\x8b\x08 and more"
			}
			if err := in.Put(fmt.Sprintf("o%02d.jsonl", i), []byte(text)); err != nil {
				t.Fatal(err)
			}
		}
		w.spec.InputFormat = ""
		res, err := w.runOn(t.Context(), in, w.output)
		if err != nil {
			t.Fatal(err)
		}
		failed := 0
		for i := range res.Manifest.Objects {
			o := &res.Manifest.Objects[i]
			odd := i%10 == 5
			if odd != (o.Status == manifest.Failed && strings.Contains(o.Error, "it is gzip data")) {
				t.Errorf("%s: %s %s", o.Input.URI, o.Status, o.Error)
			}
			if odd {
				failed++
			}
		}
		if opens := in.opens.Load(); opens > n+1 || in.stats.Load()+in.reads.Load() > 0 {
			t.Errorf("%d objects, %d failed: opened %d times, %d other looks", n, failed, opens, in.stats.Load()+in.reads.Load())
		}
	})
}
