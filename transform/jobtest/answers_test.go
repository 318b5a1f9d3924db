package jobtest

import (
	"bytes"
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/batchmill/batchmill/formats"
	"github.com/batchmill/batchmill/transform/manifest"
	"github.com/batchmill/batchmill/transform/plan"
	"github.com/batchmill/batchmill/workers"
)

// TestUnframedResponseIsNotBelieved: a response that ended with its connection,
// in the middle of the last answer, holds as many answers as records. The last
// one is wrong all the same: 12 for 12.5.
func TestUnframedResponseIsNotBelieved(t *testing.T) {
	for _, lost := range []int{1, 2, 3, 4} {
		synctest.Test(t, func(t *testing.T) {
			w := smallJob(1, 30)
			w.hosts[0].script = func(n int) fault {
				if n == 1 {
					return cut(lost)
				}
				return nil
			}
			if _, err := w.runOn(t.Context(), w.input, w.output); err != nil {
				t.Fatal(err)
			}
			if diff := w.wholeOutput(0); diff != "" {
				t.Errorf("%d bytes lost: %s", lost, diff)
			}
			if w.hosts[0].count != 4 {
				t.Errorf("%d bytes lost: %d requests for 3 batches, of which one broke off once", lost, w.hosts[0].count)
			}
		})
	}
}

// TestBusyUsesUpNoTries: however often a host has no room, its batch goes on to
// have all its attempts: one broken connection after that does not split it.
func TestBusyUsesUpNoTries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const busy = 12
		w := smallJob(1, 10)
		w.hosts[0].script = func(n int) fault {
			switch {
			case n < busy:
				return status(503, time.Second)
			case n == busy:
				return broken
			}
			return nil
		}
		if _, err := w.runOn(t.Context(), w.input, w.output); err != nil {
			t.Fatal(err)
		}
		if got, want := w.hosts[0].count, busy+2; got != want {
			t.Errorf("%d requests, want %d: the batch was split", got, want)
		}
		if diff := w.wholeOutput(0); diff != "" {
			t.Error(diff)
		}
	})
}

// TestIdempotencyKeysBelongToOnePayload: the same key for the same records and
// for no others, across batches, objects, splits and retries.
func TestIdempotencyKeysBelongToOnePayload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := smallJob(2, 30, 7, 41)
		asked := map[string]string{} // key -> ids
		keys := map[string]string{}  // ids -> key
		w.hosts[0].script = func(n int) fault {
			return func(h *fakeHost, r *workers.Request, ids []int) (workers.Response, error) {
				list := fmt.Sprint(ids)
				if was, ok := asked[r.Key]; ok && was != list {
					t.Errorf("key %s is used for %s and for %s", r.Key, was, list)
				}
				if was, ok := keys[list]; ok && was != r.Key {
					t.Errorf("%s is asked for with the keys %s and %s", list, was, r.Key)
				}
				asked[r.Key], keys[list] = list, r.Key
				if want := w.objects[ids[0]/30].name; r.Object != want || r.First != int64(ids[0]%30+1) {
					t.Errorf("%s is said to begin at %s, record %d", list, r.Object, r.First)
				}
				if _, poisoned := payloadIDs(r); poisoned {
					return workers.Response{Status: 400}, nil
				}
				return workers.Response{Status: 200, ContentType: r.Accept, Body: h.render(r, ids)}, nil
			}
		}
		res, err := w.runOn(t.Context(), w.input, w.output)
		if err != nil || res.Manifest.Totals.Rejected != 2 {
			t.Errorf("%+v, %v", res, err)
		}
	})
}

// TestMisfitAnswerIsAReject: an answer of another width than the job's first one
// cannot stand in a CSV output.
func TestMisfitAnswerIsAReject(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := smallJob(1, 0)
		w.spec.InputFormat, w.spec.Header = "csv", "no"
		if err := w.input.Put("o0", []byte("0,a\n1,b\n2,c\n")); err != nil {
			t.Fatal(err)
		}
		w.hosts[0].script = func(int) fault {
			return func(_ *fakeHost, r *workers.Request, _ []int) (workers.Response, error) {
				return workers.Response{Status: 200, ContentType: r.Accept, Body: []byte("0.5\n1.5,9\n2.5\n")}, nil
			}
		}
		res, err := w.runOn(t.Context(), w.input, w.output)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := string(w.output.Snapshot()["o0"]), "0,a,0.5\n1,b,\n2,c,2.5\n"; got != want {
			t.Errorf("output is %q, want %q", got, want)
		}
		if c := res.Manifest.Objects[0].Counts; c != (manifest.Counts{In: 3, Out: 3, Answered: 2, Rejected: 1}) {
			t.Errorf("counts are %+v", c)
		}
		rej, err := manifest.DecodeReject(w.output.Snapshot()[plan.RejectsDir+"/o0.jsonl"])
		if err != nil || rej.Record != 2 || rej.Reason != string(formats.ReasonBadAnswer) {
			t.Errorf("the reject is %+v, %v", rej, err)
		}
	})
}

// TestEmptyResponsesAreKept: with --answers per-batch a response may be empty.
// Its batch keeps it like any other, and nobody else gets its memory: else two
// later responses would be written into one piece of it.
func TestEmptyResponsesAreKept(t *testing.T) {
	passes := func(id int) bool { return id/5%3 != 0 } // every third batch has nothing that does
	filter := func(h *fakeHost, r *workers.Request, ids []int) (workers.Response, error) {
		body := ""
		for _, id := range ids {
			if passes(id) {
				body += answerTo(id) + "\n"
			}
		}
		out := r.Into[:0]
		if cap(out) < len(body) {
			if err := r.Reserve(context.Background(), 4096); err != nil {
				return workers.Response{}, err
			}
			out = make([]byte, 0, 4096)
		}
		out = append(out, body[:len(body)/2]...)
		time.Sleep(10 * time.Millisecond) // others are answered while this one comes in
		return workers.Response{Status: 200, ContentType: r.Accept, Body: append(out, body[len(body)/2:]...)}, nil
	}
	for range 5 {
		synctest.Test(t, func(t *testing.T) {
			w := smallJob(1, 2000)
			w.spec.Join, w.spec.Answers, w.spec.OnBad = "none", "per-batch", "skip"
			w.spec.Concurrency, w.spec.BatchRecords = 4, 5
			w.hosts[0].latency = 20 * time.Millisecond
			w.hosts[0].script = func(int) fault { return filter }
			if _, err := w.runOn(t.Context(), w.input, w.output); err != nil {
				t.Fatal(err)
			}
			var want bytes.Buffer
			for id := range 2000 {
				if passes(id) {
					want.WriteString(answerTo(id) + "\n")
				}
			}
			if got := w.output.Snapshot()["o0"]; !bytes.Equal(got, want.Bytes()) {
				t.Fatal(difference(got, want.Bytes()))
			}
		})
	}
}
