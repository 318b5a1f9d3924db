package transform

import (
	"context"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/batchmill/batchmill/workers"
)

// liveHeap is the number of bytes that are in use.
func liveHeap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// TestRejectsCountInTheBudget: behind a slow batch there are nothing but short
// flawed records, each with a reject many times its size. They fill the window
// as answers do, and the reading side waits for them.
func TestRejectsCountInTheBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := smallJob(1, 10)
		w.spec.Memory, w.spec.MaxRecord, w.spec.BatchRecords, w.spec.BatchBytes = 4*minMemory, 1<<16, 10000, 1<<18
		good := strings.Repeat(`{"id":1}`+"\n", 10000) // the first batch
		if err := w.input.Put("o0", []byte(good+strings.Repeat("x\n", 500_000))); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		before, grown := liveHeap(), int64(0)
		w.hosts[0].script = func(int) fault {
			return func(*fakeHost, *workers.Request, []int) (workers.Response, error) {
				time.Sleep(time.Hour) // until nothing more can be done without this answer
				grown = liveHeap() - before
				cancel() // what comes behind has been seen
				return workers.Response{}, ctx.Err()
			}
		}
		if _, err := w.runOn(ctx, w.input, w.output); err == nil {
			t.Fatal("not cancelled")
		}
		if grown == 0 || grown > 4*int64(w.spec.Memory) {
			t.Errorf("%d bytes are in use with --memory %s", grown, w.spec.Memory)
		}
	})
}

// TestSmallObjectsStaySmall: what a job keeps for each of its objects to the
// end (its name, its pin, its line of the manifest) is a few kilobytes.
func TestSmallObjectsStaySmall(t *testing.T) {
	const objects = 4000
	w := smallJob(objects, 1)
	w.objects = nil
	before, grown := liveHeap(), int64(0)
	w.hosts[0].script = func(n int) fault {
		if n == objects-1 {
			grown = liveHeap() - before
		}
		return nil
	}
	if _, err := w.runOn(t.Context(), w.input, w.output); err != nil {
		t.Fatal(err)
	}
	if grown == 0 || grown/objects > 4<<10 {
		t.Errorf("%d bytes are kept for each object", grown/objects)
	}
}
