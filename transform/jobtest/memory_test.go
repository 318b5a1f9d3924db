package jobtest

import (
	"context"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/batchmill/batchmill/transform/job"
	"github.com/batchmill/batchmill/transform/store"
	"github.com/batchmill/batchmill/workers"
)

// liveHeap is the number of bytes that are in use.
func liveHeap() int64 {
	for range 2 { // pools keep what they hold through one collection
		runtime.GC()
	}
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
		w.spec.Memory, w.spec.MaxRecord, w.spec.BatchRecords, w.spec.BatchBytes = 4*job.MinMemory, 1<<16, 10000, 1<<18
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

// largeAnswers is a job of short records, each of which has an answer of 64 KiB: six
// times as much as its --memory.
func largeAnswers() (w *world, answer string) {
	const records = 400
	w = smallJob(1, records)
	w.spec.Memory, w.spec.MaxRecord, w.spec.BatchRecords, w.spec.Concurrency = 4*job.MinMemory, 1<<16, 1, 32
	return w, `"` + strings.Repeat("a", 64<<10) + `"`
}

// TestAnswersCountInTheBudget: behind a slow request, answers wait that are many times as
// large as their records. What they take in each of their forms fills the window.
func TestAnswersCountInTheBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, answer := largeAnswers()
		ctx, cancel := context.WithCancel(t.Context())
		before, grown := liveHeap(), int64(0)
		w.hosts[0].script = func(n int) fault {
			if n > 0 {
				return saying(ctx, answer)
			}
			return func(*fakeHost, *workers.Request, []int) (workers.Response, error) {
				time.Sleep(time.Hour) // until nothing more can be done without this answer
				grown = liveHeap() - before
				cancel()
				return workers.Response{}, ctx.Err()
			}
		}
		if _, err := w.runOn(ctx, w.input, w.output); err == nil {
			t.Fatal("not cancelled")
		}
		if most := int64(w.spec.Memory) * 3 / 2; grown < most/4 || grown > most {
			t.Errorf("%d bytes are in use with --memory %s", grown, w.spec.Memory)
		}
	})
}

// TestLoggedAnswersCountInTheBudget: answers from the log that wait behind a slow retry fill
// the window as answers from hosts do.
func TestLoggedAnswersCountInTheBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, answer := largeAnswers()
		first := func(say fault) func(int) fault { // what is said about record 0
			return func(int) fault {
				return func(h *fakeHost, r *workers.Request, ids []int) (workers.Response, error) {
					if slices.Contains(ids, 0) {
						return say(h, r, ids)
					}
					return saying(t.Context(), answer)(h, r, ids)
				}
			}
		}
		w.hosts[0].script = first(status(400, 0))
		if _, err := w.runOn(t.Context(), w.input, w.output); err != nil {
			t.Fatal(err)
		}
		before, grown := liveHeap(), int64(0)
		w.hosts[0].script = first(func(h *fakeHost, r *workers.Request, ids []int) (workers.Response, error) {
			time.Sleep(time.Hour) // until nothing more is read
			grown = liveHeap() - before
			return saying(t.Context(), answer)(h, r, ids)
		})
		if _, err := w.retryOn(t.Context(), w.output); err != nil {
			t.Fatal(err)
		}
		if most := int64(w.spec.Memory) * 5 / 2; grown < most/4 || grown > most {
			t.Errorf("%d bytes are in use with --memory %s", grown, w.spec.Memory)
		}
	})
}

// slowWriting is a store whose objects' first write is slow.
type slowWriting struct {
	replacing
	slow func()
}

func (s slowWriting) Create(ctx context.Context, name string, mode store.Mode) (store.Object, error) {
	o, err := s.replacing.Create(ctx, name, mode)
	return slowObject{o, s.slow}, err
}

type slowObject struct {
	store.Object
	slow func()
}

func (o slowObject) Write(b []byte) (int, error) {
	o.slow()
	return o.Object.Write(b)
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
