package jobtest

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/batchmill/batchmill/transform/job"
	"github.com/batchmill/batchmill/workers"
)

// answerSizes are bytes of an answer, of which a batch's are a part of the
// least memory, or most of it.
var answerSizes = []int{2000, 3300, 8900}

// tightJob gives w the least memory and several requests at a time, so that
// large answers wait for memory behind each other. It returns a deadline for
// the job: one that waits for itself ends there.
func (w *world) tightJob(t *testing.T) context.Context {
	w.spec.Memory, w.spec.MaxRecord, w.spec.Concurrency = job.MinMemory, 1<<16, 4
	w.hosts[0].pace = time.Millisecond
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Hour)
	t.Cleanup(cancel)
	return ctx
}

// slowFor takes a second for every payload that holds the text.
func slowFor(text string, f fault) fault {
	return func(h *fakeHost, r *workers.Request, ids []int) (workers.Response, error) {
		if bytes.Contains(r.Body, []byte(text)) {
			time.Sleep(time.Second)
		}
		return f(h, r, ids)
	}
}

// TestFullWindowBeforeTheWidth: the first batch has no answer and waits for the
// width of answers, the second one, which has it, is slow. Meanwhile those
// behind fill the memory with their answers. The second gets what it needs all
// the same: the head of the window is the oldest batch that is not answered,
// not the oldest that is not written.
func TestFullWindowBeforeTheWidth(t *testing.T) {
	for _, size := range answerSizes {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := csvJob(1500, 10)
				ctx := w.tightJob(t)
				w.hosts[0].script = func(int) fault {
					return slowFor("10,good", saying(ctx, strings.Repeat("x", size)))
				}
				res, err := w.runOn(ctx, w.input, w.output)
				if err != nil {
					t.Fatalf("after %d requests: %v", w.hosts[0].count, err)
				}
				if c := res.Manifest.Totals; c.In != 1500 || c.Rejected != 10 {
					t.Errorf("%+v", c)
				}
			})
		})
	}
}

// TestBadRecordBeforeAFullWindow: a record of the oldest batch fails alone,
// while all others wait for the memory that this batch holds back. They count as
// nobody who could still prove that the host is well: else the record would be
// asked about again for ever, each for the other's sake.
func TestBadRecordBeforeAFullWindow(t *testing.T) {
	for _, size := range answerSizes {
		for _, code := range []int{400, 500} {
			t.Run(fmt.Sprintf("%d/%d", size, code), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := smallJob(1, 1500, 9)
					ctx := w.tightJob(t)
					w.hosts[0].script = func(int) fault {
						return slowFor("poison", func(h *fakeHost, r *workers.Request, ids []int) (workers.Response, error) {
							if bytes.Contains(r.Body, []byte("poison")) {
								return status(code, 0)(h, r, ids)
							}
							return saying(ctx, `"`+strings.Repeat("x", size)+`"`)(h, r, ids)
						})
					}
					begin := time.Now()
					res, err := w.runOn(ctx, w.input, w.output)
					if err != nil || res.Manifest.Totals.Rejected != 1 {
						t.Fatalf("record 10 was asked about %d times: %v", w.hosts[0].asked[9], err)
					}
					if took := time.Since(begin); took > 2*time.Minute {
						t.Errorf("it took %v, and record 10 was asked about %d times", took, w.hosts[0].asked[9])
					}
				})
			})
		}
	}
}
